/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power: on, off, fence devices that cut it, watchdogs that reset.
 */
#include "sim/world.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

/* Longer than anybody waits for corosync to lose a node that is off. */
#define CROSSED_US (60 * SIM_SECOND)

/* ---- on and off ---- */

void sim_power_off(struct sim *s, uint32_t node, const char *why) {
    struct node *n = &s->nodes[node];
    if (!n->power) {
        return;
    }
    sim_trace(s, "%s: power off (%s)", s->names[node], why);
    ring_end_corosync(s, node); /* first: a dying clusterd does not say good-bye */
    node_end_clusterd(s, node);
    n->power = false;
    n->crossed_until_us = 0;
    n->frozen = false;
    agents_of_node_end(s, node);
    libvirtd_end(s, node);
    guests_power_lost(s, node);
    n->boot++;
    n->fed_us = 0;
    n->stopped = false;
    ring_connectivity_changed(s);
}

static void bring_up(struct sim *s, uint64_t node, uint64_t boot) {
    struct node *n = &s->nodes[node];
    if (n->boot != boot || !n->power) {
        return;
    }
    libvirtd_start(s, (uint32_t)node);
    ring_start_corosync(s, (uint32_t)node);
    sim_start_clusterd(s, (uint32_t)node);
}

void sim_power_on(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (n->power) {
        return;
    }
    sim_trace(s, "%s: power on", s->names[node]);
    n->power = true;
    n->boot++;
    uint64_t us = s->options.boot_us ? s->options.boot_us
                  : s->options.calm  ? 300000
                                     : 200000 + sim_random(s, 3 * SIM_SECOND);
    sim_at(s, us, bring_up, node, n->boot);
}

/* ---- fencing ---- */

static void tell(struct sim *s, struct agent *a, bool ok, enum core_power power,
                 const char *message) {
    struct node *n = &s->nodes[a->node];
    if (a->process && n->alive && n->life == a->life) {
        struct item *item = item_new(ITEM_EVENT);
        item->event.type = CORE_EVENT_FENCE;
        item->event.fence.run = a->run;
        item->event.fence.ok = ok;
        item->event.fence.power = (uint8_t)power;
        item->event.fence.message = item->text[0];
        (void)snprintf(item->text[0], sizeof(item->text[0]), "%s", message);
        node_post(s, a->node, STREAM_AGENTS, item, sim_delay(s, 500));
    }
    agent_free(a);
}

static void hangs_no_more(struct sim *s, uint64_t index, uint64_t serial) {
    if (agent_is(s, index, serial)) {
        tell(s, &s->agents[index], false, POWER_UNKNOWN, "killed at its deadline");
    }
}

/*
 * Whether he who asks has every reason to know that the target is there. If he has not, it may have
 * been cut off, and of two machines of which one is silent and the other is switched off nobody can
 * say which is which.
 */
static bool is_heard(const struct sim *s, const struct agent *a) {
    const struct node *n = &s->nodes[a->node];
    const struct ring *ring = n->corosync.ring;
    return n->core && ring && ring->members >> a->target & 1 && ring->members >> a->node & 1 &&
           ids_contain(&n->core->replica.ring, a->target);
}

/* It switches another machine, and says of that one that it is off. */
static void crossed_ends(struct sim *s, struct agent *a, uint64_t index, uint64_t serial) {
    struct node *n = &s->nodes[a->target];
    if (!is_heard(s, a)) {
        tell(s, a, false, POWER_UNKNOWN, "no answer");
        return;
    }
    n->crossed_until_us = s->now_us + CROSSED_US;
    if (n->crossed && n->crossed != a->target) {
        sim_power_off(s, n->crossed, "fenced for another");
    }
    if (agent_is(s, index, serial)) {
        tell(s, a, true, POWER_OFF, "off, verified");
    }
}

static void off_after_all(struct sim *s, uint64_t node, uint64_t boot) {
    if (s->nodes[node].boot == boot) {
        sim_power_off(s, (uint32_t)node, "somebody pulls the right plug");
    }
}

void power_ring_formed(struct sim *s, uint32_t set) {
    for (uint32_t i = 1; i <= s->n; i++) {
        struct node *n = &s->nodes[i];
        if (!(set >> i & 1) && n->power && s->now_us < n->crossed_until_us) {
            sim_at(s, 0, off_after_all, i, n->boot);
        }
    }
}

void sim_fence_crossed(struct sim *s, uint32_t node, uint32_t other) {
    sim_trace(s, "%s: its fence device switches %s", s->names[node],
              other ? s->names[other] : "a machine that is no node");
    s->nodes[node].fence = FENCE_CROSSED;
    s->nodes[node].crossed = other;
}

void sim_device_dead(struct sim *s, const char *device) {
    (void)snprintf(s->dead_device, sizeof(s->dead_device), "%s", device);
}

