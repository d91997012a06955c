/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which parameters of fence devices are secret, and how they are kept out of texts for people.
 */
#ifndef CLUSTERD_ADAPTERS_SECRET_H
#define CLUSTERD_ADAPTERS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_SHOWN "********"

/*
 * Whether a parameter is secret: by its name (passwd, hexadecimal_kg, snmp_priv_passwd, api_token,
 * community, ...), and then all of its value is; or because its value is an address with a password
 * in it (https://user:password@host), and then that is. *ret_at and *ret_size say which part of the
 * value; both may be NULL.
 */
bool secret_param(const char *key, const char *value, size_t *ret_at, size_t *ret_size);

/*
 * Replaces each occurrence of `secret` in `text` by asterisks. One of less than four bytes is
 * replaced where it stands as a word of its own: within words it would blot out half of each text,
 * and by what is left it could be guessed.
 */
void secret_mask(char *text, const char *secret);

#endif
