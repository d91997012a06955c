/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See migrate_uri.h. */
#include "base/migrate_uri.h"

#include <stddef.h>
#include <string.h>

bool migrate_uri_is_clear(const char *uri) {
    static const char clear[] = "+tcp";
    const size_t n = sizeof(clear) - 1;
    const char *end = strstr(uri, "://");
    if (!end || (size_t)(end - uri) < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = end[(ptrdiff_t)i - (ptrdiff_t)n];
        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; /* libvirt takes capitals, too */
        if (c != clear[i]) {
            return false;
        }
    }
    return true;
}
