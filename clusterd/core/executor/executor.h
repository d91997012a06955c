/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The executor: what this node must do. It runs the agents for the orders that name this node,
 * keeps the watching agents alive, reports what they see, stops this node's VMs when it may not run
 * them, and feeds the watchdog.
 *
 * It acts only on committed orders of the present epoch, and on each at most once in the life of
 * this clusterd. A restarted clusterd reports first. What its predecessor had begun is asked of
 * libvirt (RESOLVING), not done again.
 */
#ifndef CLUSTERD_CORE_EXECUTOR_EXECUTOR_H
#define CLUSTERD_CORE_EXECUTOR_EXECUTOR_H

#include "core/core.h"
#include "core/model/model.h"

#include <stdbool.h>
#include <stdint.h>

struct core;

enum run_kind {
    RUN_WATCH = 1, /* vm watch */
    RUN_HOST_CPU,  /* vm host-cpu */
    RUN_VOLUME,    /* volume watch */
    RUN_ORDER,     /* an order on a VM */
    RUN_KILL,      /* destroy of a copy that may not run here */
    RUN_FENCE,     /* of a node */
    RUN_CLEAR,     /* of a node outside a small view, before that view */
    RUN_TEST,      /* of a fence device, for a client */
    RUN_CLAIM,     /* does libvirt have the VM here of its own */
    RUN_LEFTOVER,  /* a file that nobody needs is removed */
    RUN_PREDICT    /* what a live move would take, for a client */
};

struct run {
    uint64_t id;
    enum run_kind kind;
    uint32_t subject; /* VM, volume or node id */
    uint64_t order;   /* log index */
    enum order_kind order_kind;
    uint64_t client; /* TEST, PREDICT */
    uint64_t operation;
    uint64_t kill_ms;               /* asked to end: forced then; 0: not asked */
    bool killed;                    /* by SIGKILL */
    bool ends_save;                 /* a PROBE has found what an ended agent had saved */
    uint64_t incarnation;           /* FENCE: of the node's clusterd */
    char uuid[WIRE_MAX_NAME + 1];   /* KILL */
    char device[WIRE_MAX_NAME + 1]; /* FENCE, CLEAR, TEST */
    uint64_t off_ms; /* FENCE, CLEAR: when the device said "off" while the node was still heard; 0:
                        not yet */
    char said[256];  /* in these words */
};

struct domain { /* as `vm watch` told */
    char uuid[WIRE_MAX_NAME + 1];
    char name[WIRE_MAX_NAME + 1];
    char machine[WIRE_MAX_NAME + 1]; /* type that it runs with; "": not told */
    uint64_t generation;
    uint8_t state;
    uint8_t last_event;
    bool listed;              /* in the list that is being told */
    bool autostart;           /* libvirt would start it when this node boots */
    uint64_t claim_ms;        /* that is not taken away again before */
    bool surrendered;         /* this clusterd has begun to destroy it, for want of a usable view */
    uint64_t stray_ms;        /* since when it may not run here; 0: it may */
    uint64_t reported_serial; /* of the VM's row for which its end was reported */
    char reason[160];
    bool disks_known; /* the generation whose changed disks have been reported */
    uint64_t disks_generation;
    char disks[512]; /* are others than at its start */
};

struct volume_watch {
    uint32_t volume;
    uint64_t nonce;
    uint64_t begun_ms;       /* the first agent was started */
    uint64_t restart_ms;     /* one that has ended is not started again before */
    uint64_t last_line_ms;   /* 0: it has said nothing yet */
    uint64_t wrong_since_ms; /* since when the right storage is not ours; 0: it is */
    bool different;          /* ours was found to be different, and never since to be right */
    uint8_t ok;
    uint32_t sees[WIRE_MAX_NODES]; /* nodes whose heartbeats move here */
    uint32_t n_sees;
    bool told;
    uint8_t told_state;
    uint64_t told_ms;
    char reason[256];
};

