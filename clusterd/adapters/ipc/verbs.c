/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of requests; see ipc/verbs.h.
 */
#include "adapters/ipc/verbs.h"

#include "base/check.h"
#include "wire/command.h"

#define AT(type, field) offsetof(struct type, field)
#define NAME(type, arg, field) \
    { arg, ARG_TEXT, true, AT(type, field), WIRE_MAX_NAME }

const struct ipc_arg ipc_needs_args[] = {
    {"name", ARG_CHECKED, false, 0, 0},
    {"uuid", ARG_UUID, true, AT(cmd_vm_add, uuid), WIRE_MAX_NAME},
    {"memory_mb", ARG_U64, true, AT(cmd_vm_add, memory_mb), UINT64_C(1) << 32},
    {"vcpus", ARG_U32, true, AT(cmd_vm_add, vcpus), 65536},
    {"volumes", ARG_NAMES, true, AT(cmd_vm_add, volumes), 64},
    {"cpu_mode", ARG_TEXT, false, AT(cmd_vm_add, cpu_mode), WIRE_MAX_NAME},
    {"cpu_model", ARG_TEXT, false, AT(cmd_vm_add, cpu_model), WIRE_MAX_NAME},
    {"machine", ARG_TEXT, false, AT(cmd_vm_add, machine), WIRE_MAX_NAME},
    {"arch", ARG_TEXT, false, AT(cmd_vm_add, arch), WIRE_MAX_NAME},
    {"networks", ARG_NAMES, false, AT(cmd_vm_add, networks), WIRE_MAX_VM_NETWORKS},
    {"disks", ARG_CHECKED, false, 0, 0},
    {"mobility", ARG_MOBILITY, false, AT(cmd_vm_add, mobility), 0},
};
const struct ipc_arg ipc_file_args[] = {
    {"disk", ARG_TEXT, true, AT(storage_file, disk), WIRE_MAX_NAME},
    {"from", ARG_TEXT, true, AT(storage_file, from), WIRE_MAX_PATH},
    {"to", ARG_TEXT, true, AT(storage_file, to), WIRE_MAX_PATH},
    {"bytes", ARG_U64, true, AT(storage_file, bytes), INT64_MAX},
    {"format", ARG_TEXT, false, AT(storage_file, format), WIRE_MAX_NAME},
};
static const struct ipc_arg node_drain_args[] = {
    NAME(cmd_node_drain, "node", node),
    {"deadline_ms", ARG_U64, false, AT(cmd_node_drain, deadline_ms), WIRE_MAX_DEADLINE_MS},
    {"dry_run", ARG_DRY_RUN, false, 0, 0},
};
static const struct ipc_arg node_resume_args[] = {
    NAME(cmd_node_resume, "node", node),
    {"failback", ARG_FAILBACK, false, AT(cmd_node_resume, failback), 0},
};
static const struct ipc_arg node_fence_args[] = {NAME(cmd_node_fence, "node", node)};
static const struct ipc_arg node_confirm_args[] = {NAME(cmd_node_confirm_off, "node", node)};
static const struct ipc_arg vm_add_args[] = {
    {"name", ARG_NEW_NAME, true, AT(cmd_vm_add, name), WIRE_MAX_NAME},
    {"xml", ARG_TEXT, true, AT(cmd_vm_add, xml), WIRE_MAX_XML},
    {"needs", ARG_NEEDS, true, 0, 0},
    {"priority", ARG_U32, false, AT(cmd_vm_add, priority), WIRE_MAX_PRIORITY},
    {"possible", ARG_NAMES, false, AT(cmd_vm_add, possible), WIRE_MAX_NODES},
    {"preferred", ARG_NAMES, false, AT(cmd_vm_add, preferred), WIRE_MAX_NODES},
    {"start", ARG_BOOL, false, AT(cmd_vm_add, start), 0},
    {"resources", ARG_AMOUNTS, false, AT(cmd_vm_add, resources), WIRE_MAX_RESOURCES},
    {"move_policy", ARG_MOVE_POLICY, false, AT(cmd_vm_add, move_policy), 0},
    {"adopt", ARG_BOOL, false, AT(cmd_vm_add, adopt), 0},
};
static const struct ipc_arg vm_remove_args[] = {NAME(cmd_vm_remove, "vm", vm),
                                                {"release", ARG_TEXT, false,
                                                 AT(cmd_vm_remove, release), WIRE_MAX_NAME}};
