/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source of an answer: the core as it is at this moment. Made for one request, and gone with
 * it.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_VIEW_H
#define CLUSTERD_ADAPTERS_IPC_VIEW_H

#include "adapters/ipc/json.h"
#include "adapters/ipc/requests.h"
#include "adapters/json_writer.h"
#include "base/arena.h"
#include "core/core.h"
#include "core/planner/planner.h"

#include <jansson.h>
#include <stdbool.h>

/* What to do while a node waits before it joins: for corosync, or for room on its disk. */
#define IPC_WAITING_TODO "systemctl status corosync clusterd"

/* model_digest() of the last model it was taken of: the log tells what stands in which one. */
struct ipc_digest {
    uint64_t epoch, index, digest;
    bool known;
};

struct ipc_view {
    const struct model *model;
    const struct core *core; /* for what only the core knows; NULL in tests of the rest */
    struct core_status status;
    struct core_outlook outlook;
    uint64_t wall_ms;    /* now */
    const char *cluster; /* name of the cluster */
    bool secrets;        /* the client may see secrets in definitions: an administrator */
    const char *waiting; /* why this clusterd has not joined yet, e.g. no corosync; "" if it has */
    const char *misfit;  /* between corosync's configuration and clusterd.conf; NULL or "": none */
    const char *list_changed;  /* corosync's list of nodes, if a reload changed it; NULL or "" */
    bool ring_in_clear;        /* this node's corosync does not encrypt */
    struct ipc_digest *digest; /* NULL: nothing is kept */
    struct arena *arena;
};

/* ipc/render.c: model to JSON, in the shapes that clients know. NULL when memory has run out. */
json_t *render_node(const struct ipc_view *view, const struct model_node *node);
/* Where the VM ran, oldest first. */
json_t *render_history(const struct model_vm *vm);
json_t *render_storage(const struct model_journal *row);
json_t *render_checkpoints(const struct model *m, const struct model_vm *vm);
json_t *render_volume(const struct ipc_view *view, const struct model_volume *volume);
json_t *render_device(const struct ipc_view *view, const struct model_device *device);
json_t *render_operation(const struct model *model, const struct model_operation *operation);
json_t *render_event(const struct model_event *event);
json_t *render_progress(const struct model *model, const struct core_progress *progress);
json_t *render_rule(const struct model *model, const struct model_rule *rule);
json_t *render_setting(const struct model *model, unsigned id);
/* The name of a node; 0: null. */
void write_node_name(struct json_writer *writer, const char *key, const struct model *model,
                     uint32_t id);
/* There may be thousands of VMs, so they are written without a tree: the members of an object. */
void write_vm_members(struct json_writer *writer, struct ipc_view *view, const struct model_vm *vm);

/* The state of a VM as people see it; *ret_reason: why it is not as wanted ("" if it is). */
const char *shown_vm_state(struct ipc_view *view, const struct model_vm *vm,
                           const char **ret_reason);
const char *shown_node_state(const struct model_node *node);

/* ipc/problems.c: what is wrong, why, and what to do. */
json_t *render_problems(struct ipc_view *view);
/* {"nodes", "state": "off" | "ok" | "broken" | "unknown", "reason"} */
json_t *render_reserve(const struct ipc_view *view);

/* ipc/explain.c */
json_t *render_explanation(struct ipc_view *view, const struct model_vm *vm,
                           struct ipc_error *ret_error);
/* Dry runs: what a move would do, as JSON that the caller owns. The core alone decides whether it
 * is allowed. 0, or -EINVAL and an error. */
int plan_move(struct ipc_view *view, const struct cmd_vm_move *move, json_t **ret_plan,
              struct ipc_error *ret_error);

/* ipc/drain_plan.c: the same of a drain. */
int plan_drain(struct ipc_view *view, const char *node, json_t **ret_plan,
               struct ipc_error *ret_error);

/* ipc/export.c: the planner's problem in the format of clusterd-cluster.json(5). */
json_t *render_cluster(struct ipc_view *view, struct ipc_error *ret_error);

/* ipc/read.c */
/* Whether the answer shows plans: then the outlook must be brought up to date first. */
bool ipc_read_shows_outlook(const struct ipc_request *request);
/* Writes what answers a read verb: the members of an object. 0, or -EINVAL and an error; something
 * may be written already then. */
int ipc_read(struct ipc_view *view, const struct ipc_request *request, struct json_writer *writer,
             struct ipc_error *ret_error);

#endif