struct begun {
    uint32_t vm;
    uint64_t order;       /* log index */
    bool waited;          /* a probe was repeated to hear libvirt's events, too */
    bool again;           /* a probe that got no answer: the same order once more */
    uint32_t unanswered;  /* probes in a row that got none */
    uint64_t asked_ms;    /* when its agent was last begun */
    uint64_t probe_ms;    /* not before: the next probe */
    uint64_t soonest_ms;  /* nor before this, whatever happens (probe.c) */
    bool claimed;         /* it was looked for, as it was to be added */
    uint64_t told_serial; /* of the VM's row for which was reported whether libvirt runs it here by
                             itself */
    uint64_t ask_ms;      /* not before: libvirt is asked whether that is over */
};

struct executor {
    uint64_t last_run;
    struct run *runs; /* owned */
    uint32_t n_runs, runs_capacity;
    struct domain *domains; /* owned */
    uint32_t n_domains, domains_capacity;
    struct volume_watch volumes[MODEL_MAX_VOLUMES];
    uint32_t n_volumes;
    struct begun *begun; /* owned: the last order begun per VM */
    uint32_t n_begun, begun_capacity;
    uint64_t leftover_begun; /* log index of the last order on a leftover that was begun */
    struct {
        uint32_t node;
        uint64_t order;
    } fenced[WIRE_MAX_NODES];
    uint32_t n_fenced;

    bool connected, listed; /* vm watch: this agent has, all that there is */
    bool ever_listed;       /* the table of domains means something */
    uint64_t watch_index;   /* the model's index when its agent was started */
    uint64_t watch_restart_ms;
    uint64_t missing_ms; /* since when a VM that runs here has not been reported by libvirt; 0:
                            none */
    char libvirt_reason[256];
    bool libvirt_away;        /* libvirt has not answered for a while: what the others are told */
    uint64_t libvirt_edge_ms; /* since when that is not so any more; 0: it is */
    /* Owned: cpu_models, machines, networks; its other fields are unused. */
    struct model_node offers;
    bool cpu_asked, cpu_known;
    bool offers_untold;   /* they have changed since this node's last report */
    bool networks_untold; /* likewise the networks */

    uint64_t unusable_since_ms; /* 0: usable */
    uint64_t self_stop_ms;      /* next round of destroying */
    bool self_stopping;
    uint64_t reported_index; /* JOINING since that index: report sent */
    uint64_t fed_heartbeat;  /* echo at the last feed */
    uint64_t feed_ms;        /* not again before */
    uint64_t clear_from_ms;  /* small view: when to fence the nodes outside; 0: nothing to clear */
    uint64_t clear_view;     /* of which all this is: VIEW events counted */
    uint32_t clear_attempts; /* that failed */
    struct wire_ids cleared;
    uint32_t cleared_ids[WIRE_MAX_NODES];
    uint64_t wakeup_ms;
};

void executor_init(struct executor *x);
void executor_finish(struct executor *x);
int executor_run(struct core *c);
int executor_agent(struct core *c, const struct core_agent *line);
int executor_fence(struct core *c, const struct core_fence *result);
/* Begins to predict what a live move would take. */
int executor_predict(struct core *c, const struct core_request *request);
int executor_test_device(struct core *c, const struct core_request *request);
/* clusterd is to end: true when it may. */
bool executor_may_stop(struct core *c);
/* clusterd is to stop: asks agents that work on files to end. True while there are some. */
bool executor_end_files(struct core *c);
/* This node, in a two-node cluster, waits for that node to be off before it goes on alone. */
bool executor_waits_for(const struct core *c, uint32_t node);
/* That node is off (or could not be powered off), by the word of a fence agent or an
 * administrator. */
void executor_note_cleared(struct core *c, uint32_t node, bool ok, const char *message);
/* The report that this node sent was dropped with its view: it is sent again. */
void executor_report_again(struct core *c);
/* Something runs here, or may run: the node must not count as idle. */
bool executor_runs_something(struct core *c);

#endif