static void fence_ends(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_is(s, index, serial)) {
        return;
    }
    enum sim_fence mode = a->dead_device ? FENCE_FAILS : s->nodes[a->target].fence;
    if (a->status) {
        uint32_t seen = mode == FENCE_CROSSED ? s->nodes[a->target].crossed : a->target;
        bool on = seen && s->nodes[seen].power;
        bool answers = mode == FENCE_WORKS || mode == FENCE_CROSSED;
        tell(s, a, answers,
             !answers ? POWER_UNKNOWN
             : on     ? POWER_ON
                      : POWER_OFF,
             on ? "on" : "off");
        return;
    }
    if (mode == FENCE_CROSSED) {
        crossed_ends(s, a, index, serial);
        return;
    }
    if (mode == FENCE_WORKS || mode == FENCE_OFF_UNCONFIRMED) {
        sim_power_off(s, a->target, "fenced");
        if (!agent_is(s, index, serial)) {
            return; /* the device has cut off whoever asked */
        }
    }
    if (mode == FENCE_HANGS) {
        sim_at(s, a->deadline_us > s->now_us ? a->deadline_us - s->now_us : 0, hangs_no_more, index,
               serial);
        return;
    }
    tell(s, a, mode == FENCE_WORKS, mode == FENCE_WORKS ? POWER_OFF : POWER_UNKNOWN,
         mode == FENCE_WORKS ? "off, verified" : "no answer");
}

void fence_run(struct sim *s, uint32_t node, const struct core_fence_order *order) {
    struct agent *a = agent_new(s, node, order->run, "fence");
    a->fence = true;
    a->status = order->action == FENCE_STATUS;
    a->dead_device = false;
    for (uint32_t i = 0; s->dead_device[0] && i < order->n_params; i++) {
        a->dead_device = a->dead_device || strcmp(order->params[i].value, s->dead_device) == 0;
    }
    a->target = node_by_name(s, order->node);
    CHECK(a->target != 0);
    a->deadline_us = s->now_us + order->timeout_ms * 1000;
    if (!a->status && s->fence_calls < SIM_FENCE_CALLS) {
        s->fence_call_us[s->fence_calls] = s->now_us;
    }
    s->fence_calls += !a->status;
    sim_trace(s, "%s: fence %s %s", s->names[node], a->status ? "status" : "off", order->node);
    uint64_t usual_us = s->nodes[a->target].fence_us ? s->nodes[a->target].fence_us : 8000;
    uint64_t us = sim_delay(s, usual_us), timeout_us = order->timeout_ms * 1000;
    sim_at(s, us < timeout_us ? us : timeout_us, us < timeout_us ? fence_ends : hangs_no_more,
           (uint64_t)(a - s->agents), a->serial);
}

void sim_fence_mode(struct sim *s, uint32_t node, enum sim_fence mode, uint64_t us) {
    static const char *const names[] = {"works", "fails", "hangs", "powers off and says it failed",
                                        "is crossed"};
    sim_trace(s, "%s: its fence device %s, after %llu ms", s->names[node], names[mode],
              (unsigned long long)us / 1000);
    s->nodes[node].fence = mode;
    s->nodes[node].fence_us = us;
}

void sim_confirm_off(struct sim *s, uint32_t by, uint32_t node) {
    if (!s->nodes[node].power) { /* the administrator has looked */
        struct cmd_node_confirm_off confirm = {.node = s->names[node]};
        (void)sim_command(s, by, COMMAND_NODE_CONFIRM_OFF, &confirm);
    }
}

/* ---- watchdogs ---- */

static void reset_ends(struct sim *s, uint64_t node, uint64_t boot) {
    if (s->nodes[node].boot == boot && !s->options.no_restart) {
        sim_power_on(s, (uint32_t)node);
    }
}

static void bite(struct sim *s, uint64_t node, uint64_t count) {
    struct node *n = &s->nodes[node];
    if (!n->power || n->fed_count != count || n->fed_us == 0) {
        return;
    }
    sim_power_off(s, (uint32_t)node, "its watchdog was not fed");
    sim_at(s, 2 * SIM_SECOND + sim_random(s, 10 * SIM_SECOND), reset_ends, node, n->boot);
}

void watchdog_fed(struct sim *s, uint32_t node, bool feed) {
    struct node *n = &s->nodes[node];
    if (s->options.watchdog_ms == 0) {
        return;
    }
    n->fed_count++;
    n->fed_us = feed ? s->now_us : 0;
    if (feed) {
        sim_at(s, s->options.watchdog_ms * 1000, bite, node, n->fed_count);
    }
}

void sim_node_gone(struct sim *s, uint32_t node) {
    s->there &= ~(UINT32_C(1) << node);
    sim_power_off(s, node, "for good");
}
