/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node's clusterd: events into the core, actions out of it. In virtual time, it does what
 * driver.c and main.c do in the daemon. Start and end are in node_life.c.
 */
#include "sim/world.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAME_QUESTIONS 20u
#define STEPS_PER_SECOND 4000u /* more is a busy loop */
#define SLEEP_US 2700000u      /* TIMEOUT_ASLEEP_MS, and the clocks' difference */

/* ---- items ---- */

struct shared *shared_new(const void *data, uint32_t size) {
    struct shared *bytes = malloc(sizeof(*bytes) + size);
    CHECK(bytes != NULL);
    bytes->owners = 1;
    bytes->size = size;
    if (size) {
        memcpy(bytes->data, data, size);
    }
    return bytes;
}

void shared_drop(struct shared *bytes) {
    if (bytes && --bytes->owners == 0) {
        free(bytes);
    }
}

struct item *item_new(enum item_kind kind) {
    struct item *item = calloc(1, sizeof(*item));
    CHECK(item != NULL);
    item->kind = kind;
    return item;
}

void item_free(struct item *item) {
    shared_drop(item->bytes);
    free(item);
}

/* ---- clocks ---- */

uint64_t node_clock_ms(const struct sim *s, uint32_t node) {
    const struct node *n = &s->nodes[node];
    uint64_t us = s->now_us / 1000000 * (uint64_t)(1000000 + n->clock_ppm) +
                  s->now_us % 1000000 * (uint64_t)(1000000 + n->clock_ppm) / 1000000;
    return n->clock_offset_ms + us / 1000;
}

/* How long until its clock shows that. */
static uint64_t until_clock(const struct sim *s, uint32_t node, uint64_t ms) {
    uint64_t now = node_clock_ms(s, node);
    if (ms <= now) {
        return 0;
    }
    return (ms - now) * 1000 * 1000000 / (uint64_t)(1000000 + s->nodes[node].clock_ppm) + 1;
}

/* ---- steps ---- */

static bool runs(const struct sim *s, uint32_t node) {
    const struct node *n = &s->nodes[node];
    return n->alive && !n->frozen && s->now_us >= n->stuck_until_us;
}

static void note_sleep(struct sim *s, struct node *n, const struct item *item);

static void wake(struct sim *s, uint64_t node, uint64_t count) {
    struct node *n = &s->nodes[node];
    if (!n->core || n->wakeup_count != count) {
        return;
    }
    if (!runs(s, (uint32_t)node)) {
        n->wakeup_us = 0; /* the timer has fired: it is told when clusterd runs again */
        return;
    }
    n->wakeup_us = UINT64_MAX;
    note_sleep(s, n, NULL);
    struct core_event event = {.type = CORE_EVENT_TIMEOUT, .timeout = {.due_ms = n->due_ms}};
    node_step(s, (uint32_t)node, &event);
}

static void set_wakeup(struct sim *s, uint32_t node, uint64_t ms) {
    struct node *n = &s->nodes[node];
    uint64_t at = ms == UINT64_MAX ? UINT64_MAX : s->now_us + until_clock(s, node, ms);
    if (at == n->wakeup_us) {
        return;
    }
    n->wakeup_us = at;
    n->due_ms = ms;
    n->wakeup_count++;
    if (at != UINT64_MAX) {
        sim_at(s, at - s->now_us, wake, node, n->wakeup_count);
    }
}

static void count_step(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (s->now_us >= n->steps_from + SIM_SECOND) {
        n->steps_from = s->now_us;
        n->steps = 0;
    }
    s->figures.steps++;
    if (++n->steps > STEPS_PER_SECOND) {
        sim_fail(s, "busy loop: %s takes more than %u steps in a second", s->names[node],
                 STEPS_PER_SECOND);
    }
}

static void answer(struct sim *s, uint32_t node, const struct core_reply *reply) {
    struct request *r = &s->requests[reply->id % MAX_REQUESTS];
    if (r->id != reply->id || r->node != node) {
        return; /* whoever asked waits no more */
    }
    if (r->code >= 0) {
        sim_fail(s, "%s answers request %llu twice", s->names[node], (unsigned long long)r->id);
    }
    r->code = (int)reply->code;
    r->operation = reply->operation;
    (void)snprintf(r->text, sizeof(r->text), "%s", reply->message);
    if (reply->warning[0]) {
        sim_trace(s, "warning: %s", reply->warning);
    }
    check_reply(s, node, r);
}

