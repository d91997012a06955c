/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads corosync's configuration (cmap) and votequorum's flags; see corosync/config.h.
 */
#include "adapters/corosync/config.h"

#include "adapters/corosync/peer.h"
#include "base/check.h"

#include <corosync/cmap.h>
#include <corosync/votequorum.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * During a reload each key changes on its own. These two mark the end when they go back to 0: first
 * the configuration's, then totem's. After the latter, runtime.config.totem holds the effective
 * values.
 */
const char *const corosync_reload_keys[COROSYNC_RELOAD_KEYS] = {
    "config.reload_in_progress", "config.totemconfig_reload_in_progress"};

static int cs_errno(cs_error_t code) {
    switch ((int)code) {
    case CS_OK: return 0;
    case CS_ERR_TRY_AGAIN:
    case CS_ERR_QUEUE_FULL: return -EAGAIN;
    case CS_ERR_NO_MEMORY: return -ENOMEM;
    case CS_ERR_ACCESS: return -EACCES;
    default: return -ENOTCONN;
    }
}

/* -EINVAL: the key exists, but its value does not fit. *ret_text is untouched if there is no such
 * key. */
static int read_text(cmap_handle_t handle, const char *key, char *ret_text, size_t size) {
    char *value = NULL;
    if (cmap_get_string(handle, key, &value) != CS_OK) {
        return -ENOENT;
    }
    size_t n = strlen(value);
    if (n < size) {
        memcpy(ret_text, value, n + 1);
    }
    free(value);
    return n < size ? 0 : -EINVAL;
}

static int read_node(cmap_handle_t handle, uint32_t position, struct corosync_config *c,
                     char *message) {
    char key[CMAP_KEYNAME_MAXLEN + 1];
    struct view_node *node = &c->nodes[c->n_nodes];
    char *name = c->names[c->n_nodes];
    (void)snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", position);
    if (cmap_get_uint32(handle, key, &node->id) != CS_OK || node->id == 0) {
        (void)snprintf(message, COROSYNC_MAX_MESSAGE,
                       "corosync.conf: node number %u of the nodelist has no nodeid", position + 1);
        return -EINVAL;
    }
    (void)snprintf(key, sizeof(key), "nodelist.node.%u.ring0_addr", position);
    (void)read_text(handle, key, c->addresses[c->n_nodes], COROSYNC_MAX_ADDRESS);
    (void)snprintf(key, sizeof(key), "nodelist.node.%u.name", position);
    int error = read_text(handle, key, name, WIRE_MAX_NAME + 1);
    if (error == -ENOENT) {
        (void)snprintf(key, sizeof(key), "nodelist.node.%u.ring0_addr", position);
        error = read_text(handle, key, name, WIRE_MAX_NAME + 1);
    }
    if (error < 0 || name[0] == '\0') {
        (void)snprintf(message, COROSYNC_MAX_MESSAGE,
                       "corosync.conf: node id %u has no name of 1 to %u bytes", node->id,
                       WIRE_MAX_NAME);
        return -EINVAL;
    }
    (void)snprintf(key, sizeof(key), "nodelist.node.%u.quorum_votes", position);
    node->votes = 1;
    (void)cmap_get_uint32(handle, key, &node->votes);
    node->name = name;
    c->n_nodes++;
    return 0;
}

static int compare_nodes(const void *a, const void *b) {
    const struct view_node *left = a, *right = b;
    return left->id < right->id ? -1 : left->id > right->id;
}

static int check_nodes(const struct corosync_config *c, char *message) {
    bool found = false;
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        found = found || c->nodes[i].id == c->node;
        for (uint32_t k = 0; k < i; k++) {
            if (c->nodes[k].id == c->nodes[i].id ||
                strcmp(c->nodes[k].name, c->nodes[i].name) == 0) {
                (void)snprintf(message, COROSYNC_MAX_MESSAGE,
                               "corosync.conf: two nodes have the name %s or the node id %u",
                               c->nodes[i].name, c->nodes[i].id);
                return -EINVAL;
            }
        }
    }
    if (!found) {
        (void)snprintf(message, COROSYNC_MAX_MESSAGE,
                       "corosync.conf: this node (id %u) is not in the nodelist", c->node);
        return -EINVAL;
    }
    return 0;
}

