/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replica: views, the log, acknowledgements, commit and catch-up. It knows nothing of VMs.
 *
 * CPG delivers the same messages in the same order to all members of a configuration, but a member
 * cannot know who else has received them. So an entry is committed only when a majority of all
 * votes in the node list (replica/node_list.c) has it on stable storage, and views are agreed upon
 * by promises on stable storage. (Keidar and Dolev, COReL; Amir et al.; the argument about the
 * highest log is Raft's.) The protocol was first tried as a model of 80 lines: without any one of
 * its rules, the model lost a command.
 *
 *            VIEW, quorate             all STATEs, or deadline         promises of a majority
 *     DOWN ─────────────► EXCHANGE ──────────────────────► PROMISE ───────────────────────► ACTIVE
 *      ▲                   ▲    ▲         PROPOSE           │  │                               │
 *      │                   │    └───────── deadline ────────┘  │                               │
 *      │                   └── VIEW; a fresh STATE from somebody; a silent member ─────────────┤
 *      └────────────────────────────── no quorum ──────────────┴───────────────────────────────┘
 *
 * ACTIVE is usable once the view's first entry is committed here. A member that is behind first
 * catches up (`catching`); meanwhile the view's entries wait in `deferred`, and the others do not
 * wait for it.
 *
 * All entries of a view come from one author, its sequencer (the node that proposed the view).
 * Members send their commands to it, and it sends them out again, each with its place in the log.
 * The ring's order alone is not enough: when a ring breaks, corosync delivers in each part what
 * that part has received, with gaps where messages of the other part are missing, so two logs of
 * one epoch could differ in the middle. With one author and numbered entries, each log of an epoch
 * is a prefix of the author's.
 *
 * A disk may come back with less than it had, because it was replaced or restored from a backup.
 * The node's earlier acknowledgements are then worth nothing. So each STATE also says how far the
 * others' logs are known to have reached (`floors`: from acknowledgements, from the model, and from
 * reports at the end of the log, committed or not). A node whose log ends before its floor is
 * forgetful: it is brought up to date, but a view needs its majority without it. When it has caught
 * up, it begins a new exchange, in which it counts.
 *
 * Invariants: at most one view ever gets a majority of promises for an epoch (each node promises an
 * epoch once); a node stores entries of an epoch only after that; after a promise it acknowledges
 * nothing of an earlier epoch; committed entries are never truncated.
 */
#ifndef CLUSTERD_CORE_REPLICA_REPLICA_H
#define CLUSTERD_CORE_REPLICA_REPLICA_H

#include "core/core.h"
#include "core/replica/log.h"
#include "core/outbox.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

/* Bounds: entries kept in memory behind the last snapshot, entries in one piece of a suffix, and
 * how much a member that is catching up defers before it starts over. */
#define REPLICA_KEEP_ENTRIES 500u
#define REPLICA_KEEP_BYTES (4u * 1024 * 1024)
#define REPLICA_FEED_ENTRIES 256u
#define REPLICA_HEARTBEATS 8u
#define REPLICA_SAMPLE_EVERY 1024u
#define REPLICA_DEFER_BYTES (64u * 1024 * 1024)
/* A clusterd that has sent this many unreadable messages is left out. */
#define REPLICA_MAX_DAMAGED 3u
/* Of a sender's damaged messages so many are logged in a minute, one each; the rest is counted. */
#define REPLICA_DAMAGED_LINES 8u
/* If catching up leads this many times in a row to a log that is not the source's, this node's own
 * log is bad. */
#define REPLICA_MAX_CATCHUPS 10u

/* Why a node's version keeps it out of a view; replica/version.c. */
enum replica_misfit { MISFIT_NOT = 0, MISFIT_TOO_OLD, MISFIT_TOO_NEW };

/* Node lists in force in one log at the same time. */
#define REPLICA_LISTS 6u

struct node_list { /* ascending ids */
    uint32_t n;
    struct {
        uint32_t id, votes;
    } v[WIRE_MAX_NODES];
};

