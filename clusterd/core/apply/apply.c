/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame of applying: it decodes a log entry and hands the command to the function of its type.
 */
#include "core/apply/inside.h"

#include "base/check.h"
#include "core/replica/log.h"

#include <errno.h>

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
