/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables behind command.h.
 */
#include "wire/command.h"

WIRE_DEFINE(view_member);
WIRE_DEFINE(view_node);
WIRE_DEFINE(cmd_view);
WIRE_DEFINE(report_domain);
WIRE_DEFINE(report_order);
WIRE_DEFINE(cmd_node_report);
WIRE_DEFINE(cmd_node_libvirt);
WIRE_DEFINE(cmd_node_leave);
WIRE_DEFINE(cmd_node_drain);
WIRE_DEFINE(cmd_node_resume);
WIRE_DEFINE(cmd_node_fence);
WIRE_DEFINE(cmd_node_confirm_off);
WIRE_DEFINE(cmd_fence_begin);
WIRE_DEFINE(cmd_fence_result);
WIRE_DEFINE(resource_amount);
WIRE_DEFINE(cmd_vm_add);
WIRE_DEFINE(cmd_vm_remove);
WIRE_DEFINE(cmd_vm_start);
WIRE_DEFINE(cmd_vm_stop);
WIRE_DEFINE(cmd_vm_move);
WIRE_DEFINE(cmd_vm_order);
WIRE_DEFINE(cmd_vm_renew);
WIRE_DEFINE(cmd_vm_retry);
WIRE_DEFINE(cmd_vm_report);
WIRE_DEFINE(cmd_vm_event);
WIRE_DEFINE(cmd_volume_add);
WIRE_DEFINE(cmd_volume_remove);
WIRE_DEFINE(cmd_volume_health);
WIRE_DEFINE(cmd_device_add);
WIRE_DEFINE(cmd_device_remove);
WIRE_DEFINE(cmd_config_set);
WIRE_DEFINE(cmd_operation_cancel);
WIRE_DEFINE(cmd_operation_end);
WIRE_DEFINE(cmd_rule_add);
WIRE_DEFINE(cmd_rule_remove);
WIRE_DEFINE(cmd_vm_set);
WIRE_DEFINE(cmd_node_set);
WIRE_DEFINE(cmd_vm_claim);

const struct wire_record *command_record(uint32_t type) {
    switch (type) {
#define X(NAME, number, cmd) \
    case number: return &cmd##_record;
        WIRE_COMMANDS(X)
#undef X
    default: return NULL;
    }
}

const char *command_name(uint32_t type) {
    switch (type) {
#define X(NAME, number, cmd) \
    case number: return #NAME;
        WIRE_COMMANDS(X)
#undef X
    default: return "UNKNOWN";
    }
}
