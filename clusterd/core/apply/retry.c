/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM that fails: where it is not tried again, and when it is.
 *
 *    crash, or an order without a result         counts; above restart_limit the VM avoids the node
 *    start that failed or ended without result   the VM avoids the node
 *    the VM avoids every node that could take it VM_RETRY wait: a pause, twice as long each time
 *    the pause is over                           VM_RETRY: it may be tried everywhere again
 *    a node or volume is back, `vm start`        the same at once; the next pause is short
 *
 * The cause often goes away: locks of a dead node live on for a while, storage comes back. So the
 * VM is tried without limit, as fencing is. The model holds the end of the pause as wall-clock
 * time, for `status` and for the next coordinator. The coordinator that waits guards against jumps
 * of the clock.
 */
#include "core/apply/inside.h"
#include "core/model/settings.h"

void vm_count_failure(struct apply *a, struct model_vm *vm, uint32_t node) {
    uint64_t period = setting_get(a->m, SETTING_restart_period_ms);
    if (vm->failures == 0 || a->time_ms > vm->failures_ms + period ||
        a->time_ms < vm->failures_ms) {
        vm->failures = 0;
        vm->failures_ms = a->time_ms;
    }
    vm->failures++;
    if (vm->failures > setting_get(a->m, SETTING_restart_limit)) {
        vm->failures = 0;
        add_id(a, &vm->avoid, node);
        apply_event(a, SEVERITY_WARNING, "vm-avoids", vm->name,
                    "%s has failed too often on %s: it will be started elsewhere", vm->name,
                    model_node_name(a->m, node));
    }
    vm_touch(a, vm);
}

void vm_forget_failures(struct apply *a, struct model_vm *vm) {
    vm->waits = 0;
    vm->retries = 0;
    if (vm->avoid.n > 0) {
        set_ids(a, &vm->avoid, NULL, 0);
        vm_touch(a, vm);
    }
}

void vms_forget_failures(struct apply *a) {
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        if (vm->state == VM_OFF || vm->state == VM_SAVED) {
            vm_forget_failures(a, vm);
        }
    }
}

static uint64_t next_pause(const struct model *m, const struct model_vm *vm) {
    uint64_t pause = setting_get(m, SETTING_start_retry_ms);
    uint64_t longest = setting_get(m, SETTING_start_retry_max_ms);
    for (uint32_t i = 0; i < vm->retries && pause < longest; i++) {
        pause *= 2;
    }
    return pause < longest ? pause : longest;
}

static void begin_pause(struct apply *a, struct model_vm *vm) {
    uint64_t long_ago = setting_get(a->m, SETTING_restart_period_ms) +
                        setting_get(a->m, SETTING_start_retry_max_ms);
    if (a->time_ms > vm->retry_ms + long_ago || a->time_ms + long_ago < vm->retry_ms) {
        vm->retries = 0; /* the last attempt is this old, or the clock has been set */
    }
    uint64_t pause = next_pause(a->m, vm);
    vm->waits = 1;
    vm->retries++;
    vm->retry_ms = a->time_ms + pause;
    apply_event(a, SEVERITY_WARNING, "vm-waits", vm->name,
                "%s failed to start on every node that may take it: next attempt in %llu s",
                vm->name, (unsigned long long)(pause + 999) / 1000);
}

void apply_vm_retry(struct apply *a, const void *command) {
    const struct cmd_vm_retry *retry = command;
    struct model_vm *vm = apply_vm_by_id(a, retry->vm);
    bool down = vm && (vm->state == VM_OFF || vm->state == VM_SAVED) && vm->order == ORDER_NONE &&
                vm->wanted == WANTED_RUNNING;
    if (!down || a->origin != model_coordinator(a->m) || vm->serial != retry->serial ||
        vm->avoid.n == 0 || vm->waits == retry->wait) {
        apply_refuse(a, REPLY_REFUSED, "the retry was decided on an older state", "");
        return;
    }
    if (retry->wait) {
        begin_pause(a, vm);
    } else {
        vm->waits = 0;
        set_ids(a, &vm->avoid, NULL, 0);
        apply_event(a, SEVERITY_INFO, "vm-retry", vm->name, "%s is tried again", vm->name);
    }
    vm_touch(a, vm);
}
