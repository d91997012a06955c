/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What earlier live moves teach. See experience.h. */
#include "core/executor/experience.h"

#include "base/check.h"

#include <stdbool.h>

/* Newest first. */
struct moves {
    const struct operation_vm *rows[EXPERIENCE_MOVES];
    uint32_t n;
};

static bool teaches(const struct operation_vm *row) {
    return row->mode == MOVE_LIVE && row->state == OPERATION_DONE && row->passes > 0 &&
           row->memory_ms > 0;
}

/* `vm` 0: of all. */
static struct moves moves_of(const struct model *m, uint32_t vm) {
    const struct model_operation *ops = m->operations.rows;
    struct moves ret = {.n = 0};
    for (uint32_t i = m->operations.n; i > 0 && ret.n < EXPERIENCE_MOVES; i--) {
        const struct operation_vm *rows = ops[i - 1].vms.items;
        for (uint32_t k = 0; k < ops[i - 1].vms.n && ret.n < EXPERIENCE_MOVES; k++) {
            if ((vm == 0 || rows[k].vm == vm) && teaches(&rows[k])) {
                ret.rows[ret.n++] = &rows[k];
            }
        }
    }
    return ret;
}

static uint64_t median(const uint64_t *values, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t less = 0, equal = 0;
        for (uint32_t k = 0; k < n; k++) {
            less += values[k] < values[i];
            equal += values[k] == values[i];
        }
        if (less <= n / 2 && n / 2 < less + equal) {
            return values[i];
        }
    }
    return 0;
}

/* Moves that were limited say nothing of the network. */
static uint64_t usual_rate(const struct moves *moves) {
    uint64_t best = 0, bps[EXPERIENCE_MOVES], fast[EXPERIENCE_MOVES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < moves->n; i++) {
        bps[i] = moves->rows[i]->sent_bytes / moves->rows[i]->memory_ms * 1000;
        best = bps[i] > best ? bps[i] : best;
    }
    for (uint32_t i = 0; i < moves->n; i++) {
        if (bps[i] >= best / 2) {
            fast[n++] = bps[i];
        }
    }
    return median(fast, n);
}

/* In thousandths of what was measured. */
static uint64_t error_of(uint64_t predicted, uint64_t measured) {
    uint64_t off = predicted > measured ? predicted - measured : measured - predicted;
    return off * 1000 / measured;
}

uint64_t experience_usual(const uint64_t *values, uint32_t n) {
    uint64_t usual = 0, least = UINT64_MAX;
    CHECK(n <= EXPERIENCE_MOVES);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t errors[EXPERIENCE_MOVES];
        uint32_t count = 0;
        for (uint32_t k = 0; values[i] > 0 && k < n; k++) {
            if (values[k] > 0) {
                errors[count++] = error_of(values[i], values[k]);
            }
        }
        uint64_t error = count > 0 ? median(errors, count) : UINT64_MAX;
        if (error < least || (error == least && values[i] < usual)) {
            least = error;
            usual = values[i];
        }
    }
    return usual;
}

struct experience experience_of(const struct model *m, uint32_t vm) {
    const struct moves all = moves_of(m, 0), own = moves_of(m, vm);
    const struct moves *moves = own.n > 0 ? &own : &all;
    uint64_t overhead_ms[EXPERIENCE_MOVES], blackout_ms[EXPERIENCE_MOVES];
    for (uint32_t i = 0; i < moves->n; i++) {
        const struct operation_vm *row = moves->rows[i];
        uint64_t rest_ms = row->memory_ms + row->blackout_ms;
        overhead_ms[i] = row->total_ms > rest_ms ? row->total_ms - rest_ms : 0;
        blackout_ms[i] = row->blackout_ms;
    }
    return (struct experience){.rate_bps = usual_rate(&all),
                               .overhead_ms = median(overhead_ms, moves->n),
                               .blackout_ms = experience_usual(blackout_ms, moves->n),
                               .sent_bytes = own.n > 0 ? own.rows[0]->sent_bytes : 0};
}
