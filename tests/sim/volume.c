/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster's volume: which storage each node has at its path, and the agent that writes a
 * heartbeat there and reports those of the others. Normally all nodes have the same storage. If one
 * has another storage, or a copy, its agent finds other files there, or files that do not change.
 */
#include "sim/world.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

void sim_volume_mode(struct sim *s, uint32_t node, enum sim_volume mode) {
    static const char *const names[] = {"is there", "hangs", "is gone"};
    struct node *n = &s->nodes[node];
    if (n->volume == mode) {
        return;
    }
    sim_trace(s, "%s: its volume %s", s->names[node], names[mode]);
    n->volume = mode;
    guests_io_error(s, node, mode == VOLUME_GONE);
}

void sim_storage(struct sim *s, uint32_t node, uint32_t storage) {
    CHECK(storage < SIM_STORAGES);
    sim_trace(s, "%s: has storage %u at its volume's path", s->names[node], storage);
    s->nodes[node].storage = storage;
}

void sim_copy_storage(struct sim *s, uint32_t from, uint32_t to) {
    sim_trace(s, "storage %u is copied to storage %u", from, to);
    memcpy(s->files[to], s->files[from], sizeof(s->files[to]));
}

void sim_other_cluster(struct sim *s) {
    sim_trace(s, "another cluster's nodes have the same names");
    s->other_cluster = true;
}

static void write_heartbeat(struct sim *s, const struct agent *a) {
    struct heartbeat_file *file = &s->files[s->nodes[a->node].storage][a->node];
    bool again = strncmp(file->nonce, a->path, sizeof(file->nonce) - 1) == 0;
    memcpy(file->nonce, a->path, sizeof(file->nonce) - 1);
    file->beats = again ? file->beats + 1 : 1;
    file->wrote_us = s->now_us;
}

/*
 * A node's file as the agent reads it; false: there is none. One that its node writes is seen to
 * move at once: the agent looks more often until it has seen that. In a copy it never moves, unless
 * the agent had seen it move before the copy was made.
 */
static bool read_heartbeat(const struct sim *s, const struct agent *a, uint32_t node,
                           struct core_seen *seen) {
    uint32_t storage = s->nodes[a->node].storage;
    const struct heartbeat_file *file = &s->files[storage][node];
    bool written = s->nodes[node].storage == storage;
    bool moved = written || (file->beats > 1 && file->wrote_us > a->began_us);
    *seen = (struct core_seen){.node = s->names[node],
                               .nonce = file->nonce,
                               .moved_ms =
                                   moved ? (s->now_us - file->wrote_us) / 1000 : CORE_NEVER_MOVED};
    if (s->other_cluster && s->nodes[node].storage != storage) {
        seen->nonce = "of another cluster";
        seen->moved_ms = 0;
    }
    return seen->nonce[0] != '\0';
}

/* Each second, until the agent ends. */
void volume_tells(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, volume_tells)) {
        return;
    }
    agent_then(s, a, SIM_SECOND, volume_tells);
    const struct node *n = &s->nodes[a->node];
    if (n->volume == VOLUME_HANGS) {
        return;
    }
    struct item *item = agent_line(a, AGENT_VOLUME);
    uint32_t n_seen = 0;
    if (n->volume == VOLUME_FINE) {
        write_heartbeat(s, a);
    }
    for (uint32_t i = 1; i <= s->n && n->volume == VOLUME_FINE; i++) {
        struct core_seen *seen = &item->seen[n_seen];
        if (i != a->node && read_heartbeat(s, a, i, seen)) {
            (void)snprintf(item->nonces[n_seen], sizeof(item->nonces[0]), "%s", seen->nonce);
            seen->nonce = item->nonces[n_seen++];
        }
    }
    item->event.agent.volume_ok = n->volume == VOLUME_FINE;
    item->event.agent.seen = item->seen;
    item->event.agent.n_seen = n_seen;
    node_post(s, a->node, STREAM_AGENTS, item, sim_delay(s, 1000));
}
