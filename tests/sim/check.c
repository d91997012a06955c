/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The invariants after every step, checked with full knowledge: two copies, a lost write, a start
 * that nobody ordered, a committed entry that is lost, false evidence. The reference for all logs
 * is the log as it was first committed anywhere.
 */
#include "sim/world.h"

#include "base/check.h"
#include "core/timeouts.h"

#include <stdlib.h>
#include <string.h>

#define DIGEST_EVERY 32u /* digests cost more than chains, and say the same more directly */
#define MAX_PENDING 5000u
#define ORDERS_PER_SECOND 20u /* on one VM: those of a broken migration are a handful */
#define STARTS_PER_MINUTE 40u /* of one VM, with all that a person may ask for in between */
#define KNOWLEDGE_US ((TIMEOUT_ECHO_MS + 100) * 1000) /* and the clocks' difference */

/* ---- the log ---- */

static struct truth *truth_at(struct sim *s, uint64_t index) {
    if (index >= s->truth_capacity) {
        uint64_t capacity = s->truth_capacity ? s->truth_capacity : 1024;
        while (capacity <= index) {
            capacity *= 2;
        }
        s->truth = realloc(s->truth, capacity * sizeof(*s->truth));
        CHECK(s->truth != NULL);
        memset(s->truth + s->truth_capacity, 0, (capacity - s->truth_capacity) * sizeof(*s->truth));
        s->truth_capacity = capacity;
    }
    return &s->truth[index];
}

/* Whose disk counts, as that node has the list of nodes. */
static uint32_t configured_by(const struct sim *s, uint32_t node) {
    uint32_t set = 0;
    MODEL_EACH(model_node, row, &core_model(s->nodes[node].core)->nodes) {
        set |= row->configured && row->id <= s->n ? UINT32_C(1) << row->id : 0;
    }
    return set;
}

/*
 * Enough disks have it: a majority; or, in a small view, nobody goes on without it at this moment
 * (who comes later, must come to those who have it).
 */
static void check_durable(struct sim *s, uint32_t node, uint64_t index, uint64_t chain) {
    uint32_t have = 0, others = 0, counted = configured_by(s, node);
    uint32_t all = (uint32_t)__builtin_popcount(counted);
    for (uint32_t i = 1; i <= s->n; i++) {
        bool has = counted >> i & 1 && disk_has(s, i, index, chain);
        have += has || s->nodes[i].disk.tampered; /* it had it, or was to say so */
        others += !has && s->nodes[i].core && replica_usable(&s->nodes[i].core->replica);
    }
    if (have >= all / 2 + 1) {
        return;
    }
    if (s->options.quorum == SIM_MAJORITY || have == 0 || others > 0) {
        sim_fail(s, "%s takes entry %llu for committed, which %u of %u disks have", s->names[node],
                 (unsigned long long)index, have, all);
    }
}

static bool runs_anything(const struct sim *s, uint32_t node) {
    for (uint32_t vm = 0; vm < s->n_vms; vm++) {
        if (s->vms[vm].copies[node].state != COPY_NONE) {
            return true;
        }
    }
    return false;
}

/* The proof of timeouts.h: not before its last possible feeding, which is E after the cut, or after
 * the view that went on without it, and the watchdog's time after that. */
static void check_deadline(struct sim *s, uint32_t by, const struct cmd_fence_result *r) {
    const struct model *m = sim_model(s);
    const struct model_node *row = m ? model_node_by_id(m, r->node) : NULL;
    uint64_t proof_us = (TIMEOUT_ECHO_MS + s->options.watchdog_ms) * 1000;
    if (r->evidence != EVIDENCE_WATCHDOG || !row || by == 0 || by > s->n) {
        return;
    }
    uint64_t lost_us = truth_at(s, row->lost_index)->at_us;
    uint64_t cut_us = s->reached_us[by][r->node];
    lost_us = cut_us < lost_us ? cut_us : lost_us;
    if (lost_us && s->now_us < lost_us + proof_us) {
        sim_fail(s, "the watchdog of %s counts already %llu ms after it was lost",
                 s->names[r->node], (unsigned long long)(s->now_us - lost_us) / 1000);
    }
}

