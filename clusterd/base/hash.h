/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hashes: CRC-32C against damage on a wire or a disk (Castagnoli's polynomial, RFC 3720), and
 * FNV-1a 64 as the digest by which nodes notice that their logs or models differ. Neither protects
 * against an attacker.
 */
#ifndef CLUSTERD_BASE_HASH_H
#define CLUSTERD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t size);

#define FNV64_START UINT64_C(0xcbf29ce484222325)
uint64_t fnv64(uint64_t hash, const void *data, size_t size);
uint64_t fnv64_u64(uint64_t hash, uint64_t v);

#endif
