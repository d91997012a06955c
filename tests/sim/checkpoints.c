/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checkpoints of VMs, and the agents that make, remove and go back to them. A VM's file (files.c)
 * stands for two disks here, which have a checkpoint, or are set back, one after the other; QEMU
 * gives it to both at once. What they hold goes along with a copy of the file, and is lost when
 * QEMU copies it.
 *
 * What is set back has a version that nothing had before: whatever memory was saved does not fit it
 * any more.
 *
 * What may never happen: a VM starts while one disk is set back and the other is not, two agents
 * work on its disks on two nodes, checkpoints that the cluster knows are lost.
 */
#include "sim/world.h"

#include "wire/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 1, BOTH = 3 };

static struct checkpoint *find(struct vm *v, uint64_t id) {
    for (uint32_t i = 0; i < SIM_CHECKPOINTS; i++) {
        if (v->checkpoints[i].id == id) {
            return &v->checkpoints[i];
        }
    }
    return NULL;
}

/* The images have room for any number, but nobody makes so many. */
static struct checkpoint *add(struct sim *s, struct vm *v, uint64_t id) {
    struct checkpoint *it = find(v, id);
    it = it ? it : find(v, 0);
    if (!it) {
        sim_fail(s, "%s has too many checkpoints", v->name);
        return NULL;
    }
    const struct model *m = sim_model(s);
    it->index = it->id == id || !m ? it->index : m->index;
    it->id = id;
    return it;
}

bool checkpoint_job(const struct agent *a) {
    return strncmp(a->action, "checkpoint", 10) == 0;
}

static bool is_live(const struct agent *a) {
    return strstr(a->action, "-live") != NULL;
}

bool checkpoint_writes_late(const struct sim *s, const struct agent *a) {
    return checkpoint_job(a) && !is_live(a) && a->phase == PHASE_BEGUN &&
           s->nodes[a->node].volume == VOLUME_HANGS;
}

void checkpoint_fill(struct agent *a, const char *number) {
    a->checkpoint = strtoull(number, NULL, 10);
}

void checkpoints_open(struct sim *s, uint32_t vm, uint32_t node) {
    const struct vm *v = &s->vms[vm - 1];
    if (v->half_reverted) {
        sim_fail(s, "%s is started on %s from disks of two moments", v->name, s->names[node]);
    }
}

void checkpoints_mirrored(struct sim *s, uint32_t vm) {
    struct vm *v = &s->vms[vm - 1];
    const struct model *m = sim_model(s);
    for (uint32_t i = 0; i < SIM_CHECKPOINTS; i++) {
        uint64_t id = v->checkpoints[i].id;
        const struct model_checkpoint *row = id && m ? model_checkpoint_by_id(m, id) : NULL;
        if (row && row->whole) {
            sim_fail(s, "QEMU copies the disks of %s, whose checkpoints are lost", v->name);
        }
    }
}

/* ---- agents on a VM that is off ---- */

/* Locks hold on one node alone: what keeps others away must be the cluster. */
static bool is_alone(struct sim *s, struct agent *asking) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        if (a == asking || !a->used || a->vm != asking->vm || a->phase != PHASE_BEGUN ||
            !checkpoint_job(a) || is_live(a)) {
            continue;
        }
        if (a->node != asking->node) {
            sim_fail(s, "%s and %s work on the disks of %s", s->names[a->node],
                     s->names[asking->node], asking->name);
        }
        return false;
    }
    return true;
}

static void second_disk(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, second_disk) || !agent_has_storage(s, a, second_disk)) {
        return;
    }
    struct vm *v = &s->vms[a->vm - 1];
    struct checkpoint *it = find(v, a->checkpoint);
    if (sim_runs_on(s, a->vm) != 0) {
        sim_fail(s, "%s still works on the disks of %s while it runs", s->names[a->node], v->name);
        return;
    }
    if (strcmp(a->action, "checkpoint") == 0 && it) {
        it->parts = BOTH;
    } else if (strcmp(a->action, "checkpoint-revert") == 0) {
        v->half_reverted = false;
        v->disk++;
        v->files[v->place].disk = v->disk;
        sim_trace(s, "%s: %s is set back", s->names[a->node], v->name);
    } else if (it) {
        *it = (struct checkpoint){0};
    }
    agent_done(s, a, RESULT_OK, VM_STATE_OFF, "");
}

