/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a live move would take. See predict.h. */
#include "predict.h"

#include "base/check.h"

enum { PASSES_MAX = 1000 };

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The next pass has to send what became dirty while `sent` went over the network. */
static uint64_t dirtied(const struct measured *measured, uint64_t sent, uint64_t throttle) {
    uint64_t kib_per_s = measured->dirty_bps / 1024 * (100 - throttle) / 100;
    uint64_t ms = sent / (measured->rate_bps / 1000 + 1);

    return least(kib_per_s * ms / 1000 * 1024, measured->set_bytes);
}

/* QEMU's part: see CONVERGE_LOOK_MS. */
struct throttle {
    uint64_t looked_ms, percent;
    unsigned int high; /* looks that found too much */
};

static void look(struct throttle *throttle, uint64_t now_ms, bool too_much) {
    if (now_ms <= throttle->looked_ms + CONVERGE_LOOK_MS) {
        return;
    }
    throttle->looked_ms = now_ms;
    if (too_much && ++throttle->high >= CONVERGE_LOOKS) {
        throttle->high = 0;
        throttle->percent =
            throttle->percent == 0
                ? CONVERGE_THROTTLE_FIRST
                : least(throttle->percent + CONVERGE_THROTTLE_STEP, CONVERGE_THROTTLE_MAX);
    }
}

struct predicted predict(const struct measured *measured, struct converge *converge) {
    struct predicted end = {.moves = false};
    uint64_t remaining = measured->memory_bytes;
    struct throttle throttle = {0};

    CHECK(measured->rate_bps > 0);
    for (uint64_t number = 2; number < PASSES_MAX; number++) {
        uint64_t dirty = dirtied(measured, remaining, throttle.percent);
        end.memory_ms += remaining / (measured->rate_bps / 1000 + 1);
        if (converge->throttles) {
            look(&throttle, end.memory_ms, dirty > remaining / 2);
            end.throttle = throttle.percent;
        }
        end.passes = number - 1;
        remaining = dirty;
        const struct pass pass = {.number = number,
                                  .at_ms = end.memory_ms,
                                  .remaining_bytes = remaining,
                                  .rate_bps = measured->rate_bps,
                                  .throttle = end.throttle};
        end.rest_ms = converge_needed_ms(&pass);
        enum converge_step step = converge_at_border(converge, &pass);
        if (step == CONVERGE_ABORT) {
            break;
        }
        if (end.rest_ms <= converge->permitted_ms) {
            end.moves = true;
            break;
        }
    }
    end.converges = end.moves && !converge->suspends;
    /* A usual blackout has a small rest in it. */
    uint64_t small_ms = converge_first_ms(converge->limit_ms);
    uint64_t more_ms = end.moves && end.rest_ms > small_ms ? end.rest_ms - small_ms : 0;
    end.blackout_ms = end.moves ? measured->blackout_ms + more_ms : 0;
    end.total_ms = measured->overhead_ms + end.memory_ms + end.blackout_ms;
    return end;
}
