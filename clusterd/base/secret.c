/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets of fence devices; see secret.h. A key that sounds secret is secret: hiding too much is
 * harmless, hiding too little is not. The table holds parts of words from the parameters of
 * Debian's fence-agents. `auth` is a method in one agent and part of a password's name in another;
 * both are hidden. `identity_file`, `login` and `username` are not secret: hiding them would only
 * keep people from finding their mistake.
 */
#include "base/secret.h"

#include "base/check.h"

#include <string.h>

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether the first `size` bytes of `text` hold `part`, which is lower case. */
static bool holds(const char *text, size_t size, const char *part) {
    size_t n = strlen(part);
    for (size_t at = 0; at + n <= size; at++) {
        size_t i = 0;
        while (i < n && lower(text[at + i]) == part[i]) {
            i++;
        }
        if (i == n) {
            return true;
        }
    }
    return false;
}

bool secret_name(const char *name, size_t size) {
    static const char *const parts[] = {
        "pass",   /* passwd, password, passphrase, passwd_script, snmp_priv_passwd */
        "pwd",    /* short for password */
        "secret", /* secret_key */
        "key",    /* access_key, apikey, api_key, tlskey, private_key */
        "kg",     /* hexadecimal_kg: IPMI's BMC key */
        "hidden", /* hidden_page: all that protects fence_eps' device */
        "token",  "community", "auth", "cred", "cookie", "psk", "private",
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (holds(name, size, parts[i])) {
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
    const char *part = secret_name(key, strlen(key)) ? value : password_in(value, &n);
    if (part && ret_at) {
        *ret_at = (size_t)(part - value);
    }
    if (part && ret_size) {
        *ret_size = n;
    }
    return part != NULL;
}

bool secret_in_word(char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool in_key(char c) {
    return secret_in_word(c) || c == '-' || c == '.';
}

/* Where in the line the value of a secret-sounding name begins; NULL: there is none. */
static char *line_value(char *line) {
    for (char *at = line; *at;) {
        size_t n = 0;
        while (in_key(at[n])) {
            n++;
        }
        if (n == 0) {
            at++;
            continue;
        }
        char *after = at + n + strspn(at + n, " \t\"'");
        if ((*after == '=' || *after == ':') && secret_name(at, n)) {
            return after + 1;
        }
        at += n;
    }
    return NULL;
}

static void mask_line(char *line) {
    char *value = line_value(line);
    if (value) {
        value += strspn(value, " \t");
        memset(value, '*', strlen(value));
    }
    size_t n = 0;
    for (char *at = line; (at = strstr(at, "://")); at += strlen("://")) {
        const char *password = password_in(at, &n);
        if (password) {
            memset(at + (password - at), '*', n);
        }
    }
}

void secret_mask_lines(char *text) {
    while (*text) {
        char *end = text + strcspn(text, "\n");
        char kept = *end;
        *end = '\0';
        mask_line(text);
        *end = kept;
        text = kept ? end + 1 : end;
    }
}
