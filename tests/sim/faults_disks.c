/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of storage: databases that are lost or replaced, volumes that hang.
 */
#include "sim/faults_inner.h"

void happen_disk(struct sim *s, const struct fault *f) {
    uint32_t mode = f->choice % 10 > 4 ? DISK_FINE : f->choice % 5;
    sim_disk_mode(s, f->node, (enum sim_disk)mode);
}

void happen_remember(struct sim *s, const struct fault *f) {
    sim_disk_remember(s, f->node);
}

static uint32_t nodes_in_list(const struct model *m) {
    uint32_t n = 0;
    MODEL_EACH(model_node, row, &m->nodes) {
        n += row->configured;
    }
    return n;
}

/*
 * What can be noticed: a database that is older than the node's last return to the cluster, whose
 * report (at since_index, or before) every other node has on its disk; of more than two nodes, by
 * the list that the cluster goes by, which is this node's too; one at a time, for a majority that
 * has lost its memory is beyond help. A younger copy may be believed where nobody is left who knows
 * better.
 */
static bool may_tamper(struct sim *s, uint32_t node, uint64_t epoch, uint64_t index) {
    for (uint32_t i = 1; i <= s->n; i++) {
        const struct node *n = &s->nodes[i];
        const struct model *m = sim_model_of(s, i);
        const struct model_node *row = m ? model_node_by_id(m, node) : NULL;
        if (i == node) {
            continue;
        }
        if (!row || nodes_in_list(m) < 3 || n->disk.tampered ||
            row->since_index > log_last_index(&n->disk.db.log) || row->kept_epoch < epoch ||
            (row->kept_epoch == epoch && row->kept_index <= index)) {
            return false;
        }
    }
    return s->n > 2 && s->nodes[node].list == fault_all_nodes(s);
}

static void replace_if_noticed(struct sim *s, uint32_t node) {
    const struct disk *d = &s->nodes[node].disk;
    if (d->has_kept &&
        may_tamper(s, node, log_last_epoch(&d->kept.log), log_last_index(&d->kept.log))) {
        sim_power_off(s, node, "for its database");
        sim_disk_replace(s, node);
    }
}

void happen_replace(struct sim *s, const struct fault *f) {
    replace_if_noticed(s, f->node);
}

static bool is_back(struct sim *s, const void *arg) {
    const struct node *n = &s->nodes[*(const uint32_t *)arg];
    const struct model *m = sim_model(s);
    const struct model_node *row = m ? model_node_by_id(m, *(const uint32_t *)arg) : NULL;
    return row && n->alive && row->state == NODE_ONLINE && row->incarnation == n->incarnation;
}

/*
 * A node comes back, and that is the last that another one hears; so of a copy from before the
 * return, with which it is left alone afterwards, it knows by the end of its log, or not at all.
 */
void happen_replace_and_meet(struct sim *s, const struct fault *f) {
    uint32_t node = f->node, other = 1 + f->choice % s->n, groups[SIM_NODES] = {0};
    if (node == other || s->n < 3) {
        return;
    }
    sim_disk_remember(s, node);
    sim_kill_clusterd(s, node);
    sim_run(s, SIM_SECOND / 2);
    (void)sim_run_until(s, is_back, &node, 5 * SIM_SECOND);
    fault_cut(s, other);
    sim_run(s, SIM_SECOND + f->us / 4);
    sim_operate(s);
    sim_run(s, SIM_SECOND / 10);
    replace_if_noticed(s, node);
    sim_kill_clusterd(s, other);
    for (uint32_t i = 1; i <= s->n; i++) {
        groups[i] = i != node && i != other;
    }
    sim_partition(s, groups);
    sim_power_on(s, node);
}

void happen_wipe(struct sim *s, const struct fault *f) {
    if (may_tamper(s, f->node, 0, 0)) {
        sim_power_off(s, f->node, "for its database");
        sim_disk_wipe(s, f->node);
    }
}

/* A start hangs on its storage, its clusterd ends, and the next one is left without the others. */
void happen_start_hangs(struct sim *s, const struct fault *f) {
    uint32_t vm = 1 + f->choice % s->n_vms, node = sim_runs_on(s, vm);
    if (node == 0) {
        return;
    }
    sim_volume_mode(s, node, VOLUME_HANGS);
    if (!s->options.no_fencing) {
        sim_fence_mode(s, node, FENCE_FAILS, 8000);
    }
    sim_crash_guest(s, vm);
    sim_run(s, 5000 + f->choice % 40000);
    if (f->choice & 1024) {
        sim_speak_newer(s, node, true);
    } else {
        fault_cut(s, node);
        sim_kill_clusterd(s, node);
    }
    sim_run(s, 10 * SIM_SECOND + f->us);
    sim_volume_mode(s, node, VOLUME_FINE);
    sim_run(s, 2 * SIM_SECOND);
}

void happen_volume(struct sim *s, const struct fault *f) {
    uint32_t mode = f->choice % 5 > 2 ? VOLUME_FINE : f->choice % 3;
    sim_volume_mode(s, f->node, (enum sim_volume)mode);
}
