/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small changes to a domain definition that leave the rest as the administrator wrote it, including
 * comments and blanks: its name, and a UUID or MAC address if there is none.
 *
 * This code finds its place in well-formed XML by the brackets. It checks nothing: the agent reads
 * the result with a real parser and finds what went wrong here.
 */
#ifndef CLI_COMMANDS_XML_EDIT_H
#define CLI_COMMANDS_XML_EDIT_H

#include <stddef.h>

struct xml_place {
    size_t content;     /* where the element's content begins */
    size_t content_end; /* and where it ends: at its end tag */
    size_t end;         /* after its end tag */
};

/* The first child called `name` of the root element, or with NULL the root element itself. -ENOENT
 * if there is none, -EBADMSG if the text is no XML or an element of that name is written as
 * <name/>. */
int xml_find(const char *xml, const char *name, struct xml_place *ret_place);

/*
 * Where the content begins of the first names[1] in the root element's child names[0] that has no
 * child names[2]; those before number `nth` (from 0) are passed over, and so are those without any
 * content. Its number; -ENOENT if there is none, -EBADMSG if the text is no XML.
 */
int xml_find_lacking(const char *xml, const char *const names[3], size_t nth, size_t *ret_at);

/* A new text with [begin, end) replaced; the caller frees it. NULL when memory has run out. */
char *xml_replace(const char *xml, size_t begin, size_t end, const char *replacement);

/* A random uuid (version 4). */
enum { XML_UUID_SIZE = 37 };
int xml_make_uuid(char uuid[XML_UUID_SIZE]);

/* A random MAC address of those that QEMU's guests have. */
enum { XML_MAC_SIZE = 18 };
int xml_make_mac(char mac[XML_MAC_SIZE]);

#endif