struct node_lists {
    uint32_t n;
    struct node_list v[REPLICA_LISTS + 1];
};

/* The digest of a model at an index of the log; 0: none yet. */
struct replica_sample {
    uint64_t index, digest;
};

/* How many lines about a sender's damaged messages this minute has seen; replica/damage.c. */
struct replica_lines {
    uint64_t since_ms;   /* of the first line of the minute */
    uint32_t said, more; /* logged, and only counted */
};

enum replica_phase { REPLICA_DOWN = 0, REPLICA_EXCHANGE, REPLICA_PROMISE, REPLICA_ACTIVE };

struct replica_peer {
    uint32_t id;
    uint64_t incarnation;   /* of its last message */
    uint64_t last_heard_ms; /* its silence counts from here; our own sleep and other excuses move
                               it on */
    uint64_t spoke_ms;      /* when the last message of its clusterd came */
    uint64_t foreign_incarnation; /* logged: we cannot read its messages; 0: none */
    uint32_t foreign_version;
    enum replica_misfit misfit;   /* by the last STATEs heard */
    uint32_t misfit_version;      /* the version that it would have to speak */
    uint64_t misfit_said;         /* the incarnation that this was logged for */
    uint64_t damaged_incarnation; /* it sent `damaged` messages that make no sense */
    uint32_t damaged;
    struct replica_lines lines;
    /* its last STATE; `fresh` until a view has used it */
    bool fresh;
    struct msg_state state;
    uint32_t state_members[WIRE_MAX_NODES];
    struct state_floor floors[WIRE_MAX_NODES];
    struct state_vote lists[REPLICA_LISTS * WIRE_MAX_NODES];
    uint64_t kept_epoch, kept_index; /* the highest it has acknowledged since we started, or
                                        reported in */
    /* in the view that is being formed or is active */
    bool in_view;
    bool forgetful; /* does not count in it */
    bool promised;
    uint64_t acked_index;
    struct replica_sample sample; /* its last sample in this view; replica/same_model.c */
    uint32_t unlike;              /* how often in a row it differed from the others */
    uint64_t wrong_incarnation;   /* this clusterd has a wrong model, */
    uint64_t wrong_index;
    bool wrong_leaves; /* and is left out */
    bool disagrees;    /* its last acknowledgement was for a different log */
    /* catch-up that we, the source, owe it */
    bool feeding;
    uint64_t feed_index;        /* next entry to send */
    uint64_t feed_offset_bytes; /* within `feed_snapshot` */
};

struct replica_pending_store {
    uint64_t seq;
    uint64_t epoch; /* of the promise or the entries */
    uint64_t index; /* last entry in it; 0: a promise */
    uint64_t chain;
    uint64_t since_ms;
};

struct replica {
    uint32_t self;
    uint64_t incarnation;
    uint32_t speaks;            /* our highest protocol version */
    bool tells_versions;        /* false: this node plays an older build */
    uint32_t protocol;          /* the version that the view speaks */
    struct replica_peer *peers; /* owned; every listed node, and any other that sent a STATE */
    const char **names;         /* owned, of the peers */
    uint32_t n_peers;
    struct node_list own; /* corosync's, when clusterd started */
    /* The lists that need a majority each, the view's own first. lists: for the view that is being
     * formed or is active; plan: for one that this node would propose now (n = 0: none possible).
     */
    struct node_lists lists, plan;
    struct node_list newest; /* of the plan's source: its nodes may propose */
    uint32_t plan_source;
    bool plan_is_first;        /* the cluster has never had a view */
    bool small_quorum_allowed; /* votequorum: less than half of the votes may be quorate, with
                                  wait_for_all */
    const char *refusal;       /* why this configuration cannot be used; NULL: it can */

    struct log log;
    uint64_t promised;
    uint64_t commit_index;
    uint64_t applied_index; /* set by the core */
    uint64_t stored_index;
    uint32_t stored_needs; /* protocol version that our database needs, or a lower bound */

    uint64_t store_seq;
    struct replica_pending_store *stores; /* owned ring, oldest first */
    uint32_t n_stores, stores_capacity;

