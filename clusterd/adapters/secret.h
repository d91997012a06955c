/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which parameters of fence devices are secret, and how they are kept out of texts for people.
 */
#ifndef CLUSTERD_ADAPTERS_SECRET_H
#define CLUSTERD_ADAPTERS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_SHOWN "********"

/* By the name of the parameter: passwd, password_script, secret_key, api_token, snmp community, ...
 */
bool secret_key(const char *key);

/* Replaces each occurrence of `secret` in `text` by asterisks. Secrets of less than four bytes
 * would blot out half of each text and stay. */
void secret_mask(char *text, const char *secret);

#endif