static const struct ipc_arg vm_start_args[] = {
    NAME(cmd_vm_start, "vm", vm), {"adopt", ARG_BOOL, false, AT(cmd_vm_start, adopt), 0}};
static const struct ipc_arg vm_stop_args[] = {
    NAME(cmd_vm_stop, "vm", vm), {"force", ARG_BOOL, false, AT(cmd_vm_stop, force), 0}};
static const struct ipc_arg vm_move_args[] = {
    NAME(cmd_vm_move, "vm", vm),
    {"to", ARG_TEXT, false, AT(cmd_vm_move, to), WIRE_MAX_NAME},
    {"mode", ARG_MODE, false, AT(cmd_vm_move, mode), 0},
    {"max_downtime_ms", ARG_U32, false, AT(cmd_vm_move, max_downtime_ms), WIRE_MAX_DOWNTIME_MS},
    {"bandwidth_mbps", ARG_U32, false, AT(cmd_vm_move, bandwidth_mbps), WIRE_MAX_MBPS},
    {"if_not_converging", ARG_CONVERGENCE, false, AT(cmd_vm_move, if_not_converging), 0},
    {"dry_run", ARG_DRY_RUN, false, 0, 0},
};
static const struct ipc_arg vm_predict_args[] = {
    NAME(cmd_vm_move, "vm", vm),
    {"max_downtime_ms", ARG_U32, false, AT(cmd_vm_move, max_downtime_ms), WIRE_MAX_DOWNTIME_MS},
    {"bandwidth_mbps", ARG_U32, false, AT(cmd_vm_move, bandwidth_mbps), WIRE_MAX_MBPS},
    {"if_not_converging", ARG_CONVERGENCE, false, AT(cmd_vm_move, if_not_converging), 0},
};
static const struct ipc_arg vm_storage_args[] = {
    NAME(cmd_vm_storage, "vm", vm),
    {"serial", ARG_U64, true, AT(cmd_vm_storage, serial), INT64_MAX},
    {"files", ARG_FILES, true, AT(cmd_vm_storage, files), WIRE_MAX_STORAGE_FILES},
    {"xml", ARG_TEXT, true, AT(cmd_vm_storage, xml), WIRE_MAX_XML},
    {"volumes", ARG_NAMES, true, AT(cmd_vm_storage, volumes), 64},
};
#define CHECKPOINT_ARGS(type)                                              \
    NAME(type, "vm", vm), NAME(type, "name", name),                        \
        {"serial", ARG_U64, true, AT(type, serial), INT64_MAX}, {          \
        "disks", ARG_PARAMS, true, AT(type, disks), WIRE_MAX_STORAGE_FILES \
    }
static const struct ipc_arg checkpoint_create_args[] = {CHECKPOINT_ARGS(cmd_checkpoint_create)};
static const struct ipc_arg checkpoint_revert_args[] = {CHECKPOINT_ARGS(cmd_checkpoint_revert)};
static const struct ipc_arg checkpoint_remove_args[] = {CHECKPOINT_ARGS(cmd_checkpoint_remove)};
static const struct ipc_arg volume_add_args[] = {
    {"name", ARG_NEW_NAME, true, AT(cmd_volume_add, name), WIRE_MAX_NAME},
    {"path", ARG_TEXT, true, AT(cmd_volume_add, path), WIRE_MAX_PATH},
};
static const struct ipc_arg volume_remove_args[] = {NAME(cmd_volume_remove, "volume", volume)};
static const struct ipc_arg device_add_args[] = {
    {"name", ARG_NEW_NAME, true, AT(cmd_device_add, name), WIRE_MAX_NAME},
    {"agent", ARG_NEW_NAME, true, AT(cmd_device_add, agent), WIRE_MAX_NAME},
    {"nodes", ARG_NAMES, false, AT(cmd_device_add, nodes), WIRE_MAX_NODES},
    {"params", ARG_PARAMS, false, AT(cmd_device_add, keys), 64},
};
static const struct ipc_arg device_remove_args[] = {NAME(cmd_device_remove, "name", device)};
static const struct ipc_arg config_set_args[] = {NAME(cmd_config_set, "key", key),
                                                 {"value", ARG_TEXT, true,
                                                  AT(cmd_config_set, value), WIRE_MAX_TEXT}};
static const struct ipc_arg operation_cancel_args[] = {
    {"operation", ARG_U64, true, AT(cmd_operation_cancel, operation), INT64_MAX}};

