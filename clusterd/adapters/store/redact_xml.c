/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain definition without secrets; see redact.h.
 *
 * One pass over the text, without a parser library: it only tells tags, attributes and texts apart.
 * A list says what stays, and all else is hidden: libvirt's format grows, and a new element with a
 * secret must not pass an old list. When in doubt, hide.
 *
 *     <graphics type='vnc' passwd='********'/>     an attribute that sounds secret
 *     <description>********</description>          a text of an element that is not in the list
 *     <qemu:arg value='********'/>                 attributes of elements with a prefix
 *     <metadata>...</metadata>                     of these all attributes and texts: shut elements
 */
#include "adapters/store/redact.h"

#include "base/buffer.h"
#include "base/check.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"
#define NAME_END " \t\r\n/>='\"<"
#define LOST "(a definition that cannot be read)"

struct redaction {
    const char *at;
    struct buffer out;
    unsigned shut;   /* open elements, from the first one whose content is hidden as a whole */
    bool text_stays; /* within an element of text_elements[] */
};

static bool is_one_of(const char *name, size_t size, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strlen(list[i]) == size && memcmp(list[i], name, size) == 0) {
            return true;
        }
    }
    return false;
}

/* Elements whose text is useful and never secret. */
static bool text_element(const char *name, size_t size) {
    static const char *const names[] = {
        "name",   "uuid",        "memory",    "currentMemory", "maxMemory",      "vcpu",  "type",
        "loader", "nvram",       "kernel",    "initrd",        "emulator",       "model", "vendor",
        "shares", "on_poweroff", "on_reboot", "on_crash",      "on_lockfailure",
    };
    return is_one_of(name, size, names, ARRAY_SIZE(names));
}

/* Foreign namespaces (qemu:commandline), and elements with a guest's or a program's own data. */
static bool shut_element(const char *name, size_t size) {
    static const char *const names[] = {"metadata", "sysinfo",     "cookies",
                                        "secret",   "commandline", "override"};
    return memchr(name, ':', size) != NULL || is_one_of(name, size, names, ARRAY_SIZE(names));
}

static void keep(struct redaction *r, size_t n) {
    buffer_append(&r->out, r->at, n);
    r->at += n;
}

static void hide(struct redaction *r, size_t n) {
    buffer_append(&r->out, SECRET_SHOWN, strlen(SECRET_SHOWN));
    r->at += n;
}

/* A value of `n` bytes. It stays, without a password in an address, and without everything after a
 * question mark: in an address that is often a token. Numeric character references cannot be
 * checked: hide them. */
static void keep_value(struct redaction *r, size_t n) {
    size_t head = 0;
    size_t secret = 0;
    char *value = strndup(r->at, n);
    if (!value || strstr(value, "&#")) {
        secret = n;
    } else {
        (void)secret_param("", value, &head, &secret);
    }
    free(value);
    keep(r, head);
    if (secret > 0) {
        hide(r, secret);
    }
    const size_t rest = n - head - secret;
    const char *query = memchr(r->at, '?', rest);
    const size_t kept = query ? (size_t)(query + 1 - r->at) : rest;
    keep(r, kept);
    if (query) {
        hide(r, rest - kept);
    }
}

/* Name and value of something that libvirt passes on: only the other side knows what it is. */
static bool is_value_of_any(const char *element, size_t size, const char *name, size_t n) {
    static const char *const elements[] = {"property", "parameter"};
    static const char *const value = "value";
    return is_one_of(element, size, elements, ARRAY_SIZE(elements)) &&
           is_one_of(name, n, &value, 1);
}

