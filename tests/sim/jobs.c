/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jobs that agents give to libvirtd: start, restore, save, stop, resume or query a VM. A job
 * may be refused at its beginning; its end comes some time later. The jobs of a dying libvirtd go
 * to the next one, or to nobody. Migrations are in migrate.c.
 */
#include "sim/world.h"

#include "base/check.h"

#include <string.h>

/* So long an agent tries to reach a libvirtd that is not there, or waits for one that hangs. */
#define CONNECT_US (5 * SIM_SECOND)
#define BEGIN_US (10 * SIM_SECOND)

struct agent *job_of(struct sim *s, uint32_t vm, uint32_t node) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        bool there = a->node == node ||
                     (a->job == JOB_MIGRATE && a->target == node && a->phase >= PHASE_PREPARED);
        if (a->used && a->vm == vm && there && a->job != JOB_NONE && a->phase >= PHASE_BEGUN) {
            return a;
        }
    }
    return NULL;
}

/* ---- how a job ends ---- */

static void start_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, start_ends) || !agent_has_storage(s, a, start_ends)) {
        return;
    }
    if (agent_copy(s, a)->state != COPY_NONE) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "it is here already");
        return;
    }
    if (s->vms[a->vm - 1].overlaid && !s->vms[a->vm - 1].overlay_unseen) {
        sim_fail(s, "%s is started from a disk older than what it has written",
                 s->vms[a->vm - 1].name);
    }
    if (files_open(s, a->vm, a->place, a->node)) {
        copy_run(s, a->vm, a->node, a->generation, s->vms[a->vm - 1].disk);
        agent_done(s, a, RESULT_OK, VM_STATE_RUNNING, "");
    }
}

static void restore_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, restore_ends) ||
        !agent_has_storage(s, a, restore_ends)) {
        return;
    }
    struct vm *v = &s->vms[a->vm - 1];
    struct saved *file = saved_find(v, a->path);
    if (!file) {
        sim_fail(s, "the saved memory of %s is gone while it is restored", v->name);
        return;
    }
    if (v->refused_by[a->node] != REFUSE_NOT) {
        file->how = a->process ? SAVED_WHOLE : SAVED_CLAIMED; /* a dead agent leaves it claimed */
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, agent_refusal(v->refused_by[a->node]));
        return;
    }
    copy_run(s, a->vm, a->node, a->generation, file->memory);
    if (a->process) {
        saved_forget(file); /* the agent removes it; a dead one leaves it claimed */
    }
    agent_done(s, a, RESULT_OK, VM_STATE_RUNNING, "");
}

static void save_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, save_ends)) {
        return;
    }
    struct vm *v = &s->vms[a->vm - 1];
    struct copy *copy = agent_copy(s, a);
    if (copy->state != COPY_PAUSED) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "the guest has gone");
        return;
    }
    struct saved *file = saved_find(v, a->path);
    if (s->nodes[a->node].volume != VOLUME_FINE || a->cancelled) {
        if (a->process || a->orphan) {
            saved_forget(file); /* the agent removes what libvirt has not completed */
        }
        copy_resume(s, a->vm, a->node);
        agent_done(s, a, a->cancelled ? RESULT_CANCELLED : RESULT_FAILED, VM_STATE_RUNNING,
                   "it is not saved, and goes on");
        return;
    }
    if (!file) {
        sim_fail(s, "the saved memory of %s is gone while it is written", v->name);
        return;
    }
    file->how = a->process || a->orphan ? SAVED_WHOLE : SAVED_UNNAMED;
    file->memory = copy->memory;
    copy_saved(s, a->vm, a->node);
    agent_done(s, a, RESULT_OK, VM_STATE_OFF, "");
}

static void stop_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, stop_ends)) {
        return;
    }
    struct vm *v = &s->vms[a->vm - 1];
    bool obeys = !v->stubborn && agent_copy(s, a)->state == COPY_RUNNING && a->grace_us > 0;
    if (!obeys && v->undying_us > s->now_us) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "its QEMU does not die");
        return;
    }
    copy_end(s, a->vm, a->node, obeys ? VM_EVENT_SHUTDOWN : VM_EVENT_STOPPED);
    agent_done(s, a, RESULT_OK, VM_STATE_OFF, "");
}

