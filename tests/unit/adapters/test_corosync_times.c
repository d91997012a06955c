/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether corosync's times fit the watchdog, with the numbers that are told; and what the package's
 * example looks like.
 */
#include "adapters/corosync/check_times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct corosync_config with(uint32_t token_ms, uint32_t consensus_ms) {
    return (struct corosync_config){.token_ms = token_ms, .consensus_ms = consensus_ms};
}

/* token and consensus as corosync computes them | watchdog_ms | fits | the least that is told */
static void times(void **state) {
    static const struct {
        uint32_t token, consensus;
        uint64_t watchdog, least;
        bool fits;
    } cases[] = {
        {300, 360, 5000, 3000, true},     /* the example */
        {1000, 1200, 5000, 5000, true},   /* the lab */
        {1000, 1200, 4200, 5000, true},   /* to the millisecond */
        {1000, 1200, 4199, 5000, false},  /* one less */
        {3000, 3600, 5000, 9000, false},  /* corosync's own, two nodes */
        {3650, 4380, 5000, 11000, false}, /* three */
        {3650, 4380, 10029, 11000, false},
        {3650, 4380, 11000, 11000, true},
        {5600, 6720, 11000, 15000, false}, /* six */
        {3650, 4380, 0, 11000, true},      /* no watchdog */
        {0, 0, 3000, 3000, true},          /* corosync does not say */
        {4294967295u, 4294967295u, 600000, 8589937000, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char message[512] = "", least[64];
        struct corosync_config c = with(cases[i].token, cases[i].consensus);
        assert_int_equal(fit_watchdog(&c, cases[i].watchdog, message, sizeof(message)),
                         cases[i].fits);
        assert_int_equal(fit_least_watchdog_ms(c.token_ms, c.consensus_ms), cases[i].least);
        (void)snprintf(least, sizeof(least), "to at least %llu in",
                       (unsigned long long)cases[i].least);
        assert_int_equal(strstr(message, least) != NULL, !cases[i].fits);
        assert_true(fit_watchdog(&c, cases[i].least, message, sizeof(message)));
    }
}

/* What is proposed for corosync.conf fits, too. */
static void proposals(void **state) {
    (void)state;
    for (uint64_t watchdog = 3000; watchdog <= 600000; watchdog += 500) {
        char message[512] = "";
        struct corosync_config c = with(400000, 480000);
        unsigned int token = 0, consensus = 0;
        assert_false(fit_watchdog(&c, watchdog, message, sizeof(message)));
        const char *at = strstr(message, "totem {");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "totem { token: %u token_coefficient: 0 consensus: %u }",
                                &token, &consensus),
                         2);
        assert_true(token >= 300 && token <= 1000 && consensus == token * 12 / 10);
        c = with(token, consensus);
        assert_true(fit_watchdog(&c, watchdog, message, sizeof(message)));
    }
}

static void whole_line(void **state) {
    char message[512] = "";
    struct corosync_config c = with(3650, 4380);
    (void)state;
    assert_false(fit_watchdog(&c, 5000, message, sizeof(message)));
    assert_string_equal(
        message,
        "watchdog_ms 5000 is too short for corosync's token 3650 ms and consensus 4380 ms: when "
        "one node died, the watchdogs would reset all others too; set watchdog_ms to at least "
        "11000 in clusterd.conf, or in corosync.conf  totem { token: 1000  token_coefficient: 0  "
        "consensus: 1200 }");
}

static void package_example(void **state) {
    static const struct {
        const char *address;
        uint32_t nodes;
        bool example;
    } cases[] = {{"127.0.0.1", 1, true}, {"127.1.2.3", 1, true},  {"::1", 1, true},
                 {"10.0.0.1", 1, false}, {"127.0.0.1", 2, false}, {"", 1, false},
                 {"12.7.0.1", 1, false}, {"localhost", 1, true}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct corosync_config c = {.n_nodes = cases[i].nodes};
        (void)snprintf(c.addresses[0], sizeof(c.addresses[0]), "%s", cases[i].address);
        assert_int_equal(fit_is_package_example(&c), cases[i].example);
    }
}

static void lists(void **state) {
    char text[64];
    struct corosync_config a = {.n_nodes = 2, .nodes = {{1, "n1", 1}, {2, "n2", 1}}}, b = a;
    (void)state;
    assert_true(fit_same_nodes(&a, &b));
    b.nodes[1].votes = 2;
    assert_false(fit_same_nodes(&a, &b));
    b = a;
    b.nodes[b.n_nodes++] = (struct view_node){3, "n3", 1};
    assert_false(fit_same_nodes(&a, &b));
    fit_nodes_text(&b, text, sizeof(text));
    assert_string_equal(text, "3 nodes: n1 n2 n3");
    fit_nodes_text(&b, text, 12);
    assert_string_equal(text, "3 nodes: n1");
}

/* corosync.conf(5): crypto_cipher stands above secauth, and only knet encrypts. */
static void encryption(void **state) {
    static const struct {
        const char *transport, *secauth, *cipher;
        bool encrypts;
    } cases[] = {
        {"", "", "", false},       {"knet", "", "none", false},   {"", "off", "", false},
        {"", "on", "", true},      {"", "", "aes256", true},      {"knet", "off", "aes128", true},
        {"", "on", "none", false}, {"udpu", "", "aes256", false}, {"udp", "on", "", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(corosync_config_encrypts(cases[i].transport, cases[i].secauth,
                                                  cases[i].cipher),
                         cases[i].encrypts);
    }
    struct corosync_config c = {.n_nodes = 2, .in_clear = 1};
    assert_false(fit_is_private(&c));
    c.n_nodes = 1;
    assert_true(fit_is_private(&c));
    c = (struct corosync_config){.n_nodes = 2};
    assert_true(fit_is_private(&c));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),           cmocka_unit_test(proposals),
        cmocka_unit_test(encryption),      cmocka_unit_test(whole_line),
        cmocka_unit_test(package_example), cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests_name("adapters_corosync_fit", tests, NULL, NULL);
}
