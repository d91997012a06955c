/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plan of a storage move: which files of a VM move where, and its definition afterwards.
 *
 * Files move; block devices, network disks, CD-ROMs and the firmware stay. A disk is named by its
 * <target dev=>, the UEFI variables are "nvram", the state of the TPM is "tpm": a file in a
 * directory of its own, which is what the definition names.
 */
#ifndef AGENTS_VM_MOVE_PLAN_H
#define AGENTS_VM_MOVE_PLAN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <libxml/tree.h>

#include "definition.h"
#include "volumes.h"

enum { MOVE_FILES_MAX = 256, MOVE_DISK_SIZE = 64, MOVE_FORMAT_SIZE = 16 };
#define MOVE_NVRAM "nvram"
#define MOVE_TPM "tpm"

/* One line of the parameter `disks`: a file that gets a place of its own. */
struct move_override {
    char disk[MOVE_DISK_SIZE];
    char path[PATH_MAX];
    char format[MOVE_FORMAT_SIZE]; /* "" if none is named */
};

struct move_request {
    const char *dest; /* directory of all files without a place of their own; "" for none */
    bool disks_only;  /* the UEFI variables stay */
    bool elsewhere;   /* to another host: there, the same path is another file */
    bool running;     /* the VM runs, and goes on: QEMU copies its disks */
    size_t count;
    struct move_override overrides[MOVE_FILES_MAX];
};

struct move_file {
    char disk[MOVE_DISK_SIZE];
    xmlNode *element;       /* <source> or <nvram>: refusals name it, the rewriting changes it */
    const char *from;       /* belongs to the document or the plan, as format */
    const char *format;     /* as the definition has it */
    const char *new_format; /* of the copy; NULL: the same */
    char to[PATH_MAX];
    const struct move_override *override; /* or NULL */

    /* What move_check() found. */
    dev_t from_dev;
    ino_t from_ino;
    dev_t dir_dev; /* the target's directory */
    ino_t dir_ino;
    char dir[PATH_MAX];
    uint64_t bytes;
    uint64_t allocated;
};

struct move_plan {
    bool running;       /* as the request says */
    char tpm[PATH_MAX]; /* the file of the TPM's state, if it moves */
    size_t count;
    struct move_file files[MOVE_FILES_MAX];
};

/* Why a move is not possible: one line, and the element that is at fault. */
struct move_refusal {
    char element[512];
    char reason[1024];
};

/* Reports a refusal; element may be NULL. Always -EINVAL. */
int move_refuse(struct move_refusal *refusal, const xmlNode *element, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads lines "TARGET=PATH" or "TARGET=PATH,format=FORMAT". -EINVAL with one line in reason. */
int move_overrides_parse(const char *text, struct move_request *request, char *reason,
                         size_t reason_size);

/* Which files move, and where to. Pure: no file is accessed. -EINVAL with the refusal. */
int move_plan(const struct definition *definition, const struct move_request *request,
              struct move_plan *ret_plan, struct move_refusal *refusal);

/* Everything that the files themselves and their file systems say against the plan
 * (move_check.c). -EINVAL with the refusal. */
int move_check(struct move_plan *plan, const struct volumes *volumes, struct move_refusal *refusal);

/* Enters the new paths into the definition. -ENOMEM. */
int move_rewrite(const struct move_plan *plan);

#endif
