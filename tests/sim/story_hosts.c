/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes that differ, in stories: their storages, CPU models and machine types, and the quorum
 * options of corosync.conf.
 */
#include "sim/story_inner.h"

#include "plain_vm.h"

#include <stdio.h>
#include <string.h>

enum { COMMON = 0, OTHER, COPY }; /* storages */

/* ---- the head: before the nodes boot ---- */

static void offer(struct story *t, const struct words *w, bool machine) {
    if (t->n_offers == STORY_OFFERS) {
        story_wrong(t, "at most %u lines of cpu and machine", STORY_OFFERS);
        return;
    }
    struct story_offer *o = &t->offers[t->n_offers++];
    *o = (struct story_offer){.nodes = (uint32_t)w->v[0], .machine = machine};
    (void)snprintf(o->text, sizeof(o->text), "%.39s", w->text);
}

void story_cpu(struct story *t, const struct words *w) {
    offer(t, w, false);
}

void story_machine(struct story *t, const struct words *w) {
    offer(t, w, true);
}

void story_offers(struct story *t) {
    for (uint32_t i = 0; i < t->n_offers; i++) {
        for (uint32_t node = 1; node <= t->options.nodes; node++) {
            if (!(t->offers[i].nodes >> node & 1)) {
                continue;
            }
            if (t->offers[i].machine) {
                sim_offer_machine(t->sim, node, t->offers[i].text);
            } else {
                sim_offer_cpu(t->sim, node, t->offers[i].text);
            }
        }
    }
}

/* ---- the story ---- */

void story_add_with_cpu(struct story *t, const struct words *w) {
    struct cmd_vm_add add = plain_vm(sim_vm_name(t->sim, (uint32_t)w->v[0]));
    add.cpu_mode = "custom";
    add.cpu_model = w->text;
    story_command(t, COMMAND_VM_ADD, &add);
}

void story_add_with_machine(struct story *t, const struct words *w) {
    struct cmd_vm_add add = plain_vm(sim_vm_name(t->sim, (uint32_t)w->v[0]));
    add.arch = "x86_64";
    add.machine = w->text;
    story_command(t, COMMAND_VM_ADD, &add);
}

void story_add_with_network(struct story *t, const struct words *w) {
    struct cmd_vm_add add = plain_vm(sim_vm_name(t->sim, (uint32_t)w->v[0]));
    const char *network = w->text;
    add.networks = (struct wire_strs){.v = &network, .n = 1};
    add.start = 1;
    sim_needs_network(t->sim, (uint32_t)w->v[0], network);
    story_command(t, COMMAND_VM_ADD, &add);
}

void story_network(struct story *t, const struct words *w) {
    for (uint32_t node = 1; node <= t->options.nodes; node++) {
        if ((uint32_t)w->v[0] >> node & 1) {
            sim_network(t->sim, node, w->text, w->v[1] == 0);
        }
    }
}

/* The copy is of this moment. */
void story_storage(struct story *t, const struct words *w) {
    if (w->v[1] == COPY) {
        sim_copy_storage(t->sim, COMMON, COPY);
    }
    sim_storage(t->sim, (uint32_t)w->v[0], (uint32_t)w->v[1]);
}

bool story_volume_is(struct story *t, const struct words *w) {
    const struct model *m = sim_model(t->sim);
    const struct model_volume *volume = m ? model_volume_by_name(m, "csv1") : NULL;
    const struct model_health *h =
        volume ? model_health_of(m, volume->id, (uint32_t)w->v[0]) : NULL;
    return h && h->state == w->v[1];
}

static uint32_t quorum_of(uint64_t word) {
    return word ? UINT32_C(1) << (word - 1) : SIM_MAJORITY;
}

void story_quorum(struct story *t, const struct words *w) {
    t->options.quorum = quorum_of(w->v[0]); /* in the head */
    if (t->sim) {
        sim_set_quorum(t->sim, quorum_of(w->v[0]));
    }
}

void story_hasty_quorum(struct story *t, const struct words *w) {
    sim_set_quorum(t->sim, quorum_of(w->v[0] + 1) | SIM_NO_WAIT_FOR_ALL);
}
