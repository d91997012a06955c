/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as what a fence device's parameters are, what its agent prints, and what its metadata says.
 * Whatever they are: each line that the agent is told is one parameter, and of what it prints no
 * secret is left.
 *
 * The input: texts, each up to a NUL: device's agent, node, key, value, key, value; the rest:
 * output.
 */
#include "adapters/agents/fence_text.h"
#include "base/secret.h"
#include "base/check.h"
#include "fuzz/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS 2u
#define MASK_BYTES 4u /* a shorter secret is only masked where it stands alone */

/* Owned by the caller. */
static char *next_text(struct bytes *b) {
    size_t n = strnlen((const char *)b->data, b->left);
    struct wire_bytes part = bytes_part(b, n);
    (void)bytes_number(b, 1);
    char *text = strndup(part.data ? (const char *)part.data : "", part.size);
    CHECK(text != NULL);
    return text;
}

static void check_input(const struct core_fence_order *order) {
    struct buffer out;
    const char *why = NULL;
    uint32_t lines = 0;
    buffer_init(&out);
    int err = fence_input(order, "off", &out, &why);
    CHECK(err == 0 || (err == -EINVAL && why));
    for (size_t i = 0; err == 0 && i < out.size; i++) {
        lines += out.data[i] == '\n';
    }
    /* action, nodename, what is ours of the parameters; plug and port if none names the node. */
    CHECK(err < 0 || (lines >= 2 && lines <= 2 + order->n_params + 2));
    CHECK(err < 0 || memcmp(out.data, "action=off\n", 11) == 0);
    buffer_finish(&out);
}

static void check_masked(const struct core_fence_order *order, const char *text) {
    for (uint32_t i = 0; i < order->n_params; i++) {
        size_t at = 0, n = 0;
        const char *value = order->params[i].value;
        if (strstr(value, "{node}") || !secret_param(order->params[i].key, value, &at, &n)) {
            continue;
        }
        CHECK(at + n <= strlen(value));
        char *secret = strndup(value + at, n);
        CHECK(secret != NULL);
        if (n >= MASK_BYTES && !strchr(secret, '*')) {
            CHECK(!strstr(text, secret));
        }
        free(secret);
    }
}

/* A value that is secret as a whole, in hexadecimal, after what the agent printed. */
static void check_hex(const struct core_fence_order *order, const char *output) {
    const char *value = order->params[0].value;
    size_t n = strlen(value), head = strlen(output);
    if (n < MASK_BYTES || strstr(value, "{node}") || strncmp(order->params[0].key, "key", 3) != 0) {
        return;
    }
    char *text = malloc(head + 2 * n + 2);
    if (!text) {
        return;
    }
    memcpy(text, output, head);
    text[head] = '\n';
    for (size_t i = 0; i < n; i++) {
        (void)sprintf(text + head + 1 + 2 * i, "%02x", (unsigned)(uint8_t)value[i]);
    }
    fence_mask(order, text);
    CHECK(strspn(text + head + 1, "*") == 2 * n);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes b = {.data = data, .left = size};
    struct core_param params[PARAMS];
    char *texts[2 + 2 * PARAMS];
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        texts[i] = next_text(&b);
    }
    for (size_t i = 0; i < PARAMS; i++) {
        params[i] = (struct core_param){.key = texts[2 + 2 * i], .value = texts[3 + 2 * i]};
    }
    struct core_fence_order order = {
        .agent = texts[0], .node = texts[1], .params = params, .n_params = PARAMS};
    char *output = next_text(&b);
    size_t length = strlen(output);
    if (fence_agent_name_valid(order.agent)) {
        CHECK(!strpbrk(order.agent, "/. \n") && strlen(order.agent) <= WIRE_MAX_NAME);
    }
    /* A node's name comes from corosync, and is a word. */
    if (!strpbrk(order.node, "\r\n")) {
        check_input(&order);
    }
    if (fence_status_line(SAID_NOTHING, output) == SAID_OFF) {
        CHECK(strncmp(output, "Status:", 7) == 0 && strstr(output, "OFF") && !strstr(output, "ON"));
    }
    (void)fence_metadata_offers(output, "off");
    (void)fence_metadata_offers(output, order.agent);
    check_hex(&order, output);
    fence_mask(&order, output);
    CHECK(strlen(output) == length);
    check_masked(&order, output);
    free(output);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        free(texts[i]);
    }
    return 0;
}
