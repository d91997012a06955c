/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log and its reader: nobody waits for one that is stopped. A child logs to a pipe in place of
 * stderr; the test reads it, or does not.
 */
#include "adapters/clock.h"
#include "adapters/log_writer.h"
#include "adapters/logging.h"
#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES 5000u /* more than the queue holds */
#define SAID_BYTES ((size_t)1 << 20)

struct child {
    pid_t pid;
    int log_fd;          /* what it writes to stderr */
    int said_fd, ask_fd; /* from the child a byte per step, and the next step for it */
};

static char said[SAID_BYTES]; /* by the log */

/* ---- the child ---- */

struct steps {
    int said_fd, ask_fd;
};

static void step(const struct steps *s) {
    char byte = 0;
    if (write(s->said_fd, "s", 1) != 1 || read(s->ask_fd, &byte, 1) != 1) {
        _exit(9);
    }
}

static void log_many(const struct steps *s) {
    for (unsigned i = 0; i < LINES; i++) {
        log_info("line %u", i);
    }
    step(s);
    log_info("the last one");
    log_close();
}

static void crash(const struct steps *s) {
    (void)s;
    log_info("just before");
    CHECK(s->said_fd < 0);
}

static void crash_unread(const struct steps *s) {
    for (unsigned i = 0; i < LINES; i++) {
        log_info("line %u", i);
    }
    crash(s);
}

static void few_words(const struct steps *s) {
    log_debug("not asked for");
    log_error("two\nlines");
    step(s);
    log_close();
    log_info("after the end");
}

/* ---- the test ---- */

/* From now on, whoever writes to the pipe waits for its reader. */
static void fill(int fd) {
    char byte = '.';
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (write(fd, &byte, 1) == 1) {
    }
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

enum log_pipe { LOG_EMPTY, LOG_FULL };

static struct child start(void (*run)(const struct steps *s), enum log_pipe log_pipe) {
    int log[2], to[2], from[2];
    assert_true(pipe(log) == 0 && pipe(to) == 0 && pipe(from) == 0);
    if (log_pipe == LOG_FULL) {
        fill(log[1]);
    }
    struct child c = {.log_fd = log[0], .said_fd = from[0], .ask_fd = to[1]};
    c.pid = fork();
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        const struct steps steps = {.said_fd = from[1], .ask_fd = to[0]};
        const struct rlimit no_core = {0, 0};
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)unsetenv("JOURNAL_STREAM");
        (void)dup2(log[1], STDERR_FILENO);
        (void)close(log[0]);
        (void)close(log[1]);
        if (log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO) < 0) {
            _exit(8);
        }
        run(&steps);
        _exit(0);
    }
    (void)close(log[1]);
    (void)close(from[1]);
    (void)close(to[0]);
    return c;
}

static void wait_step(const struct child *c) {
    char byte = 0;
    assert_int_equal(read(c->said_fd, &byte, 1), 1);
}

static void go_on(const struct child *c) {
    assert_int_equal(write(c->ask_fd, "g", 1), 1);
}

/* Until the log's text has these words; NULL: until its end. */
static void read_log(const struct child *c, size_t *size, const char *words) {
    ssize_t n = 1;
    while (n > 0 && (!words || !strstr(said, words))) {
        assert_true(*size < SAID_BYTES - 1);
        n = read(c->log_fd, said + *size, SAID_BYTES - 1 - *size);
        assert_true(n >= 0);
        *size += (size_t)n;
        said[*size] = '\0';
    }
    assert_true(n > 0 || !words);
}

static int end(struct child *c) {
    int status = 0;
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    (void)close(c->log_fd);
    (void)close(c->said_fd);
    (void)close(c->ask_fd);
    return status;
}

/* How many lines of log_many() there are; they are the first ones, in order. */
static unsigned count_lines(void) {
    char expected[32];
    const char *place = said;
    unsigned n = 0;
    for (;; n++) {
        (void)snprintf(expected, sizeof(expected), " info: line %u\n", n);
        const char *found = strstr(place, expected);
        if (!found) {
            return n;
        }
        place = found + 1;
    }
}

static void test_the_log_is_not_read(void **state) {
    size_t size = 0;
    unsigned dropped = 0;
    (void)state;
    said[0] = '\0';
    struct child c = start(log_many, LOG_FULL);
    wait_step(&c); /* it goes on, though nobody reads */
    read_log(&c, &size, "too slow\n");
    go_on(&c);
    read_log(&c, &size, NULL);
    assert_int_equal(end(&c), 0);
    const char *told = strstr(said, " warning: ");
    assert_non_null(told);
    assert_int_equal(sscanf(told, " warning: %u lines were dropped here", &dropped), 1);
    assert_in_range(dropped, LINES - LOG_WRITER_LINES - 1, LINES - LOG_WRITER_LINES);
    assert_int_equal(count_lines() + dropped, LINES);
    assert_non_null(strstr(told, " info: the last one\n"));
    assert_null(strstr(told + 1, " warning: "));
}

static void test_the_end_does_not_wait_for_the_reader(void **state) {
    (void)state;
    struct child c = start(log_many, LOG_FULL);
    wait_step(&c);
    uint64_t began = clock_now_ms();
    go_on(&c);
    int status = 0;
    assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
    assert_int_equal(status, 0);
    assert_in_range(clock_now_ms() - began, 900, 5000);
    (void)close(c.log_fd);
    (void)close(c.said_fd);
    (void)close(c.ask_fd);
}

static void test_what_is_queued_is_written_at_the_end(void **state) {
    size_t size = 0;
    (void)state;
    said[0] = '\0';
    struct child c = start(few_words, LOG_EMPTY);
    wait_step(&c);
    go_on(&c);
    read_log(&c, &size, NULL);
    assert_int_equal(end(&c), 0);
    assert_null(strstr(said, "not asked for"));
    assert_non_null(strstr(said, " error: two lines\nclusterd: after the end\n"));
}

static void test_a_crash_says_why(void **state) {
    size_t size = 0;
    (void)state;
    said[0] = '\0';
    struct child c = start(crash, LOG_EMPTY);
    read_log(&c, &size, NULL);
    assert_int_equal(WTERMSIG(end(&c)), SIGABRT);
    const char *before = strstr(said, " info: just before\n");
    assert_non_null(before);
    assert_non_null(strstr(before, " error: internal check failed: s->said_fd < 0 at "));
    assert_int_equal(said[size - 1], '\n');
}

static void test_a_crash_does_not_wait_for_the_reader(void **state) {
    uint64_t began = clock_now_ms();
    (void)state;
    struct child c = start(crash_unread, LOG_FULL);
    assert_int_equal(WTERMSIG(end(&c)), SIGABRT);
    assert_in_range(clock_now_ms() - began, 0, 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_log_is_not_read),
        cmocka_unit_test(test_the_end_does_not_wait_for_the_reader),
        cmocka_unit_test(test_what_is_queued_is_written_at_the_end),
        cmocka_unit_test(test_a_crash_says_why),
        cmocka_unit_test(test_a_crash_does_not_wait_for_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
