/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shrinking; see shrink.h. Delta debugging over the list of faults (Zeller and Hildebrandt): leave
 * out halves, then quarters, ... as long as the same kind of violation remains. Then shorten the
 * pauses, and remove VMs and nodes.
 */
#include "sim/shrink.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS 2000u

struct search {
    struct run_options options;
    char property[24]; /* how the violation begins: names of nodes and VMs may change */
    uint32_t runs;
};

/* The words of a violation without digits and names: "runs twice", "a lost write", ... */
static bool same_property(const char *a, const char *b) {
    static const char *const words[] = {"twice",    "lost write",  "lost command", "committed",
                                        "fenced",   "not at rest", "busy loop",    "gave up",
                                        "nobody",   "taken back",  "second time",  "generation",
                                        "ended on", "messages"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strstr(a, words[i]) && strstr(b, words[i])) {
            return true;
        }
    }
    return false;
}

static bool still_fails(struct search *search, const struct fault_plan *plan, const char *violation,
                        struct run_result *ret) {
    search->options.plan = plan;
    search->options.trace = false;
    search->runs++;
    run_once(&search->options, false, ret);
    return ret->violation[0] && same_property(ret->violation, violation);
}

static void without(const struct fault_plan *plan, uint32_t from, uint32_t n,
                    struct fault_plan *ret) {
    ret->v = calloc(plan->n + 1, sizeof(*ret->v));
    CHECK(ret->v != NULL);
    ret->n = 0;
    uint64_t pause = 0;
    for (uint32_t i = 0; i < plan->n; i++) {
        pause += plan->v[i].after_us;
        if (i < from || i >= from + n) {
            ret->v[ret->n] = plan->v[i];
            ret->v[ret->n++].after_us = pause; /* the moments of the others stay */
            pause = 0;
        }
    }
}

static void fewer_faults(struct search *search, struct fault_plan *plan, const char *violation) {
    struct run_result r;
    for (uint32_t n = plan->n / 2; n >= 1; n /= 2) {
        for (uint32_t from = 0; from < plan->n && search->runs < MAX_RUNS;) {
            struct fault_plan part;
            without(plan, from, n, &part);
            if (still_fails(search, &part, violation, &r)) {
                faults_finish(plan);
                *plan = part;
            } else {
                faults_finish(&part);
                from += n;
            }
        }
    }
}

static void shorter_pauses(struct search *search, struct fault_plan *plan, const char *violation) {
    struct run_result r;
    for (uint32_t i = 0; i < plan->n && search->runs < MAX_RUNS; i++) {
        uint64_t before = plan->v[i].after_us;
        plan->v[i].after_us = before / 4;
        if (!still_fails(search, plan, violation, &r)) {
            plan->v[i].after_us = before;
        }
    }
}

static void smaller_cluster(struct search *search, const struct fault_plan *plan,
                            const char *violation) {
    struct run_result r;
    struct sim_options settings = run_settings(&search->options);
    search->options.nodes = settings.nodes;
    for (uint32_t vms = 1; vms < settings.vms && search->runs < MAX_RUNS; vms++) {
        search->options.vms = vms;
        if (still_fails(search, plan, violation, &r)) {
            return;
        }
    }
    search->options.vms = settings.vms;
}

void shrink(const struct run_options *options, const char *violation) {
    struct search search = {.options = *options};
    struct fault_plan plan;
    struct run_result r;
    run_plan(options, 0, &plan);
    uint32_t before = plan.n;
    search.options.hours = 0;
    if (!still_fails(&search, &plan, violation, &r)) {
        (void)printf(
            "shrink: it does not fail in its first round alone; try a seed without --hours\n");
        faults_finish(&plan);
        return;
    }
    smaller_cluster(&search, &plan, violation);
    fewer_faults(&search, &plan, violation);
    shorter_pauses(&search, &plan, violation);
    (void)printf("shrink: %u of %u faults are enough, with %u nodes and %u VMs (%u runs):\n",
                 plan.n, before, run_settings(&search.options).nodes,
                 run_settings(&search.options).vms, search.runs);
    for (uint32_t i = 0; i < plan.n; i++) {
        char text[200];
        fault_text(&plan.v[i], text, sizeof(text));
        (void)printf("  %s\n", text);
    }
    (void)fflush(stdout);
    search.options.plan = &plan;
    search.options.trace = true;
    run_once(&search.options, false, &r);
    faults_finish(&plan);
}