/*
 * Evidence that a node runs nothing: a fence device has cut the power of the run that was meant. A
 * watchdog's deadline says less: a node on which no VM runs goes on feeding it.
 */
static void check_evidence(struct sim *s, uint32_t by, const struct cmd_fence_result *r) {
    const struct node *n = r->node && r->node <= s->n ? &s->nodes[r->node] : NULL;
    if (r->evidence == EVIDENCE_NONE || !n || !n->power) {
        return;
    }
    bool idle = r->evidence == EVIDENCE_WATCHDOG && !runs_anything(s, r->node);
    check_deadline(s, by, r);
    if (n->incarnation == r->incarnation && n->boot_of_life == n->boot && !idle) {
        sim_fail(s, "%s counts as fenced (evidence %u), and it is on", s->names[r->node],
                 r->evidence);
    }
}

/* Word of a copy's end: it must not run. */
static void check_end(struct sim *s, const struct cmd_vm_event *e) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_id(m, e->vm) : NULL;
    uint32_t vm = row ? guest_find(s, row->uuid) : 0;
    bool end = e->kind == VM_EVENT_STOPPED || e->kind == VM_EVENT_CRASHED ||
               e->kind == VM_EVENT_SHUTDOWN || e->kind == VM_EVENT_SURRENDERED;
    if (vm == 0 || !end || e->node == 0 || e->node > s->n) {
        return;
    }
    const struct copy *copy = &s->vms[vm - 1].copies[e->node];
    if (copy->state == COPY_RUNNING && copy->generation == e->generation) {
        sim_fail(s, "%s counts as ended on %s, where it runs", row->name, s->names[e->node]);
    }
}

/* Whatever goes wrong again and again is not tried again at once. */
static void check_pace(struct sim *s, const struct cmd_vm_order *order) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_id(m, order->vm) : NULL;
    uint32_t vm = row ? guest_find(s, row->uuid) : 0;
    if (vm == 0) {
        return;
    }
    struct vm *v = &s->vms[vm - 1];
    if (s->now_us >= v->orders_from_us + SIM_SECOND) {
        v->orders_from_us = s->now_us;
        v->orders = 0;
    }
    if (++v->orders > ORDERS_PER_SECOND) {
        sim_fail(s, "no end of orders: %s of %s, and more than %u in a second",
                 order_kind_name(order->kind), v->name, ORDERS_PER_SECOND);
    }
    if (s->now_us >= v->starts_from_us + 60 * SIM_SECOND) {
        v->starts_from_us = s->now_us;
        v->starts = 0;
    }
    v->starts += order->kind == ORDER_START || order->kind == ORDER_RESTORE;
    if (v->starts > STARTS_PER_MINUTE) {
        sim_fail(s, "no end of starts: %s has had more than %u in a minute", v->name,
                 STARTS_PER_MINUTE);
    }
}

static void check_entry(struct sim *s, uint64_t index, const struct log_item *item) {
    struct arena arena;
    struct log_command entry;
    arena_init(&arena);
    if (wire_decode(&log_command_record, item->data, item->size, &arena, &entry, NULL) == 0) {
        if (entry.type == COMMAND_FENCE_RESULT) {
            struct cmd_fence_result result;
            if (wire_decode(&cmd_fence_result_record, entry.body.data, entry.body.size, &arena,
                            &result, NULL) == 0) {
                check_evidence(s, entry.origin, &result);
            }
        } else if (entry.type == COMMAND_VM_EVENT) {
            struct cmd_vm_event event;
            if (wire_decode(&cmd_vm_event_record, entry.body.data, entry.body.size, &arena, &event,
                            NULL) == 0) {
                check_end(s, &event);
            }
        } else if (entry.type == COMMAND_VM_ORDER) {
            struct cmd_vm_order order;
            if (wire_decode(&cmd_vm_order_record, entry.body.data, entry.body.size, &arena, &order,
                            NULL) == 0) {
                struct truth *t = truth_at(s, index);
                t->order_vm = order.vm;
                t->order_node = order.node;
                t->order_kind = order.kind;
                check_pace(s, &order);
            }
        }
    }
    arena_finish(&arena);
}

