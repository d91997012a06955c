/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * search.c - simulated annealing over shifts and swaps.
 *
 * A step draws a process and a machine (shift), or two processes (swap); it is made if it costs
 * less than a random threshold, whose scale, the temperature, falls from the size of large
 * processes to less than that of small ones. Rounds of annealing follow one another, each from the
 * best assignment of all: a short cool one, for there to be something good soon; a hot one, which
 * forgets where it began; and less hot ones.
 *
 * Two things make the difference on problems of this kind:
 *
 *   Processes differ in size by factors of a thousand. At any temperature those far below it move
 *   about like sand and those far above it are frozen; so most draws are made among those whose
 *   size is that of the temperature (the window). Large ones find their places first, and the
 *   steps do not go to waste.
 *
 *   What is transient is held at both ends, and away from home there are many machines, at home
 *   there is one. By chance alone nearly everything would be away, all transient room be taken, and
 *   nothing could move any more. So being away has a price in terms of the temperature, which
 *   weighs that up and vanishes as it falls.
 *
 * Where machines are nearly full, hardly any change is allowed, and what is large is stuck where it
 * came to be by chance. So capacities may be exceeded at first, by less and less, at a price that
 * is low while large processes still move and grows until nothing is exceeded any more.
 *
 * Temperature follows the steps of the round, or the clock if the machine is slower than it was
 * thought: an annealing that is cut off hot is worth little. As long as the clock is not needed,
 * seed and steps determine the answer.
 */
#include "search.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOGS 4096u
#define BLOCK 2048u         /* steps between two looks at the clock */
#define PROBE_STEPS 262144u /* steps from which speed is estimated */
#define TELL_S 2.0

/* Temperatures: hot, of the size that 5 % of the processes exceed; cold, at the end of each round,
 * of the size that 90 % exceed. Found by trying. */
#define HOT 0.5
#define COLD 0.02
/* The window: sizes from and to these multiples of the temperature. */
#define WINDOW_LEAST 0.3
#define WINDOW_MOST 1000.0
#define AWAY_PRICE 4.0 /* about the logarithm of the number of machines with room */
/* What is above capacity: its price against that of load until half of the round, and how often it
 * becomes ten times as much in the other half; then, from FIRM on, it has to go. */
#define LEEWAY 0.1
#define EXCESS_PRICE 30.0
#define EXCESS_TENFOLDS 2.0
#define FIRM 0.9
#define FIRM_PRICE 1e7
#define FIRM_LEEWAY 0.01 /* for one that leaves to make the room of another */
#define LOOSE_HEAT 0.05  /* a round that begins cooler only polishes: nothing is exceeded */

/* How hot a round begins, and its share of the time; the last one gets what is left. */
static const struct round {
    double heat, share;
} plan[] = {{0.01, 0.03}, {1, 0.5},     {0.1, 0.12}, {0.03, 0.12},
            {0.1, 0.1},   {0.03, 0.08}, {0.01, 0.05}};
#define ROUNDS (sizeof(plan) / sizeof(plan[0]))

struct search {
    const struct reassign_model *model;
    struct reassign_search *options;
    struct reassign_state state;
    uint32_t *best;
    uint32_t *touched_list; /* processes that may be elsewhere than in the best */
    bool *touched;
    uint32_t n_touched;
    int64_t best_total, told_total;
    double told_at;
    uint64_t rng;
    double logs[LOGS]; /* -log of a random number from 0 to 1: the threshold at temperature 1 */
    double temperature;
    double away_price;   /* in temperatures; 0 if nothing is transient */
    double *size;        /* of each process: what it costs where there is no room for it */
    uint32_t *order;     /* processes, largest first */
    uint32_t first, end; /* the window: these of order */
};

/* xorshift64*: a few cycles, good enough for drawing. */
static uint64_t draw(struct search *s) {
    s->rng ^= s->rng >> 12;
    s->rng ^= s->rng << 25;
    s->rng ^= s->rng >> 27;
    return s->rng * UINT64_C(2685821657736338717);
}

static uint32_t below(struct search *s, uint32_t n) {
    return (uint32_t)(((draw(s) >> 32) * n) >> 32);
}

static int64_t threshold(struct search *s) {
    return (int64_t)(s->temperature * s->logs[draw(s) >> 52]);
}

static void enter(struct search *s, uint32_t p) {
    if (!s->touched[p]) {
        s->touched[p] = true;
        s->touched_list[s->n_touched++] = p;
    }
}

