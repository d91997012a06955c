/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts and numbers as JSON, for whatever clusterd writes as JSON.
 */
#ifndef CLUSTERD_ADAPTERS_JSON_VALUE_H
#define CLUSTERD_ADAPTERS_JSON_VALUE_H

#include <jansson.h>
#include <stdint.h>

/* Text of others (agents, devices) in a JSON string: what is not UTF-8 becomes '?', never a missing
 * member. */
json_t *json_of_text(const char *text);
/* null for "". */
json_t *json_of_text_or_null(const char *text);
/* JSON has no number beyond INT64_MAX: a larger one becomes that. */
json_t *json_of_number(uint64_t number);

#endif
