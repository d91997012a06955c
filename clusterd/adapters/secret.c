/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets of fence devices; see secret.h. A key that sounds secret is secret: too many is harmless,
 * too few is not.
 */
#include "adapters/secret.h"

#include "base/check.h"

#include <string.h>
#include <strings.h>

bool secret_key(const char *key) {
    static const char *const parts[] = {"passw",       "secret",     "token",  "community",
                                        "credential",  "api_key",    "apikey", "api-key",
                                        "private_key", "private-key"};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (strcasestr(key, parts[i])) {
            return true;
        }
    }
    return false;
}

void secret_mask(char *text, const char *secret) {
    size_t n = strlen(secret);
    if (n < 4) {
        return;
    }
    for (char *at = strstr(text, secret); at; at = strstr(at + n, secret)) {
        memset(at, '*', n);
    }
}
