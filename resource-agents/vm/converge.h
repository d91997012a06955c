/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When does a live migration end, and at what price? QEMU sends the guest's memory in passes: each
 * pass sends what the guest has changed during the one before. QEMU stops the guest and sends the
 * rest once that would take no longer than the permitted downtime. So the permitted downtime is
 * both the blackout and the chance that the migration ends at all.
 *
 * It starts low, and is decided anew at each border of two passes, from what remains and the
 * measured rate:
 *
 *     passes still help            leave it: each pass makes the blackout shorter
 *     they no longer help, and     permit what is needed: the migration ends now
 *       the rest fits the limit
 *     it does not fit              let QEMU slow the guest down further (auto-converge), for as
 *                                  long as that gets stronger or helps
 *     slowed down like that, the   permit what is needed if it fits the limit, although passes
 *       guest would stand still      still help: at 99 %, each virtual CPU stands still for 990 ms
 *       for longer than the limit    at a time
 *     nothing helps any more       what the administrator chose: give up, the guest runs on where
 *                                  it is; or suspend, whatever the blackout
 *
 * Never more is permitted than what is needed and fits: QEMU ends a pass as soon as what remains
 * fits what is permitted, so a higher downtime that is not low enough to end the migration makes
 * each pass send less of what is dirty, and the next border no better (seen with QEMU 7.2).
 *
 * A pass helps if it leaves a tenth less than any pass before. So the number of passes is bounded.
 *
 * Nothing here calls libvirt: passes.c does.
 */
#ifndef AGENTS_VM_CONVERGE_H
#define AGENTS_VM_CONVERGE_H

#include <stdbool.h>
#include <stdint.h>

/* Percent by which QEMU slows a guest down at first, and more at each further step; and it never
 * slows one down further than the last of them. With a step of 20, a guest that writes at 80 % of
 * the link whatever its throttle has all but stopped before the passes are short; with QEMU's own
 * step of 10, it takes twice as long until it is clear that nothing helps. */
enum { CONVERGE_THROTTLE_FIRST = 20, CONVERGE_THROTTLE_STEP = 15, CONVERGE_THROTTLE_MAX = 99 };

/* QEMU looks whether to slow the guest down further at the first border after that time, and does
 * so at every second look at which more than half of what was sent is dirty again (QEMU 7.2 and
 * 10.0, migration/ram.c). */
enum { CONVERGE_LOOK_MS = 1000, CONVERGE_LOOKS = 2 };

enum if_not_converging { CONVERGE_OR_ABORT, CONVERGE_OR_SUSPEND };

/* The words of the parameter if_not_converging. -EINVAL: none of them. */
int converge_policy(const char *word, enum if_not_converging *ret_policy);

struct converge {
    uint64_t limit_ms; /* longest blackout that is permitted, unless the policy is to suspend */
    enum if_not_converging policy;
    bool throttles; /* QEMU may slow the guest down */

    uint64_t permitted_ms; /* as QEMU was last told */
    uint64_t least_bytes;  /* the least that any pass has left */
    uint64_t throttle;     /* percent, at the last border */
    uint64_t looked_ms;    /* when QEMU last looked at the throttle */
    unsigned int looks;    /* since the throttle last grew */
    unsigned int stalled;  /* borders since a pass last helped or the throttle last grew */
    bool suspends;         /* the limit does not count any more */
};

/* What is known at the border of two passes. */
struct pass {
    uint64_t number; /* 1: the first pass begins */
    uint64_t at_ms;  /* of a clock that never jumps */
    uint64_t remaining_bytes, rate_bps, throttle;
};

enum converge_step {
    CONVERGE_GO_ON,
    CONVERGE_PERMIT, /* tell QEMU the new permitted_ms */
    CONVERGE_ABORT
};

/* The limit if none was given: QEMU's own. */
enum { CONVERGE_USUAL_MS = 300 };

/* What is permitted at first. */
uint64_t converge_first_ms(uint64_t limit_ms);

/* limit_ms is at least 1. converge.permitted_ms is what QEMU is to be told before it begins. */
void converge_init(struct converge *converge, uint64_t limit_ms, enum if_not_converging policy,
                   bool throttles);

enum converge_step converge_at_border(struct converge *converge, const struct pass *pass);

/* The blackout if the guest stopped now. UINT64_MAX: no rate is known. */
uint64_t converge_needed_ms(const struct pass *pass);

#endif
