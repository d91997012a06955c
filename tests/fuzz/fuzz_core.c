/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as what happens to a cluster: the simulator (tests/sim), whose faults and whose every
 * chance are drawn from the input. Its properties are the oracle: a violation aborts.
 *
 * The input: one byte each for the cluster's shape, its clock's seed, its options and the number of
 * faults; seven bytes for each fault; the rest decides what the world leaves to chance, from the
 * first fault on.
 */
#include "base/check.h"
#include "fuzz/bytes.h"
#include "sim/faults.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_FAULTS 12u
#define MAX_SIZE 4096u

static struct sim_options draw_options(struct bytes *b) {
    uint32_t shape = (uint32_t)bytes_number(b, 1), more = (uint32_t)bytes_number(b, 1);
    struct sim_options o = {.seed = 1 + shape / 16 % 4, .vms = 2, .stop_dead = true};
    o.nodes = shape & 1 ? 2 : 3;
    if (o.nodes == 2) {
        o.quorum = shape & 2 ? SIM_QUORUM_DEVICE : SIM_TWO_NODE;
    } else {
        static const enum sim_quorum kinds[] = {SIM_MAJORITY, SIM_LAST_MAN_STANDING,
                                                SIM_QUORUM_DEVICE, SIM_MAJORITY};
        o.quorum = kinds[shape / 2 % 4];
    }
    o.watchdog_ms = more & 1 ? 5000 : 0;
    o.no_fencing = o.watchdog_ms && o.nodes > 2 && (more & 2);
    o.compact_entries = more & 4 ? 12 : 0;
    o.calm = !(more & 8);
    return o;
}

/* Most of what is interesting happens close upon each other. */
static uint64_t draw_us(struct bytes *b) {
    uint64_t v = bytes_number(b, 1);
    return v < 128 ? v * v * 40 : v < 240 ? (v - 127) * 30000 : (v - 239) * SIM_SECOND;
}

static struct fault draw_fault(struct bytes *b, uint32_t nodes) {
    struct fault f = {.kind = (enum fault_kind)bytes_below(b, N_FAULTS)};
    f.after_us = draw_us(b);
    f.node = 1 + bytes_below(b, nodes);
    f.choice = (uint32_t)bytes_number(b, 3) & 0xfffff;
    f.us = draw_us(b);
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes b = {.data = data, .left = size};
    struct fault faults[MAX_FAULTS];
    if (size < 3 || size > MAX_SIZE) {
        return 0;
    }
    struct sim_options options = draw_options(&b);
    uint32_t how = (uint32_t)bytes_number(&b, 1);
    bool heal = how >= 224; /* costs as much as twenty runs without */
    uint32_t n = 1 + how % MAX_FAULTS;
    for (uint32_t i = 0; i < n; i++) {
        faults[i] = draw_fault(&b, options.nodes);
    }
    struct sim *s = sim_create(&options);
    CHECK(sim_set_up(s));
    s->options.choices = b.data;
    s->options.n_choices = b.left;
    for (uint32_t i = 0; i < n; i++) {
        char text[160];
        fault_text(&faults[i], text, sizeof(text));
        sim_trace(s, "fault: %s", text);
        fault_happen(s, &faults[i]);
    }
    if (heal) {
        sim_heal_and_wait(s);
    } else {
        sim_run(s, 3 * SIM_SECOND);
    }
    sim_destroy(s);
    return 0;
}
