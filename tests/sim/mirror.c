/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks of a VM that runs are mirrored, and QEMU goes over to the mirror: the agent `vm mirror`,
 * and what QEMU does for it (resource-agents/vm/mirror.c has the drawing). QEMU's part outlives the
 * agent, clusterd and libvirtd, and dies with QEMU. What a dead agent had asked of libvirtd may
 * still be done, but no more than one step.
 *
 * The places of a VM's file, and their versions, are those of files.c. While QEMU mirrors, the new
 * place is worth nothing; when the guest stands still and QEMU goes over, it is what the old one
 * is.
 */
#include "sim/world.h"

#include <string.h>

#define PIVOT_US 30000u
#define REPORT_US 20000u

static struct vm *vm_of(struct sim *s, const struct agent *a) {
    return &s->vms[a->vm - 1];
}

bool mirror_job(const struct agent *a) {
    return strcmp(a->action, "mirror") == 0;
}

/* QEMU runs on the original, and its copying has ended. */
static void go_back(struct sim *s, struct agent *a, enum agent_result result, const char *why) {
    struct copy *copy = agent_copy(s, a);
    copy->mirror = 0;
    if (copy->state == COPY_PAUSED) {
        copy_resume(s, a->vm, a->node);
    }
    agent_done(s, a, result, agent_truth(s, a), why);
}

/* A dead agent's last request may be on its way; it makes no further one. */
static bool nobody_asks(struct sim *s, struct agent *a) {
    if (a->process) {
        return false;
    }
    if (!a->orphan && sim_chance(s, 40)) {
        a->orphan = true;
        return false;
    }
    agent_free(a);
    return true;
}

/* False: not now, or not any more. */
static bool goes_on(struct sim *s, uint64_t index, uint64_t serial, sim_fn *fn) {
    if (!agent_may_go_on(s, index, serial, fn)) {
        return false;
    }
    struct agent *a = &s->agents[index];
    if (s->nodes[a->node].libvirtd_hangs) {
        agent_then(s, a, 50000, fn);
        return false;
    }
    if (nobody_asks(s, a)) {
        return false;
    }
    const struct copy *copy = agent_copy(s, a);
    if (copy->state == COPY_NONE || copy->generation != a->generation) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "the VM has ended");
        return false;
    }
    return true;
}

static void report_done(struct sim *s, uint64_t index, uint64_t serial) {
    if (goes_on(s, index, serial, report_done)) {
        struct agent *a = &s->agents[index];
        agent_done(s, a, RESULT_OK, agent_truth(s, a), "");
    }
}

static void pivot(struct sim *s, uint64_t index, uint64_t serial) {
    if (!goes_on(s, index, serial, pivot)) {
        return;
    }
    struct agent *a = &s->agents[index];
    struct vm *v = vm_of(s, a);
    sim_trace(s, "%s: QEMU of %s goes over to place %u", s->names[a->node], v->name, a->to);
    v->files[a->to].disk = v->disk;
    v->place = a->to;
    agent_copy(s, a)->mirror = 0;
    agent_then(s, a, sim_delay(s, REPORT_US), report_done);
}

static void stand_still(struct sim *s, uint64_t index, uint64_t serial) {
    if (!goes_on(s, index, serial, stand_still)) {
        return;
    }
    struct agent *a = &s->agents[index];
    struct copy *copy = agent_copy(s, a);
    if (s->nodes[a->node].volume == VOLUME_GONE) {
        go_back(s, a, RESULT_FAILED, "the storage has gone");
    } else if (s->nodes[a->node].volume == VOLUME_HANGS) {
        agent_then(s, a, 200000, stand_still);
    } else if (copy->mirror != a->to + 1) {
        go_back(s, a, RESULT_FAILED, "QEMU's copy has failed");
    } else {
        if (copy->state == COPY_RUNNING) {
            sim_trace(s, "%s: %s stands still", s->names[a->node], vm_of(s, a)->name);
            copy_pause(s, a->vm, a->node, false);
        }
        agent_then(s, a, sim_delay(s, PIVOT_US), pivot);
    }
}

/* It may find what an earlier one has left, in any step. */
void mirror_begin(struct sim *s, struct agent *a) {
    struct vm *v = vm_of(s, a);
    struct copy *copy = agent_copy(s, a);
    bool here = copy->state == COPY_RUNNING || copy->state == COPY_PAUSED;
    if (!here || copy->generation != a->generation || job_of(s, a->vm, a->node)) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "it cannot be mirrored as it is");
        return;
    }
    if (v->place == a->to) { /* it has gone over: there is no way back */
        agent_done(s, a, RESULT_OK, agent_truth(s, a), "");
        return;
    }
    if (a->cancelled) {
        go_back(s, a, RESULT_CANCELLED, "cancelled");
        return;
    }
    if (s->nodes[a->node].volume != VOLUME_FINE ||
        (v->files[a->to].there && v->files[a->to].part != a->move)) {
        go_back(s, a, RESULT_FAILED, "it cannot be copied there");
        return;
    }
    checkpoints_mirrored(s, a->vm);
    bool continues = copy->mirror == a->to + 1;
    v->files[a->to].part = a->move;
    v->files[a->to].there = true;
    v->files[a->to].disk = continues ? v->files[a->to].disk : 0;
    copy->mirror = a->to + 1;
    a->phase = PHASE_BEGUN;
    uint64_t most = sim_chance(s, 30) ? 30 * SIM_SECOND : 4 * SIM_SECOND;
    agent_then(s, a, continues ? 1000 : sim_delay(s, 400000) + sim_random(s, most), stand_still);
}

/* Not in the switch: that is quick, and its agent says how it ended. */
void mirror_ask_to_end(struct sim *s, struct agent *a) {
    if (agent_copy(s, a)->mirror && agent_copy(s, a)->state == COPY_RUNNING &&
        s->nodes[a->node].libvirtd && !s->nodes[a->node].libvirtd_hangs) {
        go_back(s, a, RESULT_CANCELLED, "cancelled");
    }
}

void mirrors_of_libvirtd_end(struct sim *s, uint32_t node) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        if (a->used && a->node == node && mirror_job(a) && a->phase == PHASE_BEGUN) {
            agent_done(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "libvirtd has gone");
        }
    }
}

bool mirror_writes(const struct sim *s, uint32_t vm, uint32_t place) {
    bool writes = false;
    for (uint32_t node = 1; node <= s->n; node++) {
        const struct copy *copy = &s->vms[vm - 1].copies[node];
        writes = writes || (copy->state != COPY_NONE && copy->mirror == place + 1);
    }
    return writes;
}