static const struct ipc_arg rule_add_args[] = {
    {"name", ARG_NEW_NAME, true, AT(cmd_rule_add, name), WIRE_MAX_NAME},
    {"kind", ARG_RULE_KIND, true, AT(cmd_rule_add, kind), 0},
    {"scope", ARG_RULE_SCOPE, false, AT(cmd_rule_add, scope), 0},
    {"hard", ARG_BOOL, false, AT(cmd_rule_add, hard), 0},
    {"weight", ARG_U32, false, AT(cmd_rule_add, weight), WIRE_MAX_WEIGHT},
    {"vms", ARG_NAMES, true, AT(cmd_rule_add, vms), WIRE_MAX_RULE_VMS},
    {"nodes", ARG_NAMES, false, AT(cmd_rule_add, nodes), WIRE_MAX_NODES},
};
static const struct ipc_arg rule_remove_args[] = {NAME(cmd_rule_remove, "rule", rule)};
/* The optional arguments have the order of VM_SET_* and NODE_SET_*: see note_given(). */
static const struct ipc_arg vm_set_args[] = {
    NAME(cmd_vm_set, "vm", vm),
    {"priority", ARG_U32, false, AT(cmd_vm_set, priority), WIRE_MAX_PRIORITY},
    {"auto_start", ARG_BOOL, false, AT(cmd_vm_set, auto_start), 0},
    {"mobility", ARG_MOBILITY, false, AT(cmd_vm_set, mobility), 0},
    {"possible", ARG_NAMES, false, AT(cmd_vm_set, possible), WIRE_MAX_NODES},
    {"preferred", ARG_NAMES, false, AT(cmd_vm_set, preferred), WIRE_MAX_NODES},
    {"resources", ARG_AMOUNTS, false, AT(cmd_vm_set, resources), WIRE_MAX_RESOURCES},
    {"accept_disks", ARG_BOOL, false, AT(cmd_vm_set, accept_disks), 0},
    {"max_downtime_ms", ARG_U32, false, AT(cmd_vm_set, max_downtime_ms), WIRE_MAX_DOWNTIME_MS},
    {"move_policy", ARG_MOVE_POLICY, false, AT(cmd_vm_set, move_policy), 0},
};
static const struct ipc_arg node_set_args[] = {
    NAME(cmd_node_set, "node", node),
    {"vms_max", ARG_U32, false, AT(cmd_node_set, vms_max), WIRE_MAX_VMS_MAX},
    {"resources", ARG_AMOUNTS, false, AT(cmd_node_set, resources), WIRE_MAX_RESOURCES},
};

static const struct ipc_arg rule_args[] = {NAME(ipc_args, "rule", name)};
static const struct ipc_arg node_args[] = {NAME(ipc_args, "node", name)};
static const struct ipc_arg vm_args[] = {NAME(ipc_args, "vm", name)};
static const struct ipc_arg volume_args[] = {NAME(ipc_args, "volume", name)};
static const struct ipc_arg key_args[] = {NAME(ipc_args, "key", name)};
static const struct ipc_arg test_args[] = {NAME(ipc_args, "name", name),
                                           NAME(ipc_args, "node", node)};
static const struct ipc_arg operation_args[] = {
    {"operation", ARG_U64, true, AT(ipc_args, number), INT64_MAX}};
static const struct ipc_arg event_args[] = {
    {"since", ARG_SINCE, false, AT(ipc_args, since), INT64_MAX},
    {"limit", ARG_U64, false, AT(ipc_args, limit), INT64_MAX},
    {"user", ARG_TEXT, false, AT(ipc_args, user), WIRE_MAX_NAME}};
static const struct ipc_arg subscribe_args[] = {
    {"since", ARG_SINCE, false, AT(ipc_args, since), INT64_MAX}};

#define WITH(args) args, ARRAY_SIZE(args)

