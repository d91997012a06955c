/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words for states: the same in the log, in the JSON and on the screen.
 */
#include "base/check.h"
#include "core/model/model.h"

static const char *name_of(const char *const *names, size_t n, uint8_t value) {
    return value < n && names[value] ? names[value] : "unknown";
}

const char *node_state_name(uint8_t state) {
    static const char *const names[] = {
        [NODE_NEVER_SEEN] = "offline", [NODE_JOINING] = "joining", [NODE_ONLINE] = "online",
        [NODE_SILENT] = "silent",      [NODE_LOST] = "lost",       [NODE_FENCING] = "fencing",
        [NODE_FENCED] = "fenced",      [NODE_OFFLINE] = "offline",
    };
    return name_of(names, ARRAY_SIZE(names), state);
}

const char *vm_state_name(uint8_t state) {
    static const char *const names[] = {
        [VM_OFF] = "off",           [VM_STARTING] = "starting",   [VM_RUNNING] = "running",
        [VM_STOPPING] = "stopping", [VM_MIGRATING] = "migrating", [VM_SAVING] = "saving",
        [VM_SAVED] = "saved",       [VM_RESTORING] = "restoring", [VM_RESOLVING] = "unknown",
    };
    return name_of(names, ARRAY_SIZE(names), state);
}

const char *move_cause_name(uint8_t cause) {
    static const char *const names[] = {
        [CAUSE_PERSON] = "person", [CAUSE_ROOM] = "room", [CAUSE_BALANCE] = "balance"};
    return name_of(names, ARRAY_SIZE(names), cause);
}

const char *rule_kind_name(uint8_t kind) {
    static const char *const names[] = {[RULE_APART] = "apart",
                                        [RULE_TOGETHER] = "together",
                                        [RULE_ON] = "on",
                                        [RULE_NOT_ON] = "not-on"};
    return name_of(names, ARRAY_SIZE(names), kind);
}

const char *rule_scope_name(uint8_t scope) {
    static const char *const names[] = {
        [SCOPE_NODE] = "node", [SCOPE_RACK] = "rack", [SCOPE_SITE] = "site"};
    return name_of(names, ARRAY_SIZE(names), scope);
}

const char *vm_mobility_name(uint8_t mobility) {
    static const char *const names[] = {
        [MOBILITY_LIVE] = "live", [MOBILITY_QUICK] = "quick", [MOBILITY_FIXED] = "fixed"};
    return name_of(names, ARRAY_SIZE(names), mobility);
}

const char *failback_name(uint8_t failback) {
    static const char *const names[] = {
        [FAILBACK_NOW] = "now", [FAILBACK_NO] = "no", [FAILBACK_POLICY] = "policy"};
    return name_of(names, ARRAY_SIZE(names), failback);
}

const char *vm_move_policy_name(uint8_t policy) {
    static const char *const names[] = {[MOVE_POLICY_LIVE_OR_QUICK] = "live-or-quick",
                                        [MOVE_POLICY_LIVE] = "live",
                                        [MOVE_POLICY_RESTART] = "restart",
                                        [MOVE_POLICY_SHUT_DOWN] = "shut-down",
                                        [MOVE_POLICY_STAY] = "stay"};
    return name_of(names, ARRAY_SIZE(names), policy);
}

const char *convergence_name(uint8_t convergence) {
    static const char *const names[] = {[CONVERGENCE_DEFAULT] = "default",
                                        [CONVERGENCE_ABORT] = "abort",
                                        [CONVERGENCE_SUSPEND] = "suspend"};
    return name_of(names, ARRAY_SIZE(names), convergence);
}

const char *operation_state_name(uint8_t state) {
    static const char *const names[] = {
        [OPERATION_RUNNING] = "running",
        [OPERATION_DONE] = "done",
        [OPERATION_FAILED] = "failed",
        [OPERATION_CANCELLED] = "cancelled",
    };
    return name_of(names, ARRAY_SIZE(names), state);
}

const char *volume_state_name(uint8_t state) {
    static const char *const names[] = {
        [VOLUME_UNKNOWN] = "unknown",     [VOLUME_OK] = "ok",
        [VOLUME_STALLED] = "stalled",     [VOLUME_FAILED] = "failed",
        [VOLUME_DIFFERENT] = "different",
    };
    return name_of(names, ARRAY_SIZE(names), state);
}

const char *severity_name(uint8_t severity) {
    static const char *const names[] = {
        [SEVERITY_INFO] = "info", [SEVERITY_WARNING] = "warning", [SEVERITY_ERROR] = "error"};
    return name_of(names, ARRAY_SIZE(names), severity);
}

const char *evidence_name(uint8_t evidence) {
    static const char *const names[] = {
        [EVIDENCE_NONE] = "none",
        [EVIDENCE_AGENT] = "fence agent",
        [EVIDENCE_WATCHDOG] = "watchdog",
        [EVIDENCE_ADMIN] = "administrator",
    };
    return name_of(names, ARRAY_SIZE(names), evidence);
}

const char *move_mode_name(uint8_t mode) {
    static const char *const names[] = {
        [MOVE_AUTO] = "auto",       [MOVE_LIVE] = "live",           [MOVE_QUICK] = "quick",
        [MOVE_RESTART] = "restart", [MOVE_SHUT_DOWN] = "shut-down",
    };
    return name_of(names, ARRAY_SIZE(names), mode);
}
