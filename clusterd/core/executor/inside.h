/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the executor share, from the bottom up.
 */
#ifndef CLUSTERD_CORE_EXECUTOR_INSIDE_H
#define CLUSTERD_CORE_EXECUTOR_INSIDE_H

#include "core/core_internal.h"
#include "core/executor/executor.h"

/* ---- runs.c: agents that run, and calling one ---- */

/* NULL when memory has run out. Valid until the next run is added or dropped. */
struct run *executor_add_run(struct core *c, enum run_kind kind, uint32_t subject);
struct run *executor_find_run(struct core *c, enum run_kind kind, uint32_t subject);
struct run *executor_run_by_id(struct core *c, uint64_t id);
void executor_drop_run(struct core *c, struct run *run);
void executor_wake_at(struct core *c, uint64_t when_ms);
/* What this clusterd last did for the VM; NULL when memory has run out. Valid until the next
 * call. */
struct begun *executor_begun(struct core *c, uint32_t vm);

#define AGENT_PARAMS 16u /* at most so many for one agent */

/* An agent that is about to be run. `agent` is valid until the next action is added. */
struct agent_call {
    struct core_run_agent *agent; /* NULL: memory has run out */
    struct core_param *params;    /* in the outbox's arena */
};

/* Every agent gets libvirt's address and its own name. */
struct agent_call executor_call(struct core *c, const struct run *run, const char *agent,
                                const char *action, const char *instance);
/* The same, with the libvirt of another node. */
struct agent_call executor_call_at(struct core *c, const struct run *run, const char *uri,
                                   const char *agent, const char *action, const char *instance);
/* `key` and `value` must live as long as the step. */
void call_add(struct agent_call *call, const char *key, const char *value);

/* ---- domain_table.c ---- */

struct domain *executor_domain(struct core *c, const char *uuid);
/* The row of the line's domain, created if there is none; NULL when memory has run out. */
struct domain *executor_domain_for(struct core *c, const struct core_agent *line);
uint8_t executor_state_after(uint8_t event, uint8_t former);
/* How the domain ended, for the report: libvirt's last line may be about its life. */
uint8_t executor_end_of(const struct domain *d);
int executor_kill_domain(struct core *c, const struct domain *d, const char *why);
/* The domain is not ours, and we have no copy elsewhere: it is left alone and reported. */
bool executor_leaves_alone(const struct domain *d, const struct model_vm *vm);

/* ---- offers.c, report.c ---- */

int executor_ask_offers(struct core *c);
int executor_keep_offers(struct core *c, const struct core_agent *line);
int executor_keep_networks(struct core *c, const struct core_agent *line);
void executor_note_machine(struct core *c, const char *machine);
int executor_report_if_joining(struct core *c);
int executor_report_offers(struct core *c);

/* ---- predict.c ---- */

int executor_predict_done(struct core *c, struct run *run, const struct core_agent *line);

/* ---- probe.c ---- */

/* A probe that this node had begun got no answer: it is begun again after a pause. */
void executor_probe_unanswered(struct core *c, struct begun *begun, const char *reason);
/* libvirt may know more now of that VM; 0: of all. Its probe does not wait any longer. */
void executor_probe_soon(struct core *c, uint32_t vm);

/* ---- domain.c, claim.c, leftover.c, order.c, volume.c ---- */

/* How libvirt on that node is reached from this one: "qemu+tls://%s/system" with its name. */
const char *executor_uri_of(struct core *c, const char *name);
/* How a live move of the VM may go. `choices` may be NULL. */
void executor_live_params(struct core *c, const struct model_vm *vm,
                          const struct model_operation *choices, struct agent_call *call);

int executor_domain_line(struct core *c, const struct core_agent *line);
int executor_domains(struct core *c);
int executor_libvirt(struct core *c);
int executor_claims(struct core *c);
int executor_claim_done(struct core *c, struct run *run, const struct core_agent *line);
int executor_leftovers(struct core *c);
int executor_leftover_done(struct core *c, struct run *run, const struct core_agent *line);
int executor_orders(struct core *c);
int executor_order_done(struct core *c, struct run *run, const struct core_agent *line);
int executor_volumes(struct core *c);
int executor_volume_line(struct core *c, struct run *run, const struct core_agent *line);

/* ---- fence_agent.c, fence.c, two_nodes.c, self_fence.c ---- */

int executor_run_device(struct core *c, struct run *run, const struct model_device *device,
                        const char *node, enum core_fence_action what);
int executor_fencing(struct core *c);
/* What devices have said about nodes that were still heard, in runs of that kind. */
int executor_settle(struct core *c, enum run_kind kind);
int executor_clear_small(struct core *c);
int executor_self_stop(struct core *c);
void executor_watchdog(struct core *c);

#endif
