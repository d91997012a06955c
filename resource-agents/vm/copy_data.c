/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data of one file. See copy_data.h. */
#include "copy_data.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    /* One call: short enough to be cancelled between two on slow storage. */
    PIECE_SIZE = 4 * 1024 * 1024,
    BUFFER_SIZE = 1024 * 1024,
    /* So much may wait to be written. Without a bound all of it would wait for the flush at the
     * end, which cannot be cancelled. */
    UNFLUSHED_MAX = 8 * PIECE_SIZE,
};

/* Where to, and by which call: once the kernel has refused copy_file_range(), it is not asked
 * again. */
struct transfer {
    int from;
    int to;
    struct copy_meter *meter;
    bool plain;
    uint8_t *buffer;
};

/* The next data at or after offset. 1; 0: only a hole is left; or a negative errno. */
static int next_data(int fd, off_t offset, off_t size, off_t *ret_start, off_t *ret_end) {
    if (offset >= size) {
        return 0;
    }
    off_t start = lseek(fd, offset, SEEK_DATA);
    if (start < 0 && errno == ENXIO) {
        return 0;
    }
    if (start < 0 && errno == EINVAL) { /* a file system that knows no holes */
        *ret_start = offset;
        *ret_end = size;
        return 1;
    }
    if (start < 0) {
        return -errno;
    }
    if (start >= size) {
        return 0;
    }
    off_t end = lseek(fd, start, SEEK_HOLE);
    if (end < 0) {
        return -errno;
    }
    *ret_start = start;
    *ret_end = end < size ? end : size;
    return 1;
}

int copy_data_count(int fd, off_t size, uint64_t *ret_bytes) {
    uint64_t bytes = 0;
    off_t start = 0;
    off_t end = 0;
    int r;

    while ((r = next_data(fd, end, size, &start, &end)) > 0) {
        bytes += (uint64_t)(end - start);
    }
    if (r == 0) {
        *ret_bytes = bytes;
    }
    return r;
}

int copy_data_clone(int from, int to) {
    return ioctl(to, FICLONE, from) < 0 ? -errno : 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t len, off_t offset) {
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        bytes += n;
        len -= (size_t)n;
        offset += n;
    }
    return 0;
}

/* Reads len bytes, all of them. -ENODATA: the file ends before. */
static int read_all(int fd, uint8_t *bytes, size_t len, off_t offset) {
    while (len > 0) {
        ssize_t n = pread(fd, bytes, len, offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -ENODATA;
        }
        bytes += n;
        len -= (size_t)n;
        offset += n;
    }
    return 0;
}

/* Copies up to len bytes at offset. Returns how many, or a negative errno. */
static ssize_t copy_piece(struct transfer *transfer, off_t offset, size_t len) {
    if (!transfer->plain) {
        off_t in = offset;
        off_t out = offset;
        ssize_t n = copy_file_range(transfer->from, &in, transfer->to, &out,
                                    len < PIECE_SIZE ? len : PIECE_SIZE, 0);
        if (n > 0 || (n < 0 && errno == EINTR)) {
            return n > 0 ? n : 0;
        }
        if (n < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS) {
            return -errno;
        }
        /* Some file systems return 0 instead of an error; reading tells whether the file ends. */
        transfer->plain = true;
    }
    size_t piece = len < BUFFER_SIZE ? len : BUFFER_SIZE;
    int r = read_all(transfer->from, transfer->buffer, piece, offset);
    if (r == 0) {
        r = write_all(transfer->to, transfer->buffer, piece, offset);
    }
    return r < 0 ? r : (ssize_t)piece;
}

/* Begins to write out what was copied, and waits for what was begun a while ago. An error is
 * reported only once, here or by the final flush. */
static int flush_behind(int fd, off_t start, off_t end) {
    int r = sync_file_range(fd, start, end - start, SYNC_FILE_RANGE_WRITE);
    if (r == 0 && end > UNFLUSHED_MAX) {
        off_t due = end - UNFLUSHED_MAX;
        off_t first = due > UNFLUSHED_MAX ? due - UNFLUSHED_MAX : 0;
        r = sync_file_range(fd, first, due - first,
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                SYNC_FILE_RANGE_WAIT_AFTER);
    }
    return r < 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT) ? -errno : 0;
}

static int copy_range(struct transfer *transfer, off_t start, off_t end) {
    while (start < end) {
        ssize_t n = copy_piece(transfer, start, (size_t)(end - start));
        if (n < 0) {
            return (int)n;
        }
        int r = n > 0 ? flush_behind(transfer->to, start, start + n) : 0;
        if (r == 0) {
            r = copy_meter_add(transfer->meter, (uint64_t)n);
        }
        if (r < 0) {
            return r;
        }
        start += n;
    }
    return 0;
}

int copy_data(int from, int to, off_t size, struct copy_meter *meter) {
    struct transfer transfer = {
        .from = from, .to = to, .meter = meter, .buffer = malloc(BUFFER_SIZE)};
    off_t start = 0;
    off_t end = 0;
    int r = transfer.buffer == NULL ? -ENOMEM : 0;

    if (r == 0 && ftruncate(to, size) < 0) {
        r = -errno;
    }
    while (r == 0 && (r = next_data(from, end, size, &start, &end)) > 0) {
        r = copy_range(&transfer, start, end);
    }
    free(transfer.buffer);
    return r;
}

static int compare_range(const struct transfer *transfer, off_t start, off_t end,
                         off_t *ret_offset) {
    uint8_t *const mine = transfer->buffer;
    uint8_t *const copied = transfer->buffer + BUFFER_SIZE;

    while (start < end) {
        size_t len = end - start < BUFFER_SIZE ? (size_t)(end - start) : BUFFER_SIZE;
        int r = read_all(transfer->from, mine, len, start);
        if (r == 0) {
            r = read_all(transfer->to, copied, len, start);
        }
        if (r < 0) {
            return r;
        }
        if (memcmp(mine, copied, len) != 0) {
            size_t i = 0;
            while (mine[i] == copied[i]) {
                i++;
            }
            *ret_offset = start + (off_t)i;
            return -EBADMSG;
        }
        r = copy_meter_add(transfer->meter, len);
        if (r < 0) {
            return r;
        }
        start += (off_t)len;
    }
    return 0;
}

int copy_data_compare(int from, int to, off_t size, struct copy_meter *meter, off_t *ret_offset) {
    struct transfer transfer = {
        .from = from, .to = to, .meter = meter, .buffer = malloc((size_t)BUFFER_SIZE * 2)};
    off_t start = 0;
    off_t end = 0;
    int r = transfer.buffer == NULL ? -ENOMEM : 0;

    if (r == 0) {
        /* What is flushed leaves the memory: the bytes come from the storage. A file system that
         * does not follow this advice is no worse off. */
        (void)posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED);
    }
    while (r == 0 && (r = next_data(from, end, size, &start, &end)) > 0) {
        r = compare_range(&transfer, start, end, ret_offset);
    }
    free(transfer.buffer);
    return r;
}
