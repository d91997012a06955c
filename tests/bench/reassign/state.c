/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state.c - differences of cost, room, and the rules between services. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_ROW UINT32_MAX
#define NOBODY UINT32_MAX
#define PRICE_MOST 1e17 /* such that sums of a few are numbers still */

static inline int64_t positive(int64_t value) {
    return value > 0 ? value : 0;
}

/* Load and balance of a machine on which this were used: used + add - sub (either may be NULL). */
static int64_t cost_with(const struct reassign_state *s, uint32_t machine, const int64_t *add,
                         const int64_t *sub) {
    const struct reassign_model *m = s->model;
    const size_t n = m->n_resources, at = machine * n;
    const int64_t *used = &s->used[at], *safety = &m->safety[at], *capacity = &m->capacity[at];
    int64_t cost = 0;
    for (size_t r = 0; r < n; r++) {
        cost += m->load_weight[r] * positive(used[r] + add[r] - sub[r] - safety[r]);
    }
    for (uint32_t i = 0; i < m->n_balances; i++) {
        const struct reassign_balance *b = &m->balances[i];
        const uint32_t r1 = b->resource1, r2 = b->resource2;
        const int64_t free1 = capacity[r1] - used[r1] - add[r1] + sub[r1];
        const int64_t free2 = capacity[r2] - used[r2] - add[r2] + sub[r2];
        cost += b->weight * positive(b->target * free1 - free2);
    }
    return cost;
}

static const int64_t *need_of(const struct reassign_state *s, uint32_t process) {
    return &s->model->need[(size_t)process * s->model->n_resources];
}

/* Nothing: one more process than there is, of no needs. */
static const int64_t *nothing(const struct reassign_state *s) {
    return &s->slack[(size_t)s->model->n_machines * s->model->n_resources];
}

/* A resource whose load costs nothing has a capacity all the same. */
static int64_t excess_weight(const struct reassign_model *m, size_t r) {
    return m->load_weight[r] > 0 ? m->load_weight[r] : 1;
}

/* What would be above capacity if one process came and another left; NOBODY for either. */
static int64_t excess_with(const struct reassign_state *s, uint32_t machine, uint32_t in,
                           uint32_t out) {
    const struct reassign_model *m = s->model;
    const int64_t *slack = &s->slack[(size_t)machine * m->n_resources];
    const int64_t *comes = in != NOBODY ? need_of(s, in) : nothing(s);
    const int64_t *goes = out != NOBODY ? need_of(s, out) : nothing(s);
    const bool in_home = in != NOBODY && machine == s->initial[in];
    const bool out_home = out != NOBODY && machine == s->initial[out];
    int64_t excess = 0;
    for (size_t r = 0; r < m->n_resources; r++) {
        const int64_t left = slack[r] - (m->transient[r] && in_home ? 0 : comes[r]) +
                             (m->transient[r] && out_home ? 0 : goes[r]);
        excess += excess_weight(m, r) * positive(-left);
    }
    return excess;
}

static int64_t priced(const struct reassign_state *s, int64_t excess) {
    const double price = s->excess_price * (double)excess;
    return (int64_t)(price > PRICE_MOST ? PRICE_MOST : price < -PRICE_MOST ? -PRICE_MOST : price);
}

/* Move costs of one process on a machine, but for the service's. */
static int64_t move_cost(const struct reassign_state *s, uint32_t process, uint32_t machine) {
    const struct reassign_model *m = s->model;
    const uint32_t home = s->initial[process];
    if (machine == home) {
        return m->machine_weight * m->machine_cost[home * (size_t)m->n_machines + machine];
    }
    return m->process_weight * m->process_cost[process] +
           m->machine_weight * m->machine_cost[home * (size_t)m->n_machines + machine];
}

