/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what, by the groups of a real process.
 */
#include "adapters/ipc/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER 65534 /* nobody */

/* A child of that user with these groups, that waits to be looked at. */
static pid_t child_with(gid_t gid, const gid_t *groups, size_t n) {
    int fds[2];
    char byte = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setgroups(n, groups) < 0 || setgid(gid) < 0 || setuid(USER) < 0 ||
            write(fds[1], "x", 1) != 1) {
            _exit(1);
        }
        (void)pause();
        _exit(0);
    }
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    (void)close(fds[0]);
    return pid;
}

static void end(pid_t pid) {
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static gid_t gid_of(const char *name) {
    const struct group *group = getgrnam(name);
    assert_non_null(group);
    return group->gr_gid;
}

static void test_groups(void **state) {
    /* Two groups that every Debian has stand in for ours. */
    const struct ipc_groups groups = {.admin_group = "adm", .reader_group = "video"};
    const struct ipc_groups absent = {.admin_group = "no-such-group", .reader_group = ""};
    const gid_t adm[] = {gid_of("tty"), gid_of("adm")}, video[] = {gid_of("video")};
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    pid_t pid = child_with(gid_of("nogroup"), adm, 2);
    assert_int_equal(ipc_access_of(&groups, pid, USER, gid_of("nogroup")), IPC_ACCESS_CHANGE);
    assert_int_equal(ipc_access_of(&absent, pid, USER, gid_of("nogroup")), IPC_ACCESS_NONE);
    /* The process that has this number now is of another user: nothing is believed. */
    assert_int_equal(ipc_access_of(&groups, pid, USER - 1, gid_of("nogroup")), IPC_ACCESS_NONE);
    end(pid);
    pid = child_with(gid_of("nogroup"), video, 1);
    assert_int_equal(ipc_access_of(&groups, pid, USER, gid_of("nogroup")), IPC_ACCESS_READ);
    end(pid);
    pid = child_with(gid_of("nogroup"), NULL, 0);
    assert_int_equal(ipc_access_of(&groups, pid, USER, gid_of("nogroup")), IPC_ACCESS_NONE);
    assert_int_equal(ipc_access_of(&groups, pid, USER, gid_of("adm")),
                     IPC_ACCESS_CHANGE); /* primary group */
    end(pid);
    assert_int_equal(ipc_access_of(&groups, 1 << 22, USER, gid_of("nogroup")),
                     IPC_ACCESS_NONE); /* it has gone */
    assert_int_equal(ipc_access_of(&absent, 1, 0, 0), IPC_ACCESS_CHANGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