/* Every node tells it; once is enough. */
static void tell_event(struct sim *s, const struct model_event *row) {
    if (row->seq > s->told_event) {
        s->told_event = row->seq;
        sim_trace(s, "* %s", row->message);
    }
}

/* An answer that leads to nothing but the same question would keep a processor busy for ever. */
static void count_question(struct sim *s, uint32_t node, const struct solve_job *job) {
    struct node *n = &s->nodes[node];
    bool decides = job->purpose == SOLVE_STARTS || job->purpose == SOLVE_DRAIN;
    if (n->asked[job->purpose].index != job->index ||
        s->now_us >= n->asked[job->purpose].from_us + 10 * SIM_SECOND) {
        n->asked[job->purpose].index = job->index;
        n->asked[job->purpose].from_us = s->now_us;
        n->asked[job->purpose].times = 0;
    }
    if (decides && ++n->asked[job->purpose].times > SAME_QUESTIONS) {
        sim_fail(s, "%s asks the solver the same more than %u times in 10 seconds", s->names[node],
                 SAME_QUESTIONS);
    }
}

/* The thread has its answer some time later; the loop hears of it then, if it lives. */
static void solve(struct sim *s, uint32_t node, uint64_t id, struct solve_job *job) {
    struct item *item = item_new(ITEM_EVENT);
    count_question(s, node, job);
    solve_job_run(job);
    item->event.type = CORE_EVENT_SOLVED;
    item->event.solved.id = id;
    node_post(s, node, STREAM_SOLVER, item,
              sim_delay(s, s->options.solve_us ? s->options.solve_us : 80000));
}

static void act(struct sim *s, uint32_t node, const struct core_action *action) {
    switch (action->type) {
    case CORE_ACTION_STORE: disk_put(s, node, &action->store); break;
    case CORE_ACTION_SEND:
        s->figures.messages++;
        ring_send(s, node, RING_DATA, s->nodes[node].pid, action->send.data, action->send.size);
        break;
    case CORE_ACTION_RUN_AGENT: agent_run(s, node, &action->run_agent); break;
    case CORE_ACTION_KILL_AGENT: agent_kill(s, node, &action->kill_agent); break;
    case CORE_ACTION_FENCE: fence_run(s, node, &action->fence); break;
    case CORE_ACTION_REPLY: answer(s, node, &action->reply); break;
    case CORE_ACTION_EVENT: tell_event(s, action->event.row); break;
    case CORE_ACTION_LOG: sim_trace(s, "%s: log: %s", s->names[node], action->log.message); break;
    case CORE_ACTION_WATCHDOG: watchdog_fed(s, node, action->watchdog.feed != 0); break;
    case CORE_ACTION_EXIT:
        sim_trace(s, "%s: clusterd ends: %s", s->names[node], action->exit.message);
        if (action->exit.error == 0) {
            node_end_clusterd(s, node);
        }
        break;
    case CORE_ACTION_SOLVE: solve(s, node, action->solve.id, action->solve.job); break;
    case CORE_ACTION_OPERATION:
    case CORE_ACTION_PROGRESS: break;
    }
}

void node_step(struct sim *s, uint32_t node, struct core_event *event) {
    struct node *n = &s->nodes[node];
    struct core_actions actions = {.wakeup_ms = UINT64_MAX};
    uint64_t life = n->life;
    count_step(s, node);
    event->now_ms = node_clock_ms(s, node);
    event->wall_ms = (uint64_t)((int64_t)UINT64_C(1700000000000) + (int64_t)(s->now_us / 1000) +
                                n->wall_jump_ms);
    int error = core_step(n->core, event, &actions);
    if (error == 0) {
        check_step(s, node);
    }
    for (uint32_t i = 0; i < actions.n && n->alive && n->life == life; i++) {
        act(s, node, &actions.v[i]);
        if (n->dies_after && --n->dies_after == 0) {
            sim_kill_clusterd(s, node); /* with the rest undone */
        }
    }
    if (n->life != life || !n->alive) {
        return;
    }
    if (error < 0) {
        node_dies_of(s, node, error);
        return;
    }
    set_wakeup(s, node, actions.wakeup_ms);
}

