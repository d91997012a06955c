/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that clusterctl writes: see new_file.h.
 */
#include "new_file.h"
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int new_file_create(struct new_file *file, const char *prefix, const char *suffix) {
    char *part = NULL;
    if (asprintf(&part, "%sXXXXXX%s", prefix, suffix) < 0) {
        return -ENOMEM;
    }
    /* O_EXCL, mode 0600; O_EXCL follows no link. */
    int fd = mkostemps(part, (int)strlen(suffix), O_CLOEXEC);
    FILE *stream = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (stream == NULL) {
        int r = -errno;
        if (fd >= 0) {
            close(fd);
            (void)unlink(part);
        }
        free(part);
        return r;
    }
    *file = (struct new_file){.stream = stream, .part = part};
    return 0;
}

/* The links of /dev and /proc to what this process has open; nobody but root can change them. */
static bool is_own_stream(const char *path) {
    return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0 ||
           strncmp(path, "/dev/fd/", strlen("/dev/fd/")) == 0 ||
           strncmp(path, "/proc/self/fd/", strlen("/proc/self/fd/")) == 0;
}

/* Neither created nor cut: if a file has come in its place meanwhile, that is not touched. */
static int open_in_place(struct new_file *file, const char *path) {
    struct stat status;
    bool own = is_own_stream(path);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | (own ? 0 : O_NOFOLLOW));
    if (fd < 0) {
        return -errno;
    }
    bool fits =
        fstat(fd, &status) == 0 && (own || S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
    FILE *stream = fits ? fdopen(fd, "w") : NULL;
    if (stream == NULL) {
        close(fd);
        return fits ? -ENOMEM : -EINVAL;
    }
    *file = (struct new_file){.stream = stream};
    return 0;
}

static int open_beside(struct new_file *file, const char *path) {
    const char *slash = strrchr(path, '/');
    size_t parent = slash != NULL ? (size_t)(slash + 1 - path) : 0;
    char *prefix = NULL;
    if (asprintf(&prefix, "%.*s.%s.", (int)parent, path, path + parent) < 0) {
        return -ENOMEM;
    }
    char *copy = strdup(path);
    int r = copy != NULL ? new_file_create(file, prefix, "") : -ENOMEM;
    free(prefix);
    if (r < 0) {
        free(copy);
        return r;
    }
    file->path = copy;
    return 0;
}

int new_file_open(struct new_file *file, const char *path) {
    struct stat status;
    int r = lstat(path, &status) < 0 ? -errno : 0;
    if (r == -ENOENT || (r == 0 && S_ISREG(status.st_mode))) {
        return open_beside(file, path);
    }
    return r < 0 ? r : open_in_place(file, path);
}

int new_file_finish(struct new_file *file, int error) {
    CHECK(file->stream != NULL);
    errno = 0;
    bool whole = error == 0 && fflush(file->stream) == 0 && ferror(file->stream) == 0;
    if (whole && file->part != NULL) {
        whole = fsync(fileno(file->stream)) == 0;
    }
    int r = error < 0 ? error : whole ? 0 : errno != 0 ? -errno : -EIO;
    if (fclose(file->stream) != 0 && r == 0) {
        r = -errno;
    }
    file->stream = NULL;
    if (r == 0 && file->path != NULL && rename(file->part, file->path) < 0) {
        r = -errno;
    }
    if (r < 0 && file->part != NULL) {
        (void)unlink(file->part);
    }
    return r;
}

void new_file_release(struct new_file *file) {
    if (file->stream != NULL) {
        (void)new_file_finish(file, -ECANCELED);
    }
    free(file->part);
    free(file->path);
    *file = (struct new_file){.stream = NULL};
}
