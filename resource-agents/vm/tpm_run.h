/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The swtpm of a VM on this node. It begins before QEMU and ends with it (--terminate: when QEMU's
 * connection is gone). Two never use one state: only one copy of a VM runs in the cluster, and
 * swtpm holds a lock on its state, which reaches the other nodes if the volume's locks do.
 *
 *   STATE.clusterd-new   being made, by swtpm_setup: with keys and certificates, as libvirt does it
 *   STATE                complete, by a rename; only swtpm changes it, and nobody removes it
 */
#ifndef AGENTS_VM_TPM_RUN_H
#define AGENTS_VM_TPM_RUN_H

#include <limits.h>
#include <stdbool.h>

struct tpm_vm {
    const char *name;
    const char *uuid;
    char state[PATH_MAX];  /* the directory */
    char socket[PATH_MAX]; /* for QEMU */
};

struct tpm_failure {
    char reason[512]; /* what, why, what to do */
    bool refused;     /* this node never can */
};

/*
 * Starts swtpm, and ends one that an earlier start left. The VM must not be on this node.
 * may_make: the state may be made, if it has never been. 0, or a negative errno with *ret_failure.
 */
int tpm_begin(const struct tpm_vm *vm, bool may_make, struct tpm_failure *ret_failure);

/* The VM is not on this node: its swtpm ends, if there is one. -EBUSY: it does not. */
int tpm_end(const struct tpm_vm *vm);

#endif