    enum replica_phase phase;
    bool quorate;
    uint64_t views;          /* VIEW events so far */
    struct wire_ids members; /* CPG and quorum; points into the arrays below */
    struct wire_ids ring;
    uint32_t member_ids[WIRE_MAX_NODES];
    uint32_t ring_ids[WIRE_MAX_NODES];

    uint64_t round;
    uint64_t told;        /* digest of our STATE in this round */
    uint32_t overdue;     /* deadlines passed in this exchange */
    uint64_t deadline_ms; /* of the phase; UINT64_MAX: none */
    uint64_t epoch;       /* of the view being formed or active; 0: none */
    uint64_t proposal;    /* digest of the PROPOSE that was accepted */
    uint32_t source;
    uint32_t sequencer;  /* gives entries their place */
    uint64_t next_index; /* the next place, if we are the sequencer */
    uint64_t base_index, base_epoch, base_chain;
    uint8_t *first_entry; /* owned: the view's first entry */
    uint32_t first_entry_size;
    bool small_view;    /* fewer votes than a majority: all of its members must agree */
    bool small_cleared; /* set by the core: every node outside is known to be off */

    bool catching;
    struct log_item *deferred; /* owned: entries base_index + 1 ... of this view, while catching */
    uint32_t n_deferred, deferred_capacity;
    uint64_t deferred_bytes;
    struct buffer incoming; /* snapshot being received */
    uint64_t taken_from;    /* first entry taken from the source; 0: none yet */
    uint32_t bad_catchups;  /* in a row, catch-ups that led to a log other than the source's */
    uint8_t *feed_snapshot; /* owned: snapshot being sent */
    uint32_t feed_snapshot_size;
    uint64_t feed_snapshot_index, feed_snapshot_epoch, feed_snapshot_chain, feed_snapshot_digest;
    const struct model *model; /* the core's, for making a snapshot to send */

    bool snapshot_arrived; /* the core must load `incoming` and then call replica_snapshot_loaded()
                            */
    uint64_t arrived_index, arrived_epoch, arrived_chain, arrived_digest;

    uint64_t heartbeat_due_ms;
    uint64_t heartbeat_sent; /* sequence */
    uint64_t heartbeat_echoed;
    uint64_t heartbeat_ms[REPLICA_HEARTBEATS]; /* when the last ones were sent, by sequence */
    uint64_t echo_sent_ms;                     /* when the last one that came back was sent */
    uint64_t
        doubt_until; /* usable again when a heartbeat of this sequence has come back; 0: no doubt */
    uint64_t last_step_ms;
    struct replica_lines strangers; /* of all senders that are no peers */
    struct msg_heartbeat usage;     /* sent along with each heartbeat */

    struct replica_sample sample; /* our own */
    uint64_t beat_index;          /* applied_index when the last heartbeat was sent */
    bool confirmed;               /* another node has reached the same state as this clusterd */
    uint64_t differs_index;       /* two members differ at this index, and nobody knows who is
                                     right; 0: none */
    uint32_t differs[2];
    uint64_t view_ms; /* when the view was agreed upon */

    struct entry_bytes *outgoing; /* owned, with their data: commands waiting to be sent */
    uint32_t n_outgoing, outgoing_capacity;
    uint32_t n_in_flight;     /* messages with our entries that have not come back yet */
    uint64_t candidate;       /* index whose votes are being counted */
    uint64_t compacted_index; /* of the last snapshot */
    uint64_t snapshot_bytes;
    uint32_t keep_entries; /* behind a snapshot */
    uint64_t kept_bytes;   /* of the log, from before the last snapshot */
};

/* Also loads the log. 0, -ENOMEM, -EBADMSG. */
int replica_init(struct replica *r, const struct core_boot *boot, const struct model *model);
void replica_finish(struct replica *r);

/* Each returns 0, or a negative errno after which the node must stop: -ENOMEM, -ENOTRECOVERABLE,
 * -EIO, -ETIME (the disk hangs). */
