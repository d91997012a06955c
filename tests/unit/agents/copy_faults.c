/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A library for LD_PRELOAD: what the storage does to a copy, at the very call that a test names. So
 * a test needs neither luck nor root to break off a copy anywhere.
 *
 * CLUSTERD_COPY_FAULTS is a list "CALL:N=WHAT,..."; N counts the calls of that name from 1, * is
 * each of them, and @OFFSET those of pread() and pwrite() that begin there in the copy. WHAT is
 * done instead of the call:
 *
 *   kill        SIGKILL, as when clusterd or the node dies
 *   EIO, ...    the call fails
 *   blind       lseek: as a file system that tells no holes
 *
 * or before it:
 *
 *   stop        SIGSTOP: the test looks around, changes something, and sends SIGCONT
 *   pause       0.6 s
 *   slow        1.2 s
 *   hang        for ever
 *   flip        pread: the first byte read is another one
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum what { NOTHING, FAILED, FLIP, BLIND };

struct counter {
    const char *name;
    unsigned int calls;
};

/* Sets errno for FAILED. */
static enum what do_fault(const char *what) {
    static const struct {
        const char *name;
        int number;
    } errors[] = {
        {"EIO", EIO},        {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},         {"EXDEV", EXDEV},
        {"EPERM", EPERM},    {"EINVAL", EINVAL}, {"EOPNOTSUPP", EOPNOTSUPP}, {"EBADMSG", EBADMSG},
        {"ENODATA", ENODATA}};
    struct timespec slow = {.tv_sec = 1, .tv_nsec = 200000000};
    struct timespec moment = {.tv_nsec = 600000000};

    if (strcmp(what, "kill") == 0) {
        raise(SIGKILL);
    } else if (strcmp(what, "stop") == 0) {
        raise(SIGSTOP);
    } else if (strcmp(what, "slow") == 0) {
        nanosleep(&slow, NULL);
    } else if (strcmp(what, "pause") == 0) {
        nanosleep(&moment, NULL);
    } else if (strcmp(what, "hang") == 0) {
        for (;;) {
            pause();
        }
    } else if (strcmp(what, "flip") == 0) {
        return FLIP;
    } else if (strcmp(what, "blind") == 0) {
        return BLIND;
    }
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(what, errors[i].name) == 0) {
            errno = errors[i].number;
            return FAILED;
        }
    }
    return NOTHING;
}

/* Several threads may be here at once. */
static enum what fault_at(struct counter *counter, int fd, off_t offset) {
    const char *text = getenv("CLUSTERD_COPY_FAULTS");
    char list[512];
    char *rest = NULL;
    enum what done = NOTHING;

    unsigned int calls = __atomic_add_fetch(&counter->calls, 1, __ATOMIC_SEQ_CST);
    bool copy = fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
    snprintf(list, sizeof(list), "%s", text != NULL ? text : "");
    for (char *item = strtok_r(list, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        char name[32];
        char number[16];
        char what[16];
        if (sscanf(item, "%31[^:]:%15[^=]=%15s", name, number, what) == 3 &&
            strcmp(name, counter->name) == 0 &&
            (strcmp(number, "*") == 0 || (unsigned int)atoi(number) == calls ||
             (number[0] == '@' && copy && atoll(number + 1) == offset))) {
            done = do_fault(what);
        }
    }
    return done;
}

static enum what fault(struct counter *counter) {
    return fault_at(counter, -1, 0);
}

#define REAL(NAME, TYPE, ...) ((TYPE(*)(__VA_ARGS__))dlsym(RTLD_NEXT, NAME))
#define COUNTED(NAME) static struct counter counter = {NAME, 0}

/* glibc has names of its own for the parameters.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t len,
                        unsigned int flags) {
    COUNTED("copy_file_range");
    if (fault(&counter) == FAILED) {
        return -1;
    }
    return REAL("copy_file_range", ssize_t, int, off_t *, int, off_t *, size_t,
                unsigned int)(in, in_at, out, out_at, len, flags);
}

int ioctl(int fd, unsigned long request, ...) {
    COUNTED("ioctl");
    va_list args;
    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    return fault(&counter) == FAILED
               ? -1
               : REAL("ioctl", int, int, unsigned long, ...)(fd, request, argument);
}

int fsync(int fd) {
    COUNTED("fsync");
    return fault(&counter) == FAILED ? -1 : REAL("fsync", int, int)(fd);
}

int ftruncate(int fd, off_t size) {
    COUNTED("ftruncate");
    return fault(&counter) == FAILED ? -1 : REAL("ftruncate", int, int, off_t)(fd, size);
}

int link(const char *from, const char *to) {
    COUNTED("link");
    return fault(&counter) == FAILED ? -1 : REAL("link", int, const char *, const char *)(from, to);
}

int unlink(const char *path) {
    COUNTED("unlink");
    return fault(&counter) == FAILED ? -1 : REAL("unlink", int, const char *)(path);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) {
    COUNTED("pwrite");
    return fault_at(&counter, fd, offset) == FAILED
               ? -1
               : REAL("pwrite", ssize_t, int, const void *, size_t, off_t)(fd, bytes, len, offset);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset) {
    COUNTED("pread");
    enum what done = fault_at(&counter, fd, offset);
    if (done == FAILED) {
        return -1;
    }
    ssize_t n = REAL("pread", ssize_t, int, void *, size_t, off_t)(fd, bytes, len, offset);
    if (done == FLIP && n > 0) {
        ((unsigned char *)bytes)[0] ^= 1;
    }
    return n;
}

off_t lseek(int fd, off_t offset, int whence) {
    COUNTED("lseek");
    enum what done = fault(&counter);
    if (done == FAILED) {
        return -1;
    }
    if (done == BLIND && whence == SEEK_DATA) {
        return offset;
    }
    return REAL("lseek", off_t, int, off_t, int)(fd, done == BLIND ? 0 : offset,
                                                 done == BLIND ? SEEK_END : whence);
}

/* What pread() becomes with _FORTIFY_SOURCE. */
ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t offset, size_t room);
ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t offset, size_t room) {
    return len > room ? -1 : pread(fd, bytes, len, offset);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