/* In the node's memory; or, if a snapshot has taken its place in the same step, on a disk. */
static const struct log_item *find_entry(const struct sim *s, uint32_t node, uint64_t index) {
    const struct log_item *item = log_at(&s->nodes[node].core->replica.log, index);
    for (uint32_t i = 1; !item && i <= s->n; i++) {
        const struct log_item *kept = log_at(&s->nodes[i].disk.db.log, index);
        uint32_t have = 0;
        for (uint32_t k = 1; kept && k <= s->n; k++) {
            const struct log_item *other = log_at(&s->nodes[k].disk.db.log, index);
            have += other && other->chain == kept->chain;
        }
        bool alone = s->n == 2 && i == node; /* a view of one */
        uint32_t all = (uint32_t)__builtin_popcount(configured_by(s, node));
        item = kept && (have >= all / 2 + 1 || alone) ? kept : NULL;
    }
    return item;
}

static void check_log(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    const struct replica *r = &n->core->replica;
    for (uint64_t i = n->checked_index + 1; i <= r->commit_index && !s->violation[0]; i++) {
        n->checked_index = i;
        struct truth *t = truth_at(s, i);
        const struct log_item *item = t->chain ? log_at(&r->log, i) : find_entry(s, node, i);
        if (!item) {
            continue; /* it came in a snapshot; the chain is compared at the next entry */
        }
        if (t->chain == 0) {
            t->chain = item->chain;
            t->epoch = item->epoch;
            t->at_us = s->now_us;
            s->n_truth = i > s->n_truth ? i : s->n_truth;
            s->figures.committed++;
            check_durable(s, node, i, item->chain);
            check_entry(s, i, item);
        } else if (t->chain != item->chain) {
            sim_fail(s, "a lost command: entry %llu is another one on %s than was committed before",
                     (unsigned long long)i, s->names[node]);
        }
    }
}

/* ---- the model ---- */

static void check_generations(struct sim *s, const struct model *m) {
    MODEL_EACH(model_vm, row, &m->vms) {
        uint32_t vm = guest_find(s, row->uuid);
        if (vm == 0) {
            continue;
        }
        struct vm *v = &s->vms[vm - 1];
        bool anew = row->added != v->added; /* it had left the cluster */
        v->added = row->added;
        if (row->generation < v->max_generation && !anew) {
            sim_fail(s, "the generation of %s goes back from %llu to %llu", v->name,
                     (unsigned long long)v->max_generation, (unsigned long long)row->generation);
        }
        v->max_generation = row->generation;
    }
}

static void check_digest(struct sim *s, uint32_t node, const struct model *m) {
    struct truth *t = truth_at(s, m->index);
    uint64_t digest = model_digest(m);
    if (t->digest == 0) {
        t->digest = digest;
    } else if (t->digest != digest) {
        sim_fail(s, "%s has another state than others have at index %llu", s->names[node],
                 (unsigned long long)m->index);
    }
}

/* VM_OFF and VM_SAVED say that there is no copy anywhere: known, not assumed. */
static void check_off(struct sim *s, const struct model *m) {
    MODEL_EACH(model_vm, row, &m->vms) {
        uint32_t vm = guest_find(s, row->uuid);
        uint32_t there =
            vm && (row->state == VM_OFF || row->state == VM_SAVED) ? sim_runs_on(s, vm) : 0;
        if (there && !s->vms[vm - 1].copies[there].foreign) {
            sim_fail(s, "%s counts as %s, and runs on %s", row->name, vm_state_name(row->state),
                     s->names[there]);
        }
    }
}

