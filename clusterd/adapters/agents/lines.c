/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes the lines of resource agents; see agents/lines.h.
 *
 * A missing member is zero or "". A wrong type, or a number that is negative or too large, makes
 * the whole line invalid: refusing a line is better than believing half of it.
 */
#include "adapters/agents/lines.h"

#include "base/check.h"

#include <errno.h>
#include <string.h>

enum member_type { MEMBER_TEXT, MEMBER_U32, MEMBER_U64, MEMBER_BOOL, MEMBER_STATE, MEMBER_RESULT };

struct member {
    const char *name;
    enum member_type type;
    size_t offset;
};

#define AT(field) offsetof(struct core_agent, field)

static const struct member progress_members[] = {
#define X(S, TYPE, field, LIMIT) {#field, MEMBER_##TYPE, AT(field)},
    PROGRESS_FIELDS(X, )
#undef X
};
static const struct member result_members[] = {
    {"result", MEMBER_RESULT, AT(result)},
    {"state", MEMBER_STATE, AT(state)},
    {"reason", MEMBER_TEXT, AT(reason)},
    {"generation", MEMBER_U64, AT(generation)},
    {"blackout_ms", MEMBER_U64, AT(blackout_ms)},
    {"total_ms", MEMBER_U64, AT(total_ms)},
#define X(S, TYPE, field, LIMIT) {#field, MEMBER_##TYPE, AT(field)},
    MOVE_FIGURES(X, ) PREDICTION_FIELDS(X, )
#undef X
        {"refused", MEMBER_BOOL, AT(refused)},
    {"machine", MEMBER_TEXT, AT(machine)},
};
static const struct member domain_members[] = {
    {"name", MEMBER_TEXT, AT(name)},
    {"uuid", MEMBER_TEXT, AT(uuid)},
    {"generation", MEMBER_U64, AT(generation)},
    {"foreign", MEMBER_BOOL, AT(foreign)},
    {"state", MEMBER_STATE, AT(state)},
    {"reason", MEMBER_TEXT, AT(reason)},
    {"machine", MEMBER_TEXT, AT(machine)},
};
static const struct member change_members[] = {
    {"name", MEMBER_TEXT, AT(name)},
    {"uuid", MEMBER_TEXT, AT(uuid)},
    {"generation", MEMBER_U64, AT(generation)},
    {"foreign", MEMBER_BOOL, AT(foreign)},
    {"reason", MEMBER_TEXT, AT(reason)},
};
static const struct member autostart_members[] = {
    {"name", MEMBER_TEXT, AT(name)},
    {"uuid", MEMBER_TEXT, AT(uuid)},
    {"autostart", MEMBER_BOOL, AT(autostart)},
};
static const struct member reason_members[] = {{"reason", MEMBER_TEXT, AT(reason)}};
static const struct member usage_members[] = {
    {"memory_total_mb", MEMBER_U64, AT(memory_total_mb)},
    {"memory_free_mb", MEMBER_U64, AT(memory_free_mb)},
    {"cpu_busy_permille", MEMBER_U32, AT(cpu_busy_permille)},
};
static const struct member volume_members[] = {
    {"volume", MEMBER_TEXT, AT(name)},      {"ok", MEMBER_BOOL, AT(volume_ok)},
    {"reason", MEMBER_TEXT, AT(reason)},    {"free_mb", MEMBER_U64, AT(free_mb)},
    {"total_mb", MEMBER_U64, AT(total_mb)},
};

