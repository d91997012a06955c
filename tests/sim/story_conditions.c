/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conditions of a story: what it waits for, expects, and finds said. The world says what really
 * runs where; the node that has applied most says what a state is.
 */
#include "sim/story_inner.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

/* ---- conditions ---- */

static const struct model_vm *row_of(const struct story *t, const struct words *w) {
    const struct model *m = sim_model(t->sim);
    return m ? model_vm_by_name(m, sim_vm_name(t->sim, (uint32_t)w->v[0])) : NULL;
}

static const struct model_node *node_of(const struct story *t, const struct words *w) {
    const struct model *m = sim_model(t->sim);
    return m ? model_node_by_id(m, (uint32_t)w->v[0]) : NULL;
}

/* In truth, and nothing is under way; a part without quorum need not know of it. */
static bool runs_on(struct story *t, const struct words *w) {
    uint32_t there = sim_runs_on(t->sim, (uint32_t)w->v[0]);
    return there != 0 && w->v[1] >> there & 1;
}

static bool runs_nowhere(struct story *t, const struct words *w) {
    return sim_runs_on(t->sim, (uint32_t)w->v[0]) == 0;
}

/* No QEMU of it is left, not even one that stands still. */
static bool vm_gone(struct story *t, const struct words *w) {
    for (uint32_t i = 1; i <= t->options.nodes; i++) {
        if (t->sim->vms[w->v[0] - 1].copies[i].state != COPY_NONE) {
            return false;
        }
    }
    return true;
}

static bool vm_is(struct story *t, const struct words *w) {
    const struct model_vm *row = row_of(t, w);
    return row && row->state == w->v[1];
}

static bool vm_paused(struct story *t, const struct words *w) {
    const struct model_vm *row = row_of(t, w);
    return row && row->paused;
}

/* There and nowhere else, whole. */
static bool files_at(struct story *t, const struct words *w) {
    const struct vm *v = &t->sim->vms[w->v[0] - 1];
    bool there = true;
    for (uint32_t i = 0; i < SIM_PLACES; i++) {
        there = there && v->files[i].there == (i == w->v[1]) && v->files[i].part == 0;
    }
    return there;
}

static const struct model_checkpoint *checkpoint_of(struct story *t, const struct words *w) {
    const struct model_vm *row = row_of(t, w);
    return row ? model_checkpoint_by_name(sim_model(t->sim), row->id, w->text) : NULL;
}

static bool has_checkpoint(struct story *t, const struct words *w) {
    const struct model_checkpoint *row = checkpoint_of(t, w);
    return row && row->whole;
}

static bool has_no_checkpoint(struct story *t, const struct words *w) {
    return sim_model(t->sim) && !checkpoint_of(t, w);
}

static bool is_half_reverted(struct story *t, const struct words *w) {
    return t->sim->vms[w->v[0] - 1].half_reverted;
}

/* Its QEMU does, whether the guest runs or stands still. */
static bool writes_to(struct story *t, const struct words *w) {
    const struct vm *v = &t->sim->vms[w->v[0] - 1];
    bool there = false;
    for (uint32_t i = 1; i <= t->sim->n; i++) {
        there = there || v->copies[i].state == COPY_RUNNING || v->copies[i].state == COPY_PAUSED;
    }
    return there && v->place == w->v[1];
}

static bool vm_removed(struct story *t, const struct words *w) {
    return sim_model(t->sim) && !row_of(t, w);
}

static const struct agent *agent_of(const struct story *t, uint32_t vm, const char *action) {
    for (uint32_t i = 0; i < t->sim->n_agents; i++) {
        const struct agent *a = &t->sim->agents[i];
        if (a->used && a->vm == vm && strcmp(a->action, action) == 0) {
            return a;
        }
    }
    return NULL;
}

static bool migration_is(struct story *t, const struct words *w) {
    const struct agent *a = agent_of(t, (uint32_t)w->v[0], "migrate_to");
    return a && a->phase == PHASE_BEGUN + w->v[1];
}