int replica_view(struct replica *r, const struct core_view *view, uint64_t now_ms,
                 struct outbox *out);
int replica_message(struct replica *r, uint32_t sender, const struct message *m, uint64_t now_ms,
                    uint64_t wall_ms, struct outbox *out);
/* The message is intact, but this clusterd cannot read it. */
void replica_foreign(struct replica *r, uint32_t sender, const uint8_t *data, size_t size,
                     struct outbox *out);
/* The message is damaged: its checksum is wrong, or its content makes no sense in spite of it. */
int replica_malformed(struct replica *r, uint32_t sender, const uint8_t *data, size_t size,
                      struct outbox *out);
int replica_stored(struct replica *r, uint64_t seq, struct outbox *out);
/* Deadlines, heartbeats; called at the beginning of each step. */
int replica_tick(struct replica *r, uint64_t now_ms, uint64_t wall_ms, struct outbox *out);
uint64_t replica_next_ms(const struct replica *r);
/* A small view may be proposed now: the nodes outside it are off. */
int replica_clear_small(struct replica *r, uint64_t now_ms, uint64_t wall_ms, struct outbox *out);

/* Queues an encoded log_command to be sent by replica_flush(), now or soon. -ENOMEM. */
int replica_propose(struct replica *r, struct wire_bytes entry);
void replica_flush(struct replica *r, struct outbox *out);
/* Forgets the queue: whoever proposed a command proposes it again in the next view. */
void replica_drop_outgoing(struct replica *r);

/* This node may act: its view is committed, it has caught up, and nothing is in doubt. */
bool replica_usable(const struct replica *r);
/* This node's knowledge is at most TIMEOUT_ECHO_MS old: a heartbeat sent since then has come back,
 * and everything that the ring ordered before it has been processed. */
bool replica_is_current(const struct replica *r);
/* As above, except for doubt: commands sent now are appended by all. */
bool replica_active(const struct replica *r);
const char *replica_phase_text(const struct replica *r);
/* Whether a proposer waits for replica_clear_small(): in a two-node cluster, the node that would go
 * on alone. */
bool replica_wants_clearance(const struct replica *r);
/* Whether the node has spoken in the present exchange. */
bool replica_is_heard(const struct replica *r, uint32_t node);
/* The same, and it is not left out (replica/damage.c). A node that goes on alone asks this of the
 * others. */
bool replica_takes_part(const struct replica *r, uint32_t node);
/* The name of a forgetful member; NULL: there is none. */
const char *replica_forgetful(const struct replica *r);

/* Hands a snapshot of the model at applied_index to the store; older entries are dropped. */
int replica_compact(struct replica *r, const struct model *m, struct outbox *out);
/* The core has loaded `incoming`. */
int replica_snapshot_loaded(struct replica *r, struct outbox *out);
/* Whether what has arrived is whole, and lies between what is committed here and the base. */
bool replica_snapshot_fits(const struct replica *r);
/* The core could not load the snapshot: it is dropped, and the source is named. */
int replica_snapshot_refused(struct replica *r, struct outbox *out);

struct replica_peer *replica_peer(const struct replica *r, uint32_t id);
/* How this node's node list differs from the cluster's, or from another member's; "": it does not.
 */
void replica_list_text(const struct replica *r, char *ret_text, size_t size);

/* replica/same_model.c. Whether to sample the model after an entry of that type; and taking the
 * sample. */
bool replica_wants_sample(const struct replica *r, uint32_t type, uint64_t epoch);
void replica_sample(struct replica *r, uint64_t now_ms, struct outbox *out);
/* Members differ, and nobody knows who is right: nothing may be started. */
bool replica_disagrees(const struct replica *r);
/* This node's model is confirmed, or as good as confirmed: the node may be given VMs. */
bool replica_may_report(const struct replica *r);
/* The node whose model differs from the others'; "": none. */
void replica_state_text(const struct replica *r, char *ret_text, size_t size);
/* Why a node's version keeps it out of the view; "": there is no such node. */
void replica_version_text(const struct replica *r, char *ret_text, size_t size);
/* This node's version keeps it out. */
bool replica_is_misfit(const struct replica *r);
/* The members that speak a lower version than this: "n3 speaks 4". */
void replica_who_speaks_less(const struct replica *r, uint32_t version, char *ret_text,
                             size_t size);

