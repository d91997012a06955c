/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes: is the volume there, and is it the same storage as the others'?
 *
 * Each node's volume agent writes a heartbeat file with an unguessable nonce and a growing number,
 * and reports what it reads in the others' files. A node's nonce is published through the log.
 * Whoever sees the number of that very nonce grow sees that node's storage (volume/heartbeat.h has
 * the argument), and publishes whom it sees. storage.h says who is right when not all nodes see
 * each other.
 */
#include "core/executor/inside.h"
#include "core/model/storage.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct volume_watch *watch_of(struct core *c, uint32_t volume) {
    for (uint32_t i = 0; i < c->executor.n_volumes; i++) {
        if (c->executor.volumes[i].volume == volume) {
            return &c->executor.volumes[i];
        }
    }
    return NULL;
}

static const struct model_volume *volume_by_id(const struct core *c, uint32_t id) {
    MODEL_EACH(model_volume, volume, &c->model.volumes) {
        if (volume->id == id) {
            return volume;
        }
    }
    return NULL;
}

static const char *nonce_text(struct core *c, const struct volume_watch *w) {
    return outbox_text(&c->out, "%016llx", (unsigned long long)w->nonce);
}

static int start_agent(struct core *c, const struct model_volume *volume, struct volume_watch *w) {
    struct run *run = executor_add_run(c, RUN_VOLUME, volume->id);
    const struct model_node *self = core_self(c);
    if (!run) {
        return -ENOMEM;
    }
    /* The incarnation is random: together with the run's number it makes a nonce that was never
     * used. */
    w->nonce = c->incarnation ^ (run->id * UINT64_C(0x9e3779b97f4a7c15));
    w->begun_ms = w->begun_ms ? w->begun_ms : c->now_ms;
    struct agent_call call =
        executor_call(c, run, "volume", "watch", outbox_text(&c->out, "%s", volume->name));
    if (!call.agent) {
        return -ENOMEM;
    }
    call_add(&call, "path", outbox_text(&c->out, "%s", volume->path));
    call_add(&call, "node", outbox_text(&c->out, "%s", self->name));
    call_add(&call, "nonce", nonce_text(c, w));
    call_add(&call, "interval_ms", outbox_text(&c->out, "%u", TIMEOUT_VOLUME_HEARTBEAT_MS));
    return 0;
}

static void stop_agent(struct core *c, struct run *run) {
    struct core_action *action = outbox_add(&c->out, CORE_ACTION_KILL_AGENT);
    action->kill_agent = (struct core_kill_agent){.run = run->id, .force = 1};
    executor_drop_run(c, run);
}

static bool is_heard(const struct core *c, uint32_t node) {
    const struct replica_peer *peer = replica_peer(&c->replica, node);
    return peer && c->now_ms <= peer->last_heard_ms + TIMEOUT_MEMBER_MS;
}

/* Whether the node has a say in which storage is right. A node whose storage hangs or fails has
 * none. Nor has a silent node: it may have died a moment ago, and corosync may take longer to
 * notice than a heartbeat file takes to look like a copy. A node that has just begun to look has
 * seen nobody yet, and counts once it has. */
static bool has_a_say(const struct core *c, const struct model_node *node,
                      const struct model_health *h) {
    return node && node->state == NODE_ONLINE && is_heard(c, node->id) &&
           (h->state == VOLUME_OK || h->state == VOLUME_DIFFERENT ||
            (h->state == VOLUME_UNKNOWN && h->sees.n > 0));
}

/* Whether this node's storage is the right one; *ret_others: the other nodes that have a say. */
static bool is_right(struct core *c, const struct volume_watch *w, uint32_t *ret_others) {
    struct storage_claim claims[WIRE_MAX_NODES];
    const struct model_health *own = model_health_of(&c->model, w->volume, c->self);
    bool was_ok = own && own->state == VOLUME_OK && strcmp(own->nonce, nonce_text(c, w)) == 0;
    uint64_t total_votes = 0;
    uint32_t n = 1;
    claims[0] = (struct storage_claim){
        .node = c->self,
        .votes = core_self(c)->votes,
        .state = w->different ? VOLUME_DIFFERENT
                 : was_ok     ? VOLUME_OK
                              : VOLUME_UNKNOWN,
        .sees = {.v = w->sees, .n = w->n_sees},
    };
    MODEL_EACH(model_node, node, &c->model.nodes) {
        total_votes += node->configured ? node->votes : 0;
    }
    MODEL_EACH(model_health, h, &c->model.health) {
        if (h->volume != w->volume || h->node == c->self || n == WIRE_MAX_NODES) {
            continue;
        }
        const struct model_node *node = model_node_by_id(&c->model, h->node);
        if (has_a_say(c, node, h)) {
            claims[n] = (struct storage_claim){
                .node = h->node, .votes = node->votes, .state = h->state, .sees = h->sees};
            n++;
        }
    }
    *ret_others = n - 1;
    return storage_is_right(claims, n, 0, total_votes);
}

