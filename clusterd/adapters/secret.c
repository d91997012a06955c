/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets of fence devices; see secret.h. A key that sounds secret is secret: too many is harmless,
 * too few is not. So parts of words are looked for, as they occur in the parameters of Debian's
 * fence-agents: `auth` is a method in one agent and a password's name in another, and hides both;
 * `identity_file`, `login` and `username` are no secrets, and hiding them would only keep people
 * from finding their mistake.
 */
#include "adapters/secret.h"

#include "base/check.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SHORT_BYTES 4u

static bool secret_key(const char *key) {
    static const char *const parts[] = {
        "pass",   /* passwd, password, passphrase, passwd_script, snmp_priv_passwd */
        "pwd",    /* and "password" written short */
        "secret", /* secret_key */
        "key",    /* access_key, apikey, api_key, tlskey, private_key */
        "kg",     /* hexadecimal_kg: IPMI's BMC key */
        "hidden", /* hidden_page: all that keeps others from fence_eps' device */
        "token",  "community", "auth", "cred", "cookie", "psk", "private",
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (strcasestr(key, parts[i])) {
            return true;
        }
    }
    return false;
}

/* The password in scheme://user:password@host; NULL if there is none. */
static const char *password_in(const char *value, size_t *ret_size) {
    const char *begin = strstr(value, "://");
    if (!begin) {
        return NULL;
    }
    begin += strlen("://");
    size_t n = strcspn(begin, "/?#");
    const char *colon = memchr(begin, ':', n);
    const char *at = memrchr(begin, '@', n);
    if (!colon || !at || at < colon) {
        return NULL;
    }
    *ret_size = (size_t)(at - colon - 1);
    return colon + 1;
}

bool secret_param(const char *key, const char *value, size_t *ret_at, size_t *ret_size) {
    size_t n = strlen(value);
    const char *part = secret_key(key) ? value : password_in(value, &n);
    if (part && ret_at) {
        *ret_at = (size_t)(part - value);
    }
    if (part && ret_size) {
        *ret_size = n;
    }
    return part != NULL;
}

static bool in_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

void secret_mask(char *text, const char *secret) {
    size_t n = strlen(secret);
    for (char *at = n ? strstr(text, secret) : NULL; at; at = strstr(at, secret)) {
        bool within = (at > text && in_word(at[-1])) || in_word(at[n]);
        if (n >= SHORT_BYTES || !within) {
            memset(at, '*', n);
            at += n;
        } else {
            at++;
        }
    }
}
