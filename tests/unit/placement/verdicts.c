/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdicts.c - see verdicts.h. */
#include "verdicts.h"

#include "reading.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A VM's places as one decision sees them. */
struct places {
    uint32_t surely;     /* counts there for certain; or NOWHERE */
    uint32_t perhaps[2]; /* may count there too: a room that is about to be left */
    bool undecided;      /* asked for and decided later: of rules only a hard APART sees it */
    bool will_stay;      /* and it will be left on its host; may be seen already */
};

struct moment {
    const struct placement_problem *p;
    const struct placement_request *q;
    uint32_t vm;     /* whose decision it is */
    bool at_the_end; /* the plan's end, instead of the VM's own decision */
    struct places of[VERDICTS_VMS];
    char *text;
};

__attribute__((format(printf, 3, 4))) static bool wrong(struct moment *m, uint32_t node,
                                                        const char *format, ...) {
    va_list args;
    char what[160];
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(m->text, VERDICTS_TEXT_MAX, "verdict of vm %u on node %d: %s", m->vm, (int)node, what);
    return false;
}

static uint32_t planned(const struct placement_plan *plan, uint32_t vm) {
    uint32_t to = PLACEMENT_NONE;
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        to = plan->moves[i].vm == vm ? plan->moves[i].to : to;
    }
    return to;
}

/* Whether a is decided before b. */
static bool before(const struct placement_problem *p, uint32_t a, uint32_t b) {
    const uint64_t *need_a = &p->needs[a * p->n_resources], *need_b = &p->needs[b * p->n_resources];
    if (p->vms[a].priority != p->vms[b].priority) {
        return p->vms[a].priority > p->vms[b].priority;
    }
    if (need_a[0] != need_b[0]) {
        return need_a[0] > need_b[0];
    }
    return need_a[1] != need_b[1] ? need_a[1] > need_b[1] : a < b;
}

static void see(struct moment *m, const struct placement_plan *plan, uint32_t vm) {
    struct places *of = &m->of[vm];
    const uint32_t to = planned(plan, vm);
    *of = (struct places){.surely = READING_NOWHERE, .perhaps = {READING_NOWHERE, READING_NOWHERE}};
    if (vm == m->vm) {
        return;
    }
    const bool decided = !reading_asks(m->p, m->q, vm) || m->at_the_end || before(m->p, vm, m->vm);
    const bool runs = reading_runs(m->p, m->q, vm);
    if (to != PLACEMENT_NONE && decided) {
        of->surely = to;
    } else if (runs && decided) {
        of->surely = reading_begins_on(m->p, m->q, vm);
    }
    of->undecided = !decided;
    of->will_stay = !decided && runs && to == PLACEMENT_NONE;
    of->perhaps[0] = runs && (!decided || of->surely != to) ? m->p->vms[vm].host : READING_NOWHERE;
    of->perhaps[1] = reading_on_its_way(m->p, m->q, vm) ? m->p->vms[vm].also_on : READING_NOWHERE;
}

struct counted {
    uint32_t n_vms[2];
    uint64_t used[2][8]; /* [0]: what is there for certain; [1]: what may be */
};

static void count(const struct moment *m, uint32_t node, struct counted *ret) {
    memset(ret, 0, sizeof(*ret));
    for (uint32_t vm = 0; vm < m->p->n_vms; vm++) {
        const struct places *of = &m->of[vm];
        const bool surely = of->surely == node;
        const bool perhaps = surely || of->perhaps[0] == node || of->perhaps[1] == node;
        ret->n_vms[0] += surely;
        ret->n_vms[1] += perhaps;
        for (uint32_t r = 0; r < m->p->n_resources; r++) {
            const uint64_t need = m->p->needs[vm * m->p->n_resources + r];
            ret->used[0][r] += surely ? need : 0;
            ret->used[1][r] += perhaps ? need : 0;
        }
    }
}

static uint32_t bit(enum placement_reason reason) {
    return 1u << (unsigned)reason;
}