/* The agent of a clusterd that has died is awaited. */
static bool orphan_works(const struct sim *s, const struct agent *asking) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        if (a->used && a->orphan && a->vm == asking->vm && a->node == asking->node) {
            return true;
        }
    }
    return false;
}

static void monitor_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, monitor_ends)) {
        return;
    }
    if (s->nodes[a->node].libvirtd_hangs) {
        agent_then(s, a, 50000, monitor_ends);
    } else if (!s->nodes[a->node].libvirtd) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "libvirt does not answer");
    } else if (job_of(s, a->vm, a->node) || orphan_works(s, a)) {
        agent_then(s, a, 50000, monitor_ends);
    } else {
        agent_done(s, a, RESULT_OK, agent_truth(s, a), "");
    }
}

static void adopt_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (agent_may_go_on(s, index, serial, adopt_ends)) {
        agent_done(s, a, RESULT_OK, VM_STATE_RUNNING, "");
    }
}

/* The mark makes it the cluster's; the agent may die before it can say so. */
static void adopt_marks(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, adopt_marks)) {
        return;
    }
    const struct copy *copy = agent_copy(s, a);
    if (copy->state != COPY_RUNNING || (!copy->foreign && copy->generation != a->generation)) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "it cannot be adopted as it is");
        return;
    }
    if (copy->foreign && sim_chance(s, 25)) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_RUNNING, "a job runs on its disk vda");
        return;
    }
    copy_adopt(s, a->vm, a->node, a->generation);
    agent_then(s, a, sim_delay(s, 50000), adopt_ends);
}

static void release_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (agent_may_go_on(s, index, serial, release_ends)) {
        agent_done(s, a, RESULT_OK, agent_truth(s, a), "");
    }
}

/* The definition is taken back: the cluster starts it. */
static void release_has_ended(struct sim *s, struct agent *a) {
    s->vms[a->vm - 1].defined[a->node] = false;
    agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "it no longer runs");
}

/* Without the mark it is not the cluster's; the agent may die before it can say so. */
static void release_unmarks(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, release_unmarks)) {
        return;
    }
    if (agent_copy(s, a)->state == COPY_NONE) {
        release_has_ended(s, a);
        return;
    }
    if (!agent_copy(s, a)->foreign) {
        copy_release(s, a->vm, a->node);
    }
    agent_then(s, a, sim_delay(s, 50000), release_ends);
}

static void release_defines(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, release_defines)) {
        return;
    }
    const struct copy *copy = agent_copy(s, a);
    bool *defined = &s->vms[a->vm - 1].defined[a->node];
    bool ours = copy->state == COPY_RUNNING && copy->generation == a->generation;
    if (copy->state == COPY_NONE) {
        release_has_ended(s, a);
        return;
    }
    if (!copy->foreign && (!ours || sim_chance(s, 25))) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "it cannot be released as it is");
        return;
    }
    *defined = true;
    agent_then(s, a, sim_delay(s, 50000), release_unmarks);
}

/* ---- how it begins ---- */

static void begin_job(struct agent *a, enum job_kind job) {
    a->job = job;
    a->phase = PHASE_BEGUN;
}

static void begin_start(struct sim *s, struct agent *a) {
    const struct copy *copy = agent_copy(s, a);
    if (copy->state == COPY_RUNNING && copy->generation == a->generation) {
        agent_done(s, a, RESULT_OK, VM_STATE_RUNNING, "");
    } else if (copy->state != COPY_NONE || job_of(s, a->vm, a->node)) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "another copy is here");
    } else if (network_is_missing(s, a->vm, a->node)) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "Cannot get interface MTU: No such device");
    } else {
        begin_job(a, JOB_START);
        agent_then(s, a, sim_delay(s, 80000), start_ends);
    }
}

