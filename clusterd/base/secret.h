/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is secret (parameters of fence devices, lines of configuration and logs), and how texts for
 * people hide it.
 */
#ifndef CLUSTERD_BASE_SECRET_H
#define CLUSTERD_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_SHOWN "********"

/*
 * Whether a parameter is secret. By its name (passwd, hexadecimal_kg, snmp_priv_passwd, api_token,
 * community, ...): then all of its value is. Or by its value, an address with a password
 * (https://user:password@host): then the password is. *ret_at and *ret_size say which part of the
 * value; both may be NULL.
 */
bool secret_param(const char *key, const char *value, size_t *ret_at, size_t *ret_size);

/* Whether it is part of a word: a letter or digit of ASCII, or an underscore. */
bool secret_in_word(char c);

/*
 * Replaces each `secret` in `text` by asterisks, also where somebody has encoded it: quoted for a
 * shell, JSON or C, as %XX, &amp;, base64 or hexadecimal, or in one of these within another; what
 * was base64 goes as a whole word. A secret of less than four bytes is only replaced where it is a
 * word of its own: inside words, it would spoil half of each text, and the rest would give it away.
 * -ENOMEM: some may be left, and the text must not be shown.
 */
int secret_mask(char *text, const char *secret);

/*
 * For lines with unknown secrets (configuration, logs). On each line, everything after a word that
 * sounds secret and a ':' or '=' becomes asterisks, up to the end of the line; so do passwords in
 * addresses. Rather too much than too little.
 */
void secret_mask_lines(char *text);
/* Whether a name sounds secret. */
bool secret_name(const char *name, size_t size);

#endif
