/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heartbeat files on a volume: the proof that nodes see the same storage.
 *
 * Each node reads the files of the others and writes PATH/.clusterd/heartbeat.NODE with a nonce,
 * chosen at its start, and a growing number. Each write is flushed to the disk (fsync), so that a
 * dead disk under a working cache is noticed.
 *
 * Storage is proven to be the same if this process sees a nonce's number grow and has also received
 * that nonce over the network. The nonce alone proves only that the storage was once the same: a
 * snapshot, a copy, or half of a split mirror contains the nonces of its time. A file's age does
 * not tell a copy from the file of a node that has just started, because a copy may have any time
 * stamp. So `moved_ms` is present only if this process has read a number and later a larger one of
 * the same nonce; it counts from that moment, by the clock of this process. The clocks of other
 * nodes and of the storage do not matter.
 *
 * `age_ms` is for display, and available from the first reading: the time since the number last
 * changed, or, for a file seen for the first time, the difference between the storage's time stamps
 * of this file and of our own.
 */
#ifndef AGENTS_VOLUME_HEARTBEAT_H
#define AGENTS_VOLUME_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

enum { HEARTBEAT_NODES_MAX = 64, HEARTBEAT_TEXT_MAX = 128 };

struct heartbeat_peer {
    char node[HEARTBEAT_TEXT_MAX];
    char nonce[HEARTBEAT_TEXT_MAX];
    uint64_t seq;
    bool moved;          /* the number has grown since this nonce was first seen */
    uint64_t met_ms;     /* when this nonce was first seen, on our clock */
    uint64_t changed_ms; /* when the number last changed, on our clock; may lie before our start,
                            thus signed below */
    int64_t age_at_first_ms;
    uint64_t round; /* of the last reading that found the file */
};

struct heartbeat {
    const char *path;
    const char *node;
    const char *nonce; /* NULL: write a probe file instead of a heartbeat */
    uint64_t seq;
    uint64_t round;
    size_t peer_count;
    struct heartbeat_peer peers[HEARTBEAT_NODES_MAX];
};

/* Writes our file and reads the others. A negative errno; then reason says what failed where. */
int heartbeat_beat(struct heartbeat *heartbeat, char *reason, size_t reason_size);

/* The others at the last beat: [{"node","nonce","age_ms","moved_ms"}]; moved_ms only if a number
 * was seen to grow. */
json_t *heartbeat_seen(const struct heartbeat *heartbeat);

/* Whether another node appeared less than within_ms ago and has not moved yet: faster beats during
 * that time give both nodes their proof sooner. A file that nobody writes any more does not cause
 * them for long. */
bool heartbeat_hurries(const struct heartbeat *heartbeat, uint64_t within_ms);

/* Free and total space of the volume in MiB. Negative errno. */
int heartbeat_room(const char *path, uint64_t *ret_free_mb, uint64_t *ret_total_mb);

#endif
