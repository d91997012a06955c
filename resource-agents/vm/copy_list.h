/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a storage move, as `copy`, `copy-undo` and `copy-finish` are told them, and the
 * names that they get on the way. Pure: no file is accessed.
 *
 *   TO.clusterd-MOVE.part   the copy while it is made, and afterwards the witness: a TO that is the
 *                           same inode was made by this move and by nobody else
 *   TO.clusterd-MOVE.link   for a moment: can this file system link at all?
 */
#ifndef AGENTS_VM_COPY_LIST_H
#define AGENTS_VM_COPY_LIST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COPY_FILES_MAX = 256,
    /* ".clusterd-" and a number of 19 digits and ".part" */
    COPY_SUFFIX_MAX = 34,
    COPY_NAME_MAX = NAME_MAX - COPY_SUFFIX_MAX,
    COPY_PATH_MAX = PATH_MAX - COPY_SUFFIX_MAX - 1,
};

struct copy_names {
    char *from;
    char *to;
    char *format; /* of the copy, if it is to be another one; else NULL */
    char *part;
    char *link;
    bool is_tpm; /* the state of a TPM, in a directory of its own */
};

struct copy_list {
    size_t count;
    struct copy_names items[COPY_FILES_MAX];
};

/*
 * Reads lines "FROM<TAB>TO" or "FROM<TAB>TO<TAB>FORMAT". Paths are absolute, no TO is named twice
 * and none is a FROM. -EINVAL with one line in reason; -ENOMEM. copy_list_finish() frees it.
 */
int copy_list_parse(const char *text, uint64_t move, struct copy_list *ret_list, char *reason,
                    size_t reason_size);
void copy_list_finish(struct copy_list *list);

/* Control characters would end a line of `files`, or of a message. */
bool copy_path_is_clean(const char *path);

#endif
