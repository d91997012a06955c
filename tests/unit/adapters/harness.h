/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests of adapters share: a loop, a sink that keeps what is posted, and a directory for small
 * programs.
 */
#ifndef TESTS_ADAPTERS_HARNESS_H
#define TESTS_ADAPTERS_HARNESS_H

#include "adapters/sink.h"
#include "event_queue.h"

#include <qb/qbloop.h>
#include <stdbool.h>

struct harness {
    qb_loop_t *loop;
    struct event_queue events;
    struct queued_event *current; /* freed by the next harness_wait() */
    char dir[64];
    bool timed_out;
};

void harness_init(struct harness *h);
void harness_finish(struct harness *h);
struct event_sink harness_sink(struct harness *h);

/* The next event; fails the test if none comes within `timeout_ms`. Valid until the next call. */
const struct core_event *harness_wait(struct harness *h, unsigned timeout_ms);
/* Runs the loop for so long; what is posted stays in the queue. */
void harness_run(struct harness *h, unsigned ms);

/* Writes DIR/name, executable. Returns the path, in a static buffer. */
const char *harness_script(struct harness *h, const char *name, const char *text);
/* The content of DIR/name in a static buffer; "" if there is no such file. */
const char *harness_read(struct harness *h, const char *name);

#endif
