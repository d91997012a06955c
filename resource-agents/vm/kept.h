/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM keeps outside of its disks: its UEFI variables, and the state of its TPM. libvirt makes
 * a missing file of UEFI variables anew without a word, and a TPM made anew makes a guest ask for
 * the recovery key of its disk. Nobody but the VM's volume can tell whether a missing file has ever
 * been there, so a record says so:
 *
 *     VOLUME/.clusterd/kept.UUID.nvram     with the file's path, for whoever looks for it
 *     VOLUME/.clusterd/kept.UUID.tpm
 *
 *   the file is there                            the record is written, if it is not
 *   the file is missing, and no record           it has never been there: it may be made
 *   the file is missing, and there is a record   it is lost: the VM is not started
 */
#ifndef AGENTS_VM_KEPT_H
#define AGENTS_VM_KEPT_H

#include <limits.h>

#define KEPT_NVRAM "nvram"
#define KEPT_TPM "tpm"

enum kept { KEPT_THERE, KEPT_NEVER_MADE, KEPT_LOST, KEPT_NO_VOLUME };

/*
 * Looks for the file, by opening it: only that asks the server of a network file system.
 * ret_record is the record's path, "" if the path is on no volume. A negative errno: whether the
 * file is there cannot be told.
 */
int kept_look(const char *path, const char *uuid, const char *what, char ret_record[PATH_MAX]);

/* Writes the record if it is not there. 0 or a negative errno. */
int kept_record(const char *record, const char *path);

#endif
