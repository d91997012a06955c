/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live migration, from libvirtd to libvirtd, phase by phase (the drawing is in
 * resource-agents/vm/migrate.c). It can break in each:
 *
 *   before PERFORMED   the source continues; the target's half copy is removed, sooner or later
 *   PERFORMED          the source is paused; if the target cannot be told to finish, the source
 *                      continues; if the source's libvirtd died, it stays paused
 *   FINISHED           the target's copy is complete, and paused; if that message is lost, libvirt
 *                      resumes the source; if the source's libvirtd died, the source stays paused,
 *                      or the next libvirtd ends it
 *   CONFIRMED          the source is gone; the agent asks the target to resume its copy, even if
 *                      its clusterd has died. Requests of a dead agent may still be carried out;
 *                      it makes no new ones
 */
#include "sim/world.h"

#include <stdio.h>

static void then(struct sim *s, const struct agent *a, uint64_t us, sim_fn *fn) {
    sim_at(s, us, fn, (uint64_t)(a - s->agents), a->serial);
}

static struct copy *source(struct sim *s, const struct agent *a) {
    return &s->vms[a->vm - 1].copies[a->node];
}

static struct copy *target(struct sim *s, const struct agent *a) {
    return &s->vms[a->vm - 1].copies[a->target];
}

static bool stands_still(struct sim *s, uint64_t index, uint64_t serial, sim_fn *fn) {
    const struct agent *a = &s->agents[index];
    const struct node *from = &s->nodes[a->node], *to = &s->nodes[a->target];
    if (from->frozen || from->libvirtd_hangs || (to->power && (to->frozen || to->libvirtd_hangs))) {
        sim_at(s, 100000, fn, index, serial);
        return true;
    }
    return false;
}

static bool target_answers(const struct sim *s, const struct agent *a) {
    const struct node *n = &s->nodes[a->target];
    return ring_reaches(s, a->node, a->target) && n->libvirtd;
}

/* The same target, and the same libvirtd there, as when it was prepared. */
static bool target_is_same(const struct sim *s, const struct agent *a) {
    const struct node *n = &s->nodes[a->target];
    return target_answers(s, a) && n->boot == a->target_boot &&
           n->libvirtd_life == a->target_libvirtd_life;
}

/* ---- the half copy ---- */

static void remove_incoming(struct sim *s, uint64_t packed, uint64_t boot) {
    uint32_t vm = (uint32_t)(packed >> 8), node = (uint32_t)(packed & 0xff);
    struct node *n = &s->nodes[node];
    if (n->boot != boot || s->vms[vm - 1].copies[node].state != COPY_INCOMING) {
        return;
    }
    if (!n->libvirtd || n->frozen) {
        sim_at(s, SIM_SECOND, remove_incoming, packed, boot);
        return;
    }
    copy_end(s, vm, node, VM_EVENT_STOPPED);
}

/* At once if the target sees the connection close; else when its keepalive says so. */
static void drop_incoming(struct sim *s, const struct agent *a) {
    if (a->phase < PHASE_PREPARED || s->nodes[a->target].boot != a->target_boot) {
        return;
    }
    uint64_t us = target_is_same(s, a) ? sim_delay(s, 20000) : sim_random(s, 30 * SIM_SECOND);
    sim_at(s, us, remove_incoming, (uint64_t)a->vm << 8 | a->target, a->target_boot);
}

static void fails(struct sim *s, struct agent *a, const char *why) {
    drop_incoming(s, a);
    agent_done(s, a, RESULT_FAILED, copy_told(source(s, a), true), why);
}

void migrate_abort(struct sim *s, struct agent *a, enum agent_result result) {
    if (a->phase < PHASE_PERFORMED) {
        drop_incoming(s, a);
        agent_done(s, a, result, copy_told(source(s, a), true), "the migration was aborted");
    }
}

/* ---- the phases ---- */

/* ---- the agent's own last step: the copy that has arrived goes on ---- */

/* The request reaches the target's libvirtd, whatever became of who sent it. */
static void resume_lands(struct sim *s, uint64_t packed, uint64_t generation) {
    uint32_t vm = (uint32_t)(packed >> 8), node = (uint32_t)(packed & 0xff);
    const struct copy *copy = &s->vms[vm - 1].copies[node];
    const struct node *n = &s->nodes[node];
    if (n->power && (n->frozen || (n->libvirtd && n->libvirtd_hangs))) {
        sim_at(s, 100000, resume_lands, packed, generation);
        return;
    }
    if (n->libvirtd && copy->state == COPY_PAUSED && copy->generation == generation) {
        copy_resume(s, vm, node);
    }
}

static void resume_answered(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_is(s, index, serial) || stands_still(s, index, serial, resume_answered)) {
        return;
    }
    bool runs = target_is_same(s, a) && target(s, a)->state == COPY_RUNNING;
    agent_done(s, a, runs ? RESULT_OK : RESULT_FAILED, VM_STATE_OFF,
               runs ? "" : "handed over, and not resumed");
}

static void ask_to_resume(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_is(s, index, serial)) {
        return;
    }
    if (s->nodes[a->node].frozen) {
        sim_at(s, 100000, ask_to_resume, index, serial);
        return;
    }
    if (!target_is_same(s, a)) {
        then(s, a, sim_random(s, 8 * SIM_SECOND), resume_answered);
        return;
    }
    uint64_t us = sim_delay(s, 2000);
    sim_at(s, us, resume_lands, (uint64_t)a->vm << 8 | a->target, a->generation);
    then(s, a, us + sim_delay(s, 1000), resume_answered);
}

