/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One core; see one_core.h.
 */
#include "unit/core/one_core.h"

#include "core/pending.h"

void solo_begin(struct core *c, struct bench *b) {
    struct view_node nodes[] = {{.id = 1, .name = "n1", .votes = 1},
                                {.id = 2, .name = "n2", .votes = 1},
                                {.id = 3, .name = "n3", .votes = 1}};
    struct core_boot boot = {.node = 1, .incarnation = 11, .nodes = {nodes, 3}};
    static char uri[] = "qemu:///system";
    *c = (struct core){.self = 1, .incarnation = 11, .libvirt_uri = uri, .model = b->m};
    b->m = (struct model){0};
    outbox_finish(&b->out);
    outbox_init(&c->out);
    executor_init(&c->executor);
    assert_int_equal(replica_init(&c->replica, &boot, &c->model), 0);
    c->replica.phase = REPLICA_ACTIVE;
    c->replica.epoch = c->model.epoch;
    c->replica.applied_index = c->model.index; /* the first entry of the view and more */
    assert_true(replica_usable(&c->replica));
    solo_step(c, 100000);
}

void solo_end(struct core *c) {
    outlook_finish(c);
    solve_finish(c);
    executor_finish(&c->executor);
    pending_finish(c);
    replica_finish(&c->replica);
    outbox_finish(&c->out);
    model_finish(&c->model);
}

void solo_step(struct core *c, uint64_t now_ms) {
    outbox_reset(&c->out);
    c->now_ms = now_ms;
}

uint32_t solo_actions(const struct core *c, enum core_action_type type) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->out.n; i++) {
        n += c->out.v[i].type == type;
    }
    return n;
}
