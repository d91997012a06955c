/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core: everything clusterd decides, as one function from an event to actions.
 *
 *     event ──► replica   views, log, acknowledgements, commit, catch-up
 *                  │ committed entries
 *                  ▼
 *               apply ──► model ──┬──► policy     on the coordinator: what should be ordered?
 *                                 │               └──► commands, back to the replica
 *                                 └──► executor   on every node: what must this node do?
 *                                                 └──► agents
 *
 * The core has no clock, no I/O, no threads and no globals. Time is a field of the event, and
 * whatever the world must do is an action. So the simulator runs this very object code. (Idea:
 * cowsql/raft's raft_step; TigerBeetle's VOPR.)
 */
#ifndef CLUSTERD_CORE_CORE_H
#define CLUSTERD_CORE_CORE_H

#include "core/model/model.h"
#include "wire/command.h"
#include "wire/prediction.h"
#include "wire/progress.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core; /* opaque */

/* ----------------------------------------------------------------------------- events in ---- */

enum core_event_type {
    CORE_EVENT_BOOT = 1, /* first, once */
    CORE_EVENT_VIEW,     /* corosync: the members, and whether they have a quorum */
    CORE_EVENT_MESSAGE,  /* delivered by CPG; our own messages too */
    CORE_EVENT_STORED,   /* this STORE and all before it are on stable storage */
    CORE_EVENT_AGENT,    /* a line of a resource agent, or its end */
    CORE_EVENT_FENCE,    /* the end of a fence agent */
    CORE_EVENT_REQUEST,  /* a client wants a change */
    CORE_EVENT_TIMEOUT,  /* the time given by ret->wakeup_ms has come */
    CORE_EVENT_STOP,     /* SIGTERM: leave in good order */
    CORE_EVENT_SOLVED    /* a job of SOLVE has been run */
};

/* What sqlite held at start. */
struct core_entry {
    uint64_t index;
    uint64_t epoch;
    const uint8_t *data; /* an encoded entry (core/log.h) */
    uint32_t size;
};

struct core_stored_state {
    uint64_t promised;       /* highest epoch promised */
    uint32_t needs;          /* as in core_store; 0: the lowest */
    uint64_t commit_index;   /* a lower bound: it is written along with later entries */
    uint64_t snapshot_index; /* 0: no snapshot */
    uint64_t snapshot_epoch;
    uint64_t snapshot_chain; /* chain digest of the log at snapshot_index */
    const uint8_t *snapshot;
    uint32_t snapshot_size;
    const struct core_entry *entries; /* in order, from snapshot_index + 1 */
    uint32_t n_entries;
};

struct core_boot {
    uint32_t node;        /* own corosync node id */
    uint64_t incarnation; /* random, not 0 */
    const char *version;
    struct wire_list nodes; /* struct view_node: corosync's node list */
    uint8_t two_node;       /* votequorum options that let a small quorum form */
    uint8_t last_man_standing;
    uint8_t quorum_device;
    uint8_t wait_for_all;
    uint64_t memory_mb; /* capacity for VMs */
    uint32_t cpus;
    const char *site;
    const char *rack;
    uint64_t watchdog_ms;    /* 0: none; else the timeout for which the watchdog is armed */
    const char *migrate_uri; /* "%s": name of the target */
    const char *libvirt_uri;
    uint32_t compact_entries; /* entries between snapshots; 0: the default */
    /* For tests, which play an older build: the highest protocol version it speaks (0: the one of
     * this build), and whether it predates the announcement of versions. */
    uint32_t speaks;
    uint8_t tells_no_versions;
    uint64_t solve_in_loop; /* nodes times VMs; above this a solve becomes a job; 0: the default */
    struct core_stored_state state;
};

struct core_view {
    struct wire_ids members; /* CPG members in the ring that has the quorum, ascending */
    struct wire_ids ring;    /* nodes of the ring that has the quorum, ascending */
    uint8_t quorate;
};

struct core_message {
    uint32_t sender; /* node id */
    const uint8_t *data;
    uint32_t size;
};

