/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Can this definition be highly available? It can if every node with its volumes could start it
 * unchanged and take it over while it runs: nothing in it may depend on the hardware, files or
 * services of one node.
 *
 * The check denies by default: a device that no rule knows is refused. The rules are tables with
 * one line for each element, in check_devices.c (devices) and check.c (the rest).
 */
#ifndef AGENTS_VM_CHECK_H
#define AGENTS_VM_CHECK_H

#include <stdbool.h>
#include <jansson.h>

#include "definition.h"
#include "volumes.h"

struct check {
    const struct volumes *known;
    bool look;        /* at the files on this node */
    json_t *problems; /* [{"element","reason"}]: each makes the VM impossible */
    json_t *warnings; /* the same, for what the administrator must ensure on every node */
    json_t *volumes;  /* names of the volumes that the definition uses */
    json_t *disks;    /* paths of its disks */
    bool incomplete;  /* memory ran out: the lists above may be incomplete */
};

/*
 * Checks the whole definition; the arrays of *ret_check hold the findings. check_finish() frees
 * them. -ENOMEM. With `look` the symbolic links in its paths are followed on this node, which may
 * block as long as the storage does; without it no file is accessed.
 */
int check_definition(const struct definition *definition, const struct volumes *known, bool look,
                     struct check *ret_check);
void check_finish(struct check *check);

/* For the rules: report a finding, with its element. */
void check_refuse(struct check *check, const xmlNode *element, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_warn(struct check *check, const xmlNode *element, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The path must lie on a volume, and no symbolic link in it may lead off the volumes; `what` names
 * it ("the disk's file"). */
void check_on_volume(struct check *check, const xmlNode *element, const char *what,
                     const char *path);

/* The path must lie on a volume or be installed on every node (below /usr). */
void check_installed_or_on_volume(struct check *check, const xmlNode *element, const char *what,
                                  const char *path);

/* All elements of <devices>. */
void check_devices(struct check *check, const xmlNode *devices);

/* Appends to one of the arrays and takes over the reference to item. */
void check_append(struct check *check, json_t *array, json_t *item);

/* A disk: its sources, its backing chain, its mirror (check_disk.c). */
void check_disk(struct check *check, const xmlNode *disk);

#endif