static void begin_restore(struct sim *s, struct agent *a) {
    struct vm *v = &s->vms[a->vm - 1];
    if (agent_copy(s, a)->state != COPY_NONE) {
        begin_start(s, a); /* judges what is here */
        return;
    }
    struct saved *file = saved_find(v, a->path);
    if (!file || file->how == SAVED_PART || file->how == SAVED_UNNAMED) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "state-missing");
    } else if (file->how == SAVED_CLAIMED) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "state-used");
    } else {
        file->how = SAVED_CLAIMED;
        begin_job(a, JOB_RESTORE);
        agent_then(s, a, sim_delay(s, 300000), restore_ends);
    }
}

/* The VM is not here: an earlier agent may have saved it (save.c). */
static void end_earlier_save(struct sim *s, struct agent *a) {
    struct saved *file = saved_find(&s->vms[a->vm - 1], a->path);
    if (!file || file->how == SAVED_PART || file->generation != a->generation) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "it is not here, nor is its saved state");
        return;
    }
    file->how = file->how == SAVED_UNNAMED ? SAVED_WHOLE : file->how;
    agent_done(s, a, RESULT_OK, VM_STATE_OFF, "");
}

static void begin_save(struct sim *s, struct agent *a) {
    if (agent_copy(s, a)->state == COPY_NONE) {
        end_earlier_save(s, a);
        return;
    }
    if (agent_copy(s, a)->state != COPY_RUNNING || job_of(s, a->vm, a->node) ||
        agent_copy(s, a)->mirror) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "it cannot be saved as it is");
        return;
    }
    if (!saved_add(s, &s->vms[a->vm - 1], a)) {
        return;
    }
    begin_job(a, JOB_SAVE);
    copy_pause(s, a->vm, a->node, false);
    agent_then(s, a, sim_delay(s, 500000), save_ends);
}

static void begin_stop(struct sim *s, struct agent *a) {
    const struct vm *v = &s->vms[a->vm - 1];
    struct agent *other = job_of(s, a->vm, a->node);
    if (agent_copy(s, a)->state == COPY_NONE) {
        agent_done(s, a, RESULT_OK, VM_STATE_OFF, "");
        return;
    }
    if (other && other->job == JOB_MIGRATE && other->node == a->node) {
        migrate_abort(s, other, RESULT_FAILED);
    }
    begin_job(a, JOB_STOP);
    bool obeys = a->grace_us > 0 && !v->stubborn;
    uint64_t us = obeys ? sim_delay(s, 1500000) : a->grace_us + sim_delay(s, 30000);
    agent_then(s, a, us < a->grace_us || !obeys ? us : a->grace_us, stop_ends);
}

static void begin_resume(struct sim *s, struct agent *a) {
    struct copy *copy = agent_copy(s, a);
    bool meant = copy->generation == a->generation;
    if (copy->state == COPY_PAUSED && meant && !job_of(s, a->vm, a->node)) {
        copy_resume(s, a->vm, a->node);
    }
    bool runs = copy->state == COPY_RUNNING;
    agent_done(s, a, runs ? RESULT_OK : RESULT_FAILED, agent_truth(s, a), runs ? "" : "not paused");
}

static void claim(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, claim)) {
        return;
    }
    if (s->nodes[a->node].libvirtd_hangs) {
        agent_then(s, a, 50000, claim);
        return;
    }
    if (!s->nodes[a->node].libvirtd || a->how == AGENT_FAILS) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "libvirt does not answer");
        return;
    }
    bool cleared = guest_clear_autostart(s, a->vm, a->node);
    agent_done(s, a, RESULT_OK, agent_truth(s, a), cleared ? "its autostart was taken away" : "");
}

bool job_says_what_it_begins(const struct agent *a) {
    static const char *const actions[] = {"start",
                                          "adopt",
                                          "release",
                                          "restore",
                                          "save",
                                          "migrate_to",
                                          "mirror",
                                          "checkpoint-live",
                                          "checkpoint-remove-live"};
    bool says = false;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        says = says || strcmp(actions[i], a->action) == 0;
    }
    return says;
}

