/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whichever of descriptors 0 to 2 are closed: no file that is opened later becomes one of them. */
#include "base/standard_fds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

static bool fails(int fd) {
    char byte = 'x';
    ssize_t n = fd == 0 ? read(fd, &byte, 1) : write(fd, &byte, 1);
    return n < 0 && errno == EBADF;
}

/* In a process of its own. 0: all is well. */
static int with_closed(unsigned closed) {
    for (int fd = 0; fd < 3; fd++) {
        if (closed & 1u << fd) {
            (void)close(fd);
        }
    }
    if (standard_fds_occupy() != 0 || open("/dev/zero", O_RDWR) < 3) {
        return 1;
    }
    for (int fd = 0; fd < 3; fd++) {
        if ((closed & 1u << fd) && !fails(fd)) {
            return 2;
        }
    }
    return 0;
}

static void test_each_set(void **state) {
    (void)state;
    for (unsigned closed = 0; closed < 8; closed++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            _exit(with_closed(closed));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_set)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
