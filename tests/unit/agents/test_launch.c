/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which processes launch.c ends. The daemon is this program, copied and named libvirtd: what counts
 * is a process in a VM's PID file that hangs and still is libvirtd. It forks twice, as libvirt
 * does: the one that hangs is no child of the daemon.
 */
#include "../../../resource-agents/vm/launch.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h> /* cmocka needs it, and the next three */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../../resource-agents/vm/qemu_kill.h"

static char dir[] = "/tmp/clusterd-launch-XXXXXX";
static char daemon_path[PATH_MAX];
static const char *const qemu_for_7_s[] = {"sleep", "7", NULL};

/* ---- the daemon ---- */

static void *wait_for_ever(void *data) {
    for (;;) {
        pause();
    }
    return data;
}

/* What it forks hangs, hangs in two threads as a daemon would, or becomes another program. */
static void be_launched(const char *what) {
    pthread_t thread;

    if (strcmp(what, "becomes-qemu") == 0) {
        execvp(qemu_for_7_s[0], (char *const *)qemu_for_7_s);
        _exit(127);
    }
    if (strcmp(what, "threads") == 0 && pthread_create(&thread, NULL, wait_for_ever, NULL) != 0) {
        _exit(127);
    }
    wait_for_ever(NULL);
}

static int be_daemon(const char *what) {
    pid_t child = fork();

    if (child == 0) {
        pid_t launched = fork();
        if (launched == 0) {
            be_launched(what);
        }
        printf("%d\n", (int)launched);
        fflush(stdout);
        _exit(0);
    }
    return child < 0 || waitpid(child, NULL, 0) != child;
}

static void pid_file(const char *name, char path[static PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s.pid", dir, name);
}

/* Starts a VM of that name; returns when its PID file tells of the process. */
static pid_t begin(const char *name, const char *what) {
    char command[PATH_MAX + 64];
    char path[PATH_MAX];
    int pid = 0;

    snprintf(command, sizeof(command), "exec %s %s", daemon_path, what);
    FILE *says = popen(command, "re");
    assert_non_null(says);
    assert_int_equal(fscanf(says, "%d", &pid), 1);
    assert_true(pid > 1);
    pid_file(name, path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "%d\n", pid);
    fclose(file);
    pclose(says); /* with its end, the launched one is ours */
    return (pid_t)pid;
}

static int wait_status(pid_t pid) {
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool runs(pid_t pid) {
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static void end(pid_t pid) {
    assert_true(runs(pid));
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(WTERMSIG(wait_status(pid)), SIGTERM);
}

/* ---- the test ---- */

static int set_up(void **state) {
    (void)state;
    struct stat size;

    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_non_null(mkdtemp(dir));
    qemu_state_dir = dir;
    snprintf(daemon_path, sizeof(daemon_path), "%s/libvirtd", dir);
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
    static const char *const names[] = {"hung", "good", "other", "daemon"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        pid_file(names[i], path);
        unlink(path);
    }
    unlink(daemon_path);
    rmdir(dir);
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

static void test_only_the_own_child_that_hangs_is_ended(void **state) {
    (void)state;
    static const struct params params[] = {{.name = "hung"}, {.name = "good"}};
    static struct operation operations[2];
    static struct launch launches[2];

    for (size_t i = 0; i < 2; i++) {
        prepare(&operations[i], &params[i]);
        launch_begin(&launches[i], &operations[i]);
    }
    const pid_t other = begin("other", "hangs");
    const pid_t hung = begin("hung", "hangs");
    const pid_t good = begin("good", "becomes-qemu");
    assert_int_equal(WTERMSIG(wait_status(hung)), SIGKILL);
    assert_true(launch_end(&launches[0]));
    int status = wait_status(good);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_false(launch_end(&launches[1]));
    end(other);
}

static void test_nothing_hangs(void **state) {
    (void)state;
    static const struct params params = {.name = "hung"};
    static struct operation operation;
    static struct launch launch;

    prepare(&operation, &params);
    launch_begin(&launch, &operation);
    const pid_t pid = begin("hung", "hangs");
    assert_false(launch_end(&launch)); /* it has only just begun */
    end(pid);
}

static void test_the_watch_ends_what_others_left(void **state) {
    (void)state;
    struct timespec began;
    struct timespec ended;
    const struct timespec pause_between = {.tv_nsec = 100 * 1000 * 1000};
    int status = 0;

    clock_gettime(CLOCK_BOOTTIME, &began);
    const pid_t hung = begin("hung", "hangs");
    const pid_t good = begin("good", "becomes-qemu");
    const pid_t daemon = begin("daemon", "threads");
    while (waitpid(hung, &status, WNOHANG) == 0) {
        launch_end_all_hung();
        nanosleep(&pause_between, NULL);
    }
    clock_gettime(CLOCK_BOOTTIME, &ended);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_true(ended.tv_sec - began.tv_sec >= 2 * LAUNCH_HANGS_MS / 1000 - 1);
    end(daemon);
    status = wait_status(good);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_own_child_that_hangs_is_ended),
        cmocka_unit_test(test_nothing_hangs),
        cmocka_unit_test(test_the_watch_ends_what_others_left),
    };
    if (argc > 1) {
        return be_daemon(argv[1]);
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
