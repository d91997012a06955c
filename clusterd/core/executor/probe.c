/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When libvirt is asked again about a VM of which it could say nothing.
 *
 * The order stands meanwhile, so nobody else does anything about the VM. What cannot be said now is
 * rarely known a moment later, so the pauses grow: 1, 2, 4, 8, 8, ... s, from one question to the
 * next. Whatever shows that libvirt may know more ends the pause: its list is complete (it is back,
 * or its agent), an event of that VM, an answer about another one. So no pause holds up a VM that
 * can be helped; and still there is never more than one question a second.
 */
#include "core/executor/inside.h"
#include "core/timeouts.h"

static uint64_t next_pause(const struct begun *begun) {
    uint64_t pause = TIMEOUT_PROBE_RETRY_MS;
    for (uint32_t i = 0; i < begun->unanswered && pause < TIMEOUT_PROBE_RETRY_MAX_MS; i++) {
        pause *= 2;
    }
    return pause < TIMEOUT_PROBE_RETRY_MAX_MS ? pause : TIMEOUT_PROBE_RETRY_MAX_MS;
}

/* A question that took long to end (at its deadline, say) has had its pause. */
static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

void executor_probe_unanswered(struct core *c, struct begun *begun, const char *reason) {
    if (begun->unanswered == 0) { /* said once for the order, not for each question */
        outbox_log(&c->out, SEVERITY_WARNING,
                   "libvirt cannot say yet whether VM %u runs here, and is asked again: %s",
                   begun->vm, reason);
    }
    begun->again = true;
    begun->soonest_ms = c->now_ms + TIMEOUT_PROBE_RETRY_MS;
    begun->probe_ms = later(begun->soonest_ms, begun->asked_ms + next_pause(begun));
    begun->unanswered += begun->unanswered < UINT32_MAX;
}

void executor_probe_soon(struct core *c, uint32_t vm) {
    struct executor *x = &c->executor;
    for (uint32_t i = 0; i < x->n_begun; i++) {
        struct begun *begun = &x->begun[i];
        if (begun->again && begun->unanswered > 0 && (vm == 0 || begun->vm == vm)) {
            begun->probe_ms = begun->soonest_ms;
            begun->unanswered = 1; /* the pauses grow anew */
        }
    }
}
