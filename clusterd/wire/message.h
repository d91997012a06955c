/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between the clusterds, sent by CPG. A message is a header and one record.
 *
 *     u32 magic   u32 crc32c of all that follows   u8 version   u8 type   u16 0
 *     u64 incarnation   u64 epoch   record
 *
 * CPG gives the sender's node id; the message does not. `epoch` is the sender's view. Where the
 * epoch matters, a receiver drops messages of another epoch (each type says so).
 *
 * Versions. A build speaks all versions of the protocol from PROTOCOL_LOWEST to PROTOCOL_HIGHEST;
 * each STATE says which. The header's version is the lowest one that the sender speaks: whoever
 * speaks that version or a higher one can read the message, since the header never changes and
 * records only grow (wire/record.h). Nodes of different versions therefore always understand each
 * other's STATEs and can agree on a view. The view speaks the lowest of its members' highest
 * versions. A version's additions are used only once the view speaks it
 * (core/model/needed_protocol.h).
 */
#ifndef CLUSTERD_WIRE_MESSAGE_H
#define CLUSTERD_WIRE_MESSAGE_H

#include "wire/progress.h"
#include "wire/record.h"

#include <stdint.h>

#define MESSAGE_MAGIC 0x44534c43u /* "CLSD" */
/*
 * 2: rules of placement, VM_SET, NODE_SET. 3: further resources. 4: a node's report of its libvirt
 * and QEMU, several fence devices for a node. 5: a STATE says the lowest version and the version
 * that the log needs, heartbeats carry the model's digest and whether a node's moves are encrypted,
 * the setting state_check, volumes have their paths in one form.
 *
 * A new command, or a new part of one, needs a new version: a clusterd that does not know it would
 * apply it differently and get a different model. No cluster was ever updated node by node below
 * PROTOCOL_LOWEST. (A build may lower the highest version, to try out an update.)
 */
#define PROTOCOL_LOWEST 4u
#ifndef PROTOCOL_HIGHEST
#define PROTOCOL_HIGHEST 5u
#endif
#define PROTOCOL_VERSIONS_TOLD 5u /* the first version that is reported and compared */
#define MESSAGE_HEADER_BYTES 28u
#define MESSAGE_MAX_BYTES (768u * 1024) /* CPG takes 1 MiB, its own headers included */
#define MESSAGE_CHUNK_BYTES (128u * 1024)

/* clang-format off */

/* "That node once had its log up to here on stable storage": known from its acknowledgements, or
 * the model. */
#define WIRE_FIELDS_state_floor(F, S) \
    F(S, U32, node, 0)                \
    F(S, U64, epoch, 0)               \
    F(S, U64, index, 0)
WIRE_STRUCT(state_floor);

/* A node in a list of nodes that the sender's log uses; replica/node_list.c. */
#define WIRE_FIELDS_state_vote(F, S)                                  \
    F(S, U32, list, 0) /* number: 0, 1, ..., the newest list last */  \
    F(S, U32, node, 0)                                                \
    F(S, U32, votes, 0)
WIRE_STRUCT(state_vote);

/* Exchange: "this is my log", for the view of these members. Restarts the exchange on every
 * node. */
#define WIRE_FIELDS_msg_state(F, S)                                               \
    F(S, U64, round, 0)       /* counts this node's exchanges */                  \
    F(S, IDS, members, WIRE_MAX_NODES) /* whom it sees in CPG and quorum */        \
    F(S, U64, last_epoch, 0)  /* of its last log entry */                         \
    F(S, U64, last_index, 0)                                                      \
    F(S, U64, chain, 0)       /* digest of the log up to there */                 \
    F(S, U64, promised, 0)                                                        \
    F(S, U64, commit_index, 0)                                                    \
    F(S, U32, protocol, 0)    /* its highest version */                        \
    F(S, LIST, floors, state_floor)                                               \
    F(S, U64, list, 0)        /* digest of corosync's list of nodes there */      \
    F(S, LIST, lists, state_vote)                                                 \
    F(S, U32, lowest, 0)      /* its lowest version; 0: only `protocol` */   \
    F(S, U32, needs, 0)       /* the version that its log needs; 0: the first */ \
    F(S, U64, digest, 0)      /* of all of it, made before it was encoded; 0: an older build */
WIRE_STRUCT(msg_state);

#define WIRE_FIELDS_propose_member(F, S) \
    F(S, U32, node, 0)                   \
    F(S, U64, incarnation, 0)            \
    F(S, U64, round, 0)
WIRE_STRUCT(propose_member);

/* From the proposer (the lowest id that is heard): a view of these members, in this round of
 * theirs. */
#define WIRE_FIELDS_msg_propose(F, S)                                             \
    F(S, U64, epoch, 0)                                                           \
    F(S, LIST, members, propose_member)                                           \
    F(S, U32, source, 0)      /* whose log wins */                                \
    F(S, U64, base_epoch, 0)                                                      \
    F(S, U64, base_index, 0)                                                      \
    F(S, U64, base_chain, 0)                                                      \
    F(S, U32, protocol, 0)    /* the members' lowest */                        \
    F(S, BYTES, entry, MESSAGE_MAX_BYTES) /* the view's first log entry */
