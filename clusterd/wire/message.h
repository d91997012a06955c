/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between the clusterds, sent by CPG. A message is a header and one record.
 *
 *     u32 magic   u32 crc32c of all that follows   u8 version   u8 type   u16 0
 *     u64 incarnation   u64 epoch   record
 *
 * The sender's node id comes from CPG, not from the message. `epoch` says in which view the sender
 * was: a message of another epoch than the receiver's is dropped where that matters (each type
 * says).
 *
 * Versions. A build speaks all versions of the protocol from PROTOCOL_LOWEST to PROTOCOL_HIGHEST;
 * each STATE says which. The header's version is the lowest that the sender speaks: whoever speaks
 * that one, or a higher one, reads the message, since the header is the same in every version and
 * records only grow (wire/record.h). So nodes of different versions always understand each other's
 * STATEs and can agree on a view, which speaks the lowest of its members' highest versions. What a
 * version added is used when the view speaks it, and not before (core/model/version.h).
 */
#ifndef CLUSTERD_WIRE_MESSAGE_H
#define CLUSTERD_WIRE_MESSAGE_H

#include "wire/progress.h"
#include "wire/record.h"

#include <stdint.h>

#define MESSAGE_MAGIC 0x44534c43u /* "CLSD" */
/*
 * 2: rules of placement, VM_SET, NODE_SET. 3: further resources. 4: what a node says of its libvirt
 * and QEMU, several fence devices for a node. 5: a STATE says the lowest version and what the log
 * needs, heartbeats carry the model's digest, the setting state_check.
 *
 * A clusterd that does not know a command, or a part of one, would come to another model by it:
 * what adds one is a new version. Below PROTOCOL_LOWEST no cluster was ever updated node by node.
 * (A build may lower the highest one: so an update is tried out.)
 */
#define PROTOCOL_LOWEST 4u
#ifndef PROTOCOL_HIGHEST
#define PROTOCOL_HIGHEST 5u
#endif
#define PROTOCOL_VERSIONS_TOLD 5u /* since then, versions are told and compared */
#define MESSAGE_HEADER_BYTES 28u
#define MESSAGE_MAX_BYTES (768u * 1024) /* CPG takes 1 MiB less its own headers */
#define MESSAGE_CHUNK_BYTES (128u * 1024)

/* clang-format off */

/* "That node once had its log up to there, on stable storage": by its acknowledgements, or by the model. */
#define WIRE_FIELDS_state_floor(F, S) \
    F(S, U32, node, 0)                \
    F(S, U64, epoch, 0)               \
    F(S, U64, index, 0)
WIRE_STRUCT(state_floor);

/* One node of a list of nodes that the sender's log goes by; replica/node_list.c. */
#define WIRE_FIELDS_state_vote(F, S)                                  \
    F(S, U32, list, 0) /* number: 0, 1, ..., the newest list last */  \
    F(S, U32, node, 0)                                                \
    F(S, U32, votes, 0)
WIRE_STRUCT(state_vote);

/* Exchange: "this is what I have", for the view of these members. Restarts the exchange at everybody. */
#define WIRE_FIELDS_msg_state(F, S)                                               \
    F(S, U64, round, 0)       /* counts this node's exchanges */                  \
    F(S, IDS, members, WIRE_MAX_NODES) /* who it sees in CPG and quorum */        \
    F(S, U64, last_epoch, 0)  /* of its last log entry */                         \
    F(S, U64, last_index, 0)                                                      \
    F(S, U64, chain, 0)       /* digest of the log up to there */                 \
    F(S, U64, promised, 0)                                                        \
    F(S, U64, commit_index, 0)                                                    \
    F(S, U32, protocol, 0)    /* highest that it speaks */                        \
    F(S, LIST, floors, state_floor)                                               \
    F(S, U64, list, 0)        /* digest of corosync's list of nodes there */      \
    F(S, LIST, lists, state_vote)                                                 \
    F(S, U32, lowest, 0)      /* version that it speaks; 0: `protocol` alone */   \
    F(S, U32, needs, 0)       /* version that its log needs; 0: the first */
