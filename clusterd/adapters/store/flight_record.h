/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flight recorder's tape: what this node's database holds, as JSON lines, without secrets.
 *
 *     {"format":"clusterd-export","version":1,"node":2,...,"snapshot":{...,"bytes":B}|null}
 *     {"index":17,"epoch":3,"command":"VM_ORDER","time":"...","origin":"n1","crc":...,"bytes":B}
 *     ...
 *     {"end":true,"index":40,"digest":"...","tail_index":41,"tail_digest":"..."}
 *
 * B is base64 of what redact.h makes of the bytes in the database; crc is CRC-32C of what B stands
 * for. `sim --replay` applies the entries up to the last line's index to the snapshot, and must
 * come to its digest: model_digest() of what the unredacted entries came to here.
 *
 * The log's chain digest (core/log.h) is not told. It is over every byte and quickly computed:
 * whoever has all of the log but a password could try passwords by it until it fits.
 *
 * What follows that index is the tail: entries that the database does not know to be committed. It
 * notes a commitment along with a later entry only, so mostly the last one or two are, and a
 * clusterd that runs has applied them: then `status` tells the tail's digest.
 */
#ifndef CLUSTERD_ADAPTERS_STORE_FLIGHT_RECORD_H
#define CLUSTERD_ADAPTERS_STORE_FLIGHT_RECORD_H

#include <stddef.h>
#include <stdio.h>

#define EXPORT_FORMAT "clusterd-export"
#define EXPORT_VERSION 1

/* Reads the database of a clusterd that runs or does not, and changes nothing. On error ret_message
 * (STORE_MAX_MESSAGE bytes) says in one line what and where. */
int export_write(const char *state_dir, FILE *out, char *ret_message);

#endif