/* The events of `vm watch`. */
static const struct {
    const char *name;
    enum core_agent_line line;
    uint8_t domain_event;
    const struct member *members;
    size_t n_members;
} watch_events[] = {
    {"connected", AGENT_CONNECTED, VM_EVENT_NONE, NULL, 0},
    {"disconnected", AGENT_DISCONNECTED, VM_EVENT_NONE, reason_members, ARRAY_SIZE(reason_members)},
    {"domain", AGENT_DOMAIN, VM_EVENT_NONE, domain_members, ARRAY_SIZE(domain_members)},
    {"listed", AGENT_LISTED, VM_EVENT_NONE, NULL, 0},
    {"started", AGENT_DOMAIN_EVENT, VM_EVENT_STARTED, change_members, ARRAY_SIZE(change_members)},
    {"stopped", AGENT_DOMAIN_EVENT, VM_EVENT_STOPPED, change_members, ARRAY_SIZE(change_members)},
    {"crashed", AGENT_DOMAIN_EVENT, VM_EVENT_CRASHED, change_members, ARRAY_SIZE(change_members)},
    {"shutdown", AGENT_DOMAIN_EVENT, VM_EVENT_SHUTDOWN, change_members, ARRAY_SIZE(change_members)},
    {"paused", AGENT_DOMAIN_EVENT, VM_EVENT_PAUSED, change_members, ARRAY_SIZE(change_members)},
    {"resumed", AGENT_DOMAIN_EVENT, VM_EVENT_RESUMED, change_members, ARRAY_SIZE(change_members)},
    {"migrated", AGENT_DOMAIN_EVENT, VM_EVENT_MIGRATED, change_members, ARRAY_SIZE(change_members)},
    {"autostart", AGENT_AUTOSTART, VM_EVENT_NONE, autostart_members, ARRAY_SIZE(autostart_members)},
    {"disks", AGENT_DISKS, VM_EVENT_NONE, change_members, ARRAY_SIZE(change_members)},
    {"usage", AGENT_USAGE, VM_EVENT_NONE, usage_members, ARRAY_SIZE(usage_members)},
    {"networks", AGENT_NETWORKS, VM_EVENT_NONE, NULL, 0}, /* its list: read_networks() */
};

struct word {
    const char *name;
    uint8_t number;
};
static const struct word state_words[] = {
    {"unknown", VM_STATE_UNKNOWN},   {"off", VM_STATE_OFF},
    {"running", VM_STATE_RUNNING},   {"paused", VM_STATE_PAUSED},
    {"incoming", VM_STATE_INCOMING}, {"shutting-down", VM_STATE_RUNNING},
};
static const struct word result_words[] = {
    {"ok", RESULT_OK}, {"failed", RESULT_FAILED}, {"cancelled", RESULT_CANCELLED}};

static int read_word(const struct word *words, size_t n, const char *text, uint8_t *ret_number) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i].name, text) == 0) {
            *ret_number = words[i].number;
            return 0;
        }
    }
    return -EBADMSG;
}

static int read_integer(const json_t *value, uint64_t max, uint64_t *ret_number) {
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > max) {
        return -EBADMSG;
    }
    *ret_number = (uint64_t)json_integer_value(value);
    return 0;
}

static int read_member(const struct member *member, const json_t *value, struct core_agent *agent) {
    uint8_t *at = (uint8_t *)agent + member->offset;
    const char *text = json_string_value(value);
    uint64_t number = 0;
    int error = 0;
    switch (member->type) {
    case MEMBER_TEXT:
        if (!text) {
            return -EBADMSG;
        }
        memcpy(at, &text, sizeof(text));
        return 0;
    case MEMBER_U32: {
        error = read_integer(value, UINT32_MAX, &number);
        uint32_t small = (uint32_t)number;
        memcpy(at, &small, sizeof(small));
        return error;
    }
    case MEMBER_U64:
        error = read_integer(value, INT64_MAX, &number);
        memcpy(at, &number, sizeof(number));
        return error;
    case MEMBER_BOOL: *at = json_is_true(value); return json_is_boolean(value) ? 0 : -EBADMSG;
    case MEMBER_STATE:
        return text ? read_word(state_words, ARRAY_SIZE(state_words), text, at) : -EBADMSG;
    case MEMBER_RESULT:
        return text ? read_word(result_words, ARRAY_SIZE(result_words), text, at) : -EBADMSG;
    }
    return -EBADMSG;
}

static int read_members(const struct member *members, size_t n, const json_t *object,
                        struct core_agent *agent) {
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(object, members[i].name);
        int error = value && !json_is_null(value) ? read_member(&members[i], value, agent) : 0;
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

static int read_seen(const json_t *list, struct agent_line *line) {
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > AGENT_MAX_SEEN) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        const char *node = json_string_value(json_object_get(item, "node"));
        const char *nonce = json_string_value(json_object_get(item, "nonce"));
        const json_t *moved = json_object_get(item, "moved_ms");
        uint64_t moved_ms = CORE_NEVER_MOVED;
        if (!node || !nonce || strlen(node) > WIRE_MAX_NAME || strlen(nonce) > WIRE_MAX_NAME ||
            (moved && read_integer(moved, INT64_MAX, &moved_ms) < 0)) {
            return -EBADMSG;
        }
        line->seen[i] = (struct core_seen){.node = node, .nonce = nonce, .moved_ms = moved_ms};
    }
    line->agent.seen = line->seen;
    line->agent.n_seen = (uint32_t)n;
    return 0;
}

