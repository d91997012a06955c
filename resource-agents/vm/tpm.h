/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated TPM of a definition, and how libvirt gets it. Pure: no file is accessed.
 *
 * A definition names a directory on a volume for the state, as libvirt 10.10 and later have it:
 *
 *     <tpm model='tpm-crb'>
 *       <backend type='emulator' version='2.0'>
 *         <source type='dir' path='/srv/csv1/web/tpm'/>
 *       </backend>
 *     </tpm>
 *
 * An older libvirt ignores <source> without a word and keeps the state on the node's own disk; it
 * deletes the state of a transient domain when that ends; and with a swtpm before 0.8 it refuses
 * even to save a VM whose state is on what it takes for shared storage. So the agent runs swtpm by
 * itself (tpm_run.h), and libvirt gets its socket: a TPM of type external, which it leaves alone.
 */
#ifndef AGENTS_VM_TPM_H
#define AGENTS_VM_TPM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "definition.h"

/* The file in which swtpm keeps all that a TPM 2.0 must not forget. */
#define TPM_STATE_FILE "tpm2-00.permall"

/* The first TPM of a definition, of whatever kind; NULL if it has none. */
xmlNode *tpm_element(const struct definition *definition);

/* Of a VM that runs: does libvirt run its TPM? Then the state is on the node's own disk. */
bool tpm_is_libvirts(const struct definition *definition);

/* The directory of its state, normalized. -ENOENT: it has no emulated TPM with one. */
int tpm_state_dir(const struct definition *definition, char ret_dir[PATH_MAX]);

/*
 * The socket of a VM's swtpm on a node. libvirt's AppArmor profile of a VM lets QEMU use
 * /run/libvirt/.../NAME.pid and hardly anything else, hence its name. -ENAMETOOLONG: never with a
 * name that the cluster allows.
 */
#define TPM_RUN_DIR "/run/libvirt/clusterd-tpm"
int tpm_socket(const char *name, char ret_socket[PATH_MAX]);

/* Lets the TPM, which must be there, be what listens on that socket. -ENOMEM. */
int tpm_connect(const struct definition *definition, const char *socket);

/* The value of a key in libvirt's qemu.conf ("user = \"tss\""), or the fallback. */
void tpm_conf_value(const char *text, const char *key, const char *fallback, char *ret_value,
                    size_t size);

/* Is this, as /proc/PID/cmdline has it, a swtpm with that socket? */
bool tpm_is_swtpm(const char *cmdline, size_t len, const char *socket);

#endif
