/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts and numbers as JSON; see json_value.h.
 */
#include "adapters/json_value.h"

#include <stdlib.h>
#include <string.h>

json_t *json_of_text(const char *text) {
    json_t *json = json_string(text ? text : "");
    if (json || !text) {
        return json;
    }
    /* Not UTF-8, or cut in the middle of a character. */
    char *copy = strdup(text);
    if (!copy) {
        return NULL;
    }
    for (char *p = copy; *p; p++) {
        if ((unsigned char)*p >= 0x80) {
            *p = '?';
        }
    }
    json = json_string(copy);
    free(copy);
    return json;
}

json_t *json_of_text_or_null(const char *text) {
    return text && text[0] ? json_of_text(text) : json_null();
}

json_t *json_of_number(uint64_t number) {
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}