/* How much more the service with the most moved processes has, if `service` has `more` moved. */
static int64_t most_moved_delta(const struct reassign_state *s, uint32_t service, int more) {
    const uint32_t now = s->moved[service];
    if (more > 0) {
        const uint32_t then = now + (uint32_t)more;
        return then > s->most_moved ? (int64_t)then - s->most_moved : 0;
    }
    if (more == 0 || now < s->most_moved || s->n_moved[now] > 1) {
        return 0;
    }
    uint32_t most = now - 1; /* the next lower that some other service has, or its own new one */
    while (most > now - (uint32_t)-more && s->n_moved[most] == 0) {
        most--;
    }
    return (int64_t)most - s->most_moved;
}

static int away(const struct reassign_state *s, uint32_t process, uint32_t machine) {
    return machine != s->initial[process];
}

static bool shift_fits_slowly(const struct reassign_state *s, uint32_t process, uint32_t to) {
    const struct reassign_model *m = s->model;
    const int64_t *need = need_of(s, process), *slack = &s->slack[(size_t)to * m->n_resources];
    const int64_t *leeway = &s->leeway[(size_t)to * m->n_resources];
    const bool home = to == s->initial[process];
    for (uint32_t r = 0; r < m->n_resources; r++) {
        if (need[r] > slack[r] + leeway[r] && !(home && m->transient[r])) {
            return false;
        }
    }
    return true;
}

/* Whether any of the lanes is not zero. */
static inline bool any(reassign_four lanes) {
    return (lanes[0] | lanes[1] | lanes[2] | lanes[3]) != 0;
}

bool reassign_shift_fits(const struct reassign_state *s, uint32_t process, uint32_t to) {
    if (!s->narrow || to == s->initial[process]) {
        return shift_fits_slowly(s, process, to);
    }
    const reassign_four *need = &s->need4[(size_t)process * s->n_fours];
    const reassign_four *slack = &s->slack4[(size_t)to * s->n_fours];
    reassign_four lacks = need[0] > slack[0];
    for (uint32_t i = 1; i < s->n_fours; i++) {
        lacks |= need[i] > slack[i];
    }
    return !any(lacks);
}

/* Nothing is exceeded, nor may be, most of the time. */
static bool is_firm(const struct reassign_state *s) {
    return !s->loose && s->excess_total == 0;
}

static int64_t shift_excess(const struct reassign_state *s, uint32_t process, uint32_t to) {
    const uint32_t from = s->where[process];
    return is_firm(s) ? 0
                      : priced(s, excess_with(s, from, NOBODY, process) - s->excess[from] +
                                      excess_with(s, to, process, NOBODY) - s->excess[to]);
}

static int64_t swap_excess(const struct reassign_state *s, uint32_t p, uint32_t q) {
    const uint32_t a = s->where[p], b = s->where[q];
    return is_firm(s) ? 0
                      : priced(s, excess_with(s, a, q, p) - s->excess[a] + excess_with(s, b, p, q) -
                                      s->excess[b]);
}

int64_t reassign_shift_delta(const struct reassign_state *s, uint32_t process, uint32_t to) {
    const uint32_t from = s->where[process], service = s->model->service[process];
    const int64_t *need = need_of(s, process), *zero = nothing(s);
    return shift_excess(s, process, to) + cost_with(s, from, zero, need) +
           cost_with(s, to, need, zero) - s->machine_cost[from] - s->machine_cost[to] +
           move_cost(s, process, to) - move_cost(s, process, from) +
           s->model->service_weight *
               most_moved_delta(s, service, away(s, process, to) - away(s, process, from));
}

/* Room on the machine of `out` for `in`, once `out` has left. */
static bool fits_instead_slowly(const struct reassign_state *s, uint32_t in, uint32_t out) {
    const struct reassign_model *m = s->model;
    const uint32_t machine = s->where[out];
    const int64_t *need = need_of(s, in), *gain = need_of(s, out);
    const int64_t *slack = &s->slack[(size_t)machine * m->n_resources];
    const int64_t *leeway = &s->leeway[(size_t)machine * m->n_resources];
    const bool home = machine == s->initial[in], stays = machine == s->initial[out];
    for (uint32_t r = 0; r < m->n_resources; r++) {
        if (m->transient[r] && home) {
            continue; /* it holds that there all the time */
        }
        const int64_t room = slack[r] + leeway[r] + (m->transient[r] && stays ? 0 : gain[r]);
        if (need[r] > room) {
            return false;
        }
    }
    return true;
}

