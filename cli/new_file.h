/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that clusterctl writes, in directories where others may write, too. Each begins under a
 * random name, is created by this process and by nobody else, is for its owner alone (mode 0600),
 * and gets the name that was asked for when it is complete. So nobody's symbolic link leads a write
 * of root's elsewhere, and nobody reads half a file.
 */
#ifndef CLI_NEW_FILE_H
#define CLI_NEW_FILE_H

#include <stdio.h>

struct new_file {
    FILE *stream; /* for writing; NULL when it is not open */
    char *part;   /* owned; its name until it is complete; NULL: written in place */
    char *path;   /* owned; NULL: it keeps the random name */
};

/* A new file called `prefix`, six random characters, `suffix`; new_file_finish() lets it keep that
 * name. 0 or a negative errno. */
int new_file_create(struct new_file *file, const char *prefix, const char *suffix);

/* A file that is to replace `path`, or to become it. A pipe or a character device is written in
 * place, and so are /dev/stdout and its like. -ELOOP: `path` is another symbolic link;
 * -EINVAL: it is of another kind. 0 or a negative errno. */
int new_file_open(struct new_file *file, const char *path);

/* Closes it. If `error` is 0 and all could be written, it gets its name: 0. Otherwise it is
 * removed: `error`, or the negative errno of what failed. file->part and file->path stay until
 * new_file_release(). */
int new_file_finish(struct new_file *file, int error);

void new_file_release(struct new_file *file);
#define new_file_auto struct new_file __attribute__((cleanup(new_file_release)))

#endif