static void first_disk(struct sim *s, struct agent *a) {
    struct vm *v = &s->vms[a->vm - 1];
    struct checkpoint *it = find(v, a->checkpoint);
    if (strcmp(a->action, "checkpoint") == 0) {
        it = add(s, v, a->checkpoint);
        if (!it) {
            return;
        }
        it->parts |= FIRST;
    } else if (strcmp(a->action, "checkpoint-revert") == 0) {
        if (!it || it->parts != BOTH) {
            sim_fail(s, "the checkpoint to which %s is to be set back is not whole", v->name);
            return;
        }
        v->half_reverted = true;
        files_by_hand(s, a->vm); /* the place of its definition */
    } else if (it) {
        it->parts &= (uint8_t)~FIRST;
    }
    a->phase = PHASE_BEGUN;
    uint64_t most = sim_chance(s, 30) ? 20 * SIM_SECOND : SIM_SECOND;
    agent_then(s, a, sim_delay(s, 100000) + sim_random(s, most), second_disk);
}

void checkpoint_begin_off(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    a->not_begun = agent_is(s, index, serial);
    if (!agent_may_go_on(s, index, serial, checkpoint_begin_off) ||
        !agent_has_storage(s, a, checkpoint_begin_off)) {
        return;
    }
    if (a->how == AGENT_FAILS || !is_alone(s, a)) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "the images are in use");
        return;
    }
    if (sim_runs_on(s, a->vm) != 0) {
        sim_fail(s, "the disks of %s are worked on while it runs", a->name);
        return;
    }
    a->not_begun = false;
    first_disk(s, a);
}

/* ---- agents on a VM that runs ---- */

static void live_ends(struct sim *s, uint64_t index, uint64_t serial) {
    if (agent_may_go_on(s, index, serial, live_ends)) {
        agent_done(s, &s->agents[index], RESULT_OK, agent_truth(s, &s->agents[index]), "");
    }
}

void checkpoint_begin_live(struct sim *s, struct agent *a) {
    struct vm *v = &s->vms[a->vm - 1];
    const struct copy *copy = agent_copy(s, a);
    bool here = copy->state == COPY_RUNNING || copy->state == COPY_PAUSED;
    bool removes = strstr(a->action, "remove") != NULL;
    struct checkpoint *it = find(v, a->checkpoint);
    if (!here || copy->generation != a->generation || copy->mirror) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "it is not here, or not undisturbed");
        return;
    }
    if (!removes && it && it->parts != BOTH) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "one of its disks has the checkpoint");
        return;
    }
    if (removes && it) {
        *it = (struct checkpoint){0};
    } else if (!removes) {
        it = add(s, v, a->checkpoint);
        if (!it) {
            return;
        }
        it->parts = BOTH;
    }
    agent_then(s, a, sim_delay(s, 50000), live_ends);
}

/* ---- requests ---- */

/* A checkpoint is made ("create"), gone back to, or removed. */
uint64_t sim_checkpoint(struct sim *s, uint32_t node, uint32_t vm, enum command_type type,
                        const char *name) {
    const struct vm *v = &s->vms[vm - 1];
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, v->uuid) : NULL;
    const char *disks[] = {"vda", "vdb"}, *paths[] = {"/srv/csv1/a", "/srv/csv1/b"};
    if (!row) {
        return 0;
    }
    /* All three commands have the same fields. */
    struct cmd_checkpoint_create wish = {.vm = v->name,
                                         .serial = row->serial,
                                         .name = name,
                                         .disks = {disks, 2},
                                         .paths = {paths, 2}};
    return sim_command(s, node, type, &wish);
}

/* ---- the end ---- */

const char *checkpoints_rest(struct sim *s, char *ret_text, size_t size) {
    const struct model *m = sim_model(s);
    MODEL_EACH(model_checkpoint, row, &m->checkpoints) {
        const struct model_vm *vm = model_vm_by_id(m, row->vm);
        uint32_t known = vm ? guest_find(s, vm->uuid) : 0;
        const struct checkpoint *it = known ? find(&s->vms[known - 1], row->id) : NULL;
        if (!row->whole || !it || it->parts != BOTH) {
            (void)snprintf(ret_text, size, "checkpoint %s of %s is not whole", row->name,
                           vm ? vm->name : "no VM");
            return ret_text;
        }
    }
    MODEL_EACH(model_vm, row, &m->vms) {
        uint32_t vm = guest_find(s, row->uuid);
        for (uint32_t i = 0; vm && i < SIM_CHECKPOINTS; i++) {
            const struct checkpoint *it = &s->vms[vm - 1].checkpoints[i];
            if (it->id && it->index > row->added && !model_checkpoint_by_id(m, it->id)) {
                (void)snprintf(ret_text, size,
                               "the disks of %s hold a checkpoint that nobody knows", row->name);
                return ret_text;
            }
        }
    }
    return "";
}
