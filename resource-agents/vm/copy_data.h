/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data of one file: copied so that holes stay holes, and compared. */
#ifndef AGENTS_VM_COPY_DATA_H
#define AGENTS_VM_COPY_DATA_H

#include <stdint.h>
#include <sys/types.h>

#include "copy_meter.h"

/* How many bytes of the file are no hole. 0 or a negative errno. */
int copy_data_count(int fd, off_t size, uint64_t *ret_bytes);

/* Makes `to` share the storage of `from`, where the file system can. 0 or a negative errno. */
int copy_data_clone(int from, int to);

/*
 * Copies all data of `from` into the empty file `to`, which gets the same size. Not flushed when it
 * returns, but little is left to flush. -ECANCELED; -ENODATA: the source has become shorter; any
 * errno of reading and writing.
 */
int copy_data(int from, int to, off_t size, struct copy_meter *meter);

/* Reads the flushed copy from its storage and compares it. -EBADMSG: it differs at *ret_offset;
 * else as copy_data(). */
int copy_data_compare(int from, int to, off_t size, struct copy_meter *meter, off_t *ret_offset);

#endif
