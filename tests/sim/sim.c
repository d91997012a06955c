/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time, chance and the loop; see sim.h. All future events lie in one heap, ordered by their time
 * and then by their creation. A run is a function of its options alone.
 */
#include "sim/world.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- chance ---- */

/* xorshift128+ (Vigna). */
static uint64_t next_random(struct sim *s) {
    uint64_t a = s->state[0], b = s->state[1];
    s->state[0] = b;
    a ^= a << 23;
    s->state[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
    return s->state[1] + b;
}

uint64_t sim_random(struct sim *s, uint64_t n) {
    CHECK(n > 0);
    uint64_t v = next_random(s);
    for (int i = 0; i < 2 && s->choice < s->options.n_choices; i++) {
        v = v << 8 | s->options.choices[s->choice++];
    }
    return v % n;
}

bool sim_chance(struct sim *s, uint32_t percent) {
    return sim_random(s, 100) < percent;
}

uint64_t sim_delay(struct sim *s, uint64_t usual_us) {
    if (s->options.calm) {
        return usual_us; /* without a draw: one message more shall not change all of a story */
    }
    uint64_t us = usual_us / 2 + sim_random(s, usual_us + 1);
    bool long_one = !s->options.steady && sim_random(s, 30) == 0;
    return long_one ? us * (2 + sim_random(s, 20)) : us;
}

/* ---- what happened ---- */

void sim_trace(struct sim *s, const char *format, ...) {
    char *line = s->trace[s->n_trace++ % TRACE_LINES];
    int n =
        snprintf(line, TRACE_BYTES, "%5llu.%03llu  ", (unsigned long long)(s->now_us / SIM_SECOND),
                 (unsigned long long)(s->now_us / 1000 % 1000));
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + n, TRACE_BYTES - (size_t)n, format, args);
    va_end(args);
    if (s->options.trace) {
        (void)puts(line);
    }
    if (s->options.on_line) {
        s->options.on_line(s->options.on_line_arg, line + n);
    }
}

void sim_fail(struct sim *s, const char *format, ...) {
    if (s->violation[0]) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(s->violation, sizeof(s->violation), format, args);
    va_end(args);
    sim_trace(s, "VIOLATION: %s", s->violation);
    if (s->options.stop_dead) {
        sim_print_trace(s);
        abort();
    }
}

const char *sim_violation(const struct sim *s) {
    return s->violation[0] ? s->violation : NULL;
}

void sim_print_trace(const struct sim *s) {
    uint64_t first = s->n_trace > TRACE_LINES ? s->n_trace - TRACE_LINES : 0;
    for (uint64_t i = first; i < s->n_trace; i++) {
        (void)fprintf(stderr, "%s\n", s->trace[i % TRACE_LINES]);
    }
}

/* ---- the heap ---- */

static bool before(const struct timer *a, const struct timer *b) {
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->seq < b->seq);
}

