/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One replica; see one_replica.h.
 */
#include "unit/core/one_replica.h"

void alone_begin(struct alone *s, uint32_t n_nodes) {
    static const char *const names[] = {"n1", "n2", "n3"};
    static const uint32_t ids[] = {1, 2, 3};
    *s = (struct alone){0};
    bench_begin(&s->b);
    outbox_reset(&s->b.out);
    for (uint32_t i = 0; i < n_nodes; i++) {
        s->nodes[i] = (struct view_node){.id = i + 1, .name = names[i], .votes = 1};
    }
    struct core_boot boot = {.node = 1, .incarnation = 11, .nodes = {s->nodes, n_nodes}};
    struct core_view view = {.members = {ids, n_nodes}, .ring = {ids, n_nodes}};
    assert_int_equal(replica_init(&s->r, &boot, &s->b.m), 0);
    assert_int_equal(replica_view(&s->r, &view, 1000, &s->b.out), 0);
    s->r.lists = (struct node_lists){.n = 1, .v = {s->r.own}};
    s->r.phase = REPLICA_ACTIVE;
    s->r.protocol = PROTOCOL_HIGHEST;
    for (uint32_t i = 0; i < s->r.n_peers; i++) {
        struct replica_peer *p = &s->r.peers[i];
        p->incarnation = 11 + i;
        p->in_view = p->fresh = true;
        p->state = (struct msg_state){
            .members = s->r.members, .protocol = PROTOCOL_HIGHEST, .lowest = PROTOCOL_LOWEST};
        memcpy(p->state_members, ids, n_nodes * sizeof(ids[0]));
    }
}

void alone_end(struct alone *s) {
    replica_finish(&s->r);
    bench_end(&s->b);
}

uint32_t alone_errors_logged(const struct alone *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->b.out.n; i++) {
        n += s->b.out.v[i].type == CORE_ACTION_LOG && s->b.out.v[i].log.severity == SEVERITY_ERROR;
    }
    return n;
}