/* What the cluster runs has its mark. */
static void check_adopted(struct sim *s, const struct model *m) {
    MODEL_EACH(model_vm, row, &m->vms) {
        uint32_t vm = guest_find(s, row->uuid);
        bool settled = row->state == VM_RUNNING && row->order == ORDER_NONE;
        if (vm && settled && s->vms[vm - 1].copies[row->owner].state == COPY_RUNNING &&
            s->vms[vm - 1].copies[row->owner].foreign) {
            sim_fail(s, "%s counts as the cluster's on %s, where libvirt runs it by itself",
                     row->name, s->names[row->owner]);
        }
    }
}

/* What counts as drained may be switched off: nothing of the cluster's runs there. */
static void check_drained(struct sim *s, const struct model *m) {
    MODEL_EACH(model_node, node, &m->nodes) {
        for (uint32_t vm = 1; vm <= s->n_vms && node->service == SERVICE_DRAINED; vm++) {
            const struct copy *copy = &s->vms[vm - 1].copies[node->id];
            if (copy->state == COPY_RUNNING && !copy->foreign) {
                sim_fail(s, "%s counts as drained, and %s runs there", node->name,
                         s->vms[vm - 1].name);
            }
        }
    }
}

static void check_model(struct sim *s, uint32_t node) {
    const struct model *m = core_model(s->nodes[node].core);
    if (m->index == 0 || m->index == s->nodes[node].seen_index) {
        return;
    }
    s->nodes[node].seen_index = m->index;
    if (m->index >= s->best_index) {
        s->best_index = m->index;
        check_generations(s, m);
        rules_check(s, m);
        check_off(s, m);
        check_adopted(s, m);
        check_drained(s, m);
    }
    if (!s->nodes[node].flipped && (m->index % DIGEST_EVERY == 0 || s->options.digests)) {
        check_digest(s, node, m);
    }
}

void check_step(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    check_log(s, node);
    check_model(s, node);
    if (n->core->n_pending > MAX_PENDING) {
        sim_fail(s, "%s holds %u commands that wait", s->names[node], n->core->n_pending);
    }
    uint32_t most = 4 * (s->options.compact_entries ? s->options.compact_entries : 2000) + 600;
    if (n->core->replica.log.n > most) {
        sim_fail(s, "%s keeps %u entries in memory", s->names[node], n->core->replica.log.n);
    }
    if (n->disk.tampered && replica_usable(&n->core->replica)) {
        n->disk.tampered = false; /* it has caught up */
    }
}

/* ---- answers ---- */

/* "Done" is said only of what stands in the log, committed. */
void check_reply(struct sim *s, uint32_t node, const struct request *request) {
    const struct core *c = s->nodes[node].core;
    if (request->code != REPLY_OK || request->number == 0) {
        return;
    }
    uint64_t last = c->replica.commit_index;
    for (uint64_t i = last; i > 0 && i + 4096 > last; i--) {
        const struct log_item *item = log_at(&c->replica.log, i);
        struct arena arena;
        struct log_command entry;
        if (!item) {
            return; /* it may be in what was compacted */
        }
        arena_init(&arena);
        int error = wire_decode(&log_command_record, item->data, item->size, &arena, &entry, NULL);
        bool found = error == 0 && entry.origin == node &&
                     entry.incarnation == s->nodes[node].incarnation &&
                     entry.request == request->number;
        arena_finish(&arena);
        if (found) {
            return;
        }
    }
    sim_fail(s, "%s answers \"done\" to a command that is not committed", s->names[node]);
}

/* ---- orders ---- */

static const struct run *run_of(const struct sim *s, uint32_t node, uint64_t id) {
    const struct executor *x = &s->nodes[node].core->executor;
    for (uint32_t i = 0; i < x->n_runs; i++) {
        if (x->runs[i].id == id) {
            return &x->runs[i];
        }
    }
    return NULL;
}

