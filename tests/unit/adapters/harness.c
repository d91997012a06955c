/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests of adapters share; see harness.h.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <qb/qbdefs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void post(void *context, const struct core_event *event) {
    struct harness *h = context;
    assert_int_equal(event_queue_push(&h->events, event), 0);
    qb_loop_stop(h->loop);
}

void harness_init(struct harness *h) {
    *h = (struct harness){.loop = qb_loop_create()};
    assert_non_null(h->loop);
    event_queue_init(&h->events);
    (void)snprintf(h->dir, sizeof(h->dir), "/tmp/clusterd-test-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
}

void harness_finish(struct harness *h) {
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", h->dir);
    assert_int_equal(system(command), 0);
    if (h->current) {
        queued_event_free(h->current);
    }
    event_queue_finish(&h->events);
    qb_loop_destroy(h->loop);
}

struct event_sink harness_sink(struct harness *h) {
    return (struct event_sink){.post = post, .context = h};
}

static void on_timeout(void *data) {
    struct harness *h = data;
    h->timed_out = true;
    qb_loop_stop(h->loop);
}

static void run_until(struct harness *h, unsigned timeout_ms, bool event) {
    qb_loop_timer_handle timer = 0;
    h->timed_out = false;
    assert_int_equal(qb_loop_timer_add(h->loop, QB_LOOP_HIGH,
                                       (uint64_t)timeout_ms * QB_TIME_NS_IN_MSEC, h, on_timeout,
                                       &timer),
                     0);
    while (!h->timed_out && !(event && h->events.first)) {
        qb_loop_run(h->loop);
    }
    if (!h->timed_out) {
        (void)qb_loop_timer_del(h->loop, timer);
    }
}

const struct core_event *harness_wait(struct harness *h, unsigned timeout_ms) {
    if (h->current) {
        queued_event_free(h->current);
        h->current = NULL;
    }
    if (!h->events.first) {
        run_until(h, timeout_ms, true);
    }
    h->current = event_queue_pop(&h->events);
    if (!h->current) {
        fail_msg("no event came within %u ms", timeout_ms);
        abort();
    }
    return &h->current->event;
}

void harness_run(struct harness *h, unsigned ms) {
    run_until(h, ms, false);
}

const char *harness_script(struct harness *h, const char *name, const char *text) {
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", h->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

const char *harness_read(struct harness *h, const char *name) {
    static char text[65536];
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", h->dir, name);
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[n] = '\0';
    if (file) {
        (void)fclose(file);
    }
    return text;
}
