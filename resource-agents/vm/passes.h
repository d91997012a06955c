/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows the passes of a live migration by libvirt's events, and carries out at each border what
 * converge.h decides.
 */
#ifndef AGENTS_VM_PASSES_H
#define AGENTS_VM_PASSES_H

#include "converge.h"
#include "operation.h"

struct passes {
    struct operation *operation;
    uint64_t former_ms;  /* what was permitted before; 0: not known */
    uint64_t memory_mib; /* MiB/s for the memory; 0: as the migration was begun */

    /* Guarded by the operation's lock. */
    struct converge converge;
    struct pass last;  /* number 0: no border yet */
    uint64_t began_ms; /* when memory began to flow; 0: it did not, or it was not seen */
};

/* Adds how QEMU is to slow the guest down, if it may. 0, or -1: libvirt's last error says why. */
int passes_throttle(const struct params *params, virTypedParameterPtr *list, int *count, int *max);

/*
 * Permits the first downtime and begins to follow. Call it after events_start(). When the disks
 * have been copied, memory_mib limits the memory, unless it is 0. The passes must live as long as
 * the process. 0, or -EIO: libvirt's last error says why.
 */
int passes_begin(struct passes *passes, struct operation *operation, uint64_t memory_mib);

/* The migration did not happen: what was permitted holds for the domain, so it is taken back. */
void passes_restore(struct passes *passes);

/* The last border that was seen. */
struct pass passes_last(struct passes *passes);

#endif