static bool fits_instead(const struct reassign_state *s, uint32_t in, uint32_t out) {
    const uint32_t machine = s->where[out];
    const bool home = machine == s->initial[in], stays = machine == s->initial[out];
    if (!s->narrow) {
        return fits_instead_slowly(s, in, out);
    }
    const reassign_four *need = &s->need4[(size_t)in * s->n_fours];
    const reassign_four *gain = &s->need4[(size_t)out * s->n_fours];
    const reassign_four *slack = &s->slack4[(size_t)machine * s->n_fours];
    const reassign_four takes = {home - 1, home - 1, home - 1, home - 1};
    const reassign_four gives = {stays - 1, stays - 1, stays - 1, stays - 1};
    reassign_four lacks = {0};
    for (uint32_t i = 0; i < s->n_fours; i++) {
        lacks |= (need[i] & (takes | s->kept4[i])) - (gain[i] & (gives | s->kept4[i])) > slack[i];
    }
    return !any(lacks);
}

bool reassign_swap_fits(const struct reassign_state *s, uint32_t p, uint32_t q) {
    return fits_instead(s, p, q) && fits_instead(s, q, p);
}

int64_t reassign_swap_delta(const struct reassign_state *s, uint32_t p, uint32_t q) {
    const struct reassign_model *m = s->model;
    const uint32_t a = s->where[p], b = s->where[q];
    const int64_t *of_p = need_of(s, p), *of_q = need_of(s, q);
    const int more_p = away(s, p, b) - away(s, p, a), more_q = away(s, q, a) - away(s, q, b);
    int64_t most;
    if (m->service[p] == m->service[q]) {
        most = most_moved_delta(s, m->service[p], more_p + more_q);
    } else if (more_p >= 0 && more_q >= 0) {
        const int64_t one = most_moved_delta(s, m->service[p], more_p);
        const int64_t other = most_moved_delta(s, m->service[q], more_q);
        most = one > other ? one : other;
    } else if (more_p <= 0 && more_q <= 0) {
        /* Two services may share the top; each alone would not lower it. Then it is counted as
         * unchanged, which is never too little; reassign_swap() counts what is. */
        const int64_t one = most_moved_delta(s, m->service[p], more_p);
        const int64_t other = most_moved_delta(s, m->service[q], more_q);
        most = one < other ? one : other;
    } else {
        const int64_t up = most_moved_delta(s, more_p > 0 ? m->service[p] : m->service[q], 1);
        most = up; /* likewise: where the other was the top, alone, it may become less */
    }
    return swap_excess(s, p, q) + cost_with(s, a, of_q, of_p) + cost_with(s, b, of_p, of_q) -
           s->machine_cost[a] - s->machine_cost[b] + move_cost(s, p, b) - move_cost(s, p, a) +
           move_cost(s, q, a) - move_cost(s, q, b) + m->service_weight * most;
}

/* --- changing the counters ---------------------------------------------------------------------
 */

static void count_moved(struct reassign_state *s, uint32_t service, int more) {
    if (more == 0) {
        return;
    }
    s->n_moved[s->moved[service]]--;
    s->moved[service] += (uint32_t)more;
    s->n_moved[s->moved[service]]++;
    if (s->moved[service] > s->most_moved) {
        s->most_moved = s->moved[service];
    }
    while (s->most_moved > 0 && s->n_moved[s->most_moved] == 0) {
        s->most_moved--;
    }
}

static void narrow_slack(struct reassign_state *s, uint32_t machine, uint32_t r) {
    const size_t at = (size_t)machine * s->model->n_resources + r;
    s->slack4[(size_t)machine * s->n_fours + r / 4][r % 4] =
        (int32_t)(s->slack[at] + s->leeway[at]);
}

