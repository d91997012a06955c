/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A digest of a file's content as it comes in a stream. See host_digest.h. */
#include "host_digest.h"

#include <string.h>

/* Word by word: the CRC and the FNV of clusterd_base take each byte by itself, and an image has
 * billions. */
static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* The block before `length` is complete. Its place counts, so blocks of zeros can be left out. */
static void take_block(struct host_digest *digest) {
    static const uint8_t zeros[HOST_DIGEST_BLOCK];

    if (memcmp(digest->block, zeros, sizeof(zeros)) == 0) {
        return;
    }
    uint64_t hash = mix(digest->hash, (digest->length - 1) / HOST_DIGEST_BLOCK);
    for (size_t i = 0; i < HOST_DIGEST_BLOCK; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, digest->block + i, sizeof(word));
        hash = mix(hash, word);
    }
    digest->hash = hash;
    memset(digest->block, 0, sizeof(digest->block));
}

/* So much is needed to complete the block. */
static size_t missing(const struct host_digest *digest) {
    return HOST_DIGEST_BLOCK - (size_t)(digest->length % HOST_DIGEST_BLOCK);
}

void host_digest_data(struct host_digest *digest, const void *data, size_t size) {
    const uint8_t *bytes = data;

    while (size > 0) {
        size_t n = size < missing(digest) ? size : missing(digest);
        memcpy(digest->block + digest->length % HOST_DIGEST_BLOCK, bytes, n);
        digest->length += n;
        bytes += n;
        size -= n;
        if (digest->length % HOST_DIGEST_BLOCK == 0) {
            take_block(digest);
        }
    }
}

void host_digest_hole(struct host_digest *digest, uint64_t length) {
    size_t first = missing(digest);

    /* The block in hand has its zeros already. */
    if (digest->length % HOST_DIGEST_BLOCK != 0 && length >= first) {
        digest->length += first;
        length -= first;
        take_block(digest);
    }
    digest->length += length;
}

uint64_t host_digest_end(struct host_digest *digest) {
    uint64_t length = digest->length;

    if (length % HOST_DIGEST_BLOCK != 0) {
        host_digest_hole(digest, missing(digest));
    }
    return mix(digest->hash, length);
}