static uint32_t room_obstacles(const struct moment *m, uint32_t node, const struct counted *c,
                               unsigned which) {
    const uint32_t vms_max = m->p->nodes[node].vms_max;
    uint32_t found = vms_max > 0 && c->n_vms[which] >= vms_max ? bit(PLACEMENT_LIMIT_VMS) : 0;
    for (uint32_t r = 0; r < m->p->n_resources; r++) {
        const uint64_t need = m->p->needs[m->vm * m->p->n_resources + r];
        if (need > 0 && c->used[which][r] + need > reading_capacity(m->p, node, r)) {
            found |= bit(r == PLACEMENT_MEMORY ? PLACEMENT_NO_MEMORY
                         : r == PLACEMENT_CPU  ? PLACEMENT_NO_CPU
                                               : PLACEMENT_NO_RESOURCE);
        }
    }
    return found;
}

static bool is_in(const struct moment *m, const struct placement_rule *rule, uint32_t node,
                  uint32_t domain) {
    return node != READING_NOWHERE && reading_domain(m->p, rule, node) == domain;
}

/* What the others of the rule make of the node. [0]: for certain, [1]: perhaps. */
struct seen {
    bool in_domain[2], anywhere[2];
    bool domains_differ, one_will_stay;
};

static struct seen look(const struct moment *m, const struct placement_rule *rule, uint32_t node) {
    const uint32_t domain = reading_domain(m->p, rule, node);
    const bool hard_apart = rule->kind == PLACEMENT_APART && rule->strength == PLACEMENT_HARD;
    const bool apart = rule->kind == PLACEMENT_APART;
    struct seen seen = {0};
    uint32_t first = READING_NOWHERE;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const struct places *of = &m->of[rule->vms.index[i]];
        if (apart && reading_one_group(rule, rule->vms.index[i], m->vm)) {
            continue;
        }
        seen.one_will_stay |= of->will_stay;
        seen.in_domain[1] |= of->will_stay && (is_in(m, rule, of->perhaps[0], domain) ||
                                               is_in(m, rule, of->perhaps[1], domain));
        if (rule->vms.index[i] == m->vm || (of->undecided && !hard_apart)) {
            continue;
        }
        const uint32_t surely = !of->undecided                      ? of->surely
                                : of->perhaps[1] != READING_NOWHERE ? of->perhaps[1]
                                                                    : of->perhaps[0];
        if (surely != READING_NOWHERE) {
            seen.anywhere[0] = true;
            seen.in_domain[0] |= is_in(m, rule, surely, domain);
            seen.domains_differ |= first != READING_NOWHERE &&
                                   !is_in(m, rule, surely, reading_domain(m->p, rule, first));
            first = surely;
        }
        seen.anywhere[1] |= of->perhaps[0] != READING_NOWHERE;
        seen.in_domain[1] |=
            is_in(m, rule, of->perhaps[0], domain) || is_in(m, rule, of->perhaps[1], domain);
    }
    seen.in_domain[1] |= seen.in_domain[0];
    seen.anywhere[1] |= seen.anywhere[0];
    return seen;
}

/* What is taken of an AT_MOST by others, for certain and perhaps. */
static void limit_obstacles(const struct moment *m, const struct placement_rule *rule,
                            uint32_t node, uint32_t ret_found[2]) {
    uint64_t taken[2] = {0, 0};
    const uint64_t share = reading_share(m->p, rule, m->vm);
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        const struct places *of = &m->of[vm];
        if (vm == m->vm || !reading_first_named(rule, i)) {
            continue;
        }
        const bool surely = reading_counts_on(rule, of->surely);
        const bool perhaps = surely || reading_counts_on(rule, of->perhaps[0]) ||
                             reading_counts_on(rule, of->perhaps[1]);
        taken[0] += surely ? reading_share(m->p, rule, vm) : 0;
        taken[1] += perhaps ? reading_share(m->p, rule, vm) : 0;
    }
    for (unsigned which = 0; share > 0 && reading_counts_on(rule, node) && which < 2; which++) {
        ret_found[which] |= taken[which] + share > rule->amount ? bit(PLACEMENT_LIMIT_NODES) : 0;
    }
}

