/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events that wait for the core, each with a copy of all that it points to.
 */
#ifndef CLUSTERD_EVENT_QUEUE_H
#define CLUSTERD_EVENT_QUEUE_H

#include "core/core.h"

struct queued_event {
    struct queued_event *next;
    struct core_event event;
    void *command; /* REQUEST: owned copy of the command's struct */
    _Alignas(max_align_t) unsigned char data[];
};

struct event_queue {
    struct queued_event *first, **last;
};

void event_queue_init(struct event_queue *q);
void event_queue_finish(struct event_queue *q);
/* -ENOMEM. Not for BOOT: it is stepped at once. */
int event_queue_push(struct event_queue *q, const struct core_event *event);
/* NULL: none. The caller frees it with queued_event_free(). */
struct queued_event *event_queue_pop(struct event_queue *q);
void queued_event_free(struct queued_event *queued);

#endif
