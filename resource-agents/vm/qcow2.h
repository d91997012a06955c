/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the header of a qcow2 image says of other files that it needs. Only that: QEMU reads the
 * rest. */
#ifndef AGENTS_VM_QCOW2_H
#define AGENTS_VM_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* QEMU accepts no longer name of a backing file. */
enum { QCOW2_HEADER_SIZE = 104, QCOW2_BACKING_MAX = 1023 };

struct qcow2_header {
    uint64_t backing_offset; /* of the backing file's name; 0: it has none */
    uint32_t backing_size;
    uint32_t snapshots; /* internal ones */
    bool data_file;     /* the guest's data is in another file */
};

/* Reads the first bytes of a file. -EINVAL: not a qcow2 image, or cut; -ENOTSUP: a version that
 * QEMU does not have (yet). */
int qcow2_parse(const uint8_t *bytes, size_t len, struct qcow2_header *ret_header);

/* Reads the header of the open file, and the name of its backing file ("" for none). As
 * qcow2_parse(), or the errno of a read that failed. */
int qcow2_read(int fd, struct qcow2_header *ret_header, char ret_backing[QCOW2_BACKING_MAX + 1]);

/* Whether the image of the open file, which nobody writes to, has an internal snapshot of that
 * name: 1 or 0, or as qcow2_read(); -EBADMSG: the list of them cannot be read. */
int qcow2_has_snapshot(int fd, const char *name);

#endif
