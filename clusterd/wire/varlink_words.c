/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of Varlink. See wire/varlink_words.h. */
#include "wire/varlink_words.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Not of the C library: its answers depend on the user's language. */
static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static bool is_plain(char c) {
    return is_lower(c) || is_upper(c) || (c >= '0' && c <= '9');
}

void varlink_name_of(const char *word, char ret_name[VARLINK_MAX_METHOD]) {
    size_t n = 0;
    bool begins = true;
    for (const char *at = word; *at && n + 1 < VARLINK_MAX_METHOD; at++) {
        if (is_plain(*at)) {
            ret_name[n++] = begins && is_lower(*at) ? (char)(*at - 'a' + 'A') : *at;
        }
        begins = !is_plain(*at);
    }
    ret_name[n] = '\0';
}

void varlink_code_of(const char *name, char ret_code[VARLINK_MAX_METHOD]) {
    size_t n = 0;
    for (const char *at = name; *at && n + 2 < VARLINK_MAX_METHOD; at++) {
        if (is_upper(*at) && n > 0) {
            ret_code[n++] = '-';
        }
        ret_code[n++] = is_upper(*at) ? (char)(*at - 'A' + 'a') : *at;
    }
    ret_code[n] = '\0';
}

const char *varlink_after(const char *full, const char *interface) {
    size_t n = strlen(interface);
    return strncmp(full, interface, n) == 0 && full[n] == '.' ? full + n + 1 : NULL;
}
