/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which version of the protocol a command needs; see needed_protocol.h.
 */
#include "core/model/needed_protocol.h"

#include "core/model/model.h"
#include "core/model/settings.h"
#include "wire/command.h"

#include <stdbool.h>

/* Of a live move: its downtime, bandwidth, and what else; what a drain does with a VM; that a VM is
 * added as one that never moves live, as one with a TPM is: earlier agents would keep that on their
 * own disks; which networks it needs, and which a node has; what libvirt says of a source that is
 * off; that a VM is adopted, or released. */
enum { PROTOCOL_CHOICES = 5 };

uint32_t version_of_command(uint32_t type, const void *command) {
    uint32_t since = command_since(type);
    if (type == COMMAND_CONFIG_SET) {
        int id = setting_find(((const struct cmd_config_set *)command)->key);
        uint32_t of_setting = id < 0 ? since : setting_since((enum setting_id)id);
        since = of_setting > since ? of_setting : since;
    }
    if (type == COMMAND_VM_ORDER && order_on_files(((const struct cmd_vm_order *)command)->kind)) {
        since = command_since(COMMAND_VM_STORAGE);
    }
    if (type == COMMAND_VM_ORDER) {
        uint8_t kind = ((const struct cmd_vm_order *)command)->kind;
        since = kind == ORDER_ADOPT || kind == ORDER_RELEASE ? PROTOCOL_CHOICES : since;
    }
    if (type == COMMAND_VM_START && ((const struct cmd_vm_start *)command)->adopt) {
        since = PROTOCOL_CHOICES;
    }
    if (type == COMMAND_VM_REMOVE) {
        const char *release = ((const struct cmd_vm_remove *)command)->release;
        since = release && release[0] ? PROTOCOL_CHOICES : since;
    }
    if (type == COMMAND_VM_MOVE) {
        const struct cmd_vm_move *move = command;
        bool chosen =
            move->max_downtime_ms || move->bandwidth_mbps || move->if_not_converging || move->any;
        since = chosen ? PROTOCOL_CHOICES : since;
    }
    if (type == COMMAND_VM_SET && (((const struct cmd_vm_set *)command)->given &
                                   (VM_SET_MAX_DOWNTIME | VM_SET_MOVE_POLICY))) {
        since = PROTOCOL_CHOICES;
    }
    if (type == COMMAND_NODE_RESUME) {
        const struct cmd_node_resume *resume = command;
        since = resume->failback || resume->due ? PROTOCOL_CHOICES : since;
    }
    if (type == COMMAND_NODE_DRAIN && ((const struct cmd_node_drain *)command)->deadline_ms) {
        since = PROTOCOL_CHOICES;
    }
    if (type == COMMAND_OPERATION_CANCEL && ((const struct cmd_operation_cancel *)command)->late) {
        since = PROTOCOL_CHOICES;
    }
    if (type == COMMAND_VM_ADD) {
        const struct cmd_vm_add *add = command;
        bool chosen = add->move_policy || add->mobility || add->networks.n || add->adopt;
        since = chosen ? PROTOCOL_CHOICES : since;
    }
    if (type == COMMAND_NODE_REPORT && ((const struct cmd_node_report *)command)->networks.n) {
        since = PROTOCOL_CHOICES;
    }
    if (type == COMMAND_VM_REPORT && ((const struct cmd_vm_report *)command)->moved_away) {
        since = PROTOCOL_CHOICES;
    }
    return since;
}

uint32_t version_of_view(const struct model *m) {
    return m->protocol > PROTOCOL_LOWEST ? m->protocol : PROTOCOL_LOWEST;
}