/* The attribute name = 'value' of an element, from its name on. */
static bool attribute(struct redaction *r, const char *element, size_t size, bool shut) {
    static const char *const query = "query";             /* in an address: often a token */
    static const char *const default_namespace = "xmlns"; /* names would mean something else */
    const char *name = r->at;
    size_t n = strcspn(name, NAME_END);
    bool hidden = shut || secret_name(name, n) || is_one_of(name, n, &query, 1) ||
                  is_value_of_any(element, size, name, n);
    if (n == 0 || is_one_of(name, n, &default_namespace, 1)) {
        return false;
    }
    keep(r, n);
    keep(r, strspn(r->at, BLANKS));
    if (*r->at != '=') {
        return false;
    }
    keep(r, 1);
    keep(r, strspn(r->at, BLANKS));
    char quote = *r->at;
    const char *end = quote == '\'' || quote == '"' ? strchr(r->at + 1, quote) : NULL;
    if (!end) {
        return false;
    }
    keep(r, 1);
    if (hidden) {
        hide(r, (size_t)(end - r->at));
    } else {
        keep_value(r, (size_t)(end - r->at));
    }
    keep(r, 1);
    return true;
}

static bool open_tag(struct redaction *r) {
    keep(r, 1);
    const char *name = r->at;
    size_t n = strcspn(name, NAME_END);
    bool shut = r->shut > 0 || shut_element(name, n);
    if (n == 0) {
        return false;
    }
    keep(r, n);
    for (keep(r, strspn(r->at, BLANKS)); *r->at != '>' && *r->at != '/';
         keep(r, strspn(r->at, BLANKS))) {
        bool namespace = strncmp(r->at, "xmlns", strlen("xmlns")) == 0;
        if (!attribute(r, name, n, shut && !namespace)) {
            return false;
        }
    }
    bool empty = *r->at == '/';
    if (empty && r->at[1] != '>') {
        return false;
    }
    keep(r, empty ? 2 : 1);
    r->shut += shut && !empty;
    r->text_stays = !empty && !shut && text_element(name, n);
    return true;
}

static bool close_tag(struct redaction *r) {
    const char *end = strchr(r->at, '>');
    if (!end) {
        return false;
    }
    keep(r, (size_t)(end + 1 - r->at));
    r->shut -= r->shut > 0;
    r->text_stays = false;
    return true;
}

/* A comment or the like: only its place stays. Otherwise the texts around it would become one. */
static bool skip(struct redaction *r, const char *first, const char *last) {
    const char *end = strstr(r->at + strlen(first), last);
    if (!end) {
        return false;
    }
    buffer_append(&r->out, first, strlen(first));
    buffer_append(&r->out, last, strlen(last));
    r->at = end + strlen(last);
    return true;
}

static void text(struct redaction *r) {
    keep(r, strspn(r->at, BLANKS));
    size_t n = strcspn(r->at, "<");
    if (n == 0) {
        return;
    }
    if (r->text_stays) {
        keep_value(r, n);
    } else {
        hide(r, n);
    }
}

static bool piece(struct redaction *r) {
    if (*r->at != '<') {
        text(r);
        return true;
    }
    if (strncmp(r->at, "<!--", 4) == 0) {
        return skip(r, "<!--", "-->");
    }
    if (strncmp(r->at, "<![CDATA[", 9) == 0) {
        return skip(r, "<![CDATA[", "]]>");
    }
    if (r->at[1] == '!') {
        return false; /* a DTD: libvirt does not need it */
    }
    if (r->at[1] == '?') {
        return skip(r, "<?", "?>");
    }
    return r->at[1] == '/' ? close_tag(r) : open_tag(r);
}

char *redact_xml(const char *xml) {
    struct redaction r = {.at = xml};
    bool good = true;
    buffer_init(&r.out);
    while (good && *r.at) {
        good = piece(&r);
    }
    /* Each piece leaves something, and a definition never becomes empty: a replay would refuse an
     * empty one. */
    good = good && r.shut == 0 && r.out.size <= WIRE_MAX_XML;
    buffer_append_u8(&r.out, 0);
    if (!good) {
        buffer_clear(&r.out);
        buffer_append(&r.out, LOST, sizeof(LOST));
    }
    size_t size = 0;
    char *result = r.out.failed ? NULL : (char *)buffer_steal(&r.out, &size);
    buffer_finish(&r.out);
    return result;
}
