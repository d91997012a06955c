/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors 0 to 2 of a process. See standard_fds.h. */
#include "base/standard_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Each has the direction that nobody uses it in, so that read() and write() fail with EBADF. */
int standard_fds_occupy(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) { /* the lowest */
            return -errno;
        }
    }
    return 0;
}
