/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of VMs, and the agents that move them. Each VM has one file, which is at one of a few
 * places: PLACES copies of it may exist. A file has the version of the disk (guests.c) up to which
 * it was written.
 *
 * Somebody who starts the VM under libvirt does so from the file of its definition, and not while
 * the files are on the move: between the end of a copy and its report nobody could notice.
 *
 * What may never happen: a VM starts from a file that is not the newest, the last newest file is
 * removed, or an agent that still copies writes over what the VM has written to the copy.
 */
#include "sim/world.h"

#include "wire/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- places ---- */

static void path_of(const struct vm *v, uint32_t place, char *ret, size_t size) {
    (void)snprintf(ret, size, "/srv/csv1/%s.%u", v->name, place);
}

static void definition_of(uint32_t place, char *ret, size_t size) {
    (void)snprintf(ret, size, place ? "<domain place='%u'/>" : "<domain/>", place);
}

uint32_t files_place(const char *definition) {
    const char *at = definition ? strstr(definition, "place='") : NULL;
    unsigned long place = at ? strtoul(at + 7, NULL, 10) : 0;
    return place < SIM_PLACES ? (uint32_t)place : 0;
}

const char *files_definition(const struct sim *s, uint32_t vm, char *ret, size_t size) {
    definition_of(s->vms[vm - 1].place, ret, size);
    return ret;
}

void files_create(struct vm *v) {
    v->files[0].there = true;
}

/* ---- use ---- */

bool files_open(struct sim *s, uint32_t vm, uint32_t place, uint32_t node) {
    struct vm *v = &s->vms[vm - 1];
    checkpoints_open(s, vm, node);
    if (!v->files[place].there) {
        sim_fail(s, "%s is started on %s, and its file at place %u is not there", v->name,
                 s->names[node], place);
        return false;
    }
    if (v->files[place].disk != v->disk) {
        sim_fail(s, "%s is started on %s from an older file than there is", v->name,
                 s->names[node]);
        return false;
    }
    v->place = place;
    return true;
}

void files_by_hand(struct sim *s, uint32_t vm) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, s->vms[vm - 1].uuid) : NULL;
    s->vms[vm - 1].place = row ? files_place(row->xml) : s->vms[vm - 1].place;
}

void files_written(struct vm *v) {
    v->files[v->place].disk = v->disk;
}

static void remove_file(struct sim *s, struct vm *v, uint32_t place) {
    bool newest = v->files[place].there && v->files[place].disk == v->disk, other = false;
    for (uint32_t i = 0; i < SIM_PLACES; i++) {
        other = other || (i != place && v->files[i].there && v->files[i].disk == v->disk);
    }
    if (newest && !other) {
        sim_fail(s, "the last file of %s is removed", v->name);
    }
    if (sim_runs_on(s, (uint32_t)(v - s->vms) + 1) && v->place == place) {
        sim_fail(s, "the file of %s is removed while it runs", v->name);
    }
    if (mirror_writes(s, (uint32_t)(v - s->vms) + 1, place)) {
        sim_fail(s, "the file of %s is removed while QEMU copies to it", v->name);
    }
    v->files[place].there = false;
}

/* ---- agents ---- */

static bool reads(const char **at, const char *name, uint32_t *ret_place) {
    size_t n = strlen("/srv/csv1/") + strlen(name) + 1;
    if (strlen(*at) <= n) {
        return false;
    }
    *ret_place = (uint32_t)strtoul(*at + n, NULL, 10);
    *at += n + 1;
    return *ret_place < SIM_PLACES;
}

void files_fill(struct agent *a, const char *files, const char *move) {
    const char *at = files;
    a->move = strtoull(move, NULL, 10);
    if (files[0] && reads(&at, a->name, &a->from) && *at++ == '\t') {
        (void)reads(&at, a->name, &a->to);
    }
}

/* All is copied; the copies have their names, and that is to be reported. */
static void copy_reports(struct sim *s, uint64_t index, uint64_t serial) {
    if (agent_may_go_on(s, index, serial, copy_reports)) {
        agent_done(s, &s->agents[index], RESULT_OK, VM_STATE_OFF, "");
    }
}

static void copy_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, copy_ends) || !agent_has_storage(s, a, copy_ends)) {
        return;
    }
    struct vm *v = &s->vms[a->vm - 1];
    if (!v->files[a->from].there || v->files[a->from].disk != a->version) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "the file has changed meanwhile");
        return;
    }
    if (v->files[a->to].part != a->move) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "the copy has gone");
        return;
    }
    if (v->files[a->to].there && v->files[a->to].disk > a->version) {
        sim_fail(s, "a lost write: %s copies over what %s has written", s->names[a->node], v->name);
    }
    v->files[a->to].there = true;
    v->files[a->to].disk = a->version;
    agent_then(s, a, sim_delay(s, 20000), copy_reports);
}

