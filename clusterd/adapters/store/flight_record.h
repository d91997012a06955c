/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flight recorder's tape: the content of this node's database as JSON lines, without secrets.
 *
 *     {"format":"clusterd-export","version":1,"node":2,...,"snapshot":{...,"bytes":B}|null}
 *     {"index":17,"epoch":3,"command":"VM_ORDER","time":"...","origin":"n1","crc":...,"bytes":B}
 *     ...
 *     {"end":true,"index":40,"digest":"...","tail_index":41,"tail_digest":"..."}
 *
 * B is base64 of the database's bytes after redact.h; crc is the CRC-32C of those bytes. `sim
 * --replay` applies the entries up to the last line's index to the snapshot. The result must have
 * the last line's digest: model_digest() after the unredacted entries.
 *
 * The log's chain digest (core/log.h) is left out. It covers every byte and is quickly computed:
 * whoever had all of the log but a password could guess the password with it.
 *
 * The entries after that index are the tail: the database does not know that they are committed. A
 * commitment is only noted along with a later entry, so the tail is mostly one or two entries long.
 * A running clusterd has applied them: then the digest in `status` is the tail's.
 */
#ifndef CLUSTERD_ADAPTERS_STORE_FLIGHT_RECORD_H
#define CLUSTERD_ADAPTERS_STORE_FLIGHT_RECORD_H

#include <stddef.h>
#include <stdio.h>

#define EXPORT_FORMAT "clusterd-export"
#define EXPORT_VERSION 1

/* Reads the database and changes nothing; clusterd may be running or not. On error ret_message
 * (STORE_MAX_MESSAGE bytes) says in one line what and where. */
int export_write(const char *state_dir, FILE *out, char *ret_message);

#endif
