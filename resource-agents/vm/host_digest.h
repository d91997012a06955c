/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A digest of a file's content as it comes in a stream. What is a hole and what is zeros counts the
 * same, in pieces of any length: two hosts, and their libvirts, need not agree about that. It finds
 * damage; it does not protect against an attacker.
 */
#ifndef AGENTS_VM_HOST_DIGEST_H
#define AGENTS_VM_HOST_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { HOST_DIGEST_BLOCK = 4096 };

struct host_digest {
    uint64_t hash;
    uint64_t length; /* of all that has come */
    uint8_t block[HOST_DIGEST_BLOCK];
};

/* One that is all zeros has seen nothing yet. */
void host_digest_data(struct host_digest *digest, const void *data, size_t size);
void host_digest_hole(struct host_digest *digest, uint64_t length);

/* Of all of it; nothing is to follow. */
uint64_t host_digest_end(struct host_digest *digest);

#endif
