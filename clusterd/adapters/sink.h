/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where adapters hand in what they have seen.
 *
 * post() only queues a copy: the core runs later, from the main loop, never from inside an adapter.
 * So an adapter may post at any point of its own work, and the event and all that it points to need
 * to live only until post() returns. The time of the event is set when the core gets it.
 */
#ifndef CLUSTERD_ADAPTERS_SINK_H
#define CLUSTERD_ADAPTERS_SINK_H

#include "core/core.h"

struct event_sink {
    void (*post)(void *context, const struct core_event *event);
    void *context;
};

static inline void sink_post(const struct event_sink *sink, const struct core_event *event) {
    sink->post(sink->context, event);
}

#endif
