/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts and numbers as JSON, for everything that clusterd writes as JSON.
 */
#ifndef CLUSTERD_ADAPTERS_JSON_VALUE_H
#define CLUSTERD_ADAPTERS_JSON_VALUE_H

#include <jansson.h>
#include <stdint.h>

/* Foreign text (from agents, devices) as a JSON string: bytes that are not UTF-8 become '?'; the
 * member is never missing. */
json_t *json_of_text(const char *text);
/* null for "". */
json_t *json_of_text_or_null(const char *text);
/* JSON has no number beyond INT64_MAX: a larger number becomes INT64_MAX. */
json_t *json_of_number(uint64_t number);

#endif