static void change_room(struct reassign_state *s, uint32_t process, uint32_t machine, int sign) {
    const struct reassign_model *m = s->model;
    const size_t at = (size_t)machine * m->n_resources;
    const int64_t *need = need_of(s, process);
    const bool home = machine == s->initial[process];
    for (uint32_t r = 0; r < m->n_resources; r++) {
        s->used[at + r] += sign * need[r];
        s->slack[at + r] -= m->transient[r] && home ? 0 : sign * need[r];
        narrow_slack(s, machine, r);
    }
}

static void change_counts(struct reassign_state *s, uint32_t process, uint32_t machine, int sign) {
    const struct reassign_model *m = s->model;
    const uint32_t service = m->service[process];
    if (s->row[service] != NO_ROW) {
        uint8_t *on = &s->on[(size_t)s->row[service] * m->n_machines + machine];
        *on = (uint8_t)(*on + sign);
    }
    uint32_t *in = &s->in_location[(size_t)service * m->n_locations + m->location[machine]];
    s->n_in_locations[service] -= *in > 0;
    *in += (uint32_t)sign;
    s->n_in_locations[service] += *in > 0;
    s->in_neighbourhood[(size_t)service * m->n_neighbourhoods + m->neighbourhood[machine]] +=
        (uint32_t)sign;
}

static void change(struct reassign_state *s, uint32_t process, uint32_t to) {
    const uint32_t from = s->where[process];
    change_counts(s, process, from, -1);
    change_counts(s, process, to, 1);
    s->where[process] = to;
}

static uint32_t here(const struct reassign_state *s, uint32_t service, uint32_t neighbourhood) {
    return s->in_neighbourhood[(size_t)service * s->model->n_neighbourhoods + neighbourhood];
}

/* Whether all rules between services hold that a shift of this process, made already, may have
 * broken. */
static bool rules_hold(const struct reassign_state *s, uint32_t process, uint32_t from) {
    const struct reassign_model *m = s->model;
    const uint32_t service = m->service[process], to = s->where[process];
    if (s->row[service] != NO_ROW && s->on[(size_t)s->row[service] * m->n_machines + to] > 1) {
        return false;
    }
    if (s->n_in_locations[service] < m->spread_min[service]) {
        return false;
    }
    const uint32_t left = m->neighbourhood[from], reached = m->neighbourhood[to];
    if (left == reached) {
        return true;
    }
    const struct reassign_lists *needs = &m->needs_service, *by = &s->needed_by;
    for (uint32_t k = needs->start[service]; k < needs->start[service + 1]; k++) {
        if (here(s, needs->values[k], reached) == 0) {
            return false;
        }
    }
    if (here(s, service, left) > 0) {
        return true;
    }
    for (uint32_t k = by->start[service]; k < by->start[service + 1]; k++) {
        if (here(s, by->values[k], left) > 0) {
            return false;
        }
    }
    return true;
}

static void settle_excess(struct reassign_state *s, uint32_t machine) {
    s->excess_total -= s->excess[machine];
    s->excess[machine] = excess_with(s, machine, NOBODY, NOBODY);
    s->excess_total += s->excess[machine];
}

/* After the counters: room, costs, and the sum. `from` is where the process was. */
static void settle(struct reassign_state *s, uint32_t process, uint32_t from) {
    const uint32_t to = s->where[process];
    const int64_t most = s->most_moved, before = s->machine_cost[from] + s->machine_cost[to];
    change_room(s, process, from, -1);
    change_room(s, process, to, 1);
    s->machine_cost[from] = cost_with(s, from, nothing(s), nothing(s));
    s->machine_cost[to] = cost_with(s, to, nothing(s), nothing(s));
    settle_excess(s, from);
    settle_excess(s, to);
    count_moved(s, s->model->service[process], away(s, process, to) - away(s, process, from));
    s->total += s->machine_cost[from] + s->machine_cost[to] - before + move_cost(s, process, to) -
                move_cost(s, process, from) +
                s->model->service_weight * ((int64_t)s->most_moved - most);
}