static void rule_obstacles(const struct moment *m, uint32_t node, uint32_t ret_found[2]) {
    for (uint32_t i = 0; i < m->p->n_rules; i++) {
        const struct placement_rule *rule = &m->p->rules[i];
        if (rule->strength != PLACEMENT_HARD || !reading_has(&rule->vms, m->vm)) {
            continue;
        }
        if (rule->kind == PLACEMENT_AT_MOST) {
            limit_obstacles(m, rule, node, ret_found);
            continue;
        }
        const struct seen seen = look(m, rule, node);
        if (rule->kind == PLACEMENT_APART) {
            ret_found[0] |= seen.in_domain[0] ? bit(PLACEMENT_ANTI_AFFINITY) : 0;
            ret_found[1] |= seen.in_domain[1] ? bit(PLACEMENT_ANTI_AFFINITY) : 0;
        } else if (rule->kind == PLACEMENT_TOGETHER) {
            const bool apart = seen.anywhere[0] && !seen.in_domain[0];
            ret_found[0] |= apart && !seen.in_domain[1] ? bit(PLACEMENT_AFFINITY) : 0;
            ret_found[1] |=
                apart || seen.domains_differ || seen.one_will_stay ? bit(PLACEMENT_AFFINITY) : 0;
        }
    }
}

static bool room_ok(struct moment *m, uint32_t node, const struct placement_verdict *v,
                    const struct counted *c) {
    const struct placement_problem *p = m->p;
    if (v->resource == PLACEMENT_NONE) {
        const bool ok = v->reason == PLACEMENT_LIMIT_VMS && v->capacity == p->nodes[node].vms_max &&
                        v->have >= c->n_vms[0] && v->have <= c->n_vms[1];
        return ok || wrong(m, node, "figures of VMs: have %llu", (unsigned long long)v->have);
    }
    const uint64_t capacity = reading_capacity(p, node, v->resource);
    const uint64_t most =
        capacity > c->used[0][v->resource] ? capacity - c->used[0][v->resource] : 0;
    const uint64_t least =
        capacity > c->used[1][v->resource] ? capacity - c->used[1][v->resource] : 0;
    if (v->resource >= p->n_resources || v->capacity != capacity ||
        v->need != p->needs[m->vm * p->n_resources + v->resource]) {
        return wrong(m, node, "capacity or need of resource %u", v->resource);
    }
    if (v->have < least || v->have > most) {
        return wrong(m, node, "have %llu of resource %u, should be %llu to %llu",
                     (unsigned long long)v->have, v->resource, (unsigned long long)least,
                     (unsigned long long)most);
    }
    return true;
}

static bool verdict_ok(struct moment *m, uint32_t node, const struct placement_verdict *v) {
    struct counted c;
    uint32_t found[2];
    count(m, node, &c);
    for (unsigned which = 0; which < 2; which++) {
        found[which] =
            reading_obstacles(m->p, m->q, m->vm, node) | room_obstacles(m, node, &c, which);
    }
    rule_obstacles(m, node, found);
    if (v->reason == PLACEMENT_CHOSEN) {
        return v->obstacles == 0 || wrong(m, node, "chosen with obstacles %x", v->obstacles);
    }
    if ((found[0] & ~v->obstacles) != 0) {
        return wrong(m, node, "obstacles %x, some are missing of %x", v->obstacles, found[0]);
    }
    /* No way to get there is what is left when nothing else forbids. */
    const uint32_t may = found[1] | (found[0] == 0 ? bit(PLACEMENT_NO_WAY) : 0);
    if ((v->obstacles & ~may) != 0) {
        return wrong(m, node, "obstacles %x, more than %x", v->obstacles, may);
    }
    if (v->obstacles == 0 ? v->reason != PLACEMENT_POSSIBLE
                          : (v->obstacles & (bit(v->reason + 1) - 1)) != bit(v->reason)) {
        return wrong(m, node, "reason %d is not the first of %x", (int)v->reason, v->obstacles);
    }
    return room_ok(m, node, v, &c);
}

/* Whether a is better than b, by the order that the header gives. */
static bool better(const struct placement_verdict *a, const struct placement_verdict *b,
                   bool a_is_lower) {
    return a->soft_broken != b->soft_broken         ? a->soft_broken < b->soft_broken
           : a->preferred_rank != b->preferred_rank ? a->preferred_rank < b->preferred_rank
           : a->waits != b->waits                   ? b->waits
           : a->free_after_permille != b->free_after_permille
               ? a->free_after_permille > b->free_after_permille
           : a->free_after_mb != b->free_after_mb ? a->free_after_mb > b->free_after_mb
                                                  : a_is_lower;
}

