/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the simulator: shared by its files. Tests and the command line use sim.h.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "sim/sim.h"

#include "adapters/corosync/ring_view.h"
#include "core/core_internal.h"
#include "core/policy/solve.h"
#include "core/replica/log.h"

#define MAX_AGENTS 1024u
#define MAX_REQUESTS 4096u
#define TRACE_LINES 400u
#define TRACE_BYTES 240u

/* ---- time: one heap of things to be done ---- */

typedef void sim_fn(struct sim *s, uint64_t a, uint64_t b);
struct timer {
    uint64_t at_us, seq;
    sim_fn *fn;
    uint64_t a, b;
};
void sim_at(struct sim *s, uint64_t delay_us, sim_fn *fn, uint64_t a, uint64_t b);
void sim_trace(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_chance(struct sim *s, uint32_t percent);
/* A delay: mostly near `usual_us`; now and then, unless all is calm or steady, up to 20 times as
 * long. */
uint64_t sim_delay(struct sim *s, uint64_t usual_us);

/* ---- what waits for a clusterd ---- */

enum item_kind { ITEM_EVENT = 1, ITEM_GROUP, ITEM_QUORUM, ITEM_CONNECT, ITEM_DISCONNECT };

struct item {
    struct item *next;
    enum item_kind kind;
    struct core_event event; /* EVENT */
    struct shared *bytes;    /* of a message */
    uint64_t sent_us;        /* of an own one */
    uint32_t n;              /* GROUP: processes; QUORUM: ring */
    struct ring_process processes[2 * SIM_NODES];
    uint32_t ring[SIM_NODES];
    bool quorate;
    char text[3][64];
    struct core_seen seen[SIM_NODES];
    char nonces[SIM_NODES][24];
};

/* Bytes with several owners. */
struct shared {
    uint32_t owners, size;
    uint8_t data[];
};
struct shared *shared_new(const void *data, uint32_t size);
void shared_drop(struct shared *bytes); /* NULL is fine */

/* What comes over one socket or pipe comes in order. */
enum stream {
    STREAM_CPG,
    STREAM_QUORUM,
    STREAM_STORE,
    STREAM_AGENTS,
    STREAM_WATCH,
    STREAM_SOLVER,
    N_STREAMS
};

/* ---- disk ---- */

struct snapshot {
    struct shared *bytes; /* NULL: none */
    uint64_t index, epoch, chain;
};

struct database {
    uint64_t promised, commit_index;
    uint32_t needs; /* version of the protocol; 0: the lowest */
    struct snapshot snapshot;
    struct log log; /* from the snapshot on */
};

struct store { /* on its way */
    struct store *next;
    struct core_store put; /* what it points to is owned */
};

struct disk {
    struct database db;
    struct database kept; /* an older copy */
    bool has_kept;
    bool failed; /* after an error nothing is stored any more, until clusterd begins anew */
    uint64_t mended_us;
    bool tampered; /* was replaced or wiped, and has not caught up since */
    enum sim_disk mode;
    struct store *first; /* not yet in the transaction that is being committed */
    struct store *committing;
    uint64_t commits; /* number of the transaction under way */
};

/* ---- corosync ---- */

enum message_kind { RING_DATA = 1, RING_JOIN, RING_LEAVE };

struct ring_message {
    enum message_kind kind;
    uint32_t sender, pid;
    uint64_t sent_us;
    struct shared *bytes;
    uint64_t arrives_us[SIM_NODES]; /* UINT64_MAX: never */
};

struct ring {
    uint64_t id;
    uint32_t members; /* a set of nodes, bit by id */
    bool broken;      /* somebody is missing: nothing new is ordered */
    uint64_t broken_us;
    struct ring_message *messages; /* owned; sequence number first + i */
    uint64_t first, next;
    uint32_t capacity;
    uint64_t delivered[SIM_NODES]; /* next to be delivered */
};

struct out_message { /* queued at its sender */
    struct out_message *next;
    enum message_kind kind;
    uint32_t pid;
    uint64_t sent_us;
    struct shared *bytes;
};

struct corosync {
    bool up;
    struct ring *ring; /* NULL: forming one */
    uint64_t stuck_until_us;
    struct out_message *first, **last;
    uint64_t ordered_us; /* when the last one got its place */
    struct ring_process group[2 * SIM_NODES];
    uint32_t n_group;
    uint32_t member_pid; /* the clusterd that has joined the group here; 0: none */
    uint32_t ghost_pid;  /* one that is dead, which it has not noticed */
    bool wait_for_all;   /* has not seen all nodes at once yet */
    uint32_t expected;   /* votes; last_man_standing lowers it */
    uint64_t lms_timer;
    bool quorate;
    bool newer;
};

/* ---- node ---- */

#define SIM_OFFERS 4u /* CPU models, machine types, networks */
#define SIM_NETWORK 40u

/* On a storage: what a node's volume agent writes each second. */
struct heartbeat_file {
    char nonce[24];
    uint64_t beats, wrote_us; /* with that nonce; the last time */
};

struct node {
    uint32_t list, read_list; /* corosync.conf's nodes, bit by id; as clusterd has read them */
    bool power, frozen;
    uint64_t boot; /* counts power cycles; what belongs to an earlier one is void */
    struct corosync corosync;
    struct disk disk;

    bool libvirtd, libvirtd_hangs;
    uint64_t libvirtd_life;
    uint64_t autostarted_boot; /* in which libvirtd has started what starts by itself */
    uint64_t agents_back_us;   /* none can be run before */
    struct {
        char action[32]; /* "": none */
        enum sim_agent how;
    } habit; /* of its agents */
    enum sim_volume volume;
    enum sim_fence fence;
    uint64_t fence_us;
    uint32_t crossed;          /* whose plug its fence device switches; 0: no node's */
    uint64_t crossed_until_us; /* it was said to be off, and so it is if it is heard no more */
    uint64_t fed_us;           /* watchdog; 0: not armed */
    uint64_t fed_count;
    uint32_t storage; /* what it has at the volume's path */
    const char *cpu_models[SIM_OFFERS], *machines[SIM_OFFERS];
    uint32_t n_cpu_models, n_machines;
    char networks[SIM_OFFERS][SIM_NETWORK]; /* "": a free place */
    const char *told_networks[SIM_OFFERS + 1];

    struct core *core; /* NULL: no clusterd, or not booted */
    bool alive;        /* the process */
    bool connected;    /* to corosync */
    bool stopped;      /* by systemctl: not started again by itself */
    uint32_t pid;
    uint32_t speaks;        /* version of the protocol that its clusterd speaks; 0: the newest */
    bool tells_no_versions; /* a build from before versions were told */
    bool moves_in_clear;    /* its clusterd.conf names no TLS; read when clusterd starts */
    uint64_t life;          /* counts runs of clusterd */
    uint64_t incarnation;
    uint64_t stuck_until_us;              /* does not run */
    uint32_t dies_after;                  /* so many actions; 0: it does not */
    uint64_t starve_us, starves_until_us; /* each event takes so long */
    uint32_t garble_percent;              /* of its messages are damaged, */
    uint64_t garbles_until_us;
    bool garbles_votes; /* nothing else; see sim_garble_votes() */
    bool garbled;       /* and one was, in this life of clusterd */
    bool flipped;       /* its model has a bit that is wrong (sim_flip) */
    uint64_t ran_us;    /* when it last did anything */
    uint64_t knows_us;  /* when the last own message that it has worked through was sent */
    uint64_t doubt_us;  /* it has slept until then, and nothing sent after has come back; 0 */
    struct ring_view view;
    struct item *inbox, **inbox_last;
    uint64_t stream_us[N_STREAMS];
    uint64_t wakeup_us, wakeup_count;
    uint64_t due_ms;    /* the same, by its own clock */
    uint64_t watch_run; /* 0: nobody watches libvirt */

    uint64_t clock_offset_ms;
    int32_t clock_ppm;
    int64_t wall_jump_ms;

    uint64_t checked_index; /* committed entries compared */
    uint64_t seen_index;    /* its model was looked at */
    uint64_t boot_of_life;
    uint64_t steps, steps_from;
    struct {
        uint64_t index, from_us;
        uint32_t times;
    } asked[SOLVE_PURPOSES]; /* the same of the solver, of an unchanged state */
};

/* ---- guests ---- */

#define SIM_SAVED 16u
#define SIM_PLACES 4u
#define SIM_CHECKPOINTS 64u

enum copy_state { COPY_NONE = 0, COPY_INCOMING, COPY_RUNNING, COPY_PAUSED };

/* A QEMU process. */
struct copy {
    enum copy_state state;
    uint64_t generation;
    uint64_t memory; /* the disk's version that its memory belongs to */
    uint64_t boot;   /* of its node */
    bool io_error;
    bool migrated;   /* paused after PERFORM3_DONE */
    bool foreign;    /* an administrator runs it, or libvirt: no order of clusterd's */
    uint32_t mirror; /* QEMU copies its disk to place - 1; 0: it does not */
};

struct vm {
    char name[24], uuid[24];
    struct copy copies[SIM_NODES];
    uint64_t disk; /* grows whenever somebody else's memory begins to write */
    struct {
        bool there;
        uint64_t disk; /* up to which it was written */
        uint64_t part; /* made by that storage move; 0: by none */
    } files[SIM_PLACES];
    uint32_t place; /* from which it was started last */
    uint64_t undying_us;
    bool stubborn;
    uint8_t refused_by[SIM_NODES]; /* enum sim_refusal: what that node says to its memory */
    bool overlay_unseen;           /* it ends in time, or the overlay was not made */
    bool overlaid;                 /* it writes to another image than its definition names */
    bool autostart[SIM_NODES];     /* that node's libvirt has a definition, and starts it at boot */
    bool defined[SIM_NODES];       /* that node's libvirt has a definition, by a release */
    struct saved {
        char path[160]; /* of the state file; "": there is none */
        uint64_t memory, generation;
        enum { SAVED_PART = 1, SAVED_UNNAMED, SAVED_WHOLE, SAVED_CLAIMED } how;
        bool by_older; /* the view spoke a version in which nobody owns such files */
    } saved[SIM_SAVED];
    struct checkpoint {
        uint64_t id;    /* 0: free */
        uint64_t index; /* of the log when the first disk got it */
        uint8_t parts;  /* which of the two disks has it */
    } checkpoints[SIM_CHECKPOINTS];
    bool half_reverted;              /* one disk is set back, and the other is not */
    uint64_t max_generation;         /* committed, since it was added the last time: */
    uint64_t added;                  /* log index of that */
    uint64_t orders, orders_from_us; /* so many since */
    uint64_t starts, starts_from_us;
    bool removed;
    char network[SIM_NETWORK]; /* without which it cannot start; "": none */
};

enum job_kind {
    JOB_NONE = 0,
    JOB_MIGRATE,
    JOB_SAVE,
    JOB_RESTORE,
    JOB_START,
    JOB_STOP,
    JOB_ADOPT,
    JOB_RELEASE
};
enum job_phase {
    PHASE_ASKED = 0, /* the agent has been started */
    PHASE_BEGUN,     /* libvirtd works on it */
    PHASE_PREPARED,  /* MIGRATE: the target waits */
    PHASE_PERFORMED, /* MIGRATE: all memory is there, the source stands still */
    PHASE_FINISHED,  /* MIGRATE: the target is complete, and stands still */
    PHASE_CONFIRMED  /* MIGRATE: the source is gone; the agent has the target resumed */
};

/* An agent process, and the job that it has given to libvirtd. */
struct agent {
    bool used;
    uint64_t serial; /* of its kind: timers of a former use are void */
    uint32_t node;
    uint64_t boot, life, libvirtd_life;
    uint64_t run;
    char action[32];
    uint32_t vm;              /* index + 1; 0: none */
    char name[64], path[160]; /* of the state file; of a volume's agent, the nonce */
    uint64_t generation;
    uint32_t target;
    uint64_t target_boot, target_libvirtd_life;
    uint64_t grace_us;
    uint64_t move, version; /* of files: the storage move, and what it found */
    uint32_t place, from, to;
    uint64_t checkpoint;
    bool process; /* it is alive: somebody hears how the job ends */
    bool orphan;  /* it is alive, and its clusterd is not */
    bool cancelled;
    bool not_begun; /* it says that it has changed nothing */
    enum sim_agent how;
    enum job_kind job;
    enum job_phase phase;
    uint64_t began_us, deadline_us;
    /* of a fence agent */
    bool fence, status;
    bool dead_device;
};

struct request {
    uint64_t id; /* 0: free */
    uint32_t node;
    uint64_t life;
    uint64_t number; /* within the incarnation; 0: was never proposed */
    uint64_t asked_us;
    int code; /* -1: no answer yet */
    uint64_t operation;
    char text[512];
};

/* ---- what is known to be true ---- */

struct truth {
    uint64_t epoch, chain;
    uint64_t at_us;   /* when it was committed */
    uint64_t digest;  /* 0: not compared at this index */
    uint8_t executed; /* the order of that index was begun */
    uint32_t order_vm, order_node;
    uint8_t order_kind;
};

#define SIM_MEMORY_MB 65536u /* of each node */
#define SIM_RULES 64u
#define SIM_MEETINGS 512u
struct meeting { /* two VMs on one node that a hard rule keeps apart */
    uint64_t rule;
    uint32_t a, b;
};

struct sim {
    struct sim_options options;
    uint64_t now_us, seq;
    struct timer *heap; /* owned */
    uint32_t n_heap, heap_capacity;
    uint64_t state[2]; /* of the random numbers */
    size_t choice;

    uint32_t n;
    uint32_t there; /* nodes that are to be in the cluster, bit by id; the others are off */
    struct node nodes[SIM_NODES];
    char names[SIM_NODES][8];
    struct view_node view_nodes[SIM_NODES];
    uint32_t group[SIM_NODES];                 /* network */
    uint64_t reached_us[SIM_NODES][SIM_NODES]; /* until when they could talk to each other */
    struct ring **rings;                       /* owned */
    uint32_t n_rings;
    uint64_t next_ring, formation;
    uint32_t next_pid;

    struct vm vms[SIM_VMS];
    uint32_t n_vms;
    struct agent agents[MAX_AGENTS];
    uint32_t n_agents; /* slots that were ever used */
    struct {
        char action[32];
        enum sim_agent how;
    } next_agent;
    struct {
        char action[32];
        uint32_t n;
        char params[1024]; /* of the last one: "KEY=VALUE KEY=VALUE " */
    } calls[24];
    uint32_t fence_calls;
    uint64_t fence_call_us[SIM_FENCE_CALLS];
    struct heartbeat_file files[SIM_STORAGES][SIM_NODES];
    bool other_cluster;

    struct request requests[MAX_REQUESTS];
    uint64_t last_request;
    bool device_removed;
    char dead_device[24];
    uint32_t operations;

    struct truth *truth; /* owned; by index */
    uint64_t n_truth, truth_capacity;
    uint64_t rules_seen[SIM_RULES];        /* that were there at the last check; */
    struct meeting meetings[SIM_MEETINGS]; /* and who met then */
    uint32_t n_rules_seen, n_meetings;
    uint64_t memory_mb[SIM_NODES]; /* taken on each node at the last check */
    uint64_t told_event;           /* seq */
    uint64_t best_index;           /* the most that anybody has applied */

    struct sim_figures figures;
    bool mended;
    uint64_t mended_us;
    char unrest[320];
    char violation[400];
    char trace[TRACE_LINES][TRACE_BYTES];
    uint64_t n_garbled; /* messages that were sent damaged */
    uint64_t n_trace;
};

/* node.c, node_life.c */
struct item *item_new(enum item_kind kind);
void item_free(struct item *item);
void node_post(struct sim *s, uint32_t node, enum stream stream, struct item *item, uint64_t us);
void node_step(struct sim *s, uint32_t node, struct core_event *event);
void node_drain(struct sim *s, uint32_t node); /* works off what has piled up */
void node_thaw(struct sim *s, uint64_t node, uint64_t life);
void node_core_end(struct sim *s, uint64_t pointer, uint64_t b);
void node_end_clusterd(struct sim *s, uint32_t node);
void node_restart(struct sim *s, uint64_t node, uint64_t life); /* unless it lives, or shall not */
uint64_t node_clock_ms(const struct sim *s, uint32_t node);
void node_dies_of(struct sim *s, uint32_t node, int error);
/* What a timer of a heap that is thrown away owns. */
void node_forget(const struct timer *timer);

/* ring.c */
void ring_connectivity_changed(struct sim *s);
void ring_send(struct sim *s, uint32_t node, enum message_kind kind, uint32_t pid,
               const uint8_t *data, uint32_t size);
void ring_start_corosync(struct sim *s, uint32_t node);
void ring_end_corosync(struct sim *s, uint32_t node);
bool ring_reaches(const struct sim *s, uint32_t a, uint32_t b);
void ring_tell_quorum(struct sim *s, uint32_t node);
bool ring_waits_for_all(const struct sim *s); /* by corosync.conf */
void ring_free_all(struct sim *s);

/* files.c */
/* ---- saved.c ---- */

struct saved *saved_find(struct vm *v, const char *path);
/* NULL: it has failed. */
struct saved *saved_add(struct sim *s, struct vm *v, const struct agent *a);
void saved_forget(struct saved *file);
void saved_remove(struct sim *s, uint64_t index, uint64_t serial);
const char *saved_rest(struct sim *s, char *ret_text, size_t size);

/* ---- files.c ---- */

uint32_t files_place(const char *definition);
const char *files_definition(const struct sim *s, uint32_t vm, char *ret, size_t size);
void files_create(struct vm *v);
bool files_open(struct sim *s, uint32_t vm, uint32_t place, uint32_t node);
void files_by_hand(struct sim *s, uint32_t vm);
void files_written(struct vm *v);
void files_fill(struct agent *a, const char *files, const char *move);
bool files_job(const struct agent *a);
void files_begin(struct sim *s, uint64_t index, uint64_t serial);
const char *files_rest(struct sim *s, char *ret_text, size_t size);

/* checkpoints.c */
bool checkpoint_job(const struct agent *a);
/* It waits inside the kernel for a storage that hangs: nothing ends it, and once the storage
 * answers it writes what it was about to write. */
bool checkpoint_writes_late(const struct sim *s, const struct agent *a);
void checkpoint_fill(struct agent *a, const char *number);
void checkpoint_begin_off(struct sim *s, uint64_t index, uint64_t serial);
void checkpoint_begin_live(struct sim *s, struct agent *a);
void checkpoints_open(struct sim *s, uint32_t vm, uint32_t node);
void checkpoints_mirrored(struct sim *s, uint32_t vm);
const char *checkpoints_rest(struct sim *s, char *ret_text, size_t size);

/* mirror.c */
bool mirror_job(const struct agent *a);
void mirror_begin(struct sim *s, struct agent *a);
void mirror_ask_to_end(struct sim *s, struct agent *a);
void mirrors_of_libvirtd_end(struct sim *s, uint32_t node);
bool mirror_writes(const struct sim *s, uint32_t vm, uint32_t place);

/* garble.c */
void garble(struct sim *s, uint32_t node, struct shared **bytes);

/* ring_order.c */
void ring_drop_delivered(struct ring *r);
void ring_recover(struct sim *s, struct ring *old, uint32_t who);
void ring_free_messages(struct ring *r);
void ring_tell_group(struct sim *s, uint32_t node);
void ring_drop_queue(struct corosync *c);
void ring_flush(struct sim *s, uint32_t node); /* what waits there, by the next token */

/* disk.c */
void disk_put(struct sim *s, uint32_t node, const struct core_store *put);
void disk_crash(struct sim *s,
                uint32_t node); /* what was not committed is lost, or was committed */
void disk_fill_boot(const struct sim *s, uint32_t node, struct core_stored_state *ret_state,
                    struct core_entry **ret_entries);
bool disk_has(const struct sim *s, uint32_t node, uint64_t index, uint64_t chain);
void disk_finish(struct disk *disk);

/* guests.c */
uint32_t guest_find(const struct sim *s, const char *uuid); /* index + 1; 0: none */
uint32_t guest_for(struct sim *s, const char *uuid, const char *name);
void copy_run(struct sim *s, uint32_t vm, uint32_t node, uint64_t generation, uint64_t memory);
void copy_resume(struct sim *s, uint32_t vm, uint32_t node);
void copy_wait(struct sim *s, uint32_t vm, uint32_t node, uint64_t generation); /* INCOMING */
/* It runs, and is the cluster's from now on. */
void copy_release(struct sim *s, uint32_t vm, uint32_t node);
void copy_adopt(struct sim *s, uint32_t vm, uint32_t node, uint64_t generation);
void copy_pause(struct sim *s, uint32_t vm, uint32_t node, bool migrated);
void copy_end(struct sim *s, uint32_t vm, uint32_t node, enum agent_event kind);
void copy_saved(struct sim *s, uint32_t vm, uint32_t node);
enum agent_vm_state copy_told(const struct copy *copy, bool by_monitor);
/* The definition there starts no more by itself; false: it did not, or there is none. */
bool guest_clear_autostart(struct sim *s, uint32_t vm, uint32_t node);
void guests_power_lost(struct sim *s, uint32_t node);
void guests_io_error(struct sim *s, uint32_t node, bool error); /* of all that run there */
void libvirtd_start(struct sim *s, uint32_t node);
void libvirtd_end(struct sim *s, uint32_t node);
void watch_begin(struct sim *s, uint32_t node);
bool network_is_missing(const struct sim *s, uint32_t vm, uint32_t node);

/* agents.c */
void agent_run(struct sim *s, uint32_t node, const struct core_run_agent *order);
void agent_kill(struct sim *s, uint32_t node, const struct core_kill_agent *kill);
void agents_of_clusterd_end(struct sim *s, uint32_t node);
void agents_of_node_end(struct sim *s, uint32_t node);
struct agent *agent_new(struct sim *s, uint32_t node, uint64_t run, const char *action);
void agent_free(struct agent *a);
void agent_then(struct sim *s, const struct agent *a, uint64_t us, sim_fn *fn);
/* A step of a job whose node or libvirtd stands still comes later; of one whose libvirtd has gone,
 * never. */
bool agent_may_go_on(struct sim *s, uint64_t index, uint64_t serial, sim_fn *fn);
/* The storage answers; else fn comes again, or the agent has failed. */
bool agent_has_storage(struct sim *s, struct agent *a, sim_fn *fn);
bool agent_is(const struct sim *s, uint64_t index, uint64_t serial);
void agent_done(struct sim *s, struct agent *a, enum agent_result result, enum agent_vm_state state,
                const char *reason);
struct item *agent_line(const struct agent *a, enum core_agent_line line);
const char *agent_refusal(uint8_t how); /* enum sim_refusal: the reason that is told */
struct copy *agent_copy(struct sim *s, const struct agent *a);
enum agent_vm_state agent_truth(struct sim *s, const struct agent *a); /* of its VM there */
/* The process ends and says how; its slot stays, for libvirtd may still work on the job. */
void agent_process_ends(struct sim *s, struct agent *a, enum agent_result result,
                        enum agent_vm_state state, const char *reason);

/* jobs.c, migrate.c: what libvirtd does for an agent */
struct agent *job_of(struct sim *s, uint32_t vm, uint32_t node);
void job_begin(struct sim *s, uint64_t index, uint64_t serial);
/* Whether it is of those that tell that they have begun nothing. */
bool job_says_what_it_begins(const struct agent *a);
void migrate_begin(struct sim *s, uint64_t index, uint64_t serial);
/* If it is not too late; the agent ends with that result. */
void migrate_abort(struct sim *s, struct agent *a, enum agent_result result);
/* libvirtd has gone: what becomes of its jobs. */
void jobs_of_libvirtd_end(struct sim *s, uint32_t node);
void migrate_libvirtd_lost(struct sim *s, struct agent *a, uint32_t node);

/* volume.c */
void volume_tells(struct sim *s, uint64_t index, uint64_t serial);

/* power.c */
void fence_run(struct sim *s, uint32_t node, const struct core_fence_order *order);
void watchdog_fed(struct sim *s, uint32_t node, bool feed);
/* A ring has been formed by that set of nodes, bit by id. */
void power_ring_formed(struct sim *s, uint32_t set);

/* check.c */
void check_step(struct sim *s, uint32_t node);
void check_agent(struct sim *s, uint32_t node, const struct core_run_agent *order);
void check_reply(struct sim *s, uint32_t node, const struct request *request);
void check_copies(struct sim *s, uint32_t vm);

/* rules.c */
void rules_wish(struct sim *s, uint32_t node);
void rules_check(struct sim *s, const struct model *m);
bool rules_keep_down(const struct model *m, const struct model_vm *vm);
bool rules_bind(const struct model *m, const struct model_vm *vm);
bool rules_no_room(const struct model *m, const struct model_vm *vm, char *ret_why, size_t size);

/* foreign.c: what an administrator does with libvirt, beside the cluster. */
enum add_how { ADD_OFF, ADD_AND_START, ADD_AND_ADOPT };
void foreign_add_running(struct sim *s, uint32_t node, enum add_how how);
void foreign_snapshot(struct sim *s, uint32_t vm, bool power);
void foreign_release(struct sim *s, uint32_t vm, uint32_t choice);
void foreign_start_by_hand(struct sim *s, uint32_t vm, uint32_t node, bool adopt);

/* operator.c */
bool sim_is_tight(const struct sim *s); /* VMs that fill the nodes */
void sim_add_device(struct sim *s, uint32_t node);
uint64_t sim_add_vm(struct sim *s, uint32_t node, uint32_t number, enum add_how how);
/* Another one, for one node: values[1] is its name. */
struct cmd_device_add sim_device_for(const char *const values[2], const char *const *node);

uint32_t node_by_name(const struct sim *s, const char *name);

#endif
