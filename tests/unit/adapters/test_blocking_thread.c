/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call that hangs hangs in its thread: the loop goes on, and so does the end of the process.
 */
#include "harness.h"

#include "adapters/blocking_thread.h"
#include "adapters/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Hangs until its pipe is closed. */
struct job {
    struct blocking_job base;
    int fds[2];
    int dropped_fd; /* gets a byte when the job is dropped */
    int number;
    sigset_t blocked; /* in the thread */
};

static struct harness h;
static struct blocking_thread *thread;
static int order[4], n_done;
static sigset_t blocked;

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    n_done = 0;
    return blocking_thread_create(h.loop, &thread);
}

static int teardown(void **state) {
    (void)state;
    harness_finish(&h);
    return 0;
}

static void run(struct blocking_job *base) {
    struct job *job = (struct job *)base;
    char byte = 0;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &job->blocked);
    while (read(job->fds[0], &byte, 1) > 0) {
    }
}

static void job_free(struct job *job) {
    (void)close(job->fds[0]);
    free(job);
}

static void done(struct blocking_job *base) {
    struct job *job = (struct job *)base;
    const struct event_sink sink = harness_sink(&h);
    const struct core_event event = {.type = CORE_EVENT_STOP};
    order[n_done++] = job->number;
    blocked = job->blocked;
    job_free(job);
    sink_post(&sink, &event);
}

static void drop(struct blocking_job *base) {
    struct job *job = (struct job *)base;
    int fd = job->dropped_fd;
    job_free(job);
    (void)!write(fd, "d", 1);
}

/* Gives a job to the thread; returns what lets it go on when it is closed. */
static int give(int number, int dropped_fd) {
    struct job *job = calloc(1, sizeof(*job));
    assert_non_null(job);
    assert_int_equal(pipe(job->fds), 0);
    int hold = job->fds[1];
    job->base = (struct blocking_job){.run = run, .done = done, .drop = drop};
    job->dropped_fd = dropped_fd;
    job->number = number;
    blocking_thread_run(thread, &job->base);
    return hold;
}

static void test_the_loop_goes_on_and_jobs_keep_their_order(void **state) {
    (void)state;
    int first = give(1, -1), second = give(2, -1);
    harness_run(&h, 50); /* its timer fires while the first job hangs */
    assert_int_equal(n_done, 0);
    (void)close(second);
    (void)close(first);
    assert_int_equal(harness_wait(&h, 10000)->type, CORE_EVENT_STOP);
    assert_int_equal(harness_wait(&h, 10000)->type, CORE_EVENT_STOP);
    assert_int_equal(n_done, 2);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    blocking_thread_destroy(thread, 10000);
}

static void test_at_the_end_given_jobs_are_waited_for(void **state) {
    int dropped[2];
    char byte = 0;
    (void)state;
    assert_int_equal(pipe(dropped), 0);
    (void)close(give(1, dropped[1]));
    blocking_thread_destroy(thread, 10000);
    assert_int_equal(read(dropped[0], &byte, 1), 1); /* dropped by now, not done */
    assert_int_equal(n_done, 0);
    (void)close(dropped[0]);
    (void)close(dropped[1]);
}

static void test_the_end_does_not_wait_for_a_job_that_hangs(void **state) {
    int dropped[2];
    char byte = 0;
    (void)state;
    assert_int_equal(pipe(dropped), 0);
    int hold = give(1, dropped[1]);
    uint64_t began = clock_now_ms();
    blocking_thread_destroy(thread, 50);
    uint64_t took = clock_now_ms() - began;
    assert_in_range(took, 49, 5000);
    (void)close(hold); /* it goes on after all: what it holds is freed */
    assert_int_equal(read(dropped[0], &byte, 1), 1);
    assert_int_equal(n_done, 0);
    (void)close(dropped[0]);
    (void)close(dropped[1]);
}

static void test_signals_are_left_to_the_loop(void **state) {
    (void)state;
    (void)close(give(1, -1));
    assert_int_equal(harness_wait(&h, 10000)->type, CORE_EVENT_STOP);
    assert_int_equal(sigismember(&blocked, SIGTERM), 1);
    assert_int_equal(sigismember(&blocked, SIGSEGV), 0); /* its own faults must be seen */
    blocking_thread_destroy(thread, 10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_loop_goes_on_and_jobs_keep_their_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_signals_are_left_to_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_at_the_end_given_jobs_are_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_does_not_wait_for_a_job_that_hangs, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
