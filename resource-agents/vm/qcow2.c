/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header of a qcow2 image. See qcow2.h; the format is QEMU's docs/interop/qcow2.txt. */
#include "qcow2.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    AT_VERSION = 4,
    AT_BACKING_OFFSET = 8,
    AT_BACKING_SIZE = 16,
    AT_SNAPSHOT_COUNT = 60,
    AT_SNAPSHOTS = 64,
    AT_INCOMPATIBLE = 72, /* since version 3 */
    HEADER_SIZE_V2 = 72,
    INCOMPATIBLE_DATA_FILE = 1 << 2,
    /* Of an entry of the table of snapshots, which are of different sizes. */
    SNAPSHOT_SIZE = 40,
    SNAPSHOT_AT_ID_SIZE = 12,
    SNAPSHOT_AT_NAME_SIZE = 14,
    SNAPSHOT_AT_EXTRA_SIZE = 36,
    SNAPSHOT_EXTRA_MAX = 1024, /* as QEMU has it, and the next one */
    SNAPSHOTS_MAX = 65536,
    SNAPSHOT_NAME_MAX = 255,
};

/* All numbers are big-endian. */
static uint64_t number_at(const uint8_t *bytes, size_t offset, size_t size) {
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[offset + i];
    }
    return value;
}

int qcow2_parse(const uint8_t *bytes, size_t len, struct qcow2_header *ret_header) {
    if (len < HEADER_SIZE_V2 || memcmp(bytes, "QFI\xfb", 4) != 0) {
        return -EINVAL;
    }
    uint64_t version = number_at(bytes, AT_VERSION, 4);
    if (version != 2 && version != 3) {
        return -ENOTSUP;
    }
    if (version == 3 && len < QCOW2_HEADER_SIZE) {
        return -EINVAL;
    }
    struct qcow2_header header = {
        .backing_offset = number_at(bytes, AT_BACKING_OFFSET, 8),
        .backing_size = (uint32_t)number_at(bytes, AT_BACKING_SIZE, 4),
        .snapshots = (uint32_t)number_at(bytes, AT_SNAPSHOT_COUNT, 4),
        .data_file =
            version == 3 && (number_at(bytes, AT_INCOMPATIBLE, 8) & INCOMPATIBLE_DATA_FILE) != 0,
    };
    if (header.backing_offset != 0 &&
        (header.backing_size > QCOW2_BACKING_MAX || header.backing_offset > INT64_MAX)) {
        return -EINVAL;
    }
    *ret_header = header;
    return 0;
}

int qcow2_read(int fd, struct qcow2_header *ret_header, char ret_backing[QCOW2_BACKING_MAX + 1]) {
    uint8_t bytes[QCOW2_HEADER_SIZE];
    char backing[QCOW2_BACKING_MAX + 1] = "";
    struct qcow2_header header;

    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
    if (n < 0) {
        return -errno;
    }
    int r = qcow2_parse(bytes, (size_t)n, &header);
    if (r < 0) {
        return r;
    }
    if (header.backing_offset != 0) {
        n = pread(fd, backing, header.backing_size, (off_t)header.backing_offset);
        if (n < 0) {
            return -errno;
        }
        if ((size_t)n != header.backing_size) {
            return -EINVAL;
        }
        backing[n] = '\0';
    }
    *ret_header = header;
    memcpy(ret_backing, backing, sizeof(backing));
    return 0;
}

static int read_at(int fd, uint64_t offset, uint8_t *bytes, size_t size) {
    ssize_t n = offset > INT64_MAX - 1024 * 1024 ? 0 : pread(fd, bytes, size, (off_t)offset);

    return n < 0 ? -errno : (size_t)n == size ? 0 : -EBADMSG;
}

/* The entry at *offset, which becomes that of the next one. 1: it has the name. */
static int read_snapshot(int fd, const char *name, uint64_t *offset) {
    uint8_t entry[SNAPSHOT_SIZE];
    uint8_t text[SNAPSHOT_NAME_MAX];
    size_t wanted = strlen(name);

    int r = read_at(fd, *offset, entry, sizeof(entry));
    if (r < 0) {
        return r;
    }
    uint64_t extra = number_at(entry, SNAPSHOT_AT_EXTRA_SIZE, 4);
    uint64_t id = number_at(entry, SNAPSHOT_AT_ID_SIZE, 2);
    uint64_t size = number_at(entry, SNAPSHOT_AT_NAME_SIZE, 2);
    uint64_t at = *offset + SNAPSHOT_SIZE + extra + id;
    if (extra > SNAPSHOT_EXTRA_MAX) {
        return -EBADMSG;
    }
    *offset = (at + size + 7) / 8 * 8;
    if (size != wanted || size > sizeof(text)) {
        return 0;
    }
    r = read_at(fd, at, text, size);
    return r < 0 ? r : memcmp(text, name, size) == 0;
}

int qcow2_has_snapshot(int fd, const char *name) {
    uint8_t bytes[QCOW2_HEADER_SIZE];
    struct qcow2_header header;

    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
    if (n < 0) {
        return -errno;
    }
    int r = qcow2_parse(bytes, (size_t)n, &header);
    uint64_t count = r == 0 ? number_at(bytes, AT_SNAPSHOT_COUNT, 4) : 0;
    uint64_t offset = r == 0 ? number_at(bytes, AT_SNAPSHOTS, 8) : 0;
    if (r < 0 || count > SNAPSHOTS_MAX) {
        return r < 0 ? r : -EBADMSG;
    }
    for (uint64_t i = 0; r == 0 && i < count; i++) {
        r = read_snapshot(fd, name, &offset);
    }
    return r;
}
