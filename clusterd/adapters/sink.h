/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way from adapters to the core.
 *
 * post() only queues a copy: the core runs later, from the main loop, never inside an adapter. An
 * adapter may post at any point of its own work. The event and all that it points to need to live
 * only until post() returns. The event's time is set when the core gets it.
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
