/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence devices; see fence_devices.h.
 */
#include "core/model/fence_devices.h"

#include "core/model/settings.h"

#include <string.h>

#define NODE_MARK "{node}"

bool device_is_for(const struct model_device *device, uint32_t node) {
    return device->nodes.n == 0 || ids_contain(&device->nodes, node);
}

/* ---- one outlet for several nodes ---- */

/* What picks the outlet in the agents of ClusterLabs, by its names of today and before. */
static bool picks_outlet(const char *agent, const char *key) {
    bool by_domain = strcmp(agent, "fence_virt") == 0 || strcmp(agent, "fence_xvm") == 0;
    return strcmp(key, "plug") == 0 || strcmp(key, "port") == 0 || strcmp(key, "uuid") == 0 ||
           (by_domain && strcmp(key, "domain") == 0);
}

/*
 * The controllers of one machine each: their agents go by the ip and pass over a plug, unless they
 * are told port_as_ip. (Of agents that are not known here clusterctl reads the metadata.)
 */
static bool goes_by_ip(const char *agent) {
    static const char *const agents[] = {
        "fence_alom",     "fence_amt",  "fence_amt_ws",   "fence_drac",        "fence_idrac",
        "fence_ilo",      "fence_ilo2", "fence_ilo3",     "fence_ilo3_ssh",    "fence_ilo4",
        "fence_ilo4_ssh", "fence_ilo5", "fence_ilo5_ssh", "fence_ilo6",        "fence_ilo_mp",
        "fence_ilo_ssh",  "fence_imm",  "fence_ipmilan",  "fence_ipmilanplus", "fence_redfish",
        "fence_rsa",      "fence_rsb"};
    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        if (strcmp(agent, agents[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The parameter that picks one outlet, or one machine, for all; NULL: there is none. */
static const char *fixed_outlet(const char *agent, const struct wire_strs *keys,
                                const struct wire_strs *values) {
    const char *key = goes_by_ip(agent) ? "ip" : NULL;
    for (uint32_t i = 0; i < keys->n && i < values->n; i++) {
        if (strstr(values->v[i], NODE_MARK) || strcmp(keys->v[i], "port_as_ip") == 0) {
            return NULL;
        }
        key = picks_outlet(agent, keys->v[i]) ? keys->v[i] : key;
    }
    return key;
}

bool device_is_ambiguous(const struct model_device *device) {
    bool one = device->nodes.n > 0;
    for (uint32_t i = 1; i < device->nodes.n; i++) {
        one = one && device->nodes.v[i] == device->nodes.v[0];
    }
    return !one && fixed_outlet(device->agent, &device->keys, &device->values) != NULL;
}

/* ---- turns ---- */

static bool may_use(const struct model_device *device, uint32_t node, bool named) {
    return (device->nodes.n > 0) == named && device_is_for(device, node) &&
           !device_is_ambiguous(device);
}

/* The `nth` of them, or how many there are. */
static const struct model_device *look_for(const struct model *m, uint32_t node, uint32_t nth,
                                           uint32_t *ret_n) {
    *ret_n = 0;
    for (int named = 1; named >= 0; named--) {
        MODEL_EACH(model_device, device, &m->devices) {
            if (may_use(device, node, named) && (*ret_n)++ == nth) {
                return device;
            }
        }
    }
    return NULL;
}

uint32_t devices_count(const struct model *m, uint32_t node) {
    uint32_t n = 0;
    (void)look_for(m, node, UINT32_MAX, &n);
    return n;
}

const struct model_device *devices_turn(const struct model *m, uint32_t node, uint32_t failed) {
    uint32_t n = devices_count(m, node);
    return n ? look_for(m, node, failed % n, &n) : NULL;
}

const struct model_device *devices_after(const struct model *m, uint32_t node, const char *name) {
    uint32_t all = devices_count(m, node), n = 0;
    for (uint32_t i = 0; i < all; i++) {
        const struct model_device *device = look_for(m, node, i, &n);
        if (device && strcmp(device->name, name) == 0) {
            return look_for(m, node, i + 1, &n);
        }
    }
    return NULL; /* it has been removed meanwhile: a round anew */
}

uint64_t devices_pause_ms(const struct model *m, uint32_t node, uint32_t failed) {
    uint64_t pause = setting_get(m, SETTING_fence_retry_ms);
    uint64_t longest = setting_get(m, SETTING_fence_retry_max_ms);
    uint32_t n = devices_count(m, node);
    n = n ? n : 1;
    if (failed % n != 0) {
        return 0;
    }
    for (uint32_t round = 1; round < failed / n && pause < longest; round++) {
        pause *= 2;
    }
    return pause < longest ? pause : longest;
}

/* ---- for people ---- */

const char *device_nodes_text(const struct model *m, const struct model_device *device,
                              struct outbox *out) {
    const char *text = device->nodes.n ? "" : "all nodes";
    for (uint32_t i = 0; i < device->nodes.n; i++) {
        const char *joint = i == 0 ? "" : i + 1 == device->nodes.n ? " and " : ", ";
        text = outbox_text(out, "%s%s%s", text, joint, model_node_name(m, device->nodes.v[i]));
    }
    return text;
}

/* Pacemaker's own words, which agents pass over, and what takes their place. */
static const char *instead_of(const char *key) {
    static const struct {
        const char *begin, *hint;
    } words[] = {
        {"pcmk_host_map", "add one device for each node, with --node NODE and its --param plug=; "
                          "or put {node} into a value"},
        {"pcmk_host_argument", "put {node} into the value of that parameter"},
        {"pcmk_host", "--node says which node a device is for; without it, it is for all"},
        {"pcmk_delay",
         "leave it out: in a split, clusterd lets the node with the lower id fence first"},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strncmp(key, words[i].begin, strlen(words[i].begin)) == 0) {
            return words[i].hint;
        }
    }
    if (strstr(key, "_timeout") || strstr(key, "_retries")) {
        return "clusterctl config set fence_timeout_ms, fence_retry_ms";
    }
    return "leave it out: clusterd asks each agent for off, then for status";
}

/* Agents that only look whether another one should act: their success switches nothing. */
static bool switches_nothing(const char *agent) {
    return strcmp(agent, "fence_heuristics_ping") == 0 || strcmp(agent, "fence_crosslink") == 0;
}

bool devices_agent_is_name(const char *agent) {
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t begin = strlen("fence_");
    return strncmp(agent, "fence_", begin) == 0 && agent[begin] != '\0' &&
           agent[begin + strspn(agent + begin, good)] == '\0';
}

const char *devices_refusal(const struct model *m, const struct cmd_device_add *add,
                            struct outbox *out, const char **ret_hint) {
    uint32_t ids[WIRE_MAX_NODES];
    struct model_device device = {.name = add->name,
                                  .agent = add->agent,
                                  .nodes = {.v = ids},
                                  .keys = add->keys,
                                  .values = add->values};
    for (uint32_t i = 0; i < add->keys.n; i++) {
        if (strncmp(add->keys.v[i], "pcmk_", 5) == 0) {
            *ret_hint = instead_of(add->keys.v[i]);
            return outbox_text(out, "%s is a Pacemaker parameter: no fence agent knows it",
                               add->keys.v[i]);
        }
    }
    if (!devices_agent_is_name(add->agent)) {
        *ret_hint = "fence agents are called fence_..., for example fence_ipmilan";
        return outbox_text(out, "'%s' is not the name of a fence agent", add->agent);
    }
    if (switches_nothing(add->agent)) {
        *ret_hint = "choose the agent of the device that switches the node's power";
        return outbox_text(out, "%s does not switch anything off: its answer is no evidence",
                           add->agent);
    }
    for (uint32_t i = 0; i < add->nodes.n && device.nodes.n < WIRE_MAX_NODES; i++) {
        const struct model_node *node = model_node_by_name(m, add->nodes.v[i]);
        if (node) { /* of one that is not there the command says so */
            ids[device.nodes.n++] = node->id;
        }
    }
    if (device.nodes.n < add->nodes.n || !device_is_ambiguous(&device)) {
        return NULL;
    }
    *ret_hint = "put {node} into its value, or add one device for each node, with --node";
    return outbox_text(out, "%s of %s names one machine, but the device is for %s",
                       fixed_outlet(add->agent, &add->keys, &add->values), add->name,
                       device_nodes_text(m, &device, out));
}
