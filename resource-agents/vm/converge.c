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

enum converge_step converge_at_border(struct converge *converge, const struct pass *pass) {
    uint64_t needed_ms = converge_needed_ms(pass);
    bool grew = pass->throttle > converge->throttle;

    if (pass->number < 2 || needed_ms == UINT64_MAX) {
        return CONVERGE_GO_ON; /* nothing has been measured yet */
    }
    bool helped = converge->least_bytes == UINT64_MAX ||
                  pass->remaining_bytes <= converge->least_bytes / 10 * 9;
    converge->throttle = pass->throttle;
    if (helped) {
        converge->least_bytes = pass->remaining_bytes;
        converge->stalled = 0;
        return CONVERGE_GO_ON;
    }
    /* The rate is measured over a tenth of a second, and the guest does not stop at once. */
    uint64_t roomy_ms = needed_ms + needed_ms / 4 + 1;
    if (converge->suspends) {
        return permit(converge,
                      2 * (converge->permitted_ms > roomy_ms ? converge->permitted_ms : roomy_ms));
    }
    if (needed_ms <= converge->limit_ms) {
        return permit(converge, smaller(roomy_ms, converge->limit_ms));
    }
    converge->stalled = grew ? 0 : converge->stalled + 1;
    /* QEMU makes the throttle stronger only at every second border. */
    bool hopes = converge->throttles && pass->throttle < CONVERGE_THROTTLE_MAX;
    if (converge->stalled < (hopes ? 2 * STALLED_MAX : STALLED_MAX)) {
        return permit(converge, converge->limit_ms);
    }
    if (converge->policy == CONVERGE_OR_ABORT) {
        return CONVERGE_ABORT;
    }
    converge->suspends = true;
    return permit(converge, roomy_ms);
}