static enum volume_state judge(struct core *c, struct volume_watch *w, const char **ret_reason) {
    uint64_t silent_since_ms = w->last_line_ms ? w->last_line_ms : w->begun_ms;
    *ret_reason = "";
    if (c->now_ms >= silent_since_ms + TIMEOUT_VOLUME_MS) {
        *ret_reason = "the storage does not answer (an access has been hanging for seconds)";
        return VOLUME_STALLED;
    }
    executor_wake_at(c, silent_since_ms + TIMEOUT_VOLUME_MS);
    if (w->last_line_ms == 0) {
        return VOLUME_UNKNOWN;
    }
    if (!w->ok) {
        *ret_reason = outbox_text(&c->out, "%s", w->reason);
        return VOLUME_FAILED;
    }
    uint32_t others;
    if (is_right(c, w, &others)) {
        w->wrong_since_ms = 0;
        w->different = false;
        return VOLUME_OK;
    }
    if (w->wrong_since_ms == 0) {
        w->wrong_since_ms = c->now_ms;
    }
    if (!w->different && c->now_ms < w->wrong_since_ms + TIMEOUT_VOLUME_DIFFERENT_MS) {
        executor_wake_at(c, w->wrong_since_ms + TIMEOUT_VOLUME_DIFFERENT_MS);
        return w->told && w->told_state == VOLUME_OK ? VOLUME_OK : VOLUME_UNKNOWN;
    }
    w->different = true;
    *ret_reason = others ? "this node and the others do not see each other's heartbeats: different "
                           "storage, or a copy, is mounted at this path"
                         : "this storage differed from that of nodes that are gone now; if it is "
                           "the right one, restart clusterd on this node";
    return VOLUME_DIFFERENT;
}

static bool same_ids(const struct wire_ids *a, const struct wire_ids *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

static int tell(struct core *c, const struct model_volume *volume, struct volume_watch *w) {
    const char *reason;
    enum volume_state state = judge(c, w, &reason);
    const struct model_health *known = model_health_of(&c->model, volume->id, c->self);
    const char *nonce = nonce_text(c, w);
    struct wire_ids sees = {.v = w->sees, .n = w->n_sees};
    bool as_known = known && known->state == state && strcmp(known->nonce, nonce) == 0 &&
                    same_ids(&known->sees, &sees) &&
                    (state != VOLUME_DIFFERENT || strcmp(known->reason, reason) == 0);
    if (!replica_usable(&c->replica) || as_known || pending_has(c, COMMAND_VOLUME_HEALTH)) {
        return 0;
    }
    w->told = true;
    w->told_state = (uint8_t)state;
    struct cmd_volume_health health = {
        .volume = outbox_text(&c->out, "%s", volume->name),
        .node = c->self,
        .incarnation = c->incarnation,
        .state = (uint8_t)state,
        .nonce = nonce,
        .reason = reason,
        .sees = sees,
    };
    return pending_propose(c, PENDING_REPORT, COMMAND_VOLUME_HEALTH, &health);
}

int executor_volumes(struct core *c) {
    struct executor *x = &c->executor;
    const struct model_node *self = core_self(c);
    if (!self || self->incarnation != c->incarnation) {
        return 0;
    }
    MODEL_EACH(model_volume, volume, &c->model.volumes) {
        struct volume_watch *w = watch_of(c, volume->id);
        if (!w && x->n_volumes < MODEL_MAX_VOLUMES) {
            w = &x->volumes[x->n_volumes++];
            *w = (struct volume_watch){.volume = volume->id};
        }
        bool runs = executor_find_run(c, RUN_VOLUME, volume->id) != NULL;
        if (w && !runs && c->now_ms < w->restart_ms) {
            executor_wake_at(c, w->restart_ms);
        }
        int err = w && !runs && c->now_ms >= w->restart_ms ? start_agent(c, volume, w) : 0;
        if (err == 0 && w) {
            err = tell(c, volume, w);
        }
        if (err < 0) {
            return err;
        }
    }
    for (uint32_t i = x->n_volumes; i > 0; i--) {
        if (!volume_by_id(c, x->volumes[i - 1].volume)) {
            struct run *run = executor_find_run(c, RUN_VOLUME, x->volumes[i - 1].volume);
            if (run) {
                stop_agent(c, run);
            }
            x->volumes[i - 1] = x->volumes[--x->n_volumes];
        }
    }
    return 0;
}

static const struct core_seen *seen_of(const struct core_agent *line, const char *node) {
    for (uint32_t i = 0; i < line->n_seen; i++) {
        if (strcmp(line->seen[i].node, node) == 0) {
            return &line->seen[i];
        }
    }
    return NULL;
}

/* In the order of the model's nodes, so that equal sets give equal lists. */
static void note_seen(const struct core *c, struct volume_watch *w, const struct core_agent *line) {
    w->n_sees = 0;
    MODEL_EACH(model_node, node, &c->model.nodes) {
        const struct core_seen *seen = seen_of(line, node->name);
        const struct model_health *h = model_health_of(&c->model, w->volume, node->id);
        if (seen && h && node->id != c->self && w->n_sees < WIRE_MAX_NODES &&
            strcmp(h->nonce, seen->nonce) == 0 && seen->moved_ms < TIMEOUT_VOLUME_MOVED_MS) {
            w->sees[w->n_sees++] = node->id;
        }
    }
}

int executor_volume_line(struct core *c, struct run *run, const struct core_agent *line) {
    struct volume_watch *w = watch_of(c, run->subject);
    if (line->line == AGENT_DONE) {
        executor_drop_run(c, run);
        if (w) {
            w->restart_ms = c->now_ms + TIMEOUT_AGENT_RESTART_MS;
        }
        if (w && line->result != RESULT_OK) {
            w->ok = 0;
            (void)snprintf(w->reason, sizeof(w->reason), "%s", line->reason ? line->reason : "");
        }
        return 0;
    }
    if (!w) {
        return 0;
    }
    w->last_line_ms = c->now_ms;
    w->ok = line->volume_ok;
    note_seen(c, w, line);
    (void)snprintf(w->reason, sizeof(w->reason), "%s", line->reason ? line->reason : "");
    return 0;
}
