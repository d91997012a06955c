/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A message as it goes out, with the NUL that ends it. Several clients may get the same one:
 * whoever keeps it holds a reference.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_TEXT_H
#define CLUSTERD_ADAPTERS_IPC_TEXT_H

#include <jansson.h>
#include <stddef.h>

struct ipc_text {
    size_t refs;
    size_t size; /* bytes, with the NUL */
    char *bytes;
};

/* Both take ownership (NULL: the maker had no memory). The caller gets the first reference; NULL:
 * out of memory. */
struct ipc_text *ipc_text_take(char *bytes);
struct ipc_text *ipc_text_dump(json_t *json);

struct ipc_text *ipc_text_hold(struct ipc_text *text);
void ipc_text_release(struct ipc_text *text); /* NULL is fine */

#endif