enum core_agent_line {
    AGENT_LINE_NONE = 0,
    AGENT_PROGRESS,     /* progress_* */
    AGENT_DONE,         /* the process has ended: result, state, reason, ... */
    AGENT_CONNECTED,    /* vm watch */
    AGENT_DISCONNECTED, /* reason */
    AGENT_DOMAIN,       /* an existing domain: uuid, generation, state */
    AGENT_LISTED,       /* that was all of them */
    AGENT_DOMAIN_EVENT, /* uuid, generation, domain_event, reason */
    AGENT_USAGE,
    AGENT_VOLUME,     /* volume watch: volume_ok, seen[], free_mb, total_mb, reason */
    AGENT_CPU_MODELS, /* vm host-cpu: models, machines */
    AGENT_AUTOSTART,  /* a definition here: uuid, autostart */
    AGENT_NETWORKS,   /* vm watch: networks, all that there are now */
    AGENT_DISKS       /* a domain here: uuid, generation, reason: the disks that have changed; "" */
};

#define CORE_NEVER_MOVED UINT64_MAX

/* What a volume's agent reads in another node's heartbeat file. */
struct core_seen {
    const char *node;
    const char *nonce;
    /* Time since the agent saw the number grow, by the agent's own clock. CORE_NEVER_MOVED: it has
     * not grown, and the file may be an old copy of the node's file. */
    uint64_t moved_ms;
};

/* One line of an agent. Fields that the line does not have are zero or "". */
struct core_agent {
    uint64_t run; /* the id that RUN_AGENT gave */
    enum core_agent_line line;
    uint8_t result; /* enum agent_result; DONE */
    uint8_t state;  /* enum agent_vm_state */
    uint8_t domain_event;
    uint8_t volume_ok;
    uint8_t foreign;     /* DOMAIN, STARTED: it certainly has no generation */
    uint8_t autostart;   /* libvirt starts it when the node boots */
    uint8_t state_lost;  /* vm restore: there is no saved state, or it has been used already */
    uint8_t refused;     /* vm migrate_to, restore: the target can never take the VM */
    uint8_t handed_over; /* vm migrate_to: the target's copy is the VM now, but could not be
                            resumed */
    uint8_t not_begun;   /* the agent never got to its task: nothing has changed */
    const char *uuid;
    const char *name;
    const char *reason;
    uint64_t generation;
    uint64_t blackout_ms;
    uint64_t total_ms;
    PROGRESS_FIELDS(WIRE_MEMBER, core_agent)
    uint64_t memory_total_mb, memory_free_mb;
    uint32_t cpu_busy_permille;
    uint64_t free_mb, total_mb;
    const struct core_seen *seen;
    uint32_t n_seen;
    struct wire_strs models, machines, networks;
    MOVE_FIGURES(WIRE_MEMBER, core_agent)      /* vm migrate_to */
    PREDICTION_FIELDS(WIRE_MEMBER, core_agent) /* vm predict */
    const char *machine; /* DONE, DOMAIN: the machine type the VM runs with; "" or NULL: unknown */
};

enum core_power { POWER_UNKNOWN = 0, POWER_ON, POWER_OFF };

struct core_fence {
    uint64_t run;
    uint8_t ok;    /* the agent succeeded, and its status, if it has one, says off; for a test: it
                      answered */
    uint8_t power; /* of a test: the answer */
    const char *message; /* one line, free of secrets */
};

enum core_request_kind {
    REQUEST_COMMAND = 1,
    REQUEST_DEVICE_TEST,
    REQUEST_PREDICT, /* what a live move would take: REPLY has it */
    REQUEST_OUTLOOK  /* bring core_get_outlook() up to date; REPLY OK says that it is */
};

struct core_request {
    uint64_t id; /* comes back in REPLY */
    enum core_request_kind kind;
    uint32_t command;          /* COMMAND: enum command_type; PREDICT: VM_MOVE */
    const void *value;         /* and its struct */
    const char *device, *node; /* DEVICE_TEST */
    uint64_t asker;            /* uid of the user who asks, plus 1; 0: nobody */
    const char *user;          /* that user's name; NULL: it has none */
};

struct core_event {
    enum core_event_type type;
    uint64_t now_ms;  /* CLOCK_BOOTTIME */
    uint64_t wall_ms; /* UTC; for people only: no decision uses it */
    union {
        struct core_boot boot;
        struct core_view view;
        struct core_message message;
        struct {
            uint64_t seq;
            int error; /* 0, or a negative errno: the node cannot continue */
        } stored;
        struct core_agent agent;
        struct core_fence fence;
        struct core_request request;
        struct {
            uint64_t id;
        } solved;
        struct {
            uint64_t due_ms; /* TIMEOUT: the wakeup_ms that it answers. The delay shows how far this
                                clusterd lags behind. */
        } timeout;
    };
};

/* --------------------------------------------------------------------------- actions out ---- */

