/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a host, near or far, as libvirt's storage pools show them: no agent is needed there.
 *
 * libvirt reads and writes files only inside a pool. Where none covers a directory, a transient one
 * is made for the time of the work. Its name begins with POOL_PREFIX and the VM's UUID, so that the
 * next work on this VM removes what one left that was killed. A transient pool has no file of its
 * own, and removing it leaves the files in it alone.
 */
#ifndef AGENTS_VM_HOST_FILES_H
#define AGENTS_VM_HOST_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libvirt/libvirt.h>

enum { HOST_FILES_POOLS = 64, HOST_FILE_FORMAT_SIZE = 16, HOST_FILE_TIME_SIZE = 48 };

struct host_files {
    virConnectPtr conn;
    char tag[VIR_UUID_STRING_BUFLEN]; /* whose work it is */
    char error[512];                  /* why the last call failed */
    size_t count;
    virStoragePoolPtr made[HOST_FILES_POOLS]; /* ours; they end with the work */
};

/* What libvirt says of a file. */
struct host_file {
    uint64_t capacity; /* the size that a guest sees */
    uint64_t allocation;
    uint64_t physical; /* the file's length */
    char format[HOST_FILE_FORMAT_SIZE];
    char modified[HOST_FILE_TIME_SIZE];
    bool backed; /* it needs a backing file */
};

/* How full a directory's file system is, as its pool says. */
struct host_space {
    uint64_t total;
    uint64_t free;
};

/* Keeps libvirt's last error as the reason of a failure; -EIO. */
int host_files_failed(struct host_files *files);

/* Begins the work; removes the pools that an earlier one for the same tag left. */
void host_files_open(struct host_files *files, virConnectPtr conn, const char *tag);
/* Removes the pools of this work. */
void host_files_close(struct host_files *files);

/*
 * All return 0 or
 *     -ENOENT   there is no such file, or no such directory
 *     -EEXIST   there is one already; it was left alone
 *     -EIO      `error` says why, in libvirt's words
 */
int host_files_find(struct host_files *files, const char *path, virStorageVolPtr *ret_volume);
int host_files_read(struct host_files *files, const char *path, struct host_file *ret_file);
/* An empty file for an image of that format. A raw one is a hole of `capacity` bytes. */
int host_files_create(struct host_files *files, const char *path, const char *format,
                      uint64_t capacity);
int host_files_remove(struct host_files *files, const char *path);
int host_files_space(struct host_files *files, const char *directory, struct host_space *ret_space);

#endif