/* ---- what comes from corosync, by way of the daemon's own ring_view.c ---- */

static void tell_view(struct sim *s, uint32_t node, bool down) {
    struct core_event event = {.type = CORE_EVENT_VIEW};
    if (s->nodes[node].core && ring_view_news(&s->nodes[node].view, down, &event.view)) {
        node_step(s, node, &event);
    }
}

static void boot(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    struct core_entry *entries = NULL;
    uint32_t quorum = s->options.quorum;
    struct view_node list[SIM_NODES];
    n->read_list = n->list;
    uint32_t n_list = 0;
    for (uint32_t i = 1; i <= s->n; i++) {
        if (n->list >> i & 1) {
            list[n_list++] = s->view_nodes[i - 1];
        }
    }
    CHECK(core_create(&n->core) == 0);
    n->incarnation = sim_random(s, UINT64_MAX) | 1;
    n->boot_of_life = n->boot;
    n->checked_index = 0;
    struct core_event event = {.type = CORE_EVENT_BOOT};
    event.boot = (struct core_boot){
        .node = node,
        .incarnation = n->incarnation,
        .version = "sim",
        .nodes = {.items = list, .n = n_list},
        .two_node = (quorum & SIM_TWO_NODE) != 0,
        .last_man_standing = (quorum & SIM_LAST_MAN_STANDING) != 0,
        .quorum_device = (quorum & SIM_QUORUM_DEVICE) != 0,
        .wait_for_all = ring_waits_for_all(s),
        .memory_mb = SIM_MEMORY_MB,
        .cpus = 32,
        .watchdog_ms = s->options.watchdog_ms,
        .site = "",
        .rack = "",
        .migrate_uri = n->moves_in_clear ? "qemu+tcp://%s/system" : "qemu+tls://%s/system",
        .libvirt_uri = "qemu:///system",
        .compact_entries = s->options.compact_entries,
        .speaks = n->speaks,
        .tells_no_versions = n->tells_no_versions,
        .solve_in_loop = s->options.solve_in_loop,
    };
    disk_fill_boot(s, node, &event.boot.state, &entries);
    node_step(s, node, &event);
    free(entries);
}

static void connect_ring(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    n->connected = true;
    if (!n->core && n->speaks && n->disk.db.needs > n->speaks) {
        /* store/schema.c: nothing is read or changed. */
        sim_trace(s, "%s: clusterd ends: cluster.db was written by a newer clusterd",
                  s->names[node]);
        node_end_clusterd(s, node);
        n->stopped = true;
        return;
    }
    if (!n->core) {
        ring_view_init(&n->view, node, n->pid);
        boot(s, node);
        if (!n->alive) {
            return;
        }
    }
    n->corosync.member_pid = n->pid;
    ring_send(s, node, RING_JOIN, n->pid, NULL, 0);
    ring_tell_quorum(s, node);
}

/* One line of a message, as it is delivered. */
static void trace_message(struct sim *s, uint32_t node, const struct core_message *message) {
    static const char *const names[] = {
#define X(NAME, number, type) [number] = #NAME,
        WIRE_MESSAGES(X)
#undef X
    };
    struct arena arena;
    struct message m;
    arena_init(&arena);
    if (message_decode(message->data, message->size, &arena, &m) == 0 &&
        m.type != MESSAGE_HEARTBEAT) {
        const struct msg_state *state = &m.body.msg_state;
        const struct msg_propose *propose = &m.body.msg_propose;
        char more[160] = "";
        if (m.type == MESSAGE_STATE) {
            (void)snprintf(more, sizeof(more), ", round %llu, log (%llu, %llu), promised %llu",
                           (unsigned long long)state->round, (unsigned long long)state->last_epoch,
                           (unsigned long long)state->last_index,
                           (unsigned long long)state->promised);
        } else if (m.type == MESSAGE_PROPOSE) {
            const struct propose_member *members = propose->members.items;
            int used = snprintf(more, sizeof(more), " %llu, base (%llu, %llu), members",
                                (unsigned long long)propose->epoch,
                                (unsigned long long)propose->base_epoch,
                                (unsigned long long)propose->base_index);
            for (uint32_t i = 0; i < propose->members.n; i++) {
                used += snprintf(more + used, sizeof(more) - (size_t)used, " n%u", members[i].node);
            }
        }
        sim_trace(s, "%s: <- %s of n%u, epoch %llu%s", s->names[node], names[m.type],
                  message->sender, (unsigned long long)m.epoch, more);
    }
    arena_finish(&arena);
}

