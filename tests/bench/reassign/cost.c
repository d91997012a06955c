/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cost.c - the judge: cost and hard constraints of an assignment, from scratch and in the plainest
 * way. The search counts differences (state.c); that both agree is a test.
 */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t positive(int64_t value) {
    return value > 0 ? value : 0;
}

/* What the processes on each machine need; with `initial` also those that were there. */
static int64_t *usage(const struct reassign_model *m, const uint32_t *initial,
                      const uint32_t *machines) {
    const size_t n = m->n_resources;
    int64_t *used = calloc(m->n_machines * n + 1, sizeof(*used));
    for (uint32_t p = 0; used != NULL && p < m->n_processes; p++) {
        for (size_t r = 0; r < n; r++) {
            used[machines[p] * n + r] += m->need[p * n + r];
            if (initial != NULL && initial[p] != machines[p]) {
                used[initial[p] * n + r] += m->need[p * n + r];
            }
        }
    }
    return used;
}

static int64_t most_moved(const struct reassign_model *m, const uint32_t *initial,
                          const uint32_t *machines) {
    int64_t most = 0, *moved = calloc((size_t)m->n_services + 1, sizeof(*moved));
    for (uint32_t p = 0; moved != NULL && p < m->n_processes; p++) {
        int64_t *of_service = &moved[m->service[p]];
        *of_service += initial[p] != machines[p];
        most = *of_service > most ? *of_service : most;
    }
    free(moved);
    return most;
}

struct reassign_cost reassign_cost_of(const struct reassign_model *m, const uint32_t *initial,
                                      const uint32_t *machines) {
    const size_t n = m->n_resources;
    struct reassign_cost cost = {0};
    int64_t *used = usage(m, NULL, machines);
    for (uint32_t machine = 0; used != NULL && machine < m->n_machines; machine++) {
        const int64_t *u = &used[machine * n], *capacity = &m->capacity[machine * n];
        for (size_t r = 0; r < n; r++) {
            cost.load += m->load_weight[r] * positive(u[r] - m->safety[machine * n + r]);
        }
        for (uint32_t i = 0; i < m->n_balances; i++) {
            const struct reassign_balance *b = &m->balances[i];
            cost.balance +=
                b->weight * positive(b->target * (capacity[b->resource1] - u[b->resource1]) -
                                     (capacity[b->resource2] - u[b->resource2]));
        }
    }
    for (uint32_t p = 0; p < m->n_processes; p++) {
        cost.process += initial[p] != machines[p] ? m->process_weight * m->process_cost[p] : 0;
        cost.machine +=
            m->machine_weight * m->machine_cost[initial[p] * (size_t)m->n_machines + machines[p]];
    }
    cost.service = m->service_weight * most_moved(m, initial, machines);
    cost.total = cost.load + cost.balance + cost.process + cost.service + cost.machine;
    free(used);
    return cost;
}

struct judge {
    const struct reassign_model *model;
    const uint32_t *initial, *machines;
    char *error;
};

__attribute__((format(printf, 2, 3))) static bool broken(const struct judge *j, const char *format,
                                                         ...) {
    if (j->error != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(j->error, REASSIGN_ERROR_MAX, format, args);
        va_end(args);
    }
    return false;
}

static bool within_capacity(const struct judge *j) {
    const struct reassign_model *m = j->model;
    const size_t n = m->n_resources;
    int64_t *now = usage(m, NULL, j->machines), *both = usage(m, j->initial, j->machines);
    bool good = now != NULL && both != NULL;
    for (uint32_t i = 0; good && i < m->n_machines; i++) {
        for (uint32_t r = 0; good && r < n; r++) {
            if (now[i * n + r] > m->capacity[i * n + r]) {
                good = broken(j, "capacity: machine %u lacks resource %u", i, r);
            } else if (m->transient[r] && both[i * n + r] > m->capacity[i * n + r]) {
                good = broken(j, "transient: machine %u lacks resource %u while moving", i, r);
            }
        }
    }
    free(now);
    free(both);
    return good;
}

/* Processes sorted by service. */
static uint32_t *by_service(const struct reassign_model *m, uint32_t *start) {
    uint32_t *sorted = calloc((size_t)m->n_processes + 1, sizeof(*sorted));
    for (uint32_t p = 0; p < m->n_processes; p++) {
        start[m->service[p] + 1]++;
    }
    for (uint32_t s = 0; s < m->n_services; s++) {
        start[s + 1] += start[s];
    }
    for (uint32_t p = m->n_processes; sorted != NULL && p-- > 0;) {
        sorted[--start[m->service[p] + 1]] = p;
    }
    return sorted; /* start[s + 1] is now where service s begins */
}

/* Conflict and spread of one service; `seen` has a stamp per machine, and per location after it. */
static bool service_apart(const struct judge *j, uint32_t s, const uint32_t *processes, uint32_t n,
                          uint32_t *seen) {
    const struct reassign_model *m = j->model;
    uint32_t locations = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t machine = j->machines[processes[i]];
        uint32_t *at = &seen[m->n_machines + m->location[machine]];
        if (seen[machine] == s + 1) {
            return broken(j, "conflict: service %u has two processes on machine %u", s, machine);
        }
        seen[machine] = s + 1;
        locations += *at != s + 1;
        *at = s + 1;
    }
    if (locations < m->spread_min[s]) {
        return broken(j, "spread: service %u is in %u locations only", s, locations);
    }
    return true;
}

static bool served(const struct judge *j, uint32_t s, const uint32_t *sorted,
                   const uint32_t *begin) {
    const struct reassign_model *m = j->model;
    for (uint32_t k = m->needs_service.start[s]; k < m->needs_service.start[s + 1]; k++) {
        const uint32_t t = m->needs_service.values[k];
        for (uint32_t i = begin[s]; i < begin[s + 1]; i++) {
            const uint32_t here = m->neighbourhood[j->machines[sorted[i]]];
            uint32_t q = begin[t];
            while (q < begin[t + 1] && m->neighbourhood[j->machines[sorted[q]]] != here) {
                q++;
            }
            if (q == begin[t + 1]) {
                return broken(j, "dependency: service %u needs service %u in its neighbourhood", s,
                              t);
            }
        }
    }
    return true;
}

bool reassign_check(const struct reassign_model *m, const uint32_t *initial,
                    const uint32_t *machines, char *ret_error) {
    const struct judge j = {m, initial, machines, ret_error};
    for (uint32_t p = 0; p < m->n_processes; p++) {
        if (machines[p] >= m->n_machines) {
            return broken(&j, "process %u is on machine %u, which is none", p, machines[p]);
        }
    }
    if (!within_capacity(&j)) {
        return false;
    }
    uint32_t *start = calloc((size_t)m->n_services + 2, sizeof(*start));
    uint32_t *seen = calloc((size_t)m->n_machines + m->n_locations + 1, sizeof(*seen));
    uint32_t *sorted = start != NULL ? by_service(m, start) : NULL;
    bool good = sorted != NULL && seen != NULL;
    const uint32_t *begin = start != NULL ? start + 1 : NULL;
    if (good) {
        start[m->n_services + 1] = m->n_processes;
    }
    for (uint32_t s = 0; good && s < m->n_services; s++) {
        good = service_apart(&j, s, &sorted[begin[s]], begin[s + 1] - begin[s], seen) &&
               served(&j, s, sorted, begin);
    }
    free(start);
    free(seen);
    free(sorted);
    return good;
}
