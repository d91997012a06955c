/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which processes launch.c ends. The daemon is this program, copied and named libvirtd: what counts
 * is a child that hangs and still is libvirtd.
 */
#include "../../../resource-agents/vm/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h> /* cmocka needs it, and the next three */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { CHILD_ENDED = 0, CHILD_WAS_KILLED = 9, CANNOT = 99 };

static char daemon_path[] = "/tmp/clusterd-launch-XXXXXX/libvirtd";
static const char *const qemu_for_7_s[] = {"sleep", "7", NULL};

/* ---- the daemon ---- */

/* Its child hangs, or becomes another program. Says so, and tells how the child ended. */
static int be_daemon(bool hangs) {
    int status = 0;
    pid_t child = fork();

    if (child == 0 && hangs) {
        for (;;) {
            pause();
        }
    }
    if (child == 0) {
        execvp(qemu_for_7_s[0], (char *const *)qemu_for_7_s);
        _exit(CANNOT);
    }
    printf("%d\n", (int)child);
    fflush(stdout);
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return CANNOT;
    }
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

struct daemon {
    FILE *says;
    pid_t child;
};

/* Returns when it has its child. */
static struct daemon begin(const char *what) {
    char command[128];
    struct daemon daemon = {.child = 0};
    int child = 0;

    snprintf(command, sizeof(command), "exec %s %s", daemon_path, what);
    daemon.says = popen(command, "re");
    assert_non_null(daemon.says);
    assert_int_equal(fscanf(daemon.says, "%d", &child), 1);
    daemon.child = (pid_t)child;
    return daemon;
}

static int end(const struct daemon *daemon) {
    int status = pclose(daemon->says);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- the test ---- */

static int set_up(void **state) {
    (void)state;
    struct stat size;

    char *slash = strrchr(daemon_path, '/');
    *slash = '\0';
    assert_non_null(mkdtemp(daemon_path));
    *slash = '/';
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(daemon_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    assert_true(from >= 0 && to >= 0 && fstat(from, &size) == 0);
    for (off_t left = size.st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        assert_true(n > 0);
        left -= n;
    }
    close(from);
    close(to);
    return 0;
}

static int tear_down(void **state) {
    (void)state;

    unlink(daemon_path);
    *strrchr(daemon_path, '/') = '\0';
    rmdir(daemon_path);
    return 0;
}

static void prepare(struct operation *operation, const struct params *params) {
    pthread_condattr_t attr;

    *operation = (struct operation){.params = params};
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&operation->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&operation->lock, NULL);
}

static void test_only_what_hangs_is_ended(void **state) {
    (void)state;
    static const struct params params = {.name = "vm1"};
    static struct operation operation;
    static struct launch launch;
    const struct timespec some_ticks = {.tv_nsec = 50 * 1000 * 1000};

    prepare(&operation, &params);
    const struct daemon earlier = begin("hangs"); /* another start's, perhaps */
    nanosleep(&some_ticks, NULL); /* the kernel tells in ticks when a process began */
    launch_begin(&launch, &operation);
    const struct daemon hung = begin("hangs");
    const struct daemon good = begin("becomes-qemu");
    assert_int_equal(end(&hung), CHILD_WAS_KILLED);
    assert_int_equal(end(&good), CHILD_ENDED);
    assert_true(launch_end(&launch));

    assert_int_equal(kill(earlier.child, SIGTERM), 0);
    assert_int_equal(end(&earlier), SIGTERM);
}

static void test_nothing_hangs(void **state) {
    (void)state;
    static const struct params params = {.name = "vm1"};
    static struct operation operation;
    static struct launch launch;

    prepare(&operation, &params);
    launch_begin(&launch, &operation);
    const struct daemon daemon = begin("hangs");
    assert_false(launch_end(&launch)); /* it has only just begun */
    assert_int_equal(kill(daemon.child, SIGTERM), 0);
    assert_int_equal(end(&daemon), SIGTERM);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_hangs_is_ended),
        cmocka_unit_test(test_nothing_hangs),
    };
    if (argc > 1) {
        return be_daemon(strcmp(argv[1], "hangs") == 0);
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