static int read_names(const json_t *list, size_t max, const char **names, struct wire_strs *ret) {
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > max) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = json_string_value(json_array_get(list, i));
        if (!names[i] || strlen(names[i]) > WIRE_MAX_NAME) {
            return -EBADMSG;
        }
    }
    *ret = (struct wire_strs){names, (uint32_t)n};
    return 0;
}

static int read_host(const json_t *part, struct agent_line *line) {
    const json_t *machines = json_object_get(part, "machines");
    line->agent.line = AGENT_CPU_MODELS;
    int error = read_names(json_object_get(part, "usable_models"), AGENT_MAX_MODELS, line->models,
                           &line->agent.models);
    if (error == 0 && machines) {
        error = read_names(machines, AGENT_MAX_MACHINES, line->machines, &line->agent.machines);
    }
    return error;
}

/* The details of a failure that the core needs; the others are for people. */
static void read_detail(const json_t *value, struct core_agent *agent) {
    const char *detail = json_string_value(value);
    agent->state_lost =
        detail && (strcmp(detail, "state-used") == 0 || strcmp(detail, "state-missing") == 0);
    agent->not_begun = detail && strcmp(detail, "not-begun") == 0;
    agent->handed_over = detail && strcmp(detail, "handed-over") == 0;
}

static int read_networks(struct agent_line *line) {
    return read_names(json_object_get(line->json, "networks"), WIRE_MAX_NETWORKS, line->networks,
                      &line->agent.networks);
}

static int read_event(const char *name, struct agent_line *line) {
    for (size_t i = 0; i < ARRAY_SIZE(watch_events); i++) {
        if (strcmp(watch_events[i].name, name) == 0) {
            line->agent.line = watch_events[i].line;
            line->agent.domain_event = watch_events[i].domain_event;
            return watch_events[i].line == AGENT_NETWORKS
                       ? read_networks(line)
                       : read_members(watch_events[i].members, watch_events[i].n_members,
                                      line->json, &line->agent);
        }
    }
    return 0; /* from a newer agent */
}

static int read_line(struct agent_line *line, const char **ret_why) {
    struct core_agent *agent = &line->agent;
    const json_t *root = line->json;
    const json_t *part = NULL;
    if ((part = json_object_get(root, "event"))) {
        *ret_why = "an event with an invalid member";
        return json_is_string(part) ? read_event(json_string_value(part), line) : -EBADMSG;
    }
    if ((part = json_object_get(root, "progress"))) {
        *ret_why = "progress with an invalid member";
        agent->line = AGENT_PROGRESS;
        return json_is_object(part)
                   ? read_members(progress_members, ARRAY_SIZE(progress_members), part, agent)
                   : -EBADMSG;
    }
    if (json_object_get(root, "result")) {
        *ret_why = "a final line with an invalid member";
        agent->line = AGENT_DONE;
        read_detail(json_object_get(root, "detail"), agent);
        return read_members(result_members, ARRAY_SIZE(result_members), root, agent);
    }
    if (json_object_get(root, "volume")) {
        *ret_why = "a volume line with an invalid member";
        agent->line = AGENT_VOLUME;
        part = json_object_get(root, "seen");
        int error = part ? read_seen(part, line) : 0;
        return error < 0 ? error
                         : read_members(volume_members, ARRAY_SIZE(volume_members), root, agent);
    }
    if ((part = json_object_get(root, "cpu"))) {
        *ret_why = "an invalid list of CPU models or machine types";
        return read_host(part, line);
    }
    return 0; /* from a newer agent */
}

int agent_line_decode(const char *text, size_t size, struct agent_line *ret_line,
                      const char **ret_why) {
    *ret_line = (struct agent_line){.agent = {.uuid = "", .name = "", .reason = "", .machine = ""}};
    *ret_why = "not a JSON object";
    json_error_t where;
    ret_line->json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(ret_line->json)) {
        agent_line_finish(ret_line);
        return -EBADMSG;
    }
    int error = read_line(ret_line, ret_why);
    if (error < 0) {
        agent_line_finish(ret_line);
    }
    return error;
}

void agent_line_finish(struct agent_line *line) {
    json_decref(line->json);
    line->json = NULL;
}
