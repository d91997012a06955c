/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - plays a plan stage by stage.
 *
 * The moves of a stage may all run at once, so first all of them take their room at the target,
 * then the nodes are looked at, then they free their room at the source: the worst moment of all
 * orders. A node that was too full before may stay so, but nothing may be added to it.
 */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct player {
    const struct placement_problem *problem;
    const struct placement_request *request;
    const struct placement_plan *plan;
    struct bench_verdict *verdict;
    uint64_t *used;  /* [node * n_resources + r] */
    uint32_t *where; /* of each VM, or NONE */
    uint32_t *n_on;  /* VMs on each node */
    bool *gone;      /* nodes of the request that are lost or drained */
    bool *asked;     /* VMs */
    bool *settled;   /* VMs that are in the plan's moves or its unplaced */
    bool *full;      /* nodes counted as overloaded */
};

__attribute__((format(printf, 2, 3))) static void wrong(struct player *p, const char *format, ...) {
    if (p->verdict->wrong++ == 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(p->verdict->error, sizeof(p->verdict->error), format, args);
        va_end(args);
    }
}

static void take(struct player *p, uint32_t vm, uint32_t node) {
    for (uint32_t r = 0; r < p->problem->n_resources; r++) {
        p->used[(size_t)node * p->problem->n_resources + r] +=
            p->problem->needs[(size_t)vm * p->problem->n_resources + r];
    }
    p->n_on[node]++;
}

static void leave(struct player *p, uint32_t vm, uint32_t node) {
    for (uint32_t r = 0; r < p->problem->n_resources; r++) {
        p->used[(size_t)node * p->problem->n_resources + r] -=
            p->problem->needs[(size_t)vm * p->problem->n_resources + r];
    }
    p->n_on[node]--;
}

static void begin(struct player *p) {
    const bool failover = p->request->kind == PLACEMENT_FAILOVER;
    const bool leaving = failover || p->request->kind == PLACEMENT_DRAIN;

    for (uint32_t i = 0; leaving && i < p->request->nodes.n; i++) {
        p->gone[p->request->nodes.index[i]] = true;
    }
    for (uint32_t i = 0; i < p->request->vms.n; i++) {
        p->asked[p->request->vms.index[i]] = true;
    }
    for (uint32_t vm = 0; vm < p->problem->n_vms; vm++) {
        const struct placement_vm *v = &p->problem->vms[vm];
        p->where[vm] = v->host;
        if (v->host != PLACEMENT_NONE && p->gone[v->host]) {
            p->asked[vm] = true;
        }
        if (v->host != PLACEMENT_NONE && failover && p->asked[vm]) {
            p->where[vm] = PLACEMENT_NONE;
        }
        if (p->where[vm] != PLACEMENT_NONE) {
            take(p, vm, p->where[vm]);
        }
    }
}

static void look(struct player *p, uint32_t node) {
    const struct placement_node *n = &p->problem->nodes[node];
    for (uint32_t r = 0; r < p->problem->n_resources; r++) {
        const size_t at = (size_t)node * p->problem->n_resources + r;
        uint64_t capacity = p->problem->capacities[at];
        if (r == PLACEMENT_CPU && n->cpu_overcommit_permille != 0) {
            capacity = capacity * n->cpu_overcommit_permille / 1000;
        }
        if (p->used[at] > capacity && !p->full[node]) {
            p->full[node] = true;
            p->verdict->overloaded++;
        }
    }
    if (n->vms_max != 0 && p->n_on[node] > n->vms_max) {
        wrong(p, "node %u has %u VMs, %u are allowed", node, p->n_on[node], n->vms_max);
    }
}

static void look_at_threshold(struct player *p, uint32_t node) {
    const uint32_t threshold = p->problem->nodes[node].threshold_permille;
    bool over = false;
    for (uint32_t r = 0; threshold != 0 && r < p->problem->n_resources; r++) {
        const size_t at = (size_t)node * p->problem->n_resources + r;
        over = over || p->used[at] * 1000 > p->problem->capacities[at] * threshold;
    }
    p->verdict->nodes_over += over;
}

/* Whether the move can begin as things stand; what cannot is not played. */
static bool sound(struct player *p, uint32_t i) {
    const struct placement_move *m = &p->plan->moves[i];
    const uint32_t before = p->verdict->wrong;
    if (m->vm >= p->problem->n_vms || m->to >= p->problem->n_nodes) {
        wrong(p, "move %u names VM %u and node %u, which are none", i, m->vm, m->to);
        return false;
    }
    const bool start = m->mode == PLACEMENT_START;
    if (start != (p->where[m->vm] == PLACEMENT_NONE)) {
        wrong(p, "move %u %s VM %u, which %s", i, start ? "starts" : "moves", m->vm,
              start ? "runs" : "runs nowhere");
    } else if (!start && m->from != p->where[m->vm]) {
        wrong(p, "move %u takes VM %u off node %u, it is on %u", i, m->vm, m->from,
              p->where[m->vm]);
    }
    if (p->problem->nodes[m->to].state != PLACEMENT_NODE_ACCEPTS || p->gone[m->to]) {
        wrong(p, "move %u puts VM %u on node %u, which takes none", i, m->vm, m->to);
    }
    if (p->where[m->vm] == m->to) {
        wrong(p, "move %u of VM %u to where it is", i, m->vm);
    }
    return p->verdict->wrong == before;
}

