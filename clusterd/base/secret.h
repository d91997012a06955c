/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is secret: parameters of fence devices, lines of configuration and of logs; and how it is
 * kept out of texts for people.
 */
#ifndef CLUSTERD_BASE_SECRET_H
#define CLUSTERD_BASE_SECRET_H

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

/*
 * For lines whose secrets nobody knows beforehand (configuration, logs): of each line, what follows
 * a word that sounds secret and a ':' or '=' becomes asterisks, up to the end of the line, and so
 * do passwords in addresses. Too much rather than too little.
 */
void secret_mask_lines(char *text);
/* Whether a name sounds like one of a secret. */
bool secret_name(const char *name, size_t size);

#endif