static void handle(struct sim *s, uint32_t node, struct item *item) {
    struct node *n = &s->nodes[node];
    switch (item->kind) {
    case ITEM_EVENT:
        if (s->options.messages && item->event.type == CORE_EVENT_MESSAGE) {
            trace_message(s, node, &item->event.message);
        }
        if (n->core) {
            node_step(s, node, &item->event);
        }
        break;
    case ITEM_GROUP:
        if (n->connected) {
            ring_view_set_processes(&n->view, item->processes, item->n);
            tell_view(s, node, false);
        }
        break;
    case ITEM_QUORUM:
        if (n->connected) {
            ring_view_set_quorum(&n->view, item->quorate, item->ring, item->n);
            tell_view(s, node, false);
        }
        break;
    case ITEM_CONNECT:
        if (n->corosync.up && !n->connected) {
            connect_ring(s, node);
        }
        break;
    case ITEM_DISCONNECT:
        n->connected = false;
        ring_view_forget(&n->view);
        tell_view(s, node, true);
        break;
    }
    item_free(item);
}

/* What timers.h asks for is asked of it here too: after a sleep, a message of its own comes first.
 */
static void note_sleep(struct sim *s, struct node *n, const struct item *item) {
    if (n->core && n->ran_us && s->now_us > n->ran_us + SLEEP_US) {
        n->doubt_us = s->now_us;
    }
    n->ran_us = s->now_us;
    if (item && item->sent_us) {
        n->knows_us = item->sent_us;
        n->doubt_us = item->sent_us >= n->doubt_us ? 0 : n->doubt_us;
    }
}

/* Works off what has piled up. */
void node_drain(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    while (n->inbox && runs(s, node)) {
        struct item *item = n->inbox;
        note_sleep(s, n, item);
        n->inbox = item->next;
        if (!n->inbox) {
            n->inbox_last = &n->inbox;
        }
        handle(s, node, item);
        if (s->now_us < n->starves_until_us) {
            n->stuck_until_us = s->now_us + n->starve_us;
            sim_at(s, n->starve_us, node_thaw, node, n->life);
        }
    }
    if (n->core && runs(s, node) && n->wakeup_us == 0) {
        n->wakeup_us = UINT64_MAX;
        note_sleep(s, n, NULL);
        struct core_event event = {.type = CORE_EVENT_TIMEOUT, .timeout = {.due_ms = n->due_ms}};
        node_step(s, node, &event);
    }
}

void node_thaw(struct sim *s, uint64_t node, uint64_t life) {
    if (s->nodes[node].life == life) {
        node_drain(s, (uint32_t)node);
    }
}

static void arrive(struct sim *s, uint64_t packed, uint64_t pointer) {
    struct item *item = (struct item *)(uintptr_t)pointer;
    uint32_t node = (uint32_t)(packed & 0xff);
    struct node *n = &s->nodes[node];
    if (!n->alive || n->life != packed >> 8) {
        item_free(item); /* the socket has gone with its process */
        return;
    }
    *n->inbox_last = item;
    n->inbox_last = &item->next;
    node_drain(s, node);
}

void node_post(struct sim *s, uint32_t node, enum stream stream, struct item *item, uint64_t us) {
    struct node *n = &s->nodes[node];
    uint64_t at = s->now_us + us;
    at = at > n->stream_us[stream] ? at : n->stream_us[stream];
    n->stream_us[stream] = at;
    sim_at(s, at - s->now_us, arrive, n->life << 8 | node, (uint64_t)(uintptr_t)item);
}

/* The core is destroyed when its step is over; nobody asks it anything more. */
void node_core_end(struct sim *s, uint64_t pointer, uint64_t b) {
    (void)s;
    (void)b;
    core_destroy((struct core *)(uintptr_t)pointer);
}

/* Of a heap that is thrown away. */
void node_forget(const struct timer *timer) {
    if (timer->fn == arrive) {
        item_free((struct item *)(uintptr_t)timer->b);
    } else if (timer->fn == node_core_end) {
        core_destroy((struct core *)(uintptr_t)timer->a);
    }
}