enum core_action_type {
    CORE_ACTION_STORE = 1,
    CORE_ACTION_SEND,
    CORE_ACTION_RUN_AGENT,
    CORE_ACTION_KILL_AGENT,
    CORE_ACTION_FENCE,
    CORE_ACTION_REPLY,
    CORE_ACTION_EVENT,     /* a new row of the model's events: log it and tell subscribers */
    CORE_ACTION_OPERATION, /* this operation has changed: tell subscribers */
    CORE_ACTION_PROGRESS,  /* of a moving VM: tell subscribers */
    CORE_ACTION_LOG,       /* about this node only, not replicated */
    CORE_ACTION_WATCHDOG,
    CORE_ACTION_EXIT, /* CORE_EVENT_STOP is done, or the node must not continue */
    CORE_ACTION_SOLVE /* run solve_job_run() outside the loop, then send SOLVED */
};

/* One transaction, in this order. Several STOREs may share a transaction. */
struct core_store {
    uint64_t seq;          /* grows by one; STORED confirms up to and including it */
    uint64_t promised;     /* 0: unchanged */
    uint64_t commit_index; /* 0: unchanged */
    const uint8_t
        *snapshot; /* NULL: none. Replaces the snapshot and deletes entries <= its index */
    uint32_t snapshot_size;
    uint64_t snapshot_index, snapshot_epoch, snapshot_chain;
    uint32_t needs; /* the protocol version that a reader of the store must speak; 0: unchanged */
    uint64_t truncate_from; /* 0: nothing; else entries >= this index are deleted before the new
                               ones are added */
    const struct core_entry *entries;
    uint32_t n_entries;
};

struct core_param {
    const char *key, *value;
};

struct core_run_agent {
    uint64_t run;                    /* comes back in CORE_EVENT_AGENT */
    const char *agent;               /* "vm", "volume" */
    const char *action;              /* "start" */
    const char *instance;            /* name of the VM or volume */
    const struct core_param *params; /* each key gets the prefix OCF_RESKEY_ */
    uint32_t n_params;
    const char *input;   /* for stdin; NULL: none */
    uint64_t timeout_ms; /* then its process group gets SIGKILL and AGENT_DONE says RESULT_TIMEOUT;
                            0: no limit */
    uint8_t outlives;    /* the agent is not killed when this clusterd ends */
    uint8_t hears_end;   /* it says how it ended when it is asked to end, even in its first moment:
                            it begins with SIGTERM blocked, and takes it when it can */
};

struct core_kill_agent {
    uint64_t run;
    uint8_t force; /* 0: SIGTERM (cancel, and report the outcome); 1: SIGKILL */
};

enum core_fence_action { FENCE_OFF = 1, FENCE_STATUS };

struct core_fence_order {
    uint64_t run;
    const char *agent;               /* "fence_ipmilan" */
    const char *node;                /* replaces {node} in values */
    enum core_fence_action action;   /* OFF: then checked by status if the agent has it */
    const struct core_param *params; /* secret */
    uint32_t n_params;
    uint64_t timeout_ms;
};

enum core_reply_code {
    REPLY_OK = 0,
    REPLY_REFUSED,
    REPLY_NO_QUORUM,
    REPLY_NOT_FOUND,
    REPLY_FAILED
};

struct core_prediction {
    PREDICTION_FIELDS(WIRE_MEMBER, core_prediction)
};

struct core_reply {
    uint64_t id;
    enum core_reply_code code;
    uint64_t operation;  /* to wait for; 0: none */
    const char *message; /* one line; "" when OK */
    const char *hint;    /* what to do; may be "" */
    const char *warning; /* with OK: done, but it breaks something; one line, or "" */
    const struct core_prediction *prediction; /* of PREDICT; NULL: the VM is not moved live */
};

struct core_progress {
    uint64_t operation;
    uint32_t vm;
    PROGRESS_FIELDS(WIRE_MEMBER, core_progress)
};

struct core_watchdog {
    uint8_t feed; /* 1: keepalive; 0: disarm (magic close), only when nothing runs here */
};

struct solve_job; /* opaque */
/* Runs the job to its end, in any thread. It touches nothing but the job. */
void solve_job_run(struct solve_job *job);