static void confirm(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_is(s, index, serial) || stands_still(s, index, serial, confirm)) {
        return;
    }
    if (!target_is_same(s, a)) {
        if (source(s, a)->state == COPY_PAUSED) {
            copy_resume(s, a->vm, a->node); /* libvirt cannot know how it ended over there */
        }
        agent_done(s, a, RESULT_FAILED, copy_told(source(s, a), true),
                   "no word from the target of how it ended");
        return;
    }
    copy_end(s, a->vm, a->node, VM_EVENT_MIGRATED);
    a->phase = PHASE_CONFIRMED;
    a->job = JOB_NONE;
    if (!a->process && !a->orphan) {
        agent_free(a); /* nobody is left to ask the target */
        return;
    }
    then(s, a, sim_delay(s, sim_chance(s, s->options.calm ? 20 : 40) ? 300000 : 1000),
         ask_to_resume);
}

static void arrive(struct sim *s, const struct agent *a) {
    struct copy *copy = target(s, a);
    copy->memory = source(s, a)->memory;
    copy->state = COPY_PAUSED;
    sim_trace(s, "%s: all of %s has arrived", s->names[a->target], s->vms[a->vm - 1].name);
}

static void finish(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_is(s, index, serial) || stands_still(s, index, serial, finish)) {
        return;
    }
    if (source(s, a)->state != COPY_PAUSED) { /* it was killed while it stood still */
        fails(s, a, "the source has gone");
        return;
    }
    if (!target_is_same(s, a) || target(s, a)->state != COPY_INCOMING) {
        if (sim_chance(s, 70)) {
            copy_resume(s, a->vm, a->node);
        }
        fails(s, a, "the target could not be told to finish");
        return;
    }
    a->phase = PHASE_FINISHED;
    arrive(s, a);
    then(s, a, sim_delay(s, sim_chance(s, s->options.calm ? 20 : 40) ? 600000 : 4000), confirm);
}

static void perform_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_is(s, index, serial) || stands_still(s, index, serial, perform_ends)) {
        return;
    }
    if (source(s, a)->state != COPY_RUNNING) {
        fails(s, a, "the guest ended while it was moved");
        return;
    }
    if (!target_is_same(s, a) || target(s, a)->state != COPY_INCOMING ||
        s->nodes[a->node].volume != VOLUME_FINE) {
        fails(s, a, "the connection to the target broke");
        return;
    }
    copy_pause(s, a->vm, a->node, true);
    a->phase = PHASE_PERFORMED;
    then(s, a, sim_delay(s, sim_chance(s, 20) ? 300000 : 5000), finish);
}

static void prepare(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_is(s, index, serial) || stands_still(s, index, serial, prepare)) {
        return;
    }
    if (source(s, a)->state != COPY_RUNNING) {
        fails(s, a, "the guest ended before it was moved");
        return;
    }
    struct node *n = &s->nodes[a->target];
    if (!target_answers(s, a) || target(s, a)->state != COPY_NONE || n->volume != VOLUME_FINE) {
        fails(s, a, "the target does not take it");
        return;
    }
    if (s->vms[a->vm - 1].refused_by[a->target] != REFUSE_NOT) {
        fails(s, a, agent_refusal(s->vms[a->vm - 1].refused_by[a->target]));
        return;
    }
    a->target_boot = n->boot;
    a->target_libvirtd_life = n->libvirtd_life;
    a->phase = PHASE_PREPARED;
    copy_wait(s, a->vm, a->target, a->generation);
    then(s, a, sim_delay(s, sim_chance(s, 10) ? 15 * SIM_SECOND : 800000), perform_ends);
}

void migrate_begin(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    (void)serial;
    const struct copy *copy = source(s, a);
    if (copy->state != COPY_RUNNING || copy->io_error || copy->mirror ||
        job_of(s, a->vm, a->node)) {
        agent_done(s, a, RESULT_FAILED, copy_told(copy, true), "it cannot be moved as it is");
        return;
    }
    a->job = JOB_MIGRATE;
    a->phase = PHASE_BEGUN;
    then(s, a, sim_delay(s, 25000), prepare);
}

/* ---- a libvirtd dies in the middle ---- */

/* That of the source. The order to finish may be on its way, and the next libvirtd may know that it
 * was carried out. */
static void source_lost(struct sim *s, struct agent *a) {
    const struct node *n = &s->nodes[a->target];
    bool there = n->boot == a->target_boot && target(s, a)->state == COPY_INCOMING;
    if (a->phase == PHASE_PERFORMED && there && n->libvirtd && !n->frozen && sim_chance(s, 50)) {
        a->phase = PHASE_FINISHED;
        arrive(s, a);
    } else if (a->phase == PHASE_FINISHED && s->nodes[a->node].power && sim_chance(s, 30)) {
        copy_end(s, a->vm, a->node, VM_EVENT_MIGRATED);
    }
    if (a->phase < PHASE_FINISHED) {
        drop_incoming(s, a);
    }
    agent_done(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "libvirtd has gone");
}

/* That of the target: the next step of the source finds out. The next libvirtd there removes a copy
 * that the former one had not yet written down as complete. */
static void target_lost(struct sim *s, struct agent *a) {
    if (a->phase == PHASE_FINISHED && s->nodes[a->target].power &&
        target(s, a)->state == COPY_PAUSED && sim_chance(s, 50)) {
        target(s, a)->state = COPY_INCOMING;
        drop_incoming(s, a);
    }
}

void migrate_libvirtd_lost(struct sim *s, struct agent *a, uint32_t node) {
    if (a->node == node) {
        source_lost(s, a);
    } else if (a->target == node) {
        target_lost(s, a);
    }
}
