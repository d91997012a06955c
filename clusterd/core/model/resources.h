/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Further resources: what a node has and a VM needs beyond memory and CPU (hugepages, vGPUs, SR-IOV
 * ports). To the cluster they are names and numbers; it takes the administrator's word for what a
 * node has.
 *
 * A name exists as long as a node has some of it or a VM needs some. There are never more than
 * WIRE_MAX_RESOURCES: the engine counts no more.
 */
#ifndef CLUSTERD_CORE_MODEL_RESOURCES_H
#define CLUSTERD_CORE_MODEL_RESOURCES_H

#include "core/model/model.h"

#include <stdbool.h>
#include <stdint.h>

/* Ascending: the same on all nodes, in whatever order they were named. */
struct resource_names {
    const char *v[WIRE_MAX_RESOURCES]; /* the model's */
    uint32_t n;
};

/* false: there is no room for one more. */
bool resource_names_add(struct resource_names *names, const char *name);
/* Those in use, but for what only the list `but` names (of a row; may be NULL). */
void resource_names_in_use(const struct model *m, const struct wire_list *but,
                           struct resource_names *ret);

/* 0: it is not in the list. */
uint64_t resources_amount(const struct wire_list *list, const char *name);
/* What the VMs that are on the node, or may be there, need of each resource in total. */
void resources_used(const struct model *m, uint32_t node, const struct resource_names *names,
                    uint64_t ret[WIRE_MAX_RESOURCES]);

#endif
