/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The saved state of a VM as a file on a volume: its content, and the renames that decide who may
 * use it. */
#ifndef AGENTS_VM_STATE_FILE_H
#define AGENTS_VM_STATE_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvirt/libvirt.h>

#include "definition.h"

enum { STATE_FILE_PATH_MAX = PATH_MAX };

/* After the name of a state that is being written. */
#define STATE_FILE_PART ".part"
/* Between the name of a state and the generation that claimed it. */
#define STATE_FILE_CLAIM ".restoring-"

struct state_info {
    char uuid[DEFINITION_UUID_SIZE];
    uint64_t generation; /* of the saved domain */
};

/* Reads the header of a complete state. -EIO: libvirt's last error says why it is not one. */
int state_file_read(virConnectPtr conn, const char *path, struct state_info *ret_info);

/* The same, and returns the definition in it, which definition_finish() frees. */
int state_file_definition(virConnectPtr conn, const char *path, struct state_info *ret_info,
                          struct definition *ret_definition);

/*
 * Is the file there? Opens it to find out, because only that asks a network file system's server;
 * what stat() says may be older than another node's rename.
 */
bool state_file_exists(const char *path);

/* Was it claimed for a restore that did not end? */
bool state_file_is_claimed(const char *path);

/* Does its directory exist? If not, the volume is missing. */
bool state_file_has_room(const char *path);

/* Creates the directory of path if need be; removes what an aborted save and dead restores left. */
int state_file_make_room(const char *path, const char *part);

/* Flushes part to the disk and renames it to path. */
int state_file_publish(const char *part, const char *path);

/* Removes the state under all its names: being written, complete, claimed by whatever generation.
 * 0: a second look has found none of them, and that is on the disk. */
int state_file_remove(const char *path);

/* A rename that survives a power cut: the directory is on the disk when this returns. */
int state_file_rename(const char *from, const char *to);

#endif
