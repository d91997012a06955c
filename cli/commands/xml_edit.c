/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small changes to a domain definition: see xml_edit.h.
 */
#include "commands/xml_edit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Text between '<' and '>' that is not an element. A '<' or '>' inside it does not count. */
static const struct {
    const char *begin;
    const char *end;
} asides[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}, {"<!", ">"}};

/* If an aside begins at `at`: its end, or NULL if it does not end. Otherwise `at`. */
static const char *skip_aside(const char *at) {
    for (size_t i = 0; i < sizeof(asides) / sizeof(asides[0]); i++) {
        size_t length = strlen(asides[i].begin);
        if (strncmp(at, asides[i].begin, length) == 0) {
            const char *end = strstr(at + length, asides[i].end);
            return end != NULL ? end + strlen(asides[i].end) : NULL;
        }
    }
    return at;
}

/* The '>' that ends the tag at `at`, outside of quoted values. NULL if there is none. */
static const char *tag_end(const char *at) {
    char quote = '\0';
    for (; *at != '\0'; at++) {
        if (quote != '\0') {
            quote = *at == quote ? '\0' : quote;
        } else if (*at == '"' || *at == '\'') {
            quote = *at;
        } else if (*at == '>') {
            return at;
        }
    }
    return NULL;
}

static bool tag_is(const char *tag, const char *name) {
    size_t length = strcspn(tag, " \t\r\n/>");
    return strlen(name) == length && strncmp(tag, name, length) == 0;
}

/*
 * The first element called `name` (NULL: of any name) that stands between `from` and `limit` and in
 * no other element there. *ret_empty: it is written as <name/>, and its content begins and ends
 * after it.
 */
static int find(const char *xml, size_t from, size_t limit, const char *name,
                struct xml_place *ret_place, bool *ret_empty) {
    size_t depth = 0;  /* of the open elements at `at` */
    bool open = false; /* the wanted element has begun */
    struct xml_place place = {0};
    const char *at = xml + from;
    while ((at = strchr(at, '<')) != NULL && at < xml + limit) {
        const char *after = skip_aside(at);
        if (after == NULL) {
            return -EBADMSG;
        }
        if (after != at) {
            at = after;
            continue;
        }
        const char *end = tag_end(at);
        if (end == NULL) {
            return -EBADMSG;
        }
        bool closes = at[1] == '/';
        bool empty = !closes && end[-1] == '/';
        if (closes && depth == 0) {
            return -EBADMSG;
        }
        depth -= closes ? 1 : 0;
        bool begins = !closes && !open && depth == 0 && (name == NULL || tag_is(at + 1, name));
        if (begins) {
            open = true;
            place.content = (size_t)(end + 1 - xml);
        }
        if ((begins && empty) || (closes && open && depth == 0)) {
            if (closes && name != NULL && !tag_is(at + 2, name)) {
                return -EBADMSG;
            }
            place.end = (size_t)(end + 1 - xml);
            place.content_end = empty ? place.end : (size_t)(at - xml);
            *ret_place = place;
            *ret_empty = empty;
            return 0;
        }
        depth += closes || empty ? 0 : 1;
        at = end + 1;
    }
    return open || depth > 0 ? -EBADMSG : -ENOENT;
}

int xml_find(const char *xml, const char *name, struct xml_place *ret_place) {
    struct xml_place place;
    bool empty = false;
    int r = find(xml, 0, strlen(xml), NULL, &place, &empty);
    if (r == 0 && name != NULL && !empty) {
        r = find(xml, place.content, place.content_end, name, &place, &empty);
    }
    if (r < 0 || empty) {
        return r < 0 ? r : -EBADMSG;
    }
    *ret_place = place;
    return 0;
}

int xml_find_lacking(const char *xml, const char *const names[3], size_t nth, size_t *ret_at) {
    struct xml_place parent;
    struct xml_place element = {0};
    struct xml_place child;
    bool empty = false;
    int r = xml_find(xml, names[0], &parent);
    size_t from = r == 0 ? parent.content : 0;
    for (size_t i = 0; r == 0; i++) {
        r = find(xml, from, parent.content_end, names[1], &element, &empty);
        if (r == 0 && i >= nth && !empty) {
            bool child_empty = false;
            int found =
                find(xml, element.content, element.content_end, names[2], &child, &child_empty);
            if (found == -ENOENT) {
                *ret_at = element.content;
                return (int)i;
            }
        }
        from = element.end;
    }
    return r;
}

char *xml_replace(const char *xml, size_t begin, size_t end, const char *replacement) {
    char *text = NULL;
    if (asprintf(&text, "%.*s%s%s", (int)begin, xml, replacement, xml + end) < 0) {
        return NULL;
    }
    return text;
}

int xml_make_uuid(char uuid[XML_UUID_SIZE]) {
    uint8_t bytes[16];
    size_t used = 0;
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return -EIO;
    }
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4: random */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
    for (size_t i = 0; i < sizeof(bytes); i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        used += (size_t)snprintf(uuid + used, XML_UUID_SIZE - used, "%s%02x", dash, bytes[i]);
    }
    return 0;
}

int xml_make_mac(char mac[XML_MAC_SIZE]) {
    uint8_t bytes[3];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return -EIO;
    }
    snprintf(mac, XML_MAC_SIZE, "52:54:00:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2]);
    return 0;
}
