/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of a storage move on the disk: who made them, who holds them, and when they go.
 *
 *                 FROM      PART        TO
 *   before        there     -           -
 *   copy          there     growing     -           its writer holds a lock on PART
 *   copied        there     complete    = PART      a hard link: TO is complete, or not there
 *   undone        there     -           -
 *   finished      -         -           there
 *
 * As long as PART is there, it tells a TO of this move from one that somebody else has made since.
 */
#ifndef AGENTS_VM_COPY_PARTS_H
#define AGENTS_VM_COPY_PARTS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "copy_list.h"

/* fstat() and lstat(), as the file server says now. 0, or a negative errno. */
int copy_stat(int fd, struct stat *ret_status);
int copy_lstat(const char *path, struct stat *ret_status);

/* What a name stands for, without following a symbolic link, as the file server says now. 0,
 * -ENOENT, or another errno. */
int copy_look(const char *path, struct stat *ret_status);

bool copy_same_inode(const struct stat *a, const struct stat *b);

/* Is TO there, and the same inode as PART? 1, 0, or a negative errno. */
int copy_is_ours(const struct copy_names *names);

/*
 * The directory of a TPM's state is made with its file, and goes with it; nothing else is in it but
 * swtpm's lock. Only for such a file; with all others nothing is done. copy_dir_remove() leaves a
 * directory in which something else is.
 */
int copy_dir_make(const struct copy_names *names);
void copy_dir_remove(const struct copy_names *names, const char *path);

/*
 * Creates PART, or takes the one of an earlier attempt, and locks it for the life of this process.
 * -EBUSY: another process has it, an earlier copy or a VM that uses TO; -ENOTSUP: the name is taken
 * by something that is no file.
 */
int copy_part_create(const struct copy_names *names, int *ret_fd);

/* Takes PART if it is there. -ENOENT: it is not; else as copy_part_create(). */
int copy_part_take(const struct copy_names *names, int *ret_fd);

/* Can the file system of PART make hard links? 0 or a negative errno. */
int copy_part_try_link(const struct copy_names *names);

/* Gives PART its second name TO. -EEXIST: somebody else has made a TO meanwhile. */
int copy_part_publish(const struct copy_names *names);

/* unlink(); a name that is not there is fine. */
int copy_remove(const char *path);

#endif