/* Ranks are the order of the verdicts' own figures; the explanation counts them right. */
static bool summary_ok(struct moment *m, const struct placement_verdict *v,
                       const struct placement_explanation *e, uint32_t to) {
    uint32_t n_possible = 0, n_counted = 0;
    for (uint32_t node = 0; node < m->p->n_nodes; node++) {
        uint32_t rank = 0;
        for (uint32_t other = 0; other < m->p->n_nodes; other++) {
            rank += other != node && v[other].obstacles == 0 &&
                    better(&v[other], &v[node], other < node);
        }
        rank = v[node].obstacles == 0 ? rank : PLACEMENT_NONE;
        if (v[node].rank != rank) {
            return wrong(m, node, "rank %d, should be %d", (int)v[node].rank, (int)rank);
        }
        if ((v[node].reason == PLACEMENT_CHOSEN) != (node == to)) {
            return wrong(m, node, "chosen is not what the plan chose");
        }
        n_possible += v[node].obstacles == 0;
    }
    for (unsigned reason = 0; reason < PLACEMENT_REASON_COUNT; reason++) {
        n_counted += e->by_reason[reason];
    }
    if (e->chosen != to || e->n_possible != n_possible || n_counted != m->p->n_nodes ||
        (e->runner_up == PLACEMENT_NONE) != (to == PLACEMENT_NONE || n_possible < 2)) {
        return wrong(m, PLACEMENT_NONE, "explanation: chosen %d, %u possible, runner-up %d",
                     (int)e->chosen, e->n_possible, (int)e->runner_up);
    }
    return true;
}

static bool texts_ok(struct moment *m, const struct placement_verdict *v,
                     const struct placement_explanation *e) {
    char line[PLACEMENT_TEXT_MAX];
    for (uint32_t node = 0; node < m->p->n_nodes; node++) {
        size_t n = placement_verdict_text(m->p, m->vm, node, &v[node], line, sizeof(line));
        if (n == 0 || n + 1 >= sizeof(line) || strlen(line) != n || strchr(line, '\n') != NULL) {
            return wrong(m, node, "its text");
        }
        n = placement_change_text(m->p, m->vm, node, v, e, line, sizeof(line));
        if (strlen(line) != n || (n > 0 && v[node].reason == PLACEMENT_CHOSEN)) {
            return wrong(m, node, "its text of changes");
        }
    }
    size_t n = placement_explanation_text(m->p, m->vm, e, line, sizeof(line));
    return (n > 0 && strlen(line) == n) || wrong(m, PLACEMENT_NONE, "its text");
}

static bool moment_ok(struct moment *m, const struct placement_plan *plan, bool at_the_end,
                      const struct placement_verdict *verdicts) {
    m->at_the_end = at_the_end;
    for (uint32_t other = 0; other < m->p->n_vms; other++) {
        see(m, plan, other);
    }
    for (uint32_t node = 0; node < m->p->n_nodes; node++) {
        if (!verdict_ok(m, node, &verdicts[node])) {
            return false;
        }
    }
    return true;
}

bool verdicts_ok(const struct placement_problem *p, const struct placement_request *q,
                 struct placement_solver *solver, const struct placement_plan *plan,
                 char ret_text[VERDICTS_TEXT_MAX]) {
    struct placement_verdict verdicts[VERDICTS_NODES];
    struct placement_explanation e;
    for (uint32_t vm = 0; q->kind != PLACEMENT_BALANCE && vm < p->n_vms; vm++) {
        struct moment m = {.p = p, .q = q, .vm = vm, .text = ret_text};
        const uint32_t to = planned(plan, vm);
        const int error = placement_explain(solver, vm, verdicts, &e);
        if (!reading_asks(p, q, vm) || error < 0) {
            if ((error == 0) != reading_asks(p, q, vm)) {
                return wrong(&m, PLACEMENT_NONE, "explain answers %d", error);
            }
            continue;
        }
        /* One that waits for room is judged at the plan's end, as one that has no place. */
        if (!(to != PLACEMENT_NONE && moment_ok(&m, plan, false, verdicts)) &&
            !moment_ok(&m, plan, true, verdicts)) {
            return false;
        }
        if (!summary_ok(&m, verdicts, &e, to) || !texts_ok(&m, verdicts, &e)) {
            return false;
        }
    }
    return true;
}
