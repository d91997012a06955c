/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame of applying: decode, dispatch by a table, events; and the few ways in which rows are
 * written.
 */
#include "core/apply/apply.h"

#include "base/check.h"
#include "core/replica/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint32_t type;
    apply_fn fn;
} apply_table[] = {
    {COMMAND_VIEW, apply_view},
    {COMMAND_NODE_REPORT, apply_node_report},
    {COMMAND_NODE_LEAVE, apply_node_leave},
    {COMMAND_NODE_DRAIN, apply_node_drain},
    {COMMAND_NODE_RESUME, apply_node_resume},
    {COMMAND_NODE_FENCE, apply_node_fence},
    {COMMAND_NODE_CONFIRM_OFF, apply_node_confirm_off},
    {COMMAND_FENCE_BEGIN, apply_fence_begin},
    {COMMAND_FENCE_RESULT, apply_fence_result},
    {COMMAND_VM_ADD, apply_vm_add},
    {COMMAND_VM_REMOVE, apply_vm_remove},
    {COMMAND_VM_START, apply_vm_start},
    {COMMAND_VM_STOP, apply_vm_stop},
    {COMMAND_VM_MOVE, apply_vm_move},
    {COMMAND_VM_ORDER, apply_vm_order},
    {COMMAND_VM_RENEW, apply_vm_renew},
    {COMMAND_VM_REPORT, apply_vm_report},
    {COMMAND_VM_EVENT, apply_vm_event},
    {COMMAND_VOLUME_ADD, apply_volume_add},
    {COMMAND_VOLUME_REMOVE, apply_volume_remove},
    {COMMAND_VOLUME_HEALTH, apply_volume_health},
    {COMMAND_DEVICE_ADD, apply_device_add},
    {COMMAND_DEVICE_REMOVE, apply_device_remove},
    {COMMAND_CONFIG_SET, apply_config_set},
    {COMMAND_OPERATION_CANCEL, apply_operation_cancel},
    {COMMAND_OPERATION_END, apply_operation_end},
    {COMMAND_RULE_ADD, apply_rule_add},
    {COMMAND_RULE_REMOVE, apply_rule_remove},
    {COMMAND_VM_SET, apply_vm_set},
    {COMMAND_NODE_SET, apply_node_set},
    {COMMAND_VM_RETRY, apply_vm_retry},
    {COMMAND_VM_CLAIM, apply_vm_claim},
    {COMMAND_NODE_LIBVIRT, apply_node_libvirt},
};

static apply_fn find_apply(uint32_t type) {
    for (size_t i = 0; i < ARRAY_SIZE(apply_table); i++) {
        if (apply_table[i].type == type) {
            return apply_table[i].fn;
        }
    }
    return NULL;
}

/*
 * It stands in the log since a time when nobody looked before it was given its place. All nodes
 * come by it and say the same: it changes nothing but the event, whose time is that of the last
 * one.
 */
static void refuse_unreadable(struct apply *a) {
    const struct model_table *events = &a->m->events;
    if (a->type != 0 && !command_record(a->type)) {
        apply_refuse(a, REPLY_FAILED, "this version of clusterd does not know the command",
                     "update clusterd on all nodes");
        return;
    }
    if (a->time_ms == 0 && events->n > 0) {
        a->time_ms = ((const struct model_event *)events->rows)[events->n - 1].time_ms;
    }
    apply_refuse(a, REPLY_FAILED, "the change could not be read", "try again");
    apply_event(a, SEVERITY_ERROR, "log-damaged", "",
                "entry %llu of the log, of %s, cannot be read: it has no effect",
                (unsigned long long)a->index, model_node_name(a->m, a->origin));
}

int apply_entry(struct model *m, uint64_t index, uint64_t epoch, const uint8_t *data, uint32_t size,
                struct outbox *out, struct apply *ret) {
    CHECK(index == m->index + 1);
    struct arena arena;
    arena_init(&arena);
    struct log_command entry;
    struct apply a = {.m = m,
                      .out = out,
                      .index = index,
                      .epoch = epoch,
                      .message = "",
                      .hint = "",
                      .warning = ""};
    void *command = NULL;
    int err = wire_decode(&log_command_record, data, size, &arena, &entry, NULL);
    if (err == 0) {
        a.time_ms = entry.time_ms;
        a.origin = entry.origin;
        a.type = entry.type;
        a.incarnation = entry.incarnation;
        a.request = entry.request;
        err = log_read_entry(data, size, &arena, &entry, &command);
    }
    apply_fn fn = err == 0 ? find_apply(entry.type) : NULL;
    if (fn) {
        fn(&a, command);
    } else if (err == 0 || err == -EBADMSG) {
        refuse_unreadable(&a);
    }
    if (err != -ENOMEM) {
        err = a.error ? a.error : out->error;
    }
    arena_finish(&arena);
    if (err < 0) {
        return err;
    }
    m->index = index;
    *ret = a;
    return 0;
}

void apply_refuse(struct apply *a, enum core_reply_code code, const char *message,
                  const char *hint) {
    a->code = code;
    a->message = message;
    a->hint = hint;
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
    free((void *)(uintptr_t)*field);
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
    free((void *)(uintptr_t)field->v);
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

void apply_event(struct apply *a, enum severity severity, const char *kind, const char *subject,
                 const char *format, ...) {
    char text[WIRE_MAX_TEXT + 1];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct model_table *events = &a->m->events;
    if (events->n >= MODEL_MAX_EVENTS) {
        /* A quarter at once, so that the rows move seldom. */
        for (uint32_t i = 0; i < MODEL_MAX_EVENTS / 4; i++) {
            wire_release(events->record, (struct model_event *)events->rows + i);
        }
        events->n -= MODEL_MAX_EVENTS / 4;
        memmove(events->rows, (struct model_event *)events->rows + MODEL_MAX_EVENTS / 4,
                events->n * sizeof(struct model_event));
    }
    struct model_event *row = model_add(events);
    if (!row) {
        a->error = -ENOMEM;
        return;
    }
    row->seq = ++a->m->last_event;
    row->index = a->index;
    row->time_ms = a->time_ms;
    row->severity = (uint8_t)severity;
    set_text(a, &row->kind, kind);
    set_text(a, &row->subject, subject);
    set_text(a, &row->message, text);
    const struct model_node *origin = model_node_by_id(a->m, a->origin);
    set_text(a, &row->node, origin ? origin->name : "");
    /* The row may move when more events come in this step: the action gets a copy of its own. */
    struct model_event *copy = arena_copy(&a->out->arena, row, sizeof(*row));
    if (!copy) {
        a->error = -ENOMEM;
        return;
    }
    copy->kind = arena_strdup(&a->out->arena, row->kind);
    copy->node = arena_strdup(&a->out->arena, row->node);
    copy->subject = arena_strdup(&a->out->arena, row->subject);
    copy->message = arena_strdup(&a->out->arena, row->message);
    if (!copy->kind || !copy->node || !copy->subject || !copy->message) {
        a->error = -ENOMEM;
        return;
    }
    outbox_add(a->out, CORE_ACTION_EVENT)->event.row = copy;
}
