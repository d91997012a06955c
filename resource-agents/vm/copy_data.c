/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data of one file. See copy_data.h. */
#include "copy_data.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* One call: short enough to be cancelled between two on slow storage. */
    RANGE_SIZE = 4 * 1024 * 1024,
    /* So much may wait to be written. Without a bound all of it would wait for the flush at the
     * end, which cannot be cancelled. */
    UNFLUSHED_MAX = 8 * RANGE_SIZE,
    THREADS = 4,
    /* Without the page cache, memory, offsets and lengths are multiples of a sector; no disk has
     * larger ones. */
    SECTOR = 4096,
    BUFFER_SIZE = 2 * COPY_PIECE + SECTOR,
};

/* What the threads do together: each takes a piece, until there is none, or one has failed. */
struct work {
    int from;
    int to;
    off_t size;
    struct copy_written *written;             /* copying */
    const struct copy_written *known_written; /* comparing */
    struct copy_meter *meter;

    /* The next part of the file to work on, at or after offset. 1, 0 for none, negative errno. */
    int (*next)(const struct work *work, off_t offset, off_t *ret_start, off_t *ret_end);
    /* Does one piece; the buffer holds two. 0 or a negative errno. */
    int (*step)(struct work *work, uint8_t *buffer, off_t start, off_t end);

    pthread_mutex_t lock; /* guards what follows */
    off_t start;          /* [start, end): of the part in hand, what nobody has taken */
    off_t end;
    int result;
    off_t differs;
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

/*
 * Leaves the page cache out. It is the slow part of a FUSE file system, and what is compared should
 * come from the storage. Where that cannot be had (tmpfs), reads and writes go on through it.
 */
static void go_direct(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) {
        (void)fcntl(fd, F_SETFL, flags | O_DIRECT);
    }
}

static void leave_direct(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) {
        (void)fcntl(fd, F_SETFL, flags & ~O_DIRECT);
    }
}

/* What errno says of storage. Two of its numbers mean something of our own here: that the copy
 * differs, and that the source has become shorter. File systems and disks use them as well, for
 * data that fails its checksum and for a sector that cannot be read. */
static int storage_error(void) {
    return errno == EBADMSG || errno == ENODATA ? -EIO : -errno;
}

/* A call has failed with errno. Is it worth another attempt? Once it is, should the storage want
 * larger sectors than we know of. */
static bool try_again(int fd, bool *tried) {
    if (errno == EINVAL && !*tried) {
        *tried = true;
        leave_direct(fd);
        return true;
    }
    return errno == EINTR;
}

static int write_all(int fd, const uint8_t *bytes, size_t len, off_t offset) {
    bool tried = false;

    if (len % SECTOR != 0) { /* the end of the file */
        leave_direct(fd);
    }
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, offset);
        if (n < 0 && try_again(fd, &tried)) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? storage_error() : -EIO;
        }
        bytes += n;
        len -= (size_t)n;
        offset += n;
    }
    return 0;
}

/* Reads len bytes, all of them; the memory has room for one sector more. -ENODATA: the file ends
 * before. */
static int read_all(int fd, uint8_t *bytes, size_t len, off_t offset) {
    bool tried = false;

    while (len > 0) {
        size_t sectors = (len + SECTOR - 1) / SECTOR * SECTOR;
        ssize_t n = pread(fd, bytes, sectors, offset);
        if (n < 0 && try_again(fd, &tried)) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? storage_error() : -ENODATA;
        }
        size_t got = (size_t)n < len ? (size_t)n : len;
        bytes += got;
        len -= got;
        offset += (off_t)got;
    }
    return 0;
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

