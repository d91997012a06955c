/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of a move between two hosts without a cluster. It lies in the VM's own metadata,
 * which libvirt keeps on both hosts, so the next `vm move` finds it whatever has died:
 *
 *     <clusterd:move xmlns:clusterd="https://clusterd.org/xmlns/move/1" role="leaves" peer="UUID">
 *       <file path="/srv/new/web.qcow2"/>
 *     </clusterd:move>
 *
 * role="leaves", on the source: files of the target that this move has made. A file is entered
 * after libvirt has made it, and libvirt makes no file that is there already; so an entered file is
 * ours. role="arrives", on the target: the copy there is not the VM yet, or not all is done; its
 * files are those of the source, to be removed at the end.
 *
 * A definition that arrives is disarmed: its disks have names that do not exist (".clusterd-moving"
 * at their end), so nobody can start it while the source can be started, too.
 */
#ifndef AGENTS_VM_HANDOVER_H
#define AGENTS_VM_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libvirt/libvirt.h>

#include "definition.h"
#include "move_plan.h"

enum handover_role { HANDOVER_LEAVES, HANDOVER_ARRIVES };

struct handover {
    enum handover_role role;
    char peer[VIR_UUID_STRING_BUFLEN]; /* the other host */
    bool persistent;                   /* the source had a definition of its own */
    bool autostart;
    bool remove;  /* the source's files, at the end */
    uint64_t run; /* a random number: whose journal it is, if two work on the VM */
    size_t count;
    char *files[MOVE_FILES_MAX]; /* owned */
};

void handover_finish(struct handover *handover);
/* A copy of the path. -ENOMEM. */
int handover_add(struct handover *handover, const char *path);

/* The domain's journal. -ENOENT: it has none; -EIO. handover_finish() frees it. */
int handover_read(virDomainPtr domain, struct handover *ret_handover);
/* Into the domain as it is defined, and, if it has no definition, as it runs. 0 or -EIO. */
int handover_write(virDomainPtr domain, const struct handover *handover);
/* From the domain as it is defined and as it runs. 0 or -EIO. */
int handover_clear(virDomainPtr domain);

/* Into a definition, in place of any other; NULL only removes. -ENOMEM. */
int handover_enter(struct definition *definition, const struct handover *handover);

/* Gives the disks names that do not exist; and back. Both may be repeated. -ENOMEM. */
int handover_disarm(struct definition *definition);
int handover_arm(struct definition *definition);
bool handover_is_disarmed(const struct definition *definition);

#endif