struct core_action {
    enum core_action_type type;
    union {
        struct core_store store;
        struct {
            const uint8_t *data;
            uint32_t size;
        } send;
        struct core_run_agent run_agent;
        struct core_kill_agent kill_agent;
        struct core_fence_order fence;
        struct core_reply reply;
        struct {
            const struct model_event *row;
        } event;
        struct {
            uint64_t id;
        } operation;
        struct core_progress progress;
        struct {
            enum severity severity;
            const char *message;
        } log;
        struct core_watchdog watchdog;
        struct {
            uint64_t id;
            struct solve_job *job; /* the core's, which does not touch it until SOLVED; see
                                      solve.h */
        } solve;
        struct {
            int error; /* 0: as requested; else a negative errno */
            const char *message;
        } exit;
    };
};

/* Everything here belongs to the core and is valid until the next core_step(). The caller carries
 * out the actions in order. */
struct core_actions {
    const struct core_action *v;
    uint32_t n;
    uint64_t wakeup_ms; /* the caller sends CORE_EVENT_TIMEOUT at this now_ms at the latest;
                           UINT64_MAX: never */
};

/* -ENOMEM. */
int core_create(struct core **ret_core);
void core_destroy(struct core *core); /* NULL is fine */

/*
 * Handles one event. Returns 0, or a negative errno. After an error the core must not be used any
 * more: the process ends. What the core promised is on disk, and the only actions are LOG and EXIT,
 * which say why.
 *
 * -ENOMEM
 * -EBADMSG           the store is damaged
 * -EIO               the store fails
 * -ETIME             the store does not answer
 * -ENOTRECOVERABLE   this node's log contradicts the others'
 */
int core_step(struct core *core, const struct core_event *event, struct core_actions *ret_actions);

/* ----------------------------------------------------- for readers (IPC, tests) ---- */

const struct model *core_model(const struct core *core);

/* What one node knows and the model does not. */
struct core_status {
    uint32_t node;
    uint8_t quorate;
    uint8_t corosync_down; /* this node itself is in no ring */
    uint8_t usable;        /* this node may act: its view is committed, and nothing is in doubt */
    const char *phase;     /* "ready", "no quorum", "forming a view", "catching up", ... */
    const char *reason;    /* if not usable: why, and what to do; else "" */
    uint64_t epoch, last_index, commit_index, applied_index;
    uint64_t stored_index;
    /* How this node's list of nodes (corosync.conf) differs from the cluster's; "": it does not. */
    char list_differs[512];
    /* Which node's protocol version keeps it out of the cluster, and what to do; "". */
    char version_differs[300];
    /* Which node has a different state from the others after the same log; "". */
    char state_differs[300];
    /* Nodes whose moves are not encrypted, as they say (not replicated); the core's own. */
    struct wire_ids in_clear;
};
void core_get_status(const struct core *core, struct core_status *ret_status);

/* The last usage the node broadcast (not replicated); false: none yet. */
struct core_usage {
    uint64_t memory_total_mb, memory_free_mb;
    uint32_t cpu_busy_permille;
};
bool core_get_usage(const struct core *core, uint32_t node, struct core_usage *ret_usage);

/* How busy the nodes' CPUs are, as balance sees it. Fills ret[WIRE_MAX_NODES], returns the
 * count. */
struct planner_load;
uint32_t core_get_loads(const struct core *core, struct planner_load *ret);
/* Plans that are not decided yet, as of the last REQUEST_OUTLOOK. The plans belong to the core and
 * are valid until the next step. */
struct planner_plan;
struct core_outlook {
    const struct planner_plan *starts; /* for VMs that are down and should run; NULL: unknown */
    const struct planner_plan *advice; /* the moves that `balance advise` suggests; NULL: none */
};
/* Whether the outlook matches the present model, or is not needed. Then nobody has to request
 * it. */
bool core_outlook_is_known(const struct core *core);
void core_get_outlook(const struct core *core, struct core_outlook *ret_outlook);

/* Whether any `nodes` nodes can be lost, by this node's last check; see reserve.h. */
enum core_reserve_state { RESERVE_OFF = 0, RESERVE_OK, RESERVE_BROKEN, RESERVE_UNKNOWN };
struct core_reserve {
    uint32_t nodes;                /* 0: no reserve is kept */
    enum core_reserve_state state; /* OFF while nodes > 0: not checked yet */
    const char *text;              /* BROKEN, UNKNOWN: the reason, in one line */
};
void core_get_reserve(const struct core *core, struct core_reserve *ret_reserve);

/* The last known progress of the VM's migration; false: none. */
bool core_get_progress(const struct core *core, uint32_t vm, struct core_progress *ret_progress);

#endif
