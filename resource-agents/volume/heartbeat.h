/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heartbeat files on a volume: the proof that nodes see the same storage.
 *
 * Each node writes PATH/.clusterd/heartbeat.NODE with a nonce that it drew at its start and a
 * number that grows, and reads the files of the others. Who reads from the file a nonce that it
 * also heard over the network sees the same storage as the writer. A write goes to the disk each
 * time (fsync), so that a dead disk under a live cache is noticed.
 *
 * Ages are measured with this process's own clock from the moment at which a number was seen to
 * change, so nodes' clocks need not agree. For a file seen for the first time the storage's time
 * stamps of it and of our own are compared.
 */
#ifndef AGENTS_VOLUME_HEARTBEAT_H
#define AGENTS_VOLUME_HEARTBEAT_H

#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

enum { HEARTBEAT_NODES_MAX = 64, HEARTBEAT_TEXT_MAX = 128 };

struct heartbeat_peer {
    char node[HEARTBEAT_TEXT_MAX];
    char nonce[HEARTBEAT_TEXT_MAX];
    uint64_t seq;
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

/* Writes our file and reads the others'. Negative errno, and in reason what failed where. */
int heartbeat_beat(struct heartbeat *heartbeat, char *reason, size_t reason_size);

/* What was seen of others at the last beat: [{"node","nonce","age_ms"}]. */
json_t *heartbeat_seen(const struct heartbeat *heartbeat);

/* Free and total room of the volume in MiB. Negative errno. */
int heartbeat_room(const char *path, uint64_t *ret_free_mb, uint64_t *ret_total_mb);

#endif