/* A process was moved. The best assignment is brought up to date by those moved since it was. */
static void touch(struct search *s, uint32_t p) {
    enter(s, p);
    if (s->state.total >= s->best_total || s->state.excess_total > 0) {
        return;
    }
    s->best_total = s->state.total;
    while (s->n_touched > 0) {
        const uint32_t moved = s->touched_list[--s->n_touched];
        s->touched[moved] = false;
        s->best[moved] = s->state.where[moved];
    }
}

static bool conflict(const struct reassign_state *state, uint32_t p, uint32_t to) {
    const uint32_t row = state->row[state->model->service[p]];
    return row != UINT32_MAX && state->on[(size_t)row * state->model->n_machines + to] > 0;
}

/* Three of four from the window. */
static uint32_t draw_process(struct search *s) {
    const uint64_t random = draw(s), high = random >> 32;
    if ((random & 3) == 0) {
        return (uint32_t)((high * s->model->n_processes) >> 32);
    }
    return s->order[s->first + (uint32_t)((high * (s->end - s->first)) >> 32)];
}

/* What a process pays for being on this machine, if it is not its home. */
static int64_t away_price(const struct search *s, uint32_t process, uint32_t machine) {
    return machine != s->state.initial[process] ? (int64_t)(s->away_price * s->temperature) : 0;
}

static void step_shift(struct search *s) {
    const uint32_t p = draw_process(s), to = below(s, s->model->n_machines);
    const uint32_t from = s->state.where[p];
    if (!reassign_shift_fits(&s->state, p, to) || to == from || conflict(&s->state, p, to)) {
        return;
    }
    const int64_t delta =
        reassign_shift_delta(&s->state, p, to) + away_price(s, p, to) - away_price(s, p, from);
    if (delta <= threshold(s) && reassign_shift(&s->state, p, to)) {
        touch(s, p);
    }
}

static void step_swap(struct search *s) {
    const uint32_t p = draw_process(s), q = draw_process(s);
    const uint32_t a = s->state.where[p], b = s->state.where[q];
    if (a == b || !reassign_swap_fits(&s->state, p, q)) {
        return;
    }
    const int64_t delta = reassign_swap_delta(&s->state, p, q) + away_price(s, p, b) -
                          away_price(s, p, a) + away_price(s, q, a) - away_price(s, q, b);
    /* Both are entered before the sum is looked at: the best is whole, or it is none. */
    if (delta <= threshold(s) && reassign_swap(&s->state, p, q)) {
        enter(s, p);
        touch(s, q);
    }
}

static void step(struct search *s) {
    if (draw(s) >> 63) {
        step_shift(s);
    } else {
        step_swap(s);
    }
}

static bool go_on(struct search *s, double now) {
    struct reassign_search *o = s->options;
    if (o->tell != NULL && s->best_total < s->told_total && now - s->told_at >= TELL_S) {
        s->told_at = now;
        s->told_total = s->best_total;
        if (!o->tell(o->data, s->best, s->best_total)) {
            return false;
        }
    }
    return now < o->deadline;
}

static void set_temperature(struct search *s, double temperature) {
    const uint32_t n = s->model->n_processes;
    const double least = WINDOW_LEAST * temperature, most = WINDOW_MOST * temperature;
    s->temperature = temperature;
    s->first = s->end = 0;
    while (s->first + 1 < n && s->size[s->order[s->first]] > most) {
        s->first++;
    }
    for (s->end = s->first + 1; s->end < n && s->size[s->order[s->end]] >= least;) {
        s->end++;
    }
}

static void set_leeway(struct search *s, double progress) {
    const double half = progress > 0.5 ? (progress - 0.5) / 0.5 : 0;
    reassign_loosen(&s->state, LEEWAY * (1 - progress) + FIRM_LEEWAY,
                    progress < FIRM ? EXCESS_PRICE * pow(10, EXCESS_TENFOLDS * half) : FIRM_PRICE);
}

/* One annealing; false: it is time to stop. */
static bool anneal(struct search *s, uint64_t steps, double seconds, double hot, double cold,
                   bool loose) {
    reassign_loosen(&s->state, 0, 0);
    const double began = s->options->now(s->options->data);
    for (uint64_t done = 0; done < steps; done += BLOCK) {
        const double now = s->options->now(s->options->data);
        double progress = (double)done / (double)steps;
        if (!go_on(s, now)) {
            return false;
        }
        if ((now - began) / seconds > progress * 1.02 + 0.02) {
            progress = (now - began) / seconds;
            s->options->cut = true;
            if (progress >= 1) {
                break;
            }
        }
        if (done % (64 * BLOCK) == 0) {
            set_temperature(s, hot * pow(cold / hot, progress));
            if (loose) {
                set_leeway(s, progress);
            }
        }
        for (uint32_t i = 0; i < BLOCK; i++) {
            step(s);
        }
        s->options->steps += BLOCK;
    }
    return true;
}

