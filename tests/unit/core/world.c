/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small cluster; see world.h. Events wait in one queue per node; which node goes next is drawn
 * from the seed; time moves on when all queues are empty.
 */
#include "unit/core/world_internal.h"

#include "base/check.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <stdarg.h>

uint64_t world_random(struct world *w) {
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

void world_trace(struct world *w, const char *format, ...) {
    char *line = w->trace[w->n_trace++ % TRACE_LINES];
    int n = snprintf(line, 256, "%8llu ms  ", (unsigned long long)w->now_ms);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + n, 256 - (size_t)n, format, args);
    va_end(args);
    if (getenv("WORLD_TRACE")) {
        (void)fprintf(stderr, "%s\n", line);
    }
}

void world_print(struct world *w) {
    uint32_t first = w->n_trace > TRACE_LINES ? w->n_trace - TRACE_LINES : 0;
    for (uint32_t i = first; i < w->n_trace; i++) {
        (void)fprintf(stderr, "%s\n", w->trace[i % TRACE_LINES]);
    }
}

struct item *world_push(struct world *w, uint32_t node, enum core_event_type type) {
    struct item *item = calloc(1, sizeof(*item));
    CHECK(item != NULL);
    item->event.type = type;
    *w->nodes[node].last = item;
    w->nodes[node].last = &item->next;
    return item;
}

void world_drop_items(struct node *n) {
    while (n->first) {
        struct item *next = n->first->next;
        free(n->first->data);
        free(n->first);
        n->first = next;
    }
    n->last = &n->first;
}

/* ------------------------------------------------------------------------------------- actions */

static void check_committed(struct world *w, uint32_t node) {
    struct core_status s;
    core_get_status(w->nodes[node].core, &s);
    const struct model *m = core_model(w->nodes[node].core);
    if (m->index == w->nodes[node].checked_index) {
        return;
    }
    w->nodes[node].checked_index = m->index;
    uint64_t digest = model_digest(m);
    if (m->index >= w->n_committed) {
        w->committed = realloc(w->committed, (m->index + 1) * sizeof(*w->committed));
        CHECK(w->committed != NULL);
        for (uint64_t i = w->n_committed; i <= m->index; i++) {
            w->committed[i] = 0;
        }
        w->n_committed = m->index + 1;
    }
    if (w->committed[m->index] == 0) {
        w->committed[m->index] = digest;
    } else if (w->committed[m->index] != digest) {
        world_print(w);
        fail_msg("n%u has another state than others at index %llu", node,
                 (unsigned long long)m->index);
    }
}

static void do_action(struct world *w, uint32_t node, const struct core_action *action) {
    switch (action->type) {
    case CORE_ACTION_STORE: world_store(w, node, &action->store); break;
    case CORE_ACTION_SEND: world_broadcast(w, node, action->send.data, action->send.size); break;
    case CORE_ACTION_RUN_AGENT: world_run_agent(w, node, &action->run_agent); break;
    case CORE_ACTION_KILL_AGENT:
        for (size_t i = 0; i < ARRAY_SIZE(w->agents); i++) {
            struct agent *a = &w->agents[i];
            if (a->used && !a->orphan && a->node == node && a->run == action->kill_agent.run) {
                world_kill_agent(w, a, action->kill_agent.force);
            }
        }
        break;
    case CORE_ACTION_FENCE: {
        struct agent *a = world_new_agent(w, node, action->fence.run, "fence");
        a->fence = true;
        a->status = action->fence.action == FENCE_STATUS;
        a->target = world_node_by_name(w, action->fence.node);
        a->due_ms = w->now_ms + w->fence_ms;
        if (!a->status && w->fence_calls < MAX_FENCE_CALLS) {
            w->fence_call_ms[w->fence_calls] = w->now_ms;
        }
        w->fence_calls += !a->status;
        break;
    }
    case CORE_ACTION_REPLY:
        w->reply_id = action->reply.id;
        w->reply = action->reply;
        (void)snprintf(w->reply_message, sizeof(w->reply_message), "%s", action->reply.message);
        break;
    case CORE_ACTION_EVENT: world_trace(w, "n%u: %s", node, action->event.row->message); break;
    case CORE_ACTION_LOG:
        world_trace(w, "n%u: log: %s", node, action->log.message);
        w->heard += w->listen[0] && strstr(action->log.message, w->listen);
        break;
    case CORE_ACTION_EXIT: world_trace(w, "n%u: exit: %s", node, action->exit.message); break;
    case CORE_ACTION_WATCHDOG: w->nodes[node].fed_ms = action->watchdog.feed ? w->now_ms : 0; break;
    case CORE_ACTION_SOLVE: /* nothing here is so large; see tests/sim */
    case CORE_ACTION_OPERATION:
    case CORE_ACTION_PROGRESS: break;
    }
}

