/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disks of a storage move of a VM that runs: where each one is, as libvirt says, and the steps
 * that take it further. libvirt is asked anew each time: what an earlier agent has left, or a dead
 * agent's last request has done, is seen like one's own.
 *
 *   ORIGINAL ── mirror_start() ──► COPYING ── by itself ──► READY ── mirror_pivot() ──► COPY
 *      ▲                              │                       │
 *      └──────── mirror_abort(), or QEMU's copying failed ────┘
 */
#ifndef AGENTS_VM_MIRROR_DISKS_H
#define AGENTS_VM_MIRROR_DISKS_H

#include <stdbool.h>
#include <stddef.h>

#include "copy_list.h"
#include "operation.h"

/* ELSEWHERE: at neither place, or something else works on it: an image that another program has put
 * over it, its block job. */
enum mirror_state { MIRROR_ELSEWHERE, MIRROR_ORIGINAL, MIRROR_COPYING, MIRROR_READY, MIRROR_COPY };

struct mirror_disk {
    const struct copy_names *names;
    enum mirror_state state;
    char target[32]; /* <target dev=> */
    char format[16]; /* of the copy */
    bool has_backing;
    bool shareable;
};

struct mirror_disks {
    struct copy_list list;
    struct mirror_disk items[COPY_FILES_MAX]; /* list.count of them */
};

/* Which disks, by the operation's parameters. -EINVAL, -ENOMEM; one line in reason. They live until
 * the process ends. */
int mirror_parse(const struct params *params, struct mirror_disks *ret_disks, char *reason,
                 size_t reason_size);

/* Reads the state of each; one line in reason if one is ELSEWHERE, or for an error. */
int mirror_read(struct operation *operation, struct mirror_disks *disks, char *reason,
                size_t reason_size);

size_t mirror_count(const struct mirror_disks *disks, enum mirror_state state);
bool mirror_all_are(const struct mirror_disks *disks, enum mirror_state state);

/* Makes TO and lets QEMU begin to copy. -1 with one line in reason. */
int mirror_start(struct operation *operation, const struct mirror_disk *disk, char *reason,
                 size_t reason_size);

/* QEMU is to go over to the copy: asked for only; the end is an event. -1: refused; libvirt's last
 * error says why. */
int mirror_pivot(struct operation *operation, const struct mirror_disk *disk);

/* QEMU is to end its copying. The same. */
int mirror_abort(struct operation *operation, const struct mirror_disk *disk);

/* How far it has come. */
void mirror_progress(struct operation *operation, const struct mirror_disks *disks,
                     struct progress *ret_progress);

/*
 * Writes into the running domain's mark (mark.c) where its disks are, or may be soon, so that
 * nobody takes the copies for images that something else has put over them. -EIO, -ENOMEM.
 */
enum mirror_mark { MIRROR_MARK_BOTH, MIRROR_MARK_ORIGINALS, MIRROR_MARK_COPIES };
int mirror_set_mark(struct operation *operation, const struct mirror_disks *disks,
                    enum mirror_mark where);

#endif
