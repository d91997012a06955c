/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One replica and what its peers have said, without a cluster.
 */
#ifndef TESTS_CORE_ONE_REPLICA_H
#define TESTS_CORE_ONE_REPLICA_H

#include "core/replica/replica.h"
#include "unit/core/one_model.h"

/* This is n1; all nodes take part in an active view. */
struct alone {
    struct bench b;
    struct replica r;
    struct view_node nodes[3];
    char text[400];
};

void alone_begin(struct alone *s, uint32_t n_nodes);
void alone_end(struct alone *s);
/* Since the outbox was emptied. */
uint32_t alone_errors_logged(const struct alone *s);

#endif