/* Nothing has been begun yet: an agent that gives up here says so, of what makes or moves a copy.
 */
static bool libvirt_is_reached(struct sim *s, struct agent *a, sim_fn *fn) {
    const struct node *n = &s->nodes[a->node];
    if (n->libvirtd && !n->libvirtd_hangs) {
        return true;
    }
    if (s->now_us < a->began_us + (n->libvirtd ? BEGIN_US : CONNECT_US)) {
        agent_then(s, a, 50000, fn);
        return false;
    }
    a->not_begun = job_says_what_it_begins(a);
    agent_done(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "libvirt does not answer");
    return false;
}

void job_begin(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, job_begin) || a->how == AGENT_HANGS) {
        return;
    }
    if (a->how == AGENT_SILENT) {
        agent_process_ends(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "it ended without a result");
        agent_free(a);
        return;
    }
    if (strcmp(a->action, "monitor") == 0) {
        monitor_ends(s, index, serial);
        return;
    }
    if (strcmp(a->action, "claim") == 0) {
        claim(s, index, serial);
        return;
    }
    if (strcmp(a->action, "state-remove") == 0) {
        saved_remove(s, index, serial);
        return;
    }
    if (files_job(a)) {
        files_begin(s, index, serial);
        return;
    }
    if (checkpoint_job(a) && strstr(a->action, "-live") == NULL) {
        checkpoint_begin_off(s, index, serial);
        return;
    }
    if (!libvirt_is_reached(s, a, job_begin)) {
        return;
    }
    if (a->how == AGENT_FAILS) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "the simulator wants it so");
        return;
    }
    a->libvirtd_life = s->nodes[a->node].libvirtd_life;
    if (strcmp(a->action, "predict") == 0) {
        agent_done(s, a, RESULT_OK, agent_truth(s, a), "");
    } else if (strcmp(a->action, "start") == 0) {
        begin_start(s, a);
    } else if (strcmp(a->action, "adopt") == 0) {
        begin_job(a, JOB_ADOPT);
        agent_then(s, a, sim_delay(s, 50000), adopt_marks);
    } else if (strcmp(a->action, "release") == 0) {
        begin_job(a, JOB_RELEASE);
        agent_then(s, a, sim_delay(s, 50000), release_defines);
    } else if (strcmp(a->action, "restore") == 0) {
        begin_restore(s, a);
    } else if (strcmp(a->action, "save") == 0) {
        begin_save(s, a);
    } else if (strcmp(a->action, "stop") == 0 || strcmp(a->action, "destroy") == 0) {
        begin_stop(s, a);
    } else if (strcmp(a->action, "resume") == 0 || strcmp(a->action, "mirror-continue") == 0) {
        begin_resume(s, a);
    } else if (checkpoint_job(a)) {
        checkpoint_begin_live(s, a);
    } else if (mirror_job(a)) {
        mirror_begin(s, a);
    } else if (strcmp(a->action, "migrate_to") == 0) {
        migrate_begin(s, index, serial);
    } else {
        CHECK(false); /* an action that the agents do not have */
    }
}

/* libvirtd has gone, and with it every job that it drove. */
void jobs_of_libvirtd_end(struct sim *s, uint32_t node) {
    mirrors_of_libvirtd_end(s, node);
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        if (!a->used || a->job == JOB_NONE || a->phase == PHASE_ASKED) {
            continue;
        }
        if (a->job == JOB_MIGRATE) {
            migrate_libvirtd_lost(s, a, node);
        } else if (a->node == node) {
            if (a->job == JOB_SAVE && agent_copy(s, a)->state == COPY_PAUSED) {
                copy_resume(s, a->vm, a->node); /* what the next libvirtd does first */
            }
            if (a->job == JOB_START && agent_copy(s, a)->state == COPY_NONE && sim_chance(s, 50) &&
                files_open(s, a->vm, a->place, a->node)) {
                copy_run(s, a->vm, a->node, a->generation, s->vms[a->vm - 1].disk);
            }
            agent_done(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "libvirtd has gone");
        }
    }
}