/* -------------------------------------------------------------------- between replica*.c ---- */
/* replica/exchange.c */
int replica_enter_exchange(struct replica *r, uint64_t now_ms, struct outbox *out);
void replica_go_down(struct replica *r);
/* The peer is left out until its clusterd is restarted: the view is formed again without it. If the
 * peer is this node, it refuses to work and says why. */
int replica_leave_out(struct replica *r, struct replica_peer *p, const char *refusal,
                      struct outbox *out);
/* The peer has sent something that makes no sense ("an entry"): logs it and forms the view
 * again. */
int replica_damaged(struct replica *r, struct replica_peer *p, const char *what,
                    struct outbox *out);
/* replica/damage.c */
void replica_count_damage(const struct replica *r, struct replica_peer *p, const char *what,
                          struct outbox *out);
/* Logs a damaged message of a sender that nobody counts, the first in a minute. */
void replica_say_damaged(struct replica *r, uint32_t sender, struct outbox *out);
/* Logs how many more there were, a minute after the first. */
void replica_tell_more_damaged(struct replica *r, uint64_t now_ms, struct outbox *out);
uint64_t replica_state_digest(const struct msg_state *s);
bool replica_state_makes_sense(const struct msg_state *s);
/* 0, -EBADMSG, -ENOMEM. The members' STATEs must be those of the rounds that the proposal names. */
int replica_check_proposal(const struct replica *r, const struct replica_peer *proposer,
                           const struct msg_propose *p, struct arena *arena,
                           const struct cmd_view **ret_view);
/* Takes over the lists of an accepted proposal and the names of nodes new to us. -ENOMEM. */
int replica_take_lists(struct replica *r, const struct msg_propose *p, const struct cmd_view *view);
/* The peer of that id, created if there is none. NULL: no room or no memory. */
struct replica_peer *replica_add_peer(struct replica *r, uint32_t id, const char *name);
int replica_check_entries(const struct replica *r, const struct entry_bytes *entries, uint32_t n,
                          struct arena *arena);
uint64_t replica_snapshot_digest(uint64_t index, uint64_t epoch, uint64_t chain,
                                 const uint8_t *data, size_t size);
/* Whether what we sent has come back unchanged. */
bool replica_suffix_is_ours(const struct replica *r, const struct msg_suffix *m);
bool replica_snapshot_is_ours(const struct replica *r, const struct msg_snapshot *m);
int replica_on_state(struct replica *r, struct replica_peer *peer, const struct message *m,
                     uint64_t now_ms, uint64_t wall_ms, struct outbox *out);
int replica_on_propose(struct replica *r, struct replica_peer *peer, const struct message *m,
                       uint64_t now_ms, struct outbox *out);
int replica_on_promised(struct replica *r, struct replica_peer *peer, const struct message *m,
                        uint64_t now_ms, struct outbox *out);
int replica_exchange_deadline(struct replica *r, uint64_t now_ms, uint64_t wall_ms,
                              struct outbox *out);
int replica_active_message(struct replica *r, struct replica_peer *peer, const struct message *m,
                           uint64_t now_ms, struct outbox *out);
int replica_append(struct replica *r, const struct wire_bytes *entries, uint32_t n,
                   struct outbox *out);
int replica_begin_feeding(struct replica *r, struct outbox *out);
int replica_feed(struct replica *r, struct replica_peer *peer, struct outbox *out);
int replica_on_suffix(struct replica *r, const struct msg_suffix *m, uint64_t now_ms,
                      struct outbox *out);
int replica_on_snapshot(struct replica *r, const struct msg_snapshot *m, uint64_t now_ms,
                        struct outbox *out);