/* Takes up to one piece, and no more than to the piece's end. */
static bool take(struct work *work, off_t *ret_start, off_t *ret_end) {
    bool taken = false;

    pthread_mutex_lock(&work->lock);
    if (work->result == 0 && work->start >= work->end) {
        int r = work->next(work, work->end, &work->start, &work->end);
        work->result = r < 0 ? r : work->result;
        taken = r > 0;
    } else {
        taken = work->result == 0;
    }
    if (taken) {
        off_t end = (work->start / COPY_PIECE + 1) * COPY_PIECE;
        *ret_start = work->start;
        *ret_end = end < work->end ? end : work->end;
        work->start = *ret_end;
    }
    pthread_mutex_unlock(&work->lock);
    return taken;
}

static void set_result(struct work *work, int result, off_t differs) {
    pthread_mutex_lock(&work->lock);
    if (work->result == 0) {
        work->result = result;
        work->differs = differs;
    }
    pthread_mutex_unlock(&work->lock);
}

static void *work_main(void *data) {
    struct work *work = data;
    void *buffer = NULL;
    off_t start = 0;
    off_t end = 0;

    if (posix_memalign(&buffer, SECTOR, BUFFER_SIZE) != 0) {
        set_result(work, -ENOMEM, 0);
        return NULL;
    }
    while (take(work, &start, &end)) {
        int r = work->step(work, buffer, start, end);
        if (r < 0) {
            set_result(work, r, 0); /* a difference has told where: the first result counts */
        }
    }
    free(buffer);
    return NULL;
}

/* All pieces from offset on, by some threads. */
static int do_all(struct work *work, off_t offset) {
    pthread_t threads[THREADS - 1];
    size_t count = 0;

    work->start = offset;
    work->end = offset;
    work->result = 0;
    pthread_mutex_init(&work->lock, NULL);
    while (count < THREADS - 1 && pthread_create(&threads[count], NULL, work_main, work) == 0) {
        count++;
    }
    (void)work_main(work); /* fewer threads do as well */
    while (count > 0) {
        pthread_join(threads[--count], NULL);
    }
    pthread_mutex_destroy(&work->lock);
    return work->result;
}

/* -- copying -- */

/* By whole sectors, which only ever adds zeros. */
static int next_to_read(const struct work *work, off_t offset, off_t *ret_start, off_t *ret_end) {
    off_t start = 0;
    off_t end = 0;

    int r = next_data(work->from, offset, work->size, &start, &end);
    if (r > 0) {
        start -= start % SECTOR;
        end += (SECTOR - end % SECTOR) % SECTOR;
        *ret_start = start > offset ? start : offset;
        *ret_end = end < work->size ? end : work->size;
    }
    return r;
}

static int copy_step(struct work *work, uint8_t *buffer, off_t start, off_t end) {
    off_t first = 0;
    off_t last = start;

    int r = read_all(work->from, buffer, (size_t)(end - start), start);
    if (r < 0) {
        return r;
    }
    copy_written_add_data(work->written, start, buffer, (size_t)(end - start));
    while (r == 0 && copy_written_next(work->written, last, end, true, &first, &last)) {
        r = write_all(work->to, buffer + (first - start), (size_t)(last - first), first);
        if (r == 0) {
            r = flush_behind(work->to, first, last);
        }
    }
    return r < 0 ? r : copy_meter_add(work->meter, (uint64_t)(end - start));
}

/* Is it said where holes are? A hole of the new file is known to be there; of the source, its space
 * tells. */
static bool tells_holes(int from, int to, off_t size) {
    struct stat status;

    if (lseek(to, 0, SEEK_DATA) >= 0 || errno != ENXIO || fstat(from, &status) < 0) {
        return false;
    }
    return status.st_blocks >= size / 512 || lseek(from, 0, SEEK_HOLE) < size;
}

/* The kernel or the file server copies. 0; 1: it cannot, and *offset says how far it came; or a
 * negative errno. */
