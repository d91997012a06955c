/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every apply function does to a row and to the answer; see inside.h.
 */
#include "core/apply/inside.h"
#include "core/model/needed_protocol.h"
#include "wire/names.h"

#include "base/owned.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model_node *apply_node_row(struct apply *a, const struct model_node *node) {
    return model_row(&a->m->nodes, node);
}

struct model_vm *apply_vm_row(struct apply *a, const struct model_vm *vm) {
    return model_row(&a->m->vms, vm);
}

struct model_health *apply_health_row(struct apply *a, const struct model_health *health) {
    return model_row(&a->m->health, health);
}

struct model_operation *apply_operation_row(struct apply *a, const struct model_operation *op) {
    return model_row(&a->m->operations, op);
}

struct model_node *apply_node_by_id(struct apply *a, uint32_t id) {
    return apply_node_row(a, model_node_by_id(a->m, id));
}

struct model_vm *apply_vm_by_id(struct apply *a, uint32_t id) {
    return apply_vm_row(a, model_vm_by_id(a->m, id));
}

struct model_operation *apply_operation_by_id(struct apply *a, uint64_t id) {
    return apply_operation_row(a, model_operation_by_id(a->m, id));
}

void apply_refuse(struct apply *a, enum core_reply_code code, const char *message,
                  const char *hint) {
    a->code = code;
    a->message = message;
    a->hint = hint;
}

bool apply_by_version(struct apply *a, uint32_t since) {
    if (version_of_view(a->m) < since) {
        return false;
    }
    a->m->needs = a->m->needs > since ? a->m->needs : since; /* and will, from now on */
    return true;
}

bool apply_good_name(struct apply *a, const char *what, const char *name) {
    if (name_is_good(name)) {
        return true;
    }
    apply_refuse(a, REPLY_REFUSED,
                 outbox_text(a->out, "'%s' is not a valid name for a %s", name, what),
                 "a name has " NAME_RULE);
    return false;
}

/* Names to ids; refuses the first name that is not a node. */
bool apply_good_volumes(struct apply *a, const struct wire_strs *names) {
    for (uint32_t i = 0; i < names->n; i++) {
        if (!model_volume_by_name(a->m, names->v[i])) {
            apply_refuse(a, REPLY_NOT_FOUND,
                         outbox_text(a->out, "there is no volume '%s'", names->v[i]),
                         "clusterctl volume add adds one");
            return false;
        }
    }
    return true;
}

bool apply_node_ids(struct apply *a, const struct wire_strs *names, uint32_t *ids) {
    for (uint32_t i = 0; i < names->n; i++) {
        const struct model_node *node = model_node_by_name(a->m, names->v[i]);
        if (!node) {
            apply_refuse(a, REPLY_NOT_FOUND,
                         outbox_text(a->out, "there is no node '%s'", names->v[i]),
                         "clusterctl node list shows the nodes");
            return false;
        }
        ids[i] = node->id;
    }
    return true;
}

void set_text(struct apply *a, const char **field, const char *text) {
    if (*field && strcmp(*field, text) == 0) {
        return;
    }
    char *copy = strdup(text);
    if (!copy) {
        a->error = -ENOMEM;
        return;
    }
    owned_free(*field);
    *field = copy;
}

void set_ids(struct apply *a, struct wire_ids *field, const uint32_t *v, uint32_t n) {
    uint32_t *copy = malloc(n ? n * sizeof(*copy) : 1);
    if (!copy) {
        a->error = -ENOMEM;
        return;
    }
    if (n) {
        memcpy(copy, v, n * sizeof(*copy));
    }
    owned_free(field->v);
    *field = (struct wire_ids){.v = copy, .n = n};
}

void add_id(struct apply *a, struct wire_ids *field, uint32_t id) {
    uint32_t ids[WIRE_MAX_NODES];
    if (ids_contain(field, id) || field->n == WIRE_MAX_NODES) {
        return;
    }
    if (field->n) {
        memcpy(ids, field->v, field->n * sizeof(*ids));
    }
    ids[field->n] = id;
    set_ids(a, field, ids, field->n + 1);
}

void remove_id(struct apply *a, struct wire_ids *field, uint32_t id) {
    uint32_t ids[WIRE_MAX_NODES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < field->n && i < WIRE_MAX_NODES; i++) {
        ids[n] = field->v[i];
        n += field->v[i] != id;
    }
    if (n != field->n) {
        set_ids(a, field, ids, n);
    }
}

void vm_touch(struct apply *a, struct model_vm *vm) {
    vm->serial = a->index;
}

struct model_node *find_node(struct apply *a, const char *name) {
    struct model_node *node = apply_node_row(a, model_node_by_name(a->m, name));
    if (!node) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no node '%s'", name),
                     "clusterctl node list shows the nodes of corosync.conf");
    }
    return node;
}

struct model_vm *find_vm(struct apply *a, const char *name) {
    struct model_vm *vm = apply_vm_row(a, model_vm_by_name(a->m, name));
    if (!vm) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no VM '%s'", name),
                     "clusterctl vm list shows them");
    }
    return vm;
}

void node_set_state(struct apply *a, struct model_node *node, enum node_state state,
                    const char *reason) {
    node->state = (uint8_t)state;
    node->since_ms = a->time_ms;
    node->since_index = a->index;
    set_text(a, &node->reason, reason);
}
