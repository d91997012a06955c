/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data of one file: copied so that holes stay holes, and compared.
 *
 * Where the file system tells its holes and copies by itself, it does. Elsewhere (FUSE, NFS before
 * 4.2) the whole file is read, and what is zeros is not written: by several threads, because one
 * that waits for its answer leaves the storage idle, and without the page cache, because each page
 * of it costs a FUSE file system more than its data does.
 */
#ifndef AGENTS_VM_COPY_DATA_H
#define AGENTS_VM_COPY_DATA_H

#include <stdint.h>
#include <sys/types.h>

#include "copy_meter.h"
#include "copy_written.h"

/* How many bytes of the file are no hole, so far as the file system tells. 0 or a negative
 * errno. */
int copy_data_count(int fd, off_t size, uint64_t *ret_bytes);

/* Makes `to` share the storage of `from`, where the file system can. 0 or a negative errno. */
int copy_data_clone(int from, int to);

/*
 * Copies all data of `from` into the empty file `to`, which gets the same size, and notes what was
 * written. Not flushed when it returns, but little is left to flush. -ECANCELED; -ENODATA: the
 * source has become shorter; any errno of reading and writing.
 */
int copy_data(int from, int to, struct copy_written *written, struct copy_meter *meter);

/* Reads back from its storage what was written to the flushed copy, and what the file system says
 * is data there though it was not, and compares it. -EBADMSG: it differs at *ret_offset; else as
 * copy_data(). */
int copy_data_compare(int from, int to, const struct copy_written *written,
                      struct copy_meter *meter, off_t *ret_offset);

#endif