void reassign_loosen(struct reassign_state *s, double leeway, double excess_price) {
    const struct reassign_model *m = s->model;
    s->loose = leeway > 0;
    s->excess_price = excess_price;
    for (uint32_t i = 0; i < m->n_machines; i++) {
        for (uint32_t r = 0; r < m->n_resources; r++) {
            const size_t at = (size_t)i * m->n_resources + r;
            s->leeway[at] = (int64_t)(leeway * (double)m->capacity[at]);
            narrow_slack(s, i, r);
        }
    }
}

bool reassign_shift(struct reassign_state *s, uint32_t process, uint32_t to) {
    const uint32_t from = s->where[process];
    change(s, process, to);
    if (!rules_hold(s, process, from)) {
        change(s, process, from);
        return false;
    }
    settle(s, process, from);
    return true;
}

bool reassign_swap(struct reassign_state *s, uint32_t p, uint32_t q) {
    const uint32_t a = s->where[p], b = s->where[q];
    change(s, p, b);
    change(s, q, a);
    if (!rules_hold(s, p, a) || !rules_hold(s, q, b)) {
        change(s, p, a);
        change(s, q, b);
        return false;
    }
    settle(s, p, a);
    settle(s, q, b);
    return true;
}

void reassign_put(struct reassign_state *s, uint32_t process, uint32_t to) {
    const uint32_t from = s->where[process];
    if (to != from) {
        change(s, process, to);
        settle(s, process, from);
    }
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static void turn_around(struct reassign_state *s) {
    const struct reassign_lists *needs = &s->model->needs_service;
    const uint32_t n = s->model->n_services;
    uint32_t *start = s->needed_by.start;
    for (uint32_t k = 0; k < needs->start[n]; k++) {
        start[needs->values[k] + 1]++;
    }
    for (uint32_t i = 0; i < n; i++) {
        start[i + 1] += start[i];
    }
    for (uint32_t i = n; i-- > 0;) {
        for (uint32_t k = needs->start[i]; k < needs->start[i + 1]; k++) {
            s->needed_by.values[--start[needs->values[k] + 1]] = i;
        }
    }
    /* start[i + 1] is now where the list of i begins. */
    memmove(start, start + 1, n * sizeof(*start));
    start[n] = needs->start[n];
}

/* All amounts, and all differences of two, fit into 32 bits with their sign; leeway is less than
 * the capacity. */
static bool is_narrow(const struct reassign_model *m) {
    for (size_t i = 0; i < (size_t)m->n_machines * m->n_resources; i++) {
        if (m->capacity[i] > INT32_MAX / 2) {
            return false;
        }
    }
    for (size_t i = 0; i < (size_t)m->n_processes * m->n_resources; i++) {
        if (m->need[i] > INT32_MAX) {
            return false;
        }
    }
    return true;
}

static void narrow(struct reassign_state *s) {
    const struct reassign_model *m = s->model;
    const size_t n = m->n_resources;
    for (uint32_t r = 0; r < n; r++) {
        s->kept4[r / 4][r % 4] = m->transient[r] ? 0 : -1;
    }
    for (uint32_t p = 0; p < m->n_processes; p++) {
        for (size_t r = 0; r < n; r++) {
            s->need4[p * (size_t)s->n_fours + r / 4][r % 4] = (int32_t)m->need[p * n + r];
        }
    }
    for (uint32_t i = 0; i < m->n_machines; i++) {
        for (uint32_t r = 0; r < n; r++) {
            narrow_slack(s, i, r);
        }
    }
}

static bool allocate_fours(struct reassign_state *s) {
    const struct reassign_model *m = s->model;
    s->narrow = is_narrow(m);
    s->n_fours = (m->n_resources + 3) / 4 > 0 ? (m->n_resources + 3) / 4 : 1;
    s->need4 = calloc(((size_t)m->n_processes + 1) * s->n_fours, sizeof(reassign_four));
    s->slack4 = calloc(((size_t)m->n_machines + 1) * s->n_fours, sizeof(reassign_four));
    s->kept4 = calloc(s->n_fours, sizeof(reassign_four));
    return s->need4 != NULL && s->slack4 != NULL && s->kept4 != NULL;
}

static bool allocate(struct reassign_state *s) {
    const struct reassign_model *m = s->model;
    const size_t services = (size_t)m->n_services + 1, machines = (size_t)m->n_machines + 1;
    s->where = calloc((size_t)m->n_processes + 1, sizeof(uint32_t));
    s->used = calloc(machines * m->n_resources, sizeof(int64_t));
    s->slack = calloc(machines * m->n_resources, sizeof(int64_t));
    s->leeway = calloc(machines * m->n_resources, sizeof(int64_t));
    s->excess = calloc(machines, sizeof(int64_t));
    s->machine_cost = calloc(machines, sizeof(int64_t));
    s->moved = calloc(services, sizeof(uint32_t));
    s->n_moved = calloc((size_t)m->n_processes + 2, sizeof(uint32_t));
    s->row = calloc(services, sizeof(uint32_t));
    s->in_location = calloc(services * m->n_locations + 1, sizeof(uint32_t));
    s->n_in_locations = calloc(services, sizeof(uint32_t));
    s->in_neighbourhood = calloc(services * m->n_neighbourhoods + 1, sizeof(uint32_t));
    s->needed_by.start = calloc(services + 1, sizeof(uint32_t));
    s->needed_by.values =
        calloc((size_t)m->needs_service.start[m->n_services] + 1, sizeof(uint32_t));
    if (s->where == NULL || s->used == NULL || s->slack == NULL || s->leeway == NULL ||
        s->excess == NULL || s->machine_cost == NULL || s->moved == NULL || s->n_moved == NULL ||
        s->row == NULL || s->in_location == NULL || s->n_in_locations == NULL ||
        s->in_neighbourhood == NULL || s->needed_by.start == NULL || s->needed_by.values == NULL) {
        return false;
    }
    uint32_t rows = 0;
    for (uint32_t p = 0; p < m->n_processes; p++) {
        s->row[m->service[p]]++;
    }
    for (uint32_t i = 0; i < m->n_services; i++) {
        s->row[i] = s->row[i] > 1 ? rows++ : NO_ROW;
    }
    s->on = calloc((size_t)rows * m->n_machines + 1, sizeof(*s->on));
    return s->on != NULL;
}

int reassign_state_init(struct reassign_state *s, const struct reassign_model *model,
                        const uint32_t *initial, const uint32_t *now) {
    const size_t n = model->n_resources;
    *s = (struct reassign_state){.model = model, .initial = initial};
    if (!allocate(s) || !allocate_fours(s)) {
        reassign_state_finish(s);
        return -ENOMEM;
    }
    memcpy(s->slack, model->capacity, model->n_machines * n * sizeof(*s->slack));
    turn_around(s);
    s->n_moved[0] = model->n_services;
    for (uint32_t p = 0; p < model->n_processes; p++) {
        s->where[p] = now[p];
        for (size_t r = 0; r < n; r++) {
            s->slack[initial[p] * n + r] -= model->transient[r] ? model->need[p * n + r] : 0;
        }
        change_room(s, p, now[p], 1);
        change_counts(s, p, now[p], 1);
        count_moved(s, model->service[p], away(s, p, now[p]));
    }
    narrow(s);
    for (uint32_t i = 0; i < model->n_machines; i++) {
        s->machine_cost[i] = cost_with(s, i, nothing(s), nothing(s));
    }
    s->total = reassign_cost_of(model, initial, now).total;
    return 0;
}

void reassign_state_finish(struct reassign_state *s) {
    free(s->where);
    free(s->used);
    free(s->slack);
    free(s->leeway);
    free(s->excess);
    free(s->need4);
    free(s->slack4);
    free(s->kept4);
    free(s->machine_cost);
    free(s->moved);
    free(s->n_moved);
    free(s->row);
    free(s->on);
    free(s->in_location);
    free(s->n_in_locations);
    free(s->in_neighbourhood);
    free(s->needed_by.start);
    free(s->needed_by.values);
    *s = (struct reassign_state){0};
}
