/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files of the small cluster; tests include world.h.
 */
#ifndef TESTS_CORE_WORLD_INTERNAL_H
#define TESTS_CORE_WORLD_INTERNAL_H

#include "unit/core/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MAX_VMS 64
#define TRACE_LINES 60
#define MAX_FENCE_CALLS 64
#define WORLD_STORAGES 8

struct item {
    struct item *next;
    struct core_event event;
    uint8_t *data; /* owned: of a message */
    uint64_t seq;  /* of a message, in the ring's order */
    uint32_t ids[2 * WORLD_NODES];
    char text[4][64];
    struct core_seen seen[WORLD_NODES];
    char nonces[WORLD_NODES][32];
};

struct agent {
    bool used;
    uint32_t node;
    uint64_t run, due_ms;
    uint64_t job_ms; /* when libvirtd has taken it: from then on it ends without the agent too */
    bool orphan;     /* the agent was killed; the job goes on */
    char action[16];
    char uuid[64];
    char name[64];
    uint64_t generation;
    uint32_t target;
    bool fence, status;
    bool long_lived;
    uint64_t begun_ms;
};

struct guest {
    char uuid[64], name[64];
    uint32_t node; /* 0: runs nowhere */
    uint64_t generation;
    bool saved;
};

/* A heartbeat file on a storage. */
struct heartbeat_file {
    char nonce[32];
    uint64_t beats, beat_ms; /* written with that nonce, the last time */
};

/* A STORE on its way to the disk. */
struct slow_store {
    struct slow_store *next;
    uint64_t due_ms;
    struct core_store store;
    struct core_entry *entries; /* owned, with their data */
    uint8_t *snapshot;          /* owned */
};

struct entry {
    uint64_t epoch;
    uint8_t *data;
    uint32_t size;
};

struct node {
    bool power, alive, frozen;
    struct core *core;
    uint64_t incarnation;
    struct item *first, **last;
    uint64_t wakeup_ms;
    uint32_t group;
    uint64_t watch_run;
    uint64_t processed; /* the last message that it has seen, in the ring's order */
    uint64_t fed_ms;    /* its watchdog; 0: not armed */
    const char *cpu_models[4], *machines[4];
    uint32_t n_cpu_models, n_machines;
    struct slow_store *stores, **last_store;
    /* the disk */
    uint64_t promised, commit_index;
    uint8_t *snapshot;
    uint32_t snapshot_size;
    uint64_t snapshot_index, snapshot_epoch, snapshot_chain;
    struct entry *log; /* index snapshot_index + 1 + i */
    uint32_t n_log;
    char nonce[32]; /* of its volume's agent */
    uint32_t storage;
    bool storage_hangs;
    uint64_t checked_index; /* whose model was compared with the others' */
};

struct world {
    uint32_t n;
    uint64_t now_ms, random;
    struct node nodes[WORLD_NODES + 1];
    struct agent agents[256];
    struct guest guests[MAX_VMS];
    uint32_t n_guests;
    struct view_node view_nodes[WORLD_NODES];
    char names[WORLD_NODES][12]; /* n and any number */
    bool fence_works, fence_lies;
    uint8_t fence_says; /* enum core_power, to a test */
    struct world_quorum quorum;
    uint64_t fence_ms, store_ms, watchdog_ms;
    uint64_t seq;
    uint32_t fence_calls;
    uint64_t fence_call_ms[MAX_FENCE_CALLS];
    struct heartbeat_file files[WORLD_STORAGES][WORLD_NODES + 1];
    bool other_cluster;
    char listen[64];
    uint32_t heard;
    char next_action[16], next_how[16];
    struct {
        char action[16];
        uint32_t n;
    } calls[24];
    uint64_t request_id, reply_id;
    struct core_reply reply;
    char reply_message[512];
    char trace[TRACE_LINES][256];
    uint32_t n_trace;
    uint64_t *committed; /* chain by index, as first seen */
    uint64_t n_committed;
};

uint64_t world_random(struct world *w);
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct item *world_push(struct world *w, uint32_t node, enum core_event_type type);
void world_drop_items(struct node *n);
void world_step(struct world *w, uint32_t node, struct core_event *event);

bool world_in_ring(const struct world *w, uint32_t a, uint32_t b);
void world_views_changed(struct world *w);
void world_broadcast(struct world *w, uint32_t sender, const uint8_t *data, uint32_t size);
void world_store(struct world *w, uint32_t node, const struct core_store *s);
void world_store_truncate(struct node *n, uint64_t from);
void world_store_due(struct world *w, uint32_t node);
void world_store_lose(struct node *n);
/* After a change of the ring: each part has its own end of what was under way. */
void world_lose_messages(struct world *w);

struct guest *world_guest(struct world *w, const char *uuid, bool add);
void world_run_agent(struct world *w, uint32_t node, const struct core_run_agent *r);
void world_finish_agent(struct world *w, struct agent *a);
void world_kill_agent(struct world *w, struct agent *a, bool force);
struct agent *world_new_agent(struct world *w, uint32_t node, uint64_t run, const char *action);
struct item *world_push_line(struct world *w, uint32_t node, uint64_t run,
                             enum core_agent_line line);
void world_vm_ends(struct world *w, struct guest *g, enum agent_event kind);
uint32_t world_node_by_name(const struct world *w, const char *name);

#endif