static int copy_by_kernel(const struct work *work, off_t *offset) {
    off_t start = 0;
    off_t end = 0;
    int r;

    while ((r = next_data(work->from, *offset, work->size, &start, &end)) > 0) {
        off_t in = start;
        off_t out = start;
        size_t len = (size_t)(end - start);
        ssize_t n = copy_file_range(work->from, &in, work->to, &out,
                                    len < RANGE_SIZE ? len : RANGE_SIZE, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS) {
            return -errno;
        }
        /* Some file systems return 0 instead of an error; reading tells whether the file ends. */
        if (n <= 0) {
            return 1;
        }
        *offset = start + n;
        copy_written_add(work->written, start, *offset);
        r = flush_behind(work->to, start, *offset);
        if (r == 0) {
            r = copy_meter_add(work->meter, (uint64_t)n);
        }
        if (r < 0) {
            return r;
        }
    }
    return r;
}

int copy_data(int from, int to, struct copy_written *written, struct copy_meter *meter) {
    struct work work = {.from = from,
                        .to = to,
                        .size = written->size,
                        .written = written,
                        .meter = meter,
                        .next = next_to_read,
                        .step = copy_step};

    off_t done = 0;

    if (ftruncate(to, work.size) < 0) {
        return -errno;
    }
    int r = tells_holes(from, to, work.size) ? copy_by_kernel(&work, &done) : 1;
    if (r <= 0) {
        return r;
    }
    go_direct(from);
    go_direct(to);
    return do_all(&work, done);
}

/* -- comparing -- */

static int next_written(const struct work *work, off_t offset, off_t *ret_start, off_t *ret_end) {
    return copy_written_next(work->known_written, offset, work->size, true, ret_start, ret_end);
}

static int compare(struct work *work, uint8_t *buffer, off_t start, off_t end) {
    uint8_t *const mine = buffer;
    uint8_t *const copied = buffer + COPY_PIECE;
    const size_t len = (size_t)(end - start);

    int r = read_all(work->from, mine, len, start);
    if (r == 0) {
        r = read_all(work->to, copied, len, start);
    }
    if (r < 0 || memcmp(mine, copied, len) == 0) {
        return r;
    }
    size_t i = 0;
    while (mine[i] == copied[i]) {
        i++;
    }
    set_result(work, -EBADMSG, start + (off_t)i);
    return -EBADMSG;
}

static int compare_step(struct work *work, uint8_t *buffer, off_t start, off_t end) {
    int r = compare(work, buffer, start, end);
    return r < 0 ? r : copy_meter_add(work->meter, (uint64_t)(end - start));
}

static int next_in_copy(const struct work *work, off_t offset, off_t *ret_start, off_t *ret_end) {
    return next_data(work->to, offset, work->size, ret_start, ret_end);
}

/* Of what is data in the copy, that which was never written. */
static int compare_rest_step(struct work *work, uint8_t *buffer, off_t start, off_t end) {
    off_t first = 0;
    off_t last = start;
    int r = copy_meter_add(work->meter, 0);

    while (r == 0 && copy_written_next(work->known_written, last, end, false, &first, &last)) {
        r = compare(work, buffer, first, last);
    }
    return r;
}

int copy_data_compare(int from, int to, const struct copy_written *written,
                      struct copy_meter *meter, off_t *ret_offset) {
    struct work work = {.from = from,
                        .to = to,
                        .size = written->size,
                        .known_written = written,
                        .meter = meter,
                        .next = next_written,
                        .step = compare_step};

    /* What is flushed leaves the memory: the bytes come from the storage. A file system that does
     * not follow this advice is no worse off. */
    (void)posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED);
    go_direct(to);
    int r = do_all(&work, 0);
    /* A file system that tells no holes calls all of the copy data; to read it would take as long
     * as reading all of the source. */
    off_t hole = lseek(to, 0, SEEK_HOLE);
    if (r == 0 && hole >= 0 && hole < work.size) {
        work.next = next_in_copy;
        work.step = compare_rest_step;
        r = do_all(&work, 0);
    }
    if (r == -EBADMSG) {
        *ret_offset = work.differs;
    }
    return r;
}