static void play_stage(struct player *p, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        const struct placement_move *m = &p->plan->moves[i];
        if (sound(p, i)) {
            take(p, m->vm, m->to);
            p->verdict->started += p->where[m->vm] == PLACEMENT_NONE && !p->settled[m->vm];
            if (m->mode != PLACEMENT_START && !p->settled[m->vm]) {
                p->verdict->moved++;
                p->verdict->moved_others += !p->asked[m->vm];
            }
            p->settled[m->vm] = true;
        }
    }
    for (uint32_t i = from; i < to; i++) {
        if (p->plan->moves[i].to < p->problem->n_nodes) {
            look(p, p->plan->moves[i].to);
        }
    }
    for (uint32_t i = from; i < to; i++) {
        const struct placement_move *m = &p->plan->moves[i];
        if (m->vm >= p->problem->n_vms || m->to >= p->problem->n_nodes) {
            continue;
        }
        if (p->where[m->vm] != PLACEMENT_NONE && p->where[m->vm] == m->from) {
            leave(p, m->vm, m->from);
        }
        p->where[m->vm] = m->to;
    }
}

static void play(struct player *p) {
    const uint32_t n = p->plan->n_moves;
    for (uint32_t first = 0, next; first < n; first = next) {
        for (next = first + 1; next < n; next++) {
            if (p->plan->moves[next].stage != p->plan->moves[first].stage) {
                break;
            }
        }
        if (next < n && p->plan->moves[next].stage < p->plan->moves[first].stage) {
            wrong(p, "move %u is of a lower stage than the one before", next);
        }
        play_stage(p, first, next);
    }
    for (uint32_t node = 0; node < p->problem->n_nodes; node++) {
        look_at_threshold(p, node);
    }
    for (uint32_t i = 0; i < p->plan->n_unplaced; i++) {
        const uint32_t vm = p->plan->unplaced[i].vm;
        if (vm >= p->problem->n_vms || p->settled[vm]) {
            wrong(p, "VM %u is unplaced, and placed or no VM", vm);
        } else {
            p->settled[vm] = true;
        }
    }
    for (uint32_t vm = 0; vm < p->problem->n_vms; vm++) {
        if (p->asked[vm] && !p->settled[vm] && p->request->kind != PLACEMENT_RETURN &&
            p->request->kind != PLACEMENT_BALANCE) {
            wrong(p, "VM %u was asked for and has no answer", vm);
        }
    }
    if (p->request->kind == PLACEMENT_BALANCE &&
        p->plan->cost.nodes_over != p->verdict->nodes_over) {
        wrong(p, "%u nodes are above their threshold, the plan says %u", p->verdict->nodes_over,
              p->plan->cost.nodes_over);
    }
}

int bench_check(const struct placement_problem *problem, const struct placement_request *request,
                const struct placement_plan *plan, struct bench_verdict *ret_verdict) {
    const size_t n_nodes = (size_t)problem->n_nodes + 1, n_vms = (size_t)problem->n_vms + 1;
    struct player p = {
        .problem = problem,
        .request = request,
        .plan = plan,
        .verdict = ret_verdict,
        .used = calloc(n_nodes * problem->n_resources, sizeof(uint64_t)),
        .where = calloc(n_vms, sizeof(uint32_t)),
        .n_on = calloc(n_nodes, sizeof(uint32_t)),
        .gone = calloc(n_nodes, sizeof(bool)),
        .asked = calloc(n_vms, sizeof(bool)),
        .settled = calloc(n_vms, sizeof(bool)),
        .full = calloc(n_nodes, sizeof(bool)),
    };
    const bool memory = p.used != NULL && p.where != NULL && p.n_on != NULL && p.gone != NULL &&
                        p.asked != NULL && p.settled != NULL && p.full != NULL;
    if (memory) {
        *ret_verdict = (struct bench_verdict){0};
        begin(&p);
        play(&p);
    }
    free(p.used);
    free(p.where);
    free(p.n_on);
    free(p.gone);
    free(p.asked);
    free(p.settled);
    free(p.full);
    return memory ? 0 : -ENOMEM;
}