/* Locks hold on one node alone: what keeps others away must be the cluster. */
static bool is_being_copied(const struct sim *s, const struct agent *asking) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        if (a != asking && a->used && a->vm == asking->vm && a->node == asking->node &&
            a->phase == PHASE_BEGUN && strcmp(a->action, "copy") == 0) {
            return true;
        }
    }
    return false;
}

static void copy_begins(struct sim *s, struct agent *a) {
    struct vm *v = &s->vms[a->vm - 1];
    if (is_being_copied(s, a)) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "an earlier copy is still at work");
        return;
    }
    if (v->files[a->to].there && v->files[a->to].part != a->move) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "the target exists");
        return;
    }
    a->phase = PHASE_BEGUN;
    a->version = v->files[a->from].disk;
    v->files[a->to].part = a->move;
    uint64_t most = sim_chance(s, 30) ? 30 * SIM_SECOND : 4 * SIM_SECOND;
    agent_then(s, a, sim_delay(s, 400000) + sim_random(s, most), copy_ends);
}

static void undo(struct sim *s, struct agent *a) {
    struct vm *v = &s->vms[a->vm - 1];
    if (v->files[a->to].part == a->move) {
        if (v->files[a->to].there) {
            remove_file(s, v, a->to);
        }
        v->files[a->to].part = 0;
    }
    agent_done(s, a, RESULT_OK, VM_STATE_OFF, "");
}

static void finish(struct sim *s, struct agent *a) {
    struct vm *v = &s->vms[a->vm - 1];
    if (!v->files[a->to].there) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "the copy is not there: nothing is removed");
        return;
    }
    if (v->files[a->from].there) {
        remove_file(s, v, a->from);
    }
    v->files[a->to].part = 0;
    agent_done(s, a, RESULT_OK, VM_STATE_OFF, "");
}

bool files_job(const struct agent *a) {
    return strncmp(a->action, "copy", 4) == 0;
}

void files_begin(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, files_begin) || !agent_has_storage(s, a, files_begin)) {
        return;
    }
    if (a->how == AGENT_FAILS) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "the simulator wants it so");
    } else if (strcmp(a->action, "copy") == 0) {
        copy_begins(s, a);
    } else if (strcmp(a->action, "copy-undo") == 0) {
        undo(s, a);
    } else {
        finish(s, a);
    }
}

/* ---- requests ---- */

uint64_t sim_move_files(struct sim *s, uint32_t node, uint32_t vm, uint32_t place) {
    const struct vm *v = &s->vms[vm - 1];
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, v->uuid) : NULL;
    char from[80], to[80], xml[40];
    const char *volumes[1] = {"csv1"};
    if (!row || files_place(row->xml) == place) {
        return 0;
    }
    path_of(v, files_place(row->xml), from, sizeof(from));
    path_of(v, place, to, sizeof(to));
    definition_of(place, xml, sizeof(xml));
    struct storage_file file = {.disk = "vda", .from = from, .to = to, .bytes = 1, .format = ""};
    struct cmd_vm_storage wish = {.vm = v->name,
                                  .serial = row->serial,
                                  .files = {.items = &file, .n = 1},
                                  .xml = xml,
                                  .volumes = {volumes, row->volumes.n ? 1 : 0}};
    return sim_command(s, node, COMMAND_VM_STORAGE, &wish);
}

/* ---- the end ---- */

const char *files_rest(struct sim *s, char *ret_text, size_t size) {
    const struct model *m = sim_model(s);
    MODEL_EACH(model_journal, row, &m->journal) {
        (void)snprintf(ret_text, size, "the files of %s are not cleaned up: %s",
                       model_vm_by_id(m, row->vm)->name, row->reason[0] ? row->reason : "why?");
        return ret_text;
    }
    MODEL_EACH(model_vm, row, &m->vms) {
        uint32_t vm = guest_find(s, row->uuid);
        for (uint32_t i = 0; vm && i < SIM_PLACES; i++) {
            const struct vm *v = &s->vms[vm - 1];
            if (v->files[i].there != (i == files_place(row->xml)) || v->files[i].part) {
                (void)snprintf(ret_text, size, "of %s there is %s at place %u", v->name,
                               v->files[i].there ? "a file" : "a half file, or none", i);
                return ret_text;
            }
        }
    }
    return "";
}