void world_step(struct world *w, uint32_t node, struct core_event *event) {
    struct node *n = &w->nodes[node];
    event->now_ms = w->now_ms;
    event->wall_ms = 1700000000000 + w->now_ms;
    struct core_actions actions;
    int err = core_step(n->core, event, &actions);
    if (err < 0) {
        world_print(w);
        fail_msg("n%u: core_step: %d", node, err);
    }
    n->wakeup_ms = actions.wakeup_ms;
    for (uint32_t i = 0; i < actions.n && n->alive; i++) {
        do_action(w, node, &actions.v[i]);
    }
    check_committed(w, node);
}

static bool step_one(struct world *w) {
    uint32_t ready[WORLD_NODES], n = 0;
    for (uint32_t i = 1; i <= w->n; i++) {
        if (w->nodes[i].alive && !w->nodes[i].frozen && w->nodes[i].first) {
            ready[n++] = i;
        }
    }
    if (n == 0) {
        return false;
    }
    uint32_t node = ready[world_random(w) % n];
    struct item *item = w->nodes[node].first;
    w->nodes[node].first = item->next;
    if (!item->next) {
        w->nodes[node].last = &w->nodes[node].first;
    }
    if (item->seq) {
        w->nodes[node].processed = item->seq;
    }
    world_step(w, node, &item->event);
    free(item->data);
    free(item);
    return true;
}

static uint64_t next_moment(const struct world *w, uint64_t next) {
    for (uint32_t i = 1; i <= w->n; i++) {
        const struct node *n = &w->nodes[i];
        if (n->alive && !n->frozen && n->wakeup_ms < next) {
            next = n->wakeup_ms;
        }
        if (n->stores && n->stores->due_ms < next) {
            next = n->stores->due_ms;
        }
        if (n->power && n->fed_ms && n->fed_ms + w->watchdog_ms < next) {
            next = n->fed_ms + w->watchdog_ms;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(w->agents); i++) {
        if (w->agents[i].used && w->agents[i].due_ms < next) {
            next = w->agents[i].due_ms;
        }
    }
    return next;
}

/* To the next moment at which something happens by itself. */
static void advance(struct world *w, uint64_t until_ms) {
    uint64_t next = next_moment(w, until_ms);
    if (next > w->now_ms) {
        w->now_ms = next;
    }
    for (size_t i = 0; i < ARRAY_SIZE(w->agents); i++) {
        if (w->agents[i].used && w->agents[i].due_ms <= w->now_ms) {
            world_finish_agent(w, &w->agents[i]);
        }
    }
    for (uint32_t i = 1; i <= w->n; i++) {
        struct node *n = &w->nodes[i];
        world_store_due(w, i);
        if (n->power && n->fed_ms && n->fed_ms + w->watchdog_ms <= w->now_ms) {
            world_trace(w, "n%u: the watchdog bites", i);
            world_power_off(w, i);
        }
        if (n->alive && !n->frozen && n->wakeup_ms <= w->now_ms) {
            world_push(w, i, CORE_EVENT_TIMEOUT)->event.timeout.due_ms = n->wakeup_ms;
            n->wakeup_ms = UINT64_MAX;
        }
    }
}

bool world_run_until(struct world *w, bool (*done)(struct world *w, const void *arg),
                     const void *arg, uint64_t ms) {
    uint64_t end = w->now_ms + ms;
    uint64_t steps = 0;
    for (;;) {
        if (done && done(w, arg)) {
            return true;
        }
        if (!step_one(w)) {
            if (w->now_ms >= end) {
                return false;
            }
            advance(w, end);
        }
        if (++steps > 2000000) {
            world_print(w);
            fail_msg("a busy loop: time does not move on at %llu ms",
                     (unsigned long long)w->now_ms);
        }
    }
}

void world_run(struct world *w, uint64_t ms) {
    (void)world_run_until(w, NULL, NULL, ms);
}

void world_some(struct world *w, uint64_t steps) {
    while (steps-- > 0 && step_one(w)) {
    }
}
