/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contents of files on hosts, through libvirt's streams. What is a hole on one host stays one
 * on the other.
 */
#ifndef AGENTS_VM_HOST_COPY_H
#define AGENTS_VM_HOST_COPY_H

#include "host_files.h"

struct operation;

struct host_copy {
    struct operation *operation; /* it is stopped with this */
    uint64_t total_bytes;        /* of all files, for the progress: each is copied and read back */
    uint64_t done_bytes;
    uint64_t began_ms;
    uint64_t told_ms;
};

/* One file of one host over one, of the same length, of another, and reads the copy back: it has
 * the same content. 0; -ECANCELED; -ENOENT; -EIO: the error of `to` says why. */
int host_copy_file(struct host_copy *copy, struct host_files *from, const char *from_path,
                   struct host_files *to, const char *to_path);

/* The beginning of a file. 0, -ENOENT or -EIO, as host_files.h. */
int host_copy_read(struct host_files *files, const char *path, uint8_t *buffer, size_t size,
                   size_t *ret_len);
/* Writes over the beginning of a file. 0, -ENOENT or -EIO. */
int host_copy_write(struct host_files *files, const char *path, const uint8_t *data, size_t size);

#endif