static int read_nodes(cmap_handle_t handle, struct corosync_config *c, char *message) {
    bool listed[WIRE_MAX_NODES] = {false};
    char key[CMAP_KEYNAME_MAXLEN + 1];
    cmap_iter_handle_t iter = 0;
    if (cmap_iter_init(handle, "nodelist.node.", &iter) != CS_OK) {
        return -ENOTCONN;
    }
    int error = 0;
    while (error == 0 && cmap_iter_next(handle, iter, key, NULL, NULL) == CS_OK) {
        unsigned int position = 0;
        if (sscanf(key, "nodelist.node.%u.", &position) != 1) {
            continue;
        }
        if (position >= WIRE_MAX_NODES) {
            (void)snprintf(message, COROSYNC_MAX_MESSAGE,
                           "corosync.conf: the nodelist has more than %u nodes", WIRE_MAX_NODES);
            error = -EINVAL;
        } else if (!listed[position]) {
            listed[position] = true;
            error = read_node(handle, position, c, message);
        }
    }
    (void)cmap_iter_finalize(handle, iter);
    uint32_t position = 0;
    if (error == 0 && cmap_get_uint32(handle, "nodelist.local_node_pos", &position) != CS_OK) {
        (void)snprintf(message, COROSYNC_MAX_MESSAGE,
                       "corosync.conf: no node of the nodelist has an address of this machine");
        error = -EINVAL;
    }
    if (error == 0) {
        (void)snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", position);
        error = cs_errno(cmap_get_uint32(handle, key, &c->node));
    }
    qsort(c->nodes, c->n_nodes, sizeof(c->nodes[0]), compare_nodes);
    return error == 0 ? check_nodes(c, message) : error;
}

static bool is_reloading(cmap_handle_t handle) {
    for (size_t i = 0; i < COROSYNC_RELOAD_KEYS; i++) {
        uint8_t value = 0;
        if (cmap_get_uint8(handle, corosync_reload_keys[i], &value) == CS_OK && value) {
            return true;
        }
    }
    return false;
}

static int open_votequorum(votequorum_handle_t *ret_handle, char *message) {
    votequorum_callbacks_t callbacks = {0};
    /* Without the provider, its name is free even while corosync runs. */
    int error = corosync_peer_check("votequorum", 0, message, COROSYNC_MAX_MESSAGE);
    if (error == -EPERM) {
        return error;
    }
    error = cs_errno(votequorum_initialize(ret_handle, &callbacks));
    if (error < 0) {
        /* quorum without a provider is always quorate: any lonely node would run all VMs */
        (void)snprintf(message, COROSYNC_MAX_MESSAGE,
                       "corosync.conf: clusterd needs  quorum { provider: corosync_votequorum }");
        return error == -EAGAIN ? error : -EINVAL;
    }
    return 0;
}

static int read_quorum_flags(struct corosync_config *c, char *message) {
    votequorum_handle_t handle = 0;
    int error = open_votequorum(&handle, message);
    if (error < 0) {
        return error;
    }
    struct votequorum_info info = {0};
    error = cs_errno(votequorum_getinfo(handle, c->node, &info));
    (void)votequorum_finalize(handle);
    if (error < 0) {
        return error;
    }
    c->two_node = (info.flags & VOTEQUORUM_INFO_TWONODE) != 0;
    c->wait_for_all = (info.flags & VOTEQUORUM_INFO_WAIT_FOR_ALL) != 0;
    c->last_man_standing = (info.flags & VOTEQUORUM_INFO_LAST_MAN_STANDING) != 0;
    c->quorum_device = c->quorum_device || (info.flags & VOTEQUORUM_INFO_QDEVICE_REGISTERED) != 0;
    return 0;
}

bool corosync_config_encrypts(const char *transport, const char *secauth,
                              const char *crypto_cipher) {
    bool knet = transport[0] == '\0' || strcmp(transport, "knet") == 0;
    bool cipher =
        crypto_cipher[0] ? strcmp(crypto_cipher, "none") != 0 : strcmp(secauth, "on") == 0;
    return knet && cipher;
}

static bool read_encrypts(cmap_handle_t handle) {
    char transport[16] = "", secauth[16] = "", cipher[16] = "";
    (void)read_text(handle, "totem.transport", transport, sizeof(transport));
    (void)read_text(handle, "totem.secauth", secauth, sizeof(secauth));
    (void)read_text(handle, "totem.crypto_cipher", cipher, sizeof(cipher));
    return corosync_config_encrypts(transport, secauth, cipher);
}

int corosync_config_read(struct corosync_config *ret_config, char *ret_message) {
    struct corosync_config *c = ret_config;
    cmap_handle_t handle = 0;
    char text[WIRE_MAX_NAME + 1] = "";
    *c = (struct corosync_config){0};
    (void)snprintf(ret_message, COROSYNC_MAX_MESSAGE, "corosync does not answer");
    int error = corosync_peer_check("cmap", 0, ret_message, COROSYNC_MAX_MESSAGE);
    error = error == 0 ? cs_errno(cmap_initialize(&handle)) : error;
    if (error < 0) {
        return error;
    }
    c->reloading = is_reloading(handle);
    (void)read_text(handle, "totem.cluster_name", c->cluster_name, sizeof(c->cluster_name));
    c->quorum_device = read_text(handle, "quorum.device.model", text, sizeof(text)) == 0;
    /* The effective values, not those of corosync.conf: the token grows with the nodes, the
     * consensus with the token. */
    (void)cmap_get_uint32(handle, "runtime.config.totem.token", &c->token_ms);
    (void)cmap_get_uint32(handle, "runtime.config.totem.consensus", &c->consensus_ms);
    c->in_clear = !read_encrypts(handle);
    error = read_nodes(handle, c, ret_message);
    (void)cmap_finalize(handle);
    return error == 0 ? read_quorum_flags(c, ret_message) : error;
}