/* replica/deferred.c */
int replica_defer(struct replica *r, const struct wire_bytes *entry);
void replica_drop_deferred(struct replica *r);
void replica_drop_sent(struct replica *r, uint32_t n);
int replica_finish_catchup(struct replica *r, struct outbox *out);
/* A STORE with the next number. It makes this index and epoch durable (index 0: a promise). */
struct core_store *replica_store(struct replica *r, uint64_t epoch, uint64_t index,
                                 struct outbox *out);
void replica_send(struct replica *r, struct message *m, struct outbox *out);

/* replica/peers.c */
/* It has sent too much nonsense, or has a wrong model, and was not restarted since. */
bool replica_left_out(const struct replica_peer *p);
/* A log that ends at the first place is lower than one that ends at the second. */
bool replica_is_before(uint64_t epoch, uint64_t index, uint64_t than_epoch, uint64_t than_index);
/* Its STATE is about the same configuration as ours. */
bool replica_peer_heard(const struct replica *r, const struct replica_peer *p);
/* The same, and it is neither left out nor kept out. */
bool replica_peer_takes_part(const struct replica *r, const struct replica_peer *p);
/* Its log ends before its floor. */
bool replica_peer_forgets(const struct replica *r, const struct replica_peer *p);
/* It takes part and does not forget. */
bool replica_counts(const struct replica *r, const struct replica_peer *p);
/* It is in the view, and its vote counts there. */
bool replica_counts_in_view(const struct replica *r, const struct replica_peer *p);
const struct replica_peer *replica_highest_log(const struct replica *r);

/* replica/same_model.c */
int replica_compare(struct replica *r, struct replica_peer *p, const struct msg_heartbeat *beat,
                    struct outbox *out);
/* A view has been agreed upon: everything in it starts over. */
void replica_forget_samples(struct replica *r, uint64_t now_ms);
void replica_send_heartbeat(struct replica *r, uint64_t now_ms, struct outbox *out);
/* replica/version.c */
/* The database is about to hold something that needs this version. */
void replica_note_needs(struct replica *r, uint32_t needs, struct core_store *store);
/* The version that our log needs; 0: the lowest. */
uint32_t replica_log_needs(const struct replica *r, struct outbox *out);
bool replica_versions_make_sense(const struct msg_state *s);
/* Decides, by the STATEs heard, which nodes' versions keep them out. */
void replica_judge_versions(struct replica *r);
void replica_say_misfits(struct replica *r, struct outbox *out);
/* By the node's last STATE, it could not be a member of the view that continues. */
bool replica_cannot_join(const struct replica *r, const struct replica_peer *p, struct outbox *out);
uint32_t replica_lowest_protocol(const struct replica *r, const struct wire_list *members);
/* All nodes that it names can be in one view. */
bool replica_view_fits(const struct replica *r, const struct msg_propose *p);

/* replica/node_list.c */
typedef bool replica_counts_fn(const struct replica *r, const struct replica_peer *p);
bool node_list_has(const struct node_list *list, uint32_t id);
void node_list_add(struct node_list *list, uint32_t id, uint32_t votes);
uint64_t node_list_digest(const struct node_list *list);
/* The lists in our log, for a STATE. */
struct wire_list replica_known_lists(const struct replica *r, struct outbox *out);
bool replica_lists_make_sense(const struct msg_state *s);
/* The nodes that count are a majority of each list; `more`: votes to add to theirs. */
bool replica_majority(const struct replica *r, const struct node_lists *lists,
                      replica_counts_fn *counts, uint64_t more);
/* The same for the view. A small view needs all votes that it has. */
bool replica_enough(const struct replica *r, replica_counts_fn *counts, uint64_t more);
/* A view's lists: its own, and those of its source's log. */
void replica_lists_from(const struct replica_peer *source, const struct node_list *list,
                        struct node_lists *ret);
/* False: there is none, its log is empty. */
bool replica_newest_list(const struct replica_peer *source, struct node_list *ret);
/* Works out `plan` and what belongs to it from the STATEs heard so far. */
void replica_plan(struct replica *r);

#endif