WIRE_STRUCT(msg_state);

#define WIRE_FIELDS_propose_member(F, S) \
    F(S, U32, node, 0)                   \
    F(S, U64, incarnation, 0)            \
    F(S, U64, round, 0)
WIRE_STRUCT(propose_member);

/* The proposer (lowest id heard): a view of these members, in that very round of theirs. */
#define WIRE_FIELDS_msg_propose(F, S)                                             \
    F(S, U64, epoch, 0)                                                           \
    F(S, LIST, members, propose_member)                                           \
    F(S, U32, source, 0)      /* whose log wins */                                \
    F(S, U64, base_epoch, 0)                                                      \
    F(S, U64, base_index, 0)                                                      \
    F(S, U64, base_chain, 0)                                                      \
    F(S, U32, protocol, 0)    /* lowest of the members' */                        \
    F(S, BYTES, entry, MESSAGE_MAX_BYTES) /* the view's first log entry */
WIRE_STRUCT(msg_propose);

/* "My promise of the header's epoch, to that very proposal, is on stable storage." */
#define WIRE_FIELDS_msg_promised(F, S) F(S, U64, proposal, 0) /* digest of the PROPOSE */
WIRE_STRUCT(msg_promised);

#define WIRE_FIELDS_entry_bytes(F, S) F(S, BYTES, data, MESSAGE_MAX_BYTES)
WIRE_STRUCT(entry_bytes);

/* Commands. With an index, from the view's sequencer: every member appends them there. Without one,
 * from anybody: the sequencer is asked to give them a place. */
#define WIRE_FIELDS_msg_entries(F, S) \
    F(S, LIST, entries, entry_bytes)  \
    F(S, U64, index, 0) /* in the log, of the first */
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

/* Catch-up for one node: log entries of the source, up to the view's base. */
#define WIRE_FIELDS_msg_suffix(F, S) \
    F(S, U32, target, 0)             \
    F(S, LIST, entries, suffix_entry)
WIRE_STRUCT(msg_suffix);

/* Catch-up for a node that is too far behind: the source's model, piece by piece; the suffix follows. */
#define WIRE_FIELDS_msg_snapshot(F, S)     \
    F(S, U32, target, 0)                   \
    F(S, U64, index, 0)                    \
    F(S, U64, epoch, 0)                    \
    F(S, U64, chain, 0)                    \
    F(S, U64, total_bytes, 0)              \
    F(S, U64, offset_bytes, 0)             \
    F(S, BYTES, data, MESSAGE_CHUNK_BYTES) \
    F(S, U64, digest, 0) /* of index, epoch, chain and all the data */
WIRE_STRUCT(msg_snapshot);

/* Once a second: alive, and the ring still brings my own messages back. Usage for people's eyes. */
#define WIRE_FIELDS_msg_heartbeat(F, S)  \
    F(S, U64, sequence, 0)               \
    F(S, U64, memory_total_mb, 0)        \
    F(S, U64, memory_free_mb, 0)         \
    F(S, U32, cpu_busy_permille, 0)      \
    F(S, U64, check_index, 0)  /* of the log, where its model came to */ \
    F(S, U64, check_digest, 0) /* this; 0: it does not say */
WIRE_STRUCT(msg_heartbeat);

/* Of a migration, for people's eyes: neither stored nor acknowledged. */
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

/* What every version of the protocol has in the same place. */
struct message_header {
    uint8_t version;
    uint8_t type;
    uint64_t incarnation;
    uint64_t epoch;
};

/* Appends the whole message. */
void message_encode(const struct message *message, struct buffer *out);
/* Strings and bytes point into `data`. -EBADMSG: damaged or malformed; -EPROTONOSUPPORT: whole, but
 * of a higher version than this build speaks, or of a type that it does not know (message_header()
 * says which); -ENOMEM. */
int message_decode(const uint8_t *data, size_t size, struct arena *arena, struct message *ret);
/* -EBADMSG: damaged. */
int message_header(const uint8_t *data, size_t size, struct message_header *ret);

#endif
