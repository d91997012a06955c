/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks numbers and addresses of corosync's configuration; see corosync/check_times.h.
 */
#include "adapters/corosync/check_times.h"

#include "core/timeouts.h"

#include <stdio.h>
#include <string.h>

/* The proposal for corosync.conf: at most the default of former corosync versions, which bears a
 * busy network, and low enough that consensus can stay 1.2 times the token. */
#define TOKEN_PROPOSED_MS 1000u

static uint64_t for_the_rest_ms(void) {
    return TIMEOUT_HEARTBEAT_MS + TIMEOUT_VIEW_MS;
}

static uint64_t round_up(uint64_t ms, uint64_t to) {
    return (ms + to - 1) / to * to;
}

uint64_t fit_least_watchdog_ms(uint64_t token_ms, uint64_t consensus_ms) {
    uint64_t least = round_up(token_ms + consensus_ms + for_the_rest_ms(), 1000);
    return least > TIMEOUT_WATCHDOG_MIN_MS ? least : TIMEOUT_WATCHDOG_MIN_MS;
}

static uint64_t fitting_token_ms(uint64_t watchdog_ms) {
    uint64_t token = (watchdog_ms - for_the_rest_ms()) * 10 / 22 / 100 * 100;
    return token < TOKEN_PROPOSED_MS ? token : TOKEN_PROPOSED_MS;
}

bool fit_watchdog(const struct corosync_config *c, uint64_t watchdog_ms, char *ret_message,
                  size_t size) {
    uint64_t ring_ms = (uint64_t)c->token_ms + c->consensus_ms;
    if (watchdog_ms == 0 || ring_ms == 0 || watchdog_ms >= ring_ms + for_the_rest_ms()) {
        return true;
    }
    uint64_t token_ms = fitting_token_ms(watchdog_ms);
    (void)snprintf(
        ret_message, size,
        "watchdog_ms %llu is too short for corosync's token %u ms and consensus %u ms: when one "
        "node died, the watchdogs would reset all others too; set watchdog_ms to at least %llu "
        "in clusterd.conf, or in corosync.conf  totem { token: %llu  token_coefficient: 0  "
        "consensus: %llu }",
        (unsigned long long)watchdog_ms, c->token_ms, c->consensus_ms,
        (unsigned long long)fit_least_watchdog_ms(c->token_ms, c->consensus_ms),
        (unsigned long long)token_ms, (unsigned long long)token_ms * 12 / 10);
    return false;
}

bool fit_is_package_example(const struct corosync_config *c) {
    const char *address = c->addresses[0];
    return c->n_nodes == 1 && (strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
                               strcmp(address, "localhost") == 0);
}

bool fit_is_private(const struct corosync_config *c) {
    return c->n_nodes < 2 || !c->in_clear;
}

bool fit_same_nodes(const struct corosync_config *a, const struct corosync_config *b) {
    bool same = a->n_nodes == b->n_nodes;
    for (uint32_t i = 0; same && i < a->n_nodes; i++) {
        same = a->nodes[i].id == b->nodes[i].id && a->nodes[i].votes == b->nodes[i].votes;
    }
    return same;
}

void fit_nodes_text(const struct corosync_config *c, char *ret_text, size_t size) {
    size_t used =
        (size_t)snprintf(ret_text, size, "%u node%s:", c->n_nodes, c->n_nodes == 1 ? "" : "s");
    for (uint32_t i = 0; i < c->n_nodes && used < size; i++) {
        used += (size_t)snprintf(ret_text + used, size - used, " %s", c->nodes[i].name);
    }
}
