/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as text and back (RFC 4648, base64 with padding): the form of log entries in JSON.
 */
#ifndef CLUSTERD_BASE_BASE64_H
#define CLUSTERD_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* The caller frees it with free(). NULL when memory has run out. */
char *base64_encode(const void *data, size_t size);
/* -EBADMSG: not base64; -ENOMEM. The caller frees *ret_data, which is never NULL. */
int base64_decode(const char *text, uint8_t **ret_data, size_t *ret_size);

#endif
