/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The texts of fence agents; see fence_text.h.
 *
 * Parameters that name the node to the device: `plug` is today's name, `port` the older one; an
 * agent that does not know one of them says so and continues. Pacemaker gives `nodename` to every
 * agent, so all agents accept it.
 */
#include "adapters/agents/fence_text.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODE_MARK "{node}"

bool fence_agent_name_valid(const char *name) {
    static const char prefix[] = "fence_";
    size_t skip = sizeof(prefix) - 1;
    return strncmp(name, prefix, skip) == 0 && name[skip] != '\0' &&
           strlen(name) <= WIRE_MAX_NAME &&
           name[skip + strspn(name + skip, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void append_text(struct buffer *out, const char *text) {
    buffer_append(out, text, strlen(text));
}

static void append_value(struct buffer *out, const char *value, const char *node) {
    for (const char *mark = strstr(value, NODE_MARK); mark; mark = strstr(value, NODE_MARK)) {
        buffer_append(out, value, (size_t)(mark - value));
        append_text(out, node);
        value = mark + strlen(NODE_MARK);
    }
    append_text(out, value);
}

static void append_line(struct buffer *out, const char *key, const char *value, const char *node) {
    append_text(out, key);
    append_text(out, "=");
    append_value(out, value, node);
    append_text(out, "\n");
}

static bool param_is(const struct core_param *param, const char *const *names) {
    for (; *names; names++) {
        if (strcmp(param->key, *names) == 0) {
            return true;
        }
    }
    return false;
}

int fence_input(const struct core_fence_order *order, const char *action, struct buffer *out,
                const char **ret_why) {
    static const char *const ours[] = {"action", "option", "nodename", NULL};
    static const char *const naming[] = {"plug", "port", NULL};
    bool named = false;
    append_line(out, "action", action, "");
    append_line(out, "nodename", order->node, "");
    for (uint32_t i = 0; i < order->n_params; i++) {
        const struct core_param *param = &order->params[i];
        if (param->key[0] == '\0' || strpbrk(param->key, "= \t\r\n#") ||
            strpbrk(param->value, "\r\n")) {
            *ret_why = "a parameter of the device is empty, or holds a newline or another "
                       "forbidden character";
            return -EINVAL;
        }
        if (param_is(param, ours)) {
            continue; /* the device's parameters must not say what to do, or to which node */
        }
        named = named || param_is(param, naming) || strstr(param->value, NODE_MARK) != NULL;
        append_line(out, param->key, param->value, order->node);
    }
    if (!named) {
        append_line(out, "plug", order->node, "");
        append_line(out, "port", order->node, "");
    }
    return out->failed ? -ENOMEM : 0;
}

/* A secret in the form that the agent got; NULL if the parameter is not secret. In the arena. */
static char *secret_of(const struct core_param *param, const char *node, struct arena *arena,
                       bool *ret_failed) {
    struct buffer sent;
    size_t at = 0;
    size_t n = 0;
    char *secret = NULL;
    buffer_init(&sent);
    append_value(&sent, param->value, node);
    buffer_append_u8(&sent, 0);
    if (sent.failed) {
        *ret_failed = true;
    } else if (secret_param(param->key, (const char *)sent.data, &at, &n)) {
        secret = arena_printf(arena, "%.*s", (int)n, (const char *)sent.data + at);
        *ret_failed = *ret_failed || !secret;
    }
    if (sent.data) {
        explicit_bzero(sent.data, sent.size);
    }
    buffer_finish(&sent);
    return secret;
}

static int longer_first(const void *a, const void *b) {
    size_t n = strlen(*(char *const *)a);
    size_t m = strlen(*(char *const *)b);
    return (n < m) - (n > m);
}

bool fence_has_secrets(const struct core_fence_order *order) {
    for (uint32_t i = 0; i < order->n_params; i++) {
        if (secret_param(order->params[i].key, order->params[i].value, NULL, NULL)) {
            return true;
        }
    }
    return false;
}

void fence_mask(const struct core_fence_order *order, char *text) {
    struct arena arena;
    bool failed = false;
    size_t n = 0;
    arena_init(&arena);
    char **secrets = arena_array(&arena, order->n_params, sizeof(*secrets));
    for (uint32_t i = 0; secrets && i < order->n_params; i++) {
        char *secret = secret_of(&order->params[i], order->node, &arena, &failed);
        if (secret) {
            secrets[n++] = secret;
        }
    }
    /* Longest first: a secret may begin with a shorter one, and its end would remain. */
    if (n > 1) {
        qsort(secrets, n, sizeof(*secrets), longer_first);
    }
    for (size_t i = 0; i < n; i++) {
        failed = secret_mask(text, secrets[i]) < 0 || failed;
        explicit_bzero(secrets[i], strlen(secrets[i]));
    }
    if (!secrets || failed) {
        text[0] = '\0'; /* rather no words than a secret among them */
    }
    arena_finish(&arena);
}

enum fence_said fence_status_line(enum fence_said before, const char *line) {
    static const char head[] = "Status:";
    if (strncmp(line, head, sizeof(head) - 1) != 0) {
        return before;
    }
    const char *word = line + sizeof(head) - 1;
    word += strspn(word, " \t");
    size_t n = strcspn(word, " \t\r");
    bool last = word[n + strspn(word + n, " \t\r")] == '\0';
    enum fence_said said = SAID_BOTH;
    if (last && n == strlen("ON") && strncmp(word, "ON", n) == 0) {
        said = SAID_ON;
    } else if (last && n == strlen("OFF") && strncmp(word, "OFF", n) == 0) {
        said = SAID_OFF;
    }
    return before == SAID_NOTHING || before == said ? said : SAID_BOTH;
}

bool fence_metadata_offers(const char *metadata, const char *action) {
    size_t n = strlen(action);
    for (const char *at = strstr(metadata, "<action"); at; at = strstr(at + 1, "<action")) {
        const char *end = strchr(at, '>');
        const char *name = strstr(at, "name=");
        if (end && name && name < end) {
            name += strlen("name=");
            if ((*name == '"' || *name == '\'') && strncmp(name + 1, action, n) == 0 &&
                name[n + 1] == *name) {
                return true;
            }
        }
    }
    return false;
}