WIRE_STRUCT(msg_propose);

/* "My promise of the header's epoch, for this proposal, is on stable storage." */
#define WIRE_FIELDS_msg_promised(F, S) F(S, U64, proposal, 0) /* digest of the PROPOSE */
WIRE_STRUCT(msg_promised);

#define WIRE_FIELDS_entry_bytes(F, S) F(S, BYTES, data, MESSAGE_MAX_BYTES)
WIRE_STRUCT(entry_bytes);

/* Commands. With an index, from the view's sequencer: every member appends them there. Without one,
 * from any node: a request to the sequencer to give them a place. */
#define WIRE_FIELDS_msg_entries(F, S) \
    F(S, LIST, entries, entry_bytes)  \
    F(S, U64, index, 0) /* log index of the first */
WIRE_STRUCT(msg_entries);

/* "I have stored everything up to here", cumulative. */
#define WIRE_FIELDS_msg_ack(F, S) \
    F(S, U64, index, 0)           \
    F(S, U64, chain, 0)
WIRE_STRUCT(msg_ack);

#define WIRE_FIELDS_suffix_entry(F, S) \
    F(S, U64, index, 0)                \
    F(S, U64, epoch, 0)                \
    F(S, BYTES, data, MESSAGE_MAX_BYTES)
WIRE_STRUCT(suffix_entry);

/* Catch-up for one node: the source's log entries, up to the view's base. */
#define WIRE_FIELDS_msg_suffix(F, S) \
    F(S, U32, target, 0)             \
    F(S, LIST, entries, suffix_entry)
WIRE_STRUCT(msg_suffix);

/* Catch-up for a node that is too far behind: the source's model, in pieces; the suffix follows. */
#define WIRE_FIELDS_msg_snapshot(F, S)     \
    F(S, U32, target, 0)                   \
    F(S, U64, index, 0)                    \
    F(S, U64, epoch, 0)                    \
    F(S, U64, chain, 0)                    \
    F(S, U64, total_bytes, 0)              \
    F(S, U64, offset_bytes, 0)             \
    F(S, BYTES, data, MESSAGE_CHUNK_BYTES) \
    F(S, U64, digest, 0) /* over index, epoch, chain and all of the data */
WIRE_STRUCT(msg_snapshot);

/* Once a second: the node is alive, and the ring still returns its messages. Usage is for people
 * only. */
#define WIRE_FIELDS_msg_heartbeat(F, S)  \
    F(S, U64, sequence, 0)               \
    F(S, U64, memory_total_mb, 0)        \
    F(S, U64, memory_free_mb, 0)         \
    F(S, U32, cpu_busy_permille, 0)      \
    F(S, U64, check_index, 0)  /* the log index of its model */ \
    F(S, U64, check_digest, 0) /* the model's digest; 0: not given */ \
    F(S, U8, moves_in_clear, 1) /* its migrate_uri encrypts nothing; 0: it does, or not told */
WIRE_STRUCT(msg_heartbeat);

/* Progress of a migration, for people only: neither stored nor acknowledged. */
#define WIRE_FIELDS_msg_progress(F, S) \
    F(S, U64, operation, 0)            \
    F(S, U32, vm, 0)                   \
    PROGRESS_FIELDS(F, S)
WIRE_STRUCT(msg_progress);

#define WIRE_MESSAGES(X)            \
    X(STATE, 1, msg_state)          \
    X(PROPOSE, 2, msg_propose)      \
    X(PROMISED, 3, msg_promised)    \
    X(ENTRIES, 4, msg_entries)      \
    X(ACK, 5, msg_ack)              \
    X(SUFFIX, 6, msg_suffix)        \
    X(SNAPSHOT, 7, msg_snapshot)    \
    X(HEARTBEAT, 8, msg_heartbeat)  \
    X(PROGRESS, 9, msg_progress)

enum message_type {
#define X(NAME, number, type) MESSAGE_##NAME = number,
    WIRE_MESSAGES(X)
#undef X
};
/* clang-format on */

union message_body {
#define X(NAME, number, type) struct type type;
    WIRE_MESSAGES(X)
#undef X
};

struct message {
    enum message_type type;
    uint64_t incarnation; /* of the sending clusterd */
    uint64_t epoch;
    union message_body body;
};

/* The part that every version of the protocol has in the same place. */
struct message_header {
    uint8_t version;
    uint8_t type;
    uint64_t incarnation;
    uint64_t epoch;
};

/* Appends the whole message. */
void message_encode(const struct message *message, struct buffer *out);
/* Strings and bytes point into `data`. -EBADMSG: damaged or malformed. -EPROTONOSUPPORT: intact,
 * but of a higher version than this build speaks, or of an unknown type (message_header() says
 * which). -ENOMEM. */
int message_decode(const uint8_t *data, size_t size, struct arena *arena, struct message *ret);
/* -EBADMSG: damaged. */
int message_header(const uint8_t *data, size_t size, struct message_header *ret);

#endif
