/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core's inside: what its parts share. Nobody outside of core/ includes this.
 */
#ifndef CLUSTERD_CORE_CORE_INTERNAL_H
#define CLUSTERD_CORE_CORE_INTERNAL_H

#include "core/apply/apply.h"
#include "core/core.h"
#include "core/executor/executor.h"
#include "core/model/model.h"
#include "core/outbox.h"
#include "core/planner/problem.h"
#include "core/policy/policy.h"
#include "core/replica/replica.h"
#include "core/policy/reserve.h"
#include "core/policy/solve.h"

#include <stdbool.h>
#include <stdint.h>

/* A command that this node has sent, or wants to send, and has not seen applied. */
enum pending_kind {
    PENDING_POLICY, /* thought of anew in each view: forgotten with its view */
    PENDING_REPORT, /* something that happened here: sent again in the next view */
    PENDING_CLIENT  /* likewise, and somebody waits for the answer */
};

struct pending {
    uint64_t request; /* number within this incarnation */
    enum pending_kind kind;
    uint32_t type;       /* of the command */
    uint64_t client;     /* REPLY id */
    uint64_t sent_epoch; /* 0: not sent yet */
    uint64_t deadline_ms;
    uint8_t *data; /* owned: encoded log_command */
    uint32_t size;
};

struct add { /* a client that adds a VM, and waits for what the nodes say of it */
    uint64_t client;
    uint32_t vm;
    uint64_t deadline_ms;
};

struct core {
    bool booted;
    bool replaying; /* at boot: what is applied has been told before */
    bool stopping;
    bool was_usable; /* this node has been in a usable view since clusterd started */
    uint64_t now_ms, wall_ms;
    uint64_t prompt_ms; /* the last TIMEOUT that came in time; 0: none yet */

    uint32_t self;
    uint64_t incarnation;
    char *version, *site, *rack, *migrate_uri, *libvirt_uri;
    uint64_t memory_mb, watchdog_ms;
    uint32_t cpus;
    uint32_t compact_entries;

    struct model model;
    struct replica replica;
    struct policy policy;
    struct executor executor;
    struct outbox out;

    struct pending *pending; /* owned */
    uint32_t n_pending, pending_capacity;
    uint64_t last_request;
    uint32_t policy_inflight;
    struct add *adds; /* owned */
    uint32_t n_adds;

    struct reserve reserve;
    struct solve_job *jobs[SOLVE_PURPOSES]; /* owned */
    uint64_t last_job;
    uint64_t solve_in_loop; /* nodes times VMs */

    struct core_progress *progress; /* owned; by VM */
    uint32_t n_progress;
    struct {
        uint32_t node;
        struct core_usage usage;
        uint32_t cpu_mean; /* sixteenths of a permille, over the last ten reports or so */
    } usage[WIRE_MAX_NODES];
    uint32_t n_usage;
};

/* Sends a command, or keeps it until this node is in a usable view. `client` is for PENDING_CLIENT.
 */
int core_propose(struct core *c, enum pending_kind kind, uint32_t type, const void *command,
                 uint64_t client);
/* Whether a command of that type is under way from here. */
bool core_is_pending(const struct core *c, uint32_t type);
/* -ENOMEM, or 0. */
int core_applied(struct core *c, const struct apply *a);
int core_resend(struct core *c);
/* The state came as a snapshot: what was sent before may be in it, and is not sent again. */
void core_pending_in_snapshot(struct core *c);
void core_expire(struct core *c);
uint64_t core_pending_deadline(const struct core *c);
void core_pending_finish(struct core *c);

/* adds.c. -ENOMEM: it is answered by nobody. */
int adds_hold(struct core *c, uint64_t client, uint32_t vm);
void adds_applied(struct core *c, const struct apply *a);
/* Those whose time ends then, or before, are told that nothing is known yet. */
void adds_give_up(struct core *c, uint64_t before_ms);
uint64_t adds_deadline(const struct core *c);

/* A client's request: checked here, then proposed; or answered at once. */
int core_request(struct core *c, const struct core_request *request);
void core_reply(struct core *c, uint64_t id, enum core_reply_code code, uint64_t operation,
                const char *message, const char *hint);

const struct model_node *core_self(const struct core *c);
bool core_is_coordinator(const struct core *c);

#endif
