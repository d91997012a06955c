/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRC-32C bit by bit with a small table, FNV-1a 64; see hash.h.
 */
#include "base/hash.h"

/* The CRC of each 4-bit value: small enough to check by eye, fast enough for clusterd's
 * messages. */
static const uint32_t crc_nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c(const void *data, size_t size) {
    const uint8_t *p = data;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        crc = crc_nibble[crc & 15] ^ (crc >> 4);
        crc = crc_nibble[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

uint64_t fnv64(uint64_t hash, const void *data, size_t size) {
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

uint64_t fnv64_u64(uint64_t hash, uint64_t v) {
    uint8_t raw[8];
    for (size_t i = 0; i < sizeof(raw); i++) {
        raw[i] = (uint8_t)(v >> (8 * i));
    }
    return fnv64(hash, raw, sizeof(raw));
}