static const struct model_vm *best_row(const struct sim *s, uint32_t vm) {
    const struct model *m = sim_model(s);
    return m ? model_vm_by_id(m, vm) : NULL;
}

static bool makes_a_copy(enum order_kind kind) {
    return kind == ORDER_START || kind == ORDER_RESTORE || kind == ORDER_MIGRATE ||
           kind == ORDER_RESUME;
}

/* What somebody runs under libvirt is left alone as long as the cluster runs it nowhere. A node
 * without a view may know no better. */
static void check_kill(struct sim *s, uint32_t node, const char *uuid) {
    uint32_t vm = guest_find(s, uuid);
    const struct core *c = s->nodes[node].core;
    const struct model_vm *row = model_vm_by_uuid(&c->model, uuid);
    const struct copy *copy = vm ? &s->vms[vm - 1].copies[node] : NULL;
    if (copy && copy->state != COPY_NONE && copy->foreign && row && row->state == VM_OFF &&
        replica_usable(&c->replica)) {
        sim_fail(s, "%s destroys %s, which somebody runs there under libvirt", s->names[node],
                 row->name);
    }
}

/*
 * Before anything is begun: it was ordered, of this node, once, and what has been committed since,
 * whether this node knows it or not, still lets the VM run here.
 */
void check_agent(struct sim *s, uint32_t node, const struct core_run_agent *order) {
    const struct run *run = run_of(s, node, order->run);
    if (run && run->kind == RUN_KILL) {
        check_kill(s, node, run->uuid);
    }
    if (!run || run->kind != RUN_ORDER) {
        return;
    }
    struct truth *t = truth_at(s, run->order);
    if (t->chain == 0 || t->order_node != node || t->order_vm != run->subject ||
        t->order_kind != (uint8_t)run->order_kind) {
        sim_fail(s, "%s begins %s of %s, which nobody has ordered", s->names[node], order->action,
                 order->instance);
        return;
    }
    bool once = run->order_kind != ORDER_PROBE;
    if (once && t->executed) {
        sim_fail(s, "%s begins %s of %s a second time", s->names[node], order->action,
                 order->instance);
    }
    t->executed = 1;
    const struct core *c = s->nodes[node].core;
    const struct model_vm *own = model_vm_by_id(&c->model, run->subject);
    if (own && own->order_epoch != c->replica.epoch) {
        sim_fail(s, "%s begins %s of %s by the word of an earlier view", s->names[node],
                 order->action, order->instance);
    }
    if (s->nodes[node].doubt_us) {
        sim_fail(s, "%s has slept, and begins %s of %s before the ring has answered",
                 s->names[node], order->action, order->instance);
    }
    if (s->now_us > s->nodes[node].knows_us + KNOWLEDGE_US) {
        sim_fail(s, "%s begins %s of %s by what it knew %llu ms ago", s->names[node], order->action,
                 order->instance, (unsigned long long)(s->now_us - s->nodes[node].knows_us) / 1000);
    }
    const struct model_vm *row = best_row(s, run->subject);
    if (makes_a_copy(run->order_kind) &&
        (!row || !model_vm_may_run_on(row, node) || row->order_index != run->order)) {
        sim_fail(s, "%s begins %s of %s, which was taken back", s->names[node], order->action,
                 order->instance);
    }
}

/* ---- copies ---- */

void check_copies(struct sim *s, uint32_t vm) {
    uint32_t first = 0;
    for (uint32_t i = 1; i <= s->n; i++) {
        if (s->vms[vm - 1].copies[i].state != COPY_RUNNING) {
            continue;
        }
        if (first) {
            sim_fail(s, "%s runs twice: on %s and on %s", s->vms[vm - 1].name, s->names[first],
                     s->names[i]);
        }
        first = i;
    }
}
