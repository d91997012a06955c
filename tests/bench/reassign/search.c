/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * search.c - simulated annealing over shifts and swaps.
 *
 * A step draws a process and a machine (shift), or two processes (swap); it is made if it costs
 * less than a random threshold, whose scale, the temperature, falls from the size of typical
 * differences to almost nothing. Rounds of annealing follow one another, each from the best
 * assignment of all, each less hot than the one before.
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
#define BLOCK 2048u        /* steps between two looks at the clock */
#define PROBE_STEPS 65536u /* steps from which temperature and speed are estimated */
#define TELL_S 2.0

/* The temperature at the beginning of the first round, as a multiple of a typical difference; at
 * the end, as a share of that; and at the beginning of later rounds. */
#define HOT 1.0
#define COLD 3e-3
#define AGAIN 0.1
#define FIRST_SHARE 0.6 /* of the time; later rounds get the rest */

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
    if (s->state.total >= s->best_total) {
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

static void step_shift(struct search *s) {
    const uint32_t p = below(s, s->model->n_processes), to = below(s, s->model->n_machines);
    if (!reassign_shift_fits(&s->state, p, to) || to == s->state.where[p] ||
        conflict(&s->state, p, to)) {
        return;
    }
    const int64_t delta = reassign_shift_delta(&s->state, p, to);
    if (delta <= threshold(s) && reassign_shift(&s->state, p, to)) {
        touch(s, p);
    }
}

static void step_swap(struct search *s) {
    const uint32_t p = below(s, s->model->n_processes), q = below(s, s->model->n_processes);
    if (s->state.where[p] == s->state.where[q] || !reassign_swap_fits(&s->state, p, q)) {
        return;
    }
    const int64_t delta = reassign_swap_delta(&s->state, p, q);
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

/* The mean size of a difference, in feasible steps made at random; the walk is not changed. */
static double typical_delta(struct search *s) {
    double sum = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < PROBE_STEPS; i++) {
        const uint32_t p = below(s, s->model->n_processes), to = below(s, s->model->n_machines);
        if (to != s->state.where[p] && reassign_shift_fits(&s->state, p, to)) {
            sum += fabs((double)reassign_shift_delta(&s->state, p, to));
            n++;
        }
    }
    return n > 0 ? sum / n : 1;
}

/* One annealing; false: it is time to stop. */
static bool anneal(struct search *s, uint64_t steps, double seconds, double hot, double cold) {
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
        s->temperature = hot * pow(cold / hot, progress);
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
    for (uint32_t i = 0; i < 4 * PROBE_STEPS; i++) {
        step(s);
    }
    const double took = s->options->now(s->options->data) - began;
    return 4 * PROBE_STEPS / (took > 1e-4 ? took : 1e-4);
}

static void rounds(struct search *s) {
    struct reassign_search *o = s->options;
    const bool given = o->n_rounds > 0;
    const double hot = typical_delta(s) * HOT, cold = hot * COLD;
    s->temperature = hot;
    double speed = speed_of(s);
    for (uint32_t round = 0; round < (given ? o->n_rounds : REASSIGN_ROUNDS_MAX); round++) {
        const double began = o->now(o->data), left = o->deadline - began;
        const uint64_t before = o->steps;
        const double seconds = round == 0 ? left * FIRST_SHARE : left;
        if (!given) {
            o->rounds[o->n_rounds++] = (uint64_t)(speed * seconds) / BLOCK * BLOCK + BLOCK;
        }
        restart(s);
        if (!anneal(s, o->rounds[round], given ? left : seconds, round > 0 ? hot * AGAIN : hot,
                    cold)) {
            break;
        }
        const double took = o->now(o->data) - began;
        speed = took > 1e-3 ? (double)(o->steps - before) / took : speed;
        if (!given && left - took < 0.02) {
            break;
        }
    }
}

int reassign_search(const struct reassign_model *model, const uint32_t *initial, uint32_t *best,
                    struct reassign_search *options) {
    struct search *s = calloc(1, sizeof(*s));
    int error = s != NULL ? reassign_state_init(&s->state, model, initial, best) : -ENOMEM;
    if (error == 0) {
        s->model = model;
        s->options = options;
        s->best = best;
        s->best_total = s->told_total = s->state.total;
        s->rng = options->seed * UINT64_C(0x9E3779B97F4A7C15) + 0x1234567;
        s->touched = calloc((size_t)model->n_processes + 1, sizeof(bool));
        s->touched_list = calloc((size_t)model->n_processes + 1, sizeof(uint32_t));
        for (uint32_t i = 0; i < LOGS; i++) {
            s->logs[i] = -log((i + 0.5) / LOGS);
        }
        error = s->touched != NULL && s->touched_list != NULL ? 0 : -ENOMEM;
    }
    if (error == 0 && model->n_processes > 0 && model->n_machines > 1) {
        rounds(s);
    }
    if (s != NULL) {
        free(s->touched);
        free(s->touched_list);
        reassign_state_finish(&s->state);
    }
    free(s);
    return error;
}