/* libvirt has the job: killing its agent takes it back no more. */
static bool agent_works(struct story *t, const struct words *w) {
    const struct agent *a = agent_of(t, (uint32_t)w->v[0], w->text);
    return a && a->phase >= PHASE_BEGUN;
}

static bool node_is(struct story *t, const struct words *w) {
    const struct model_node *node = node_of(t, w);
    return node && node->state == w->v[1] + 1;
}

static bool node_serves(struct story *t, const struct words *w) {
    const struct model_node *node = node_of(t, w);
    return node && node->service == w->v[1];
}

static bool node_usable(struct story *t, const struct words *w) {
    struct core_status status;
    return sim_status(t->sim, (uint32_t)w->v[0], &status) && status.usable;
}

/* What is planned, as a client there was told last. */
static bool sees_place(struct story *t, const struct words *w, bool place) {
    struct core_outlook outlook;
    const struct model *m = sim_model(t->sim);
    const struct model_vm *vm =
        m ? model_vm_by_name(m, sim_vm_name(t->sim, (uint32_t)w->v[1])) : NULL;
    if (!vm || !sim_outlook(t->sim, (uint32_t)w->v[0], &outlook) || !outlook.starts) {
        return false;
    }
    for (uint32_t i = 0; i < outlook.starts->n; i++) {
        if (outlook.starts->v[i].vm == vm->id) {
            return (outlook.starts->v[i].to != 0) == place;
        }
    }
    return false;
}

static bool sees_no_place(struct story *t, const struct words *w) {
    return sees_place(t, w, false);
}

static bool sees_a_place(struct story *t, const struct words *w) {
    return sees_place(t, w, true);
}

/* Its log has an entry that nobody else's has yet. */
static bool node_ahead(struct story *t, const struct words *w) {
    struct core_status own, other;
    bool ahead = sim_status(t->sim, (uint32_t)w->v[0], &own);
    for (uint32_t i = 1; i <= t->options.nodes && ahead; i++) {
        bool there = i != w->v[0] && sim_status(t->sim, i, &other);
        ahead = !there || other.last_index < own.last_index;
    }
    return ahead;
}

static bool node_unusable(struct story *t, const struct words *w) {
    return !node_usable(t, w);
}

static bool node_has_power(struct story *t, const struct words *w) {
    return sim_is_on(t->sim, (uint32_t)w->v[0]) == (w->v[1] == 0);
}

static bool clusterd_runs(struct story *t, const struct words *w) {
    return sim_clusterd_runs(t->sim, (uint32_t)w->v[0]) == (w->v[1] == 0);
}

static bool operation_is(struct story *t, const struct words *w) {
    const struct model *m = sim_model(t->sim);
    const struct model_operation *op = m ? model_operation_by_id(m, t->operation) : NULL;
    return op && op->state == w->v[0] + 1;
}

static bool coordinator_is(struct story *t, const struct words *w) {
    const struct model *m = sim_model(t->sim);
    return m && model_coordinator(m) == w->v[0];
}

static bool all_run(struct story *t, const struct words *w) {
    (void)w;
    const struct model *m = sim_model(t->sim);
    bool run = true;
    if (!m) {
        return false;
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        uint32_t number = guest_find(t->sim, vm->uuid);
        run = run && vm->state == VM_RUNNING && sim_runs_on(t->sim, number) == vm->owner;
    }
    return run;
}

static bool fencing_tried(struct story *t, const struct words *w) {
    return sim_fence_calls(t->sim) - t->fencings_before >= w->v[0];
}