void sim_at(struct sim *s, uint64_t delay_us, sim_fn *fn, uint64_t a, uint64_t b) {
    if (s->n_heap == s->heap_capacity) {
        s->heap_capacity = s->heap_capacity ? s->heap_capacity * 2 : 256;
        s->heap = realloc(s->heap, s->heap_capacity * sizeof(*s->heap));
        CHECK(s->heap != NULL);
    }
    struct timer timer = {.at_us = s->now_us + delay_us, .seq = ++s->seq, .fn = fn, .a = a, .b = b};
    uint32_t i = s->n_heap++;
    while (i > 0 && before(&timer, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = timer;
}

static struct timer pop(struct sim *s) {
    struct timer first = s->heap[0];
    struct timer last = s->heap[--s->n_heap];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= s->n_heap) {
            break;
        }
        if (child + 1 < s->n_heap && before(&s->heap[child + 1], &s->heap[child])) {
            child++;
        }
        if (!before(&s->heap[child], &last)) {
            break;
        }
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return first;
}

/* ---- the loop ---- */

static void run_one(struct sim *s) {
    struct timer timer = pop(s);
    CHECK(timer.at_us >= s->now_us);
    s->now_us = timer.at_us;
    s->figures.events++;
    timer.fn(s, timer.a, timer.b);
}

uint64_t sim_now(const struct sim *s) {
    return s->now_us;
}

bool sim_run_until(struct sim *s, bool (*done)(struct sim *s, const void *arg), const void *arg,
                   uint64_t us) {
    uint64_t end = s->now_us + us;
    while (!s->violation[0]) {
        if (done && done(s, arg)) {
            return true;
        }
        if (s->n_heap == 0 || s->heap[0].at_us > end) {
            s->now_us = end;
            return done && done(s, arg);
        }
        run_one(s);
    }
    return false;
}

void sim_run(struct sim *s, uint64_t us) {
    (void)sim_run_until(s, NULL, NULL, us);
}

void sim_run_events(struct sim *s, uint64_t n) {
    for (uint64_t i = 0; i < n && s->n_heap > 0 && !s->violation[0]; i++) {
        run_one(s);
    }
}

/* ---- life ---- */

/* A core that finds itself wrong must not be taken for one that works: the run ends there. */
static struct sim *running;

_Noreturn void check_failed(const char *expression, const char *file, int line) {
    if (running) {
        (void)fprintf(stderr, "seed %llu: a check failed: %s at %s:%d\n",
                      (unsigned long long)running->options.seed, expression, file, line);
        sim_print_trace(running);
    } else {
        (void)fprintf(stderr, "a check failed: %s at %s:%d\n", expression, file, line);
    }
    abort();
}

struct sim *sim_create(const struct sim_options *options) {
    struct sim *s = calloc(1, sizeof(*s));
    CHECK(s != NULL && options->nodes > 0 && options->nodes < SIM_NODES);
    running = s;
    s->options = *options;
    s->n = options->nodes;
    s->state[0] = (options->seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    s->state[1] = options->seed ^ UINT64_C(0xd1b54a32d192ed03);
    for (int i = 0; i < 8; i++) {
        (void)next_random(s);
    }
    s->now_us = SIM_SECOND;
    s->next_pid = 100;
    s->there = options->at_first ? options->at_first : (UINT32_C(2) << s->n) - 2;
    for (uint32_t i = 1; i <= s->n; i++) {
        struct node *node = &s->nodes[i];
        node->list = s->there;
        node->speaks = options->protocol;
        node->tells_no_versions = options->protocol != 0;
        (void)snprintf(s->names[i], sizeof(s->names[i]), "n%u", i);
        s->view_nodes[i - 1] = (struct view_node){.id = i, .name = s->names[i], .votes = 1};
        node->inbox_last = &node->inbox;
        node->corosync.last = &node->corosync.first;
        log_init(&node->disk.db.log);
        log_init(&node->disk.kept.log);
        node->clock_offset_ms = options->calm ? 1000 : 1000 + sim_random(s, 100000);
        node->clock_ppm = options->calm ? 0 : (int32_t)sim_random(s, 9000) - 4500;
    }
    return s;
}

void sim_destroy(struct sim *s) {
    if (!s) {
        return;
    }
    for (uint32_t i = 1; i <= s->n; i++) {
        node_end_clusterd(s, i);
        disk_finish(&s->nodes[i].disk);
        ring_drop_queue(&s->nodes[i].corosync);
    }
    /* What is still in the heap owns bytes and items. */
    while (s->n_heap > 0) {
        struct timer timer = pop(s);
        node_forget(&timer);
    }
    ring_free_all(s);
    free(s->heap);
    free(s->truth);
    running = running == s ? NULL : running;
    free(s);
}

/* ---- what there is to see ---- */

uint32_t sim_nodes(const struct sim *s) {
    return s->n;
}

const char *sim_node_name(const struct sim *s, uint32_t node) {
    return s->names[node];
}

uint32_t node_by_name(const struct sim *s, const char *name) {
    for (uint32_t i = 1; i <= s->n; i++) {
        if (strcmp(s->names[i], name) == 0) {
            return i;
        }
    }
    return 0;
}

bool sim_is_on(const struct sim *s, uint32_t node) {
    return s->nodes[node].power;
}

bool sim_clusterd_runs(const struct sim *s, uint32_t node) {
    return s->nodes[node].alive;
}

const struct model *sim_model_of(const struct sim *s, uint32_t node) {
    return s->nodes[node].core ? core_model(s->nodes[node].core) : NULL;
}

const struct model *sim_model(const struct sim *s) {
    const struct model *best = NULL;
    for (uint32_t i = 1; i <= s->n; i++) {
        const struct model *m = sim_model_of(s, i);
        best = m && m->index > 0 && (!best || m->index > best->index) ? m : best;
    }
    return best;
}

bool sim_status(const struct sim *s, uint32_t node, struct core_status *ret_status) {
    if (!s->nodes[node].core) {
        return false;
    }
    core_get_status(s->nodes[node].core, ret_status);
    return true;
}

bool sim_outlook(const struct sim *s, uint32_t node, struct core_outlook *ret_outlook) {
    if (!s->nodes[node].core) {
        return false;
    }
    core_get_outlook(s->nodes[node].core, ret_outlook);
    return true;
}

struct sim_figures sim_figures(const struct sim *s) {
    return s->figures;
}

uint32_t sim_agent_calls(const struct sim *s, const char *action) {
    for (size_t i = 0; i < ARRAY_SIZE(s->calls); i++) {
        if (strcmp(s->calls[i].action, action) == 0) {
            return s->calls[i].n;
        }
    }
    return 0;
}

const char *sim_agent_params(const struct sim *s, const char *action) {
    for (size_t i = 0; i < ARRAY_SIZE(s->calls); i++) {
        if (strcmp(s->calls[i].action, action) == 0) {
            return s->calls[i].params;
        }
    }
    return "";
}

uint32_t sim_fence_calls(const struct sim *s) {
    return s->fence_calls;
}

uint64_t sim_fence_call_us(const struct sim *s, uint32_t call) {
    CHECK(call < s->fence_calls && call < SIM_FENCE_CALLS);
    return s->fence_call_us[call];
}

void sim_flip(struct sim *s, uint32_t node, uint32_t vm) {
    struct node *n = &s->nodes[node];
    struct model *m = n->core ? (struct model *)(uintptr_t)core_model(n->core) : NULL;
    struct model_vm *row = m ? model_row(&m->vms, model_vm_by_name(m, sim_vm_name(s, vm))) : NULL;
    if (row) {
        sim_trace(s, "%s: a bit of its model turns over", s->names[node]);
        row->priority ^= 1;
        n->flipped = true;
    }
}

bool sim_has_flipped(const struct sim *s, uint32_t node) {
    return s->nodes[node].flipped;
}

bool sim_flip_is_noticed(const struct sim *s, uint32_t node) {
    struct core_status status;
    if (!s->nodes[node].alive || !sim_status(s, node, &status)) {
        return true; /* it was fenced as one that takes no part */
    }
    return !status.usable || status.state_differs[0] != '\0';
}
