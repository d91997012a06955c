/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See cluster.h.
 */
#include "unit/core/cluster.h"

#include "base/check.h"
#include "sim/world.h"

#define MS UINT64_C(1000) /* the simulator counts microseconds */
#define HOUR_US (3600 * SIM_SECOND)

uint64_t cluster_first_seed(void) {
    const char *text = getenv("WORLD_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

uint64_t cluster_last_seed(uint64_t n) {
    const char *many = getenv("WORLD_SEEDS");
    n = many ? strtoull(many, NULL, 10) : n;
    return getenv("WORLD_SEED") ? cluster_first_seed() : n;
}

/* ---- a cluster begins and ends ---- */

struct sim_options cluster_options(uint32_t nodes, uint32_t vms, uint64_t seed) {
    return (struct sim_options){
        .nodes = nodes,
        .vms = vms,
        .seed = seed,
        .plain = true,
        .no_restart = true,
        .digests = true,
        .steady = true,
        .ring_us = 1 * MS,
        .boot_us = 5 * MS,
        .trace = getenv("WORLD_TRACE") != NULL,
    };
}

struct sim_options cluster_options_of_two(uint32_t vms, uint64_t seed) {
    struct sim_options options = cluster_options(2, vms, seed);
    options.quorum = SIM_TWO_NODE;
    return options;
}

/* Each node knows what the best informed one does: a test may ask any of them. */
static bool all_know(struct sim *s, const void *arg) {
    const struct model *best = sim_model(s);
    (void)arg;
    for (uint32_t i = 1; i <= s->n; i++) {
        if (cluster_model(s, i)->index != best->index) {
            return false;
        }
    }
    return true;
}

void cluster_bring_up(struct sim *s) {
    if (!sim_set_up(s) || !sim_run_until(s, all_know, NULL, SIM_SECOND)) {
        sim_print_trace(s);
        fail_msg("the cluster did not come up (seed %llu): %s", (unsigned long long)s->options.seed,
                 sim_unrest(s));
    }
}

struct sim *cluster_set_up(const struct sim_options *options) {
    struct sim *s = sim_create(options);
    cluster_bring_up(s);
    return s;
}

struct sim *cluster_ready(uint32_t nodes, uint32_t vms, uint64_t seed) {
    struct sim_options options = cluster_options(nodes, vms, seed);
    return cluster_set_up(&options);
}

void cluster_finish(struct sim *s) {
    if (sim_violation(s)) {
        sim_print_trace(s);
        fail_msg("%s (seed %llu)", sim_violation(s), (unsigned long long)s->options.seed);
    }
    sim_destroy(s);
}

/* ---- time ---- */

void cluster_run(struct sim *s, uint64_t ms) {
    sim_run(s, ms * MS);
}

bool cluster_run_until(struct sim *s, bool (*done)(struct sim *s, const void *arg), const void *arg,
                       uint64_t ms) {
    return sim_run_until(s, done, arg, ms * MS);
}

uint64_t cluster_now(const struct sim *s) {
    return sim_now(s) / MS;
}

/* ---- what is done to it ---- */

void cluster_power_off(struct sim *s, uint32_t node) {
    sim_power_off(s, node, "the test");
}

void cluster_boot(struct sim *s, uint32_t node) {
    if (sim_is_on(s, node)) {
        sim_start_clusterd(s, node);
    } else {
        sim_power_on(s, node);
    }
}

void cluster_freeze(struct sim *s, uint32_t node) {
    sim_freeze_clusterd(s, node, HOUR_US);
}

void cluster_fence(struct sim *s, enum sim_fence how, uint64_t ms) {
    for (uint32_t i = 1; i <= s->n; i++) {
        sim_fence_mode(s, i, how, ms * MS);
    }
}

void cluster_disks(struct sim *s, enum sim_disk mode) {
    for (uint32_t i = 1; i <= s->n; i++) {
        sim_disk_mode(s, i, mode);
    }
}

void cluster_send(struct sim *s, uint32_t sender, const uint8_t *data, uint32_t size) {
    ring_send(s, sender, RING_DATA, s->nodes[sender].pid, data, size);
}

/* ---- the administrator ---- */

void cluster_post(struct sim *s, uint32_t node, uint32_t command, const void *value) {
    (void)sim_command(s, node, command, value);
}

static bool is_answered(struct sim *s, const void *request) {
    return sim_answer(s, *(const uint64_t *)request) >= 0;
}

int cluster_request(struct sim *s, uint32_t node, uint32_t command, const void *value) {
    uint64_t request = sim_command(s, node, command, value);
    if (request == 0 || !sim_run_until(s, is_answered, &request, 20 * SIM_SECOND)) {
        return -1;
    }
    return sim_answer(s, request);
}

bool cluster_answered(const struct sim *s) {
    return sim_answer(s, s->last_request) == REPLY_OK;
}

uint64_t cluster_last_operation(const struct sim *s) {
    return sim_answer_operation(s, s->last_request);
}

const char *cluster_last_message(const struct sim *s) {
    return sim_answer_text(s, s->last_request);
}

/* ---- what there is to see ---- */

static void hear(void *arg, const char *line) {
    struct listener *listener = arg;
    listener->heard += strstr(line, ": log: ") && strstr(line, listener->text);
}

void cluster_listen(struct sim *s, struct listener *listener) {
    listener->heard = 0;
    s->options.on_line = hear;
    s->options.on_line_arg = listener;
}

const struct model *cluster_model(const struct sim *s, uint32_t node) {
    const struct model *m = sim_model_of(s, node);
    if (!m) {
        sim_print_trace(s);
        fail_msg("no clusterd runs on n%u", node);
    }
    return m;
}

struct core_status cluster_status(const struct sim *s, uint32_t node) {
    struct core_status status = {0};
    (void)sim_status(s, node, &status);
    return status;
}

uint32_t cluster_vm(const struct sim *s, const char *name) {
    uint32_t vm = guest_find(s, name);
    if (!vm) {
        fail_msg("there is no %s", name);
    }
    return vm;
}

uint32_t cluster_runs_on(const struct sim *s, const char *vm) {
    uint32_t number = guest_find(s, vm);
    return number ? sim_runs_on(s, number) : 0;
}

bool vms_run(struct sim *s, const void *arg) {
    const struct want *want = arg;
    const struct model *m = sim_model_of(s, want->reader);
    uint32_t running = 0;
    if (!m) {
        return false;
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        running += vm->state == VM_RUNNING && vm->owner != want->not_on &&
                   cluster_runs_on(s, vm->uuid) == vm->owner;
    }
    return running == want->vms;
}