const struct pattern story_conditions[] = {
    {"VM runs on NODES", NULL, runs_on},
    {"VM runs nowhere", NULL, runs_nowhere},
    {"VM gone", NULL, vm_gone},
    {"VM is off|starting|running|stopping|migrating|saving|saved|restoring|unknown", NULL, vm_is},
    {"VM stands still", NULL, vm_paused},
    {"VM removed", NULL, vm_removed},
    {"VM migration begun|prepared|performed|finished|confirmed", NULL, migration_is},
    {"VM agent WORD works", NULL, agent_works},
    {"VM files at NUMBER", NULL, files_at},
    {"VM writes to NUMBER", NULL, writes_to},
    {"VM has checkpoint NAME", NULL, has_checkpoint},
    {"VM has no checkpoint NAME", NULL, has_no_checkpoint},
    {"VM half reverted", NULL, is_half_reverted},
    {"NODE is joining|online|silent|lost|fencing|fenced|offline", NULL, node_is},
    {"NODE serves active|draining|drained", NULL, node_serves},
    {"NODE usable", NULL, node_usable},
    {"NODE not usable", NULL, node_unusable},
    {"NODE sees no place for VM", NULL, sees_no_place},
    {"NODE sees a place for VM", NULL, sees_a_place},
    {"NODE ahead", NULL, node_ahead},
    {"NODE volume unknown|ok|stalled|failed|different", NULL, story_volume_is},
    {"NODE power on|off", NULL, node_has_power},
    {"NODE clusterd on|off", NULL, clusterd_runs},
    {"operation running|done|failed|cancelled", NULL, operation_is},
    {"coordinator NODE", NULL, coordinator_is},
    {"all run", NULL, all_run},
    {"NUMBER fencings tried", NULL, fencing_tried},
    {NULL, NULL, NULL},
};

/* ---- what is found afterwards ---- */

static bool answered(struct sim *s, const void *request) {
    return sim_answer(s, *(const uint64_t *)request) >= 0;
}

static void refused(struct story *t, const struct words *w) {
    if (!sim_run_until(t->sim, answered, &t->request, 15 * SIM_SECOND)) {
        story_wrong(t, "it was not answered");
    } else if (sim_answer(t->sim, t->request) == REPLY_OK) {
        story_wrong(t, "it was accepted");
    } else if (!strstr(sim_answer_text(t->sim, t->request), w->text)) {
        story_wrong(t, "it was refused, but so: %s", sim_answer_text(t->sim, t->request));
    }
    if (!t->refused) { /* the answer took its time */
        sim_trace(t->sim, "refused: %s", sim_answer_text(t->sim, t->request));
    }
    t->refused = false;
}

static void fencings(struct story *t, const struct words *w) {
    uint32_t n = sim_fence_calls(t->sim) - t->fencings_before;
    if (n != (w->n ? w->v[0] : 0)) {
        story_wrong(t, "fencing was tried %u times", n);
    }
}

/* "run migrate_to 2 times": since the story began. */
static void agent_runs(struct story *t, const struct words *w) {
    uint32_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(t->sim->calls); i++) {
        if (strcmp(t->sim->calls[i].action, w->text) == 0) {
            n = t->sim->calls[i].n - t->calls_before[i];
        }
    }
    if (n != w->v[0]) {
        story_wrong(t, "vm %s was run %u times", w->text, n);
    }
}

/* How often the world allows something to be tried. */
static void agent_runs_at_most(struct story *t, const struct words *w) {
    uint32_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(t->sim->calls); i++) {
        if (strcmp(t->sim->calls[i].action, w->text) == 0) {
            n = t->sim->calls[i].n - t->calls_before[i];
        }
    }
    if (n > w->v[0]) {
        story_wrong(t, "vm %s was run %u times", w->text, n);
    }
}

static void told(struct story *t, const struct words *w) {
    if (!trace_has(t, w->text)) {
        story_wrong(t, "that was not told");
    }
}

static void not_told(struct story *t, const struct words *w) {
    if (trace_has(t, w->text)) {
        story_wrong(t, "that was told");
    }
}

const struct pattern story_findings[] = {
    {"expect refused TEXT", refused, NULL},
    {"expect no fencing", fencings, NULL},
    {"expect NUMBER fencings", fencings, NULL},
    {"expect agent WORD run NUMBER times", agent_runs, NULL},
    {"expect agent WORD run at most NUMBER times", agent_runs_at_most, NULL},
    {"expect told TEXT", told, NULL},
    {"expect not told TEXT", not_told, NULL},
    {"expect VM down by TEXT", story_down_by, NULL},
    {NULL, NULL, NULL},
};