const struct ipc_verb ipc_verbs[] = {
    {"status", IPC_READ, READ_STATUS, NULL, 0},
    {"node.list", IPC_READ, READ_NODE_LIST, NULL, 0},
    {"node.show", IPC_READ, READ_NODE_SHOW, WITH(node_args)},
    {"node.drain", IPC_CHANGE, COMMAND_NODE_DRAIN, WITH(node_drain_args)},
    {"node.resume", IPC_CHANGE, COMMAND_NODE_RESUME, WITH(node_resume_args)},
    {"node.set", IPC_CHANGE, COMMAND_NODE_SET, WITH(node_set_args)},
    {"node.fence", IPC_CHANGE, COMMAND_NODE_FENCE, WITH(node_fence_args)},
    {"node.confirm-off", IPC_CHANGE, COMMAND_NODE_CONFIRM_OFF, WITH(node_confirm_args)},
    {"vm.list", IPC_READ, READ_VM_LIST, NULL, 0},
    {"vm.show", IPC_READ, READ_VM_SHOW, WITH(vm_args)},
    {"vm.history", IPC_READ, READ_VM_HISTORY, WITH(vm_args)},
    {"vm.explain", IPC_READ, READ_VM_EXPLAIN, WITH(vm_args)},
    {"vm.add", IPC_CHANGE, COMMAND_VM_ADD, WITH(vm_add_args)},
    {"vm.set", IPC_CHANGE, COMMAND_VM_SET, WITH(vm_set_args)},
    {"vm.remove", IPC_CHANGE, COMMAND_VM_REMOVE, WITH(vm_remove_args)},
    {"vm.start", IPC_CHANGE, COMMAND_VM_START, WITH(vm_start_args)},
    {"vm.stop", IPC_CHANGE, COMMAND_VM_STOP, WITH(vm_stop_args)},
    {"vm.move", IPC_CHANGE, COMMAND_VM_MOVE, WITH(vm_move_args)},
    {"vm.predict", IPC_PREDICT, COMMAND_VM_MOVE, WITH(vm_predict_args)},
    {"vm.storage", IPC_CHANGE, COMMAND_VM_STORAGE, WITH(vm_storage_args)},
    {"vm.checkpoint-create", IPC_CHANGE, COMMAND_CHECKPOINT_CREATE, WITH(checkpoint_create_args)},
    {"vm.checkpoint-revert", IPC_CHANGE, COMMAND_CHECKPOINT_REVERT, WITH(checkpoint_revert_args)},
    {"vm.checkpoint-remove", IPC_CHANGE, COMMAND_CHECKPOINT_REMOVE, WITH(checkpoint_remove_args)},
    {"volume.list", IPC_READ, READ_VOLUME_LIST, NULL, 0},
    {"volume.show", IPC_READ, READ_VOLUME_SHOW, WITH(volume_args)},
    {"volume.add", IPC_CHANGE, COMMAND_VOLUME_ADD, WITH(volume_add_args)},
    {"volume.remove", IPC_CHANGE, COMMAND_VOLUME_REMOVE, WITH(volume_remove_args)},
    {"fence-device.list", IPC_READ, READ_DEVICE_LIST, NULL, 0},
    {"fence-device.add", IPC_CHANGE, COMMAND_DEVICE_ADD, WITH(device_add_args)},
    {"fence-device.remove", IPC_CHANGE, COMMAND_DEVICE_REMOVE, WITH(device_remove_args)},
    {"fence-device.test", IPC_DEVICE_TEST, 0, WITH(test_args)},
    {"operation.list", IPC_READ, READ_OPERATION_LIST, NULL, 0},
    {"operation.show", IPC_READ, READ_OPERATION_SHOW, WITH(operation_args)},
    {"operation.cancel", IPC_CHANGE, COMMAND_OPERATION_CANCEL, WITH(operation_cancel_args)},
    {"event.list", IPC_READ, READ_EVENT_LIST, WITH(event_args)},
    {"config.list", IPC_READ, READ_CONFIG_LIST, NULL, 0},
    {"config.get", IPC_READ, READ_CONFIG_GET, WITH(key_args)},
    {"config.set", IPC_CHANGE, COMMAND_CONFIG_SET, WITH(config_set_args)},
    {"export", IPC_READ, READ_EXPORT, NULL, 0},
    {"rule.list", IPC_READ, READ_RULE_LIST, NULL, 0},
    {"rule.show", IPC_READ, READ_RULE_SHOW, WITH(rule_args)},
    {"rule.add", IPC_CHANGE, COMMAND_RULE_ADD, WITH(rule_add_args)},
    {"rule.remove", IPC_CHANGE, COMMAND_RULE_REMOVE, WITH(rule_remove_args)},
    {"subscribe", IPC_SUBSCRIBE, 0, WITH(subscribe_args)},
};

const size_t ipc_n_needs_args = ARRAY_SIZE(ipc_needs_args);
const size_t ipc_n_file_args = ARRAY_SIZE(ipc_file_args);
const size_t ipc_n_verbs = ARRAY_SIZE(ipc_verbs);
