/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a live migration ends. See converge.h. */
#include "converge.h"

#include "base/check.h"

#include <errno.h>
#include <string.h>

enum {
    FIRST_SHARE = 6,            /* of the limit: the downtime that is permitted at first */
    FIRST_MIN_MS = 30,          /* less is lost in what libvirt itself needs to switch over */
    STALLED_MAX = 3,            /* so many borders without progress end the patience */
    EARLY_MS = 50,              /* the next border may come so much sooner than it seems */
    PERMITTED_MAX_MS = 2000000, /* QEMU takes no more */
};

int converge_policy(const char *word, enum if_not_converging *ret_policy) {
    static const char *const words[] = {
        [CONVERGE_OR_ABORT] = "abort", [CONVERGE_OR_SUSPEND] = "suspend"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            *ret_policy = (enum if_not_converging)i;
            return 0;
        }
    }
    return -EINVAL;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t converge_first_ms(uint64_t limit_ms) {
    uint64_t first_ms = limit_ms / FIRST_SHARE;
    return smaller(first_ms > FIRST_MIN_MS ? first_ms : FIRST_MIN_MS, limit_ms);
}

void converge_init(struct converge *converge, uint64_t limit_ms, enum if_not_converging policy,
                   bool throttles) {
    CHECK(limit_ms > 0);
    *converge = (struct converge){.limit_ms = smaller(limit_ms, PERMITTED_MAX_MS),
                                  .policy = policy,
                                  .throttles = throttles,
                                  .permitted_ms = converge_first_ms(limit_ms),
                                  .least_bytes = UINT64_MAX};
}

uint64_t converge_needed_ms(const struct pass *pass) {
    if (pass->rate_bps == 0 || pass->remaining_bytes > UINT64_MAX / 1000) {
        return UINT64_MAX;
    }
    return pass->remaining_bytes * 1000 / pass->rate_bps + 1;
}

/* Never back down: QEMU compares with what it measures itself, which is a little different. */
static enum converge_step permit(struct converge *converge, uint64_t ms) {
    ms = smaller(ms, PERMITTED_MAX_MS);
    if (ms <= converge->permitted_ms) {
        return CONVERGE_GO_ON;
    }
    converge->permitted_ms = ms;
    return CONVERGE_PERMIT;
}

static void follow_throttle(struct converge *converge, const struct pass *pass) {
    if (pass->throttle > converge->throttle) {
        converge->looked_ms = pass->at_ms;
        converge->looks = 0;
    } else if (pass->at_ms >= converge->looked_ms + CONVERGE_LOOK_MS) {
        converge->looked_ms = pass->at_ms;
        converge->looks++;
    }
    converge->throttle = pass->throttle;
}

/* So long each virtual CPU stands still for every 10 ms that it runs (QEMU, cpu-throttle.c). */
static uint64_t pause_ms(uint64_t throttle) {
    return 10 * throttle / (100 - smaller(throttle, CONVERGE_THROTTLE_MAX));
}

/* Does the throttle make the guest stand still for longer than the limit, now or perhaps at the
 * next border? Until then the passes may become shorter. */
static bool throttle_is_too_strong(const struct converge *converge, const struct pass *pass,
                                   uint64_t needed_ms) {
    if (!converge->throttles) {
        return false;
    }
    return pause_ms(pass->throttle) > converge->limit_ms ||
           (pause_ms(pass->throttle + CONVERGE_THROTTLE_STEP) > converge->limit_ms &&
            converge->looks + 1 >= CONVERGE_LOOKS &&
            pass->at_ms + needed_ms + EARLY_MS >= converge->looked_ms + CONVERGE_LOOK_MS);
}

enum converge_step converge_at_border(struct converge *converge, const struct pass *pass) {
    uint64_t needed_ms = converge_needed_ms(pass);
    bool grew = pass->throttle > converge->throttle;

    follow_throttle(converge, pass);
    if (pass->number < 2 || needed_ms == UINT64_MAX) {
        return CONVERGE_GO_ON; /* nothing has been measured yet */
    }
    bool helped = converge->least_bytes == UINT64_MAX ||
                  pass->remaining_bytes <= converge->least_bytes / 10 * 9;
    /* The rate is measured over a tenth of a second, and the guest does not stop at once. */
    uint64_t roomy_ms = needed_ms + needed_ms / 4 + 1;
    if (!converge->suspends && needed_ms <= converge->limit_ms &&
        throttle_is_too_strong(converge, pass, needed_ms)) {
        return permit(converge, smaller(roomy_ms, converge->limit_ms));
    }
    if (helped) {
        converge->least_bytes = pass->remaining_bytes;
        converge->stalled = 0;
        return CONVERGE_GO_ON;
    }
    if (converge->suspends) {
        return permit(converge,
                      2 * (converge->permitted_ms > roomy_ms ? converge->permitted_ms : roomy_ms));
    }
    converge->stalled = grew ? 0 : converge->stalled + 1;
    if (needed_ms <= converge->limit_ms) {
        return converge->stalled < STALLED_MAX
                   ? CONVERGE_GO_ON /* short passes vary, and a few more cost little */
                   : permit(converge, smaller(roomy_ms, converge->limit_ms));
    }
    /* QEMU makes the throttle stronger at every second look, and passes may be shorter. */
    bool hopes = converge->throttles && pass->throttle < CONVERGE_THROTTLE_MAX;
    if (converge->stalled < (hopes ? 2 * STALLED_MAX : STALLED_MAX) ||
        (hopes && converge->looks <= CONVERGE_LOOKS)) {
        return CONVERGE_GO_ON;
    }
    if (converge->policy == CONVERGE_OR_ABORT) {
        return CONVERGE_ABORT;
    }
    converge->suspends = true;
    return permit(converge, roomy_ms);
}
