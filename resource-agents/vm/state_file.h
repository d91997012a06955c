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
 * Is the file there? Asked by opening it, as only that reaches a network file system's server; what
 * stat() says may be older than another node's rename.
 */
bool state_file_exists(const char *path);

/* Does its directory exist? If not, the volume is missing. */
bool state_file_has_room(const char *path);

/* Creates the directory of path if need be; removes the remains of an aborted save and of dead
 * restores. */
int state_file_make_room(const char *path, const char *part);

/* Flushes part to the disk and renames it to path. */
int state_file_publish(const char *part, const char *path);

/* A rename that survives a power cut: the directory is on the disk when this returns. */
int state_file_rename(const char *from, const char *to);

#endif