/* Back to the best assignment. */
static void restart(struct search *s) {
    while (s->n_touched > 0) {
        const uint32_t p = s->touched_list[--s->n_touched];
        s->touched[p] = false;
        reassign_put(&s->state, p, s->best[p]);
    }
}

/* Steps a second, from a first short walk that is hot. */
static double speed_of(struct search *s) {
    const double began = s->options->now(s->options->data);
    for (uint32_t i = 0; i < PROBE_STEPS; i++) {
        step(s);
    }
    const double took = s->options->now(s->options->data) - began;
    return PROBE_STEPS / (took > 1e-4 ? took : 1e-4);
}

static void rounds(struct search *s) {
    struct reassign_search *o = s->options;
    const uint32_t n = s->model->n_processes, given = o->n_rounds;
    const double hot = HOT * (s->size[s->order[n / 20]] + 10);
    const double cold = COLD * (s->size[s->order[n - n / 10 - 1]] + 1);
    const double whole = o->deadline - o->now(o->data);
    set_temperature(s, hot);
    double speed = speed_of(s);
    for (uint32_t round = 0; round < (given > 0 ? given : ROUNDS); round++) {
        const double began = o->now(o->data), left = o->deadline - began;
        const bool last = given > 0 || round + 1 == ROUNDS;
        const double seconds = last ? left : whole * plan[round].share;
        const uint64_t before = o->steps;
        if (given == 0) {
            o->rounds[o->n_rounds++] = (uint64_t)(speed * (seconds > 0 ? seconds : 0)) + 1;
        }
        const double heat = plan[round < ROUNDS ? round : ROUNDS - 1].heat;
        restart(s);
        if (!anneal(s, o->rounds[round], seconds, hot * heat, cold, heat > LOOSE_HEAT)) {
            break;
        }
        const double took = o->now(o->data) - began;
        speed = took > 1e-3 ? (double)(o->steps - before) / took : speed;
    }
}

static int larger_first(const void *left, const void *right, void *sizes) {
    const double *size = sizes;
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (size[a] != size[b]) {
        return size[a] > size[b] ? -1 : 1;
    }
    return a < b ? -1 : a > b;
}

static bool prepare(struct search *s) {
    const struct reassign_model *m = s->model;
    const size_t n = (size_t)m->n_processes + 1;
    s->touched = calloc(n, sizeof(*s->touched));
    s->touched_list = calloc(n, sizeof(*s->touched_list));
    s->size = calloc(n, sizeof(*s->size));
    s->order = calloc(n, sizeof(*s->order));
    if (s->touched == NULL || s->touched_list == NULL || s->size == NULL || s->order == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < LOGS; i++) {
        s->logs[i] = -log((i + 0.5) / LOGS);
    }
    for (uint32_t r = 0; r < m->n_resources; r++) {
        s->away_price = m->transient[r] ? AWAY_PRICE : s->away_price;
    }
    for (uint32_t p = 0; p < m->n_processes; p++) {
        s->order[p] = p;
        for (size_t r = 0; r < m->n_resources; r++) {
            s->size[p] +=
                (double)m->load_weight[r] * (double)m->need[p * (size_t)m->n_resources + r];
        }
    }
    qsort_r(s->order, m->n_processes, sizeof(*s->order), larger_first, s->size);
    return true;
}

int reassign_search(const struct reassign_model *model, const uint32_t *initial, uint32_t *best,
                    struct reassign_search *options) {
    struct search *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return -ENOMEM;
    }
    s->model = model;
    s->options = options;
    s->best = best;
    s->rng = options->seed * UINT64_C(0x9E3779B97F4A7C15) + 0x1234567;
    int error = reassign_state_init(&s->state, model, initial, best);
    if (error == 0 && !prepare(s)) {
        error = -ENOMEM;
    }
    s->best_total = s->told_total = s->state.total;
    if (error == 0 && model->n_processes > 0 && model->n_machines > 1) {
        rounds(s);
    }
    free(s->touched);
    free(s->touched_list);
    free(s->size);
    free(s->order);
    reassign_state_finish(&s->state);
    free(s);
    return error;
}
