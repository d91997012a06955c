/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The saved memory of VMs: files on the volume, and the agents that save, restore and remove them
 * (resource-agents/vm/save.c, restore.c, state_remove.c).
 *
 *     PART      being written, or given up
 *     UNNAMED   complete, but its agent was killed before it could give it its name
 *     WHOLE     complete, and may be restored, once
 *     CLAIMED   a restore has begun to use it
 *
 * What may never happen: one is removed while a VM may need it, or while libvirt works on it; or
 * one is left at rest.
 */
#include "sim/world.h"

#include "core/model/needed_protocol.h"

#include <stdio.h>
#include <string.h>

struct saved *saved_find(struct vm *v, const char *path) {
    for (uint32_t i = 0; i < SIM_SAVED; i++) {
        if (v->saved[i].path[0] && strcmp(v->saved[i].path, path) == 0) {
            return &v->saved[i];
        }
    }
    return NULL;
}

struct saved *saved_add(struct sim *s, struct vm *v, const struct agent *a) {
    struct saved *found = saved_find(v, a->path);
    for (uint32_t i = 0; i < SIM_SAVED && !found; i++) {
        found = v->saved[i].path[0] ? NULL : &v->saved[i];
    }
    if (!found) {
        sim_fail(s, "the saved memory of %s piles up", v->name);
        return NULL;
    }
    const struct model *m = sim_model(s);
    *found = (struct saved){.how = SAVED_PART,
                            .generation = a->generation,
                            .by_older = m && version_of_view(m) < PROTOCOL_HIGHEST};
    memcpy(found->path, a->path, sizeof(found->path));
    return found;
}

void saved_forget(struct saved *file) {
    if (file) {
        file->path[0] = '\0';
    }
}

/* libvirt still writes or reads it. */
static const struct agent *works_on(const struct sim *s, const char *path) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        bool works = a->job == JOB_SAVE || a->job == JOB_RESTORE;
        if (a->used && works && strcmp(a->path, path) == 0) {
            return a;
        }
    }
    return NULL;
}

static void check_removal(struct sim *s, const struct vm *v, const char *path) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, v->uuid) : NULL;
    const struct agent *at_work = works_on(s, path);
    if (row && strcmp(row->state_file, path) == 0) {
        sim_fail(s, "the saved memory of %s is removed while it is %s", v->name,
                 vm_state_name(row->state));
    }
    if (at_work) {
        sim_fail(s, "the saved memory of %s is removed while %s works on it on %s", v->name,
                 at_work->action, s->names[at_work->node]);
    }
}

void saved_remove(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, saved_remove)) {
        return;
    }
    if (s->nodes[a->node].volume == VOLUME_HANGS) {
        agent_then(s, a, 200000, saved_remove);
        return;
    }
    if (s->nodes[a->node].volume == VOLUME_GONE || a->how == AGENT_FAILS) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_OFF, "the volume is not there");
        return;
    }
    for (uint32_t i = 0; i < s->n_vms; i++) {
        struct saved *file = saved_find(&s->vms[i], a->path);
        if (file) {
            check_removal(s, &s->vms[i], a->path);
            saved_forget(file);
        }
    }
    agent_done(s, a, RESULT_OK, VM_STATE_OFF, "");
}

const char *saved_rest(struct sim *s, char *ret_text, size_t size) {
    const struct model *m = sim_model(s);
    MODEL_EACH(model_leftover, row, &m->leftovers) {
        (void)snprintf(ret_text, size, "the saved memory of %s is not removed: %s", row->name,
                       row->reason);
        return ret_text;
    }
    for (uint32_t i = 0; i < s->n_vms; i++) {
        const struct model_vm *row = model_vm_by_uuid(m, s->vms[i].uuid);
        for (uint32_t k = 0; k < SIM_SAVED; k++) {
            const struct saved *file = &s->vms[i].saved[k];
            const char *path = file->path;
            bool owned = row && strcmp(row->state_file, path) == 0;
            if (path[0] && !owned && !file->by_older) {
                (void)snprintf(ret_text, size, "saved memory of %s is left, and nobody owns it: %s",
                               s->vms[i].name, path);
                return ret_text;
            }
        }
    }
    return "";
}
