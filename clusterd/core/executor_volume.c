/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes: is it there, and is it the same storage as the others'?
 *
 * Each node's volume agent writes a heartbeat file with a nonce that nobody could guess, and tells
 * the nonces that it reads in the others' files. A node's nonce is published through the log;
 * whoever reads that very nonce in that node's file sees the same storage. Of nodes that do not see
 * each other, those who see somebody are right, else the lowest id.
 */
#include "core/core_internal.h"
#include "core/executor.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VOLUME_INTERVAL_MS 1000u
#define UNSEEN_MS 5000u /* five heartbeats: the others' files have had their time to appear */

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
    /* The incarnation is random: with the run's number it makes a nonce that was never used before.
     */
    w->nonce = c->incarnation ^ (run->id * UINT64_C(0x9e3779b97f4a7c15));
    struct core_action *a =
        executor_agent_action(c, run, "volume", "watch", outbox_text(&c->out, "%s", volume->name));
    struct core_param *p = (struct core_param *)(uintptr_t)a->run_agent.params;
    uint32_t n = a->run_agent.n_params;
    p[n++] = (struct core_param){"path", outbox_text(&c->out, "%s", volume->path)};
    p[n++] = (struct core_param){"node", outbox_text(&c->out, "%s", self->name)};
    p[n++] = (struct core_param){"nonce", nonce_text(c, w)};
    p[n++] = (struct core_param){"interval_ms", outbox_text(&c->out, "%u", VOLUME_INTERVAL_MS)};
    a->run_agent.n_params = n;
    return 0;
}

static void stop_agent(struct core *c, struct run *run) {
    struct core_action *action = outbox_add(&c->out, CORE_ACTION_KILL_AGENT);
    action->kill_agent = (struct core_kill_agent){.run = run->id, .force = 1};
    executor_drop_run(c, run);
}

/* Which other nodes, online and with a healthy volume, there are; and whether one of lower id is
 * among them. */
static uint32_t others_ok(const struct core *c, uint32_t volume, bool *ret_lower) {
    uint32_t n = 0;
    *ret_lower = false;
    MODEL_EACH(model_health, h, &c->model.health) {
        const struct model_node *node = model_node_by_id(&c->model, h->node);
        if (h->volume == volume && h->node != c->self && h->state == VOLUME_OK && node &&
            node->state == NODE_ONLINE) {
            n++;
            *ret_lower = *ret_lower || h->node < c->self;
        }
    }
    return n;
}

static enum volume_state judge(struct core *c, struct volume_watch *w, const char **ret_reason) {
    *ret_reason = "";
    if (w->last_line_ms == 0) {
        return VOLUME_UNKNOWN;
    }
    if (c->now_ms >= w->last_line_ms + TIMEOUT_VOLUME_MS) {
        *ret_reason = "the storage does not answer (an access has been hanging for seconds)";
        return VOLUME_STALLED;
    }
    executor_wake_at(c, w->last_line_ms + TIMEOUT_VOLUME_MS);
    if (!w->ok) {
        *ret_reason = outbox_text(&c->out, "%s", w->reason);
        return VOLUME_FAILED;
    }
    bool lower;
    uint32_t others = others_ok(c, w->volume, &lower);
    if (w->sees_other || others == 0) {
        w->unseen_since_ms = 0;
        return VOLUME_OK;
    }
    if (w->unseen_since_ms == 0) {
        w->unseen_since_ms = c->now_ms;
    }
    if (c->now_ms < w->unseen_since_ms + UNSEEN_MS) {
        executor_wake_at(c, w->unseen_since_ms + UNSEEN_MS);
        return w->told && w->told_state == VOLUME_OK ? VOLUME_OK : VOLUME_UNKNOWN;
    }
    if (!lower && others < 2) {
        return VOLUME_OK;
    }
    *ret_reason = "the heartbeat files of the other nodes are not here: another storage is mounted "
                  "at this path";
    return VOLUME_DIFFERENT;
}

static int tell(struct core *c, const struct model_volume *volume, struct volume_watch *w) {
    const char *reason;
    enum volume_state state = judge(c, w, &reason);
    const struct model_health *known = model_health_of(&c->model, volume->id, c->self);
    const char *nonce = nonce_text(c, w);
    bool as_known = known && known->state == state && strcmp(known->nonce, nonce) == 0;
    if (!replica_usable(&c->replica) || as_known || core_is_pending(c, COMMAND_VOLUME_HEALTH)) {
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
    };
    return core_propose(c, PENDING_REPORT, COMMAND_VOLUME_HEALTH, &health, 0);
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
        int err =
            w && !executor_find_run(c, RUN_VOLUME, volume->id) ? start_agent(c, volume, w) : 0;
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

static bool sees_somebody(const struct core *c, uint32_t volume, const struct core_agent *line) {
    for (uint32_t i = 0; i < line->n_seen; i++) {
        const struct model_node *node = model_node_by_name(&c->model, line->seen[i].node);
        const struct model_health *h = node ? model_health_of(&c->model, volume, node->id) : NULL;
        if (h && node->id != c->self && strcmp(h->nonce, line->seen[i].nonce) == 0) {
            return true;
        }
    }
    return false;
}

int executor_volume_line(struct core *c, struct run *run, const struct core_agent *line) {
    struct volume_watch *w = watch_of(c, run->subject);
    if (line->line == AGENT_DONE) {
        executor_drop_run(c, run); /* the next step starts it again */
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
    w->sees_other = sees_somebody(c, run->subject, line);
    (void)snprintf(w->reason, sizeof(w->reason), "%s", line->reason ? line->reason : "");
    return 0;
}
