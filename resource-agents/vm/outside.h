/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM needs besides its disks when it starts or is restored: its firmware, its UEFI variables
 * (kept.h), its TPM (tpm_run.h).
 */
#ifndef AGENTS_VM_OUTSIDE_H
#define AGENTS_VM_OUTSIDE_H

#include "operation.h"
#include "tpm_run.h"

struct definition;

struct outside {
    bool has_tpm;
    struct tpm_vm tpm;
    char nvram[PATH_MAX];  /* "" if it has none */
    char record[PATH_MAX]; /* to be written once the VM runs; "" if not */
};

/* How the VM comes up: only a start may make what has never been there. */
enum outside_for { OUTSIDE_START, OUTSIDE_RESTORE };

/*
 * What the cluster's definition says of it; and lets the one that libvirt gets have the TPM's
 * socket. A TPM that is only in one of the two is an error. -EINVAL with the report; -ENOMEM.
 */
int outside_read(struct operation *operation, const struct definition *ordered,
                 const struct definition *libvirts, struct outside *ret_outside);

/*
 * Looks at the files, and starts the TPM. Call it right before libvirt's call: the operation has
 * begun. 0; -EEXIST: the VM is on this node already, as operation->domain; -EIO: the report says
 * why, and not where the VM is.
 */
int outside_begin(struct operation *operation, const struct definition *ordered,
                  struct outside *outside, enum outside_for why);

/* libvirt's call has failed, and the VM is not on this node. */
void outside_failed(struct operation *operation, const struct outside *outside);

/* The VM runs. */
void outside_runs(struct operation *operation, const struct outside *outside);

#endif
