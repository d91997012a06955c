/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Do the locks of a file system end with their file? See file_locks.h. */
#include "file_locks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* Whoever is late is so nearly always. */
enum { TRIES = 5 };

static const struct flock byte = {
    .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)1 << 50, .l_len = 1};

/* Locks with one opening, closes it, and looks with another one. */
static int try_once(const char *path) {
    struct flock lock = byte;
    struct flock seen = byte;

    int first = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (first < 0) {
        return -errno;
    }
    int second = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int r = second < 0 || fcntl(first, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
    close(first);
    seen.l_type = F_WRLCK;
    if (r == 0 && fcntl(second, F_OFD_GETLK, &seen) < 0) {
        r = -errno;
    }
    if (second >= 0) {
        close(second);
    }
    return r < 0 ? r : seen.l_type == F_UNLCK;
}

int file_locks_end_with_close(const char *path) {
    int r = 1;

    for (int i = 0; r == 1 && i < TRIES; i++) {
        r = try_once(path);
    }
    return r;
}
