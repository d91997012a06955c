/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The saved state of a VM as a file on a volume: what it holds, and the renames that decide who may
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
    uint64_t generation; /* of the domain that was saved */
};

/* Reads the header of a complete state. -EIO: libvirt's last error says why it is none. */
int state_file_read(virConnectPtr conn, const char *path, struct state_info *ret_info);

/* As above, and gives the definition in it, which definition_finish() frees. */
int state_file_definition(virConnectPtr conn, const char *path, struct state_info *ret_info,
                          struct definition *ret_definition);

/*
 * Is the file there? Asked by opening it, as only that reaches a network file system's server; what
 * stat() says may be older than another node's rename.
 */
bool state_file_exists(const char *path);

/* Is the directory there in which it would lie? If not, it is the volume that is missing. */
bool state_file_has_room(const char *path);

/* Makes the directory of path if need be; removes what an aborted save and restores that died left
 * behind. */
int state_file_make_room(const char *path, const char *part);

/* Brings part to the disk and renames it to path. */
int state_file_publish(const char *part, const char *path);

/* Renames so that it holds after a power cut: the directory is on the disk when this returns. */
int state_file_rename(const char *from, const char *to);

#endif
