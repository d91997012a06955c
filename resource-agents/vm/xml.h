/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading libvirt's XML with libxml2: small accessors whose strings belong to the document, so that
 * nobody frees them.
 *
 * libvirt's elements have no namespace; an element in another one (<qemu:commandline>, our own
 * metadata) is never mistaken for one of libvirt's.
 */
#ifndef AGENTS_VM_XML_H
#define AGENTS_VM_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libxml/tree.h>

/* Parses text; no network, no external or internal document type. -EINVAL with one line in reason.
 * Free with xmlFreeDoc. */
int xml_parse(const char *text, size_t len, xmlDoc **ret_doc, char *reason, size_t reason_size);

/* The same, with the white space between elements, for text that is to be written again as it
 * was. */
int xml_parse_verbatim(const char *text, size_t len, xmlDoc **ret_doc, char *reason,
                       size_t reason_size);

/* First child element of that name, or NULL; parent may be NULL. */
xmlNode *xml_child(const xmlNode *parent, const char *name);

/* The next sibling element of the same name, or NULL. */
xmlNode *xml_next(const xmlNode *node);

/* First child element of any name and namespace; next sibling element of any name. */
xmlNode *xml_first_element(const xmlNode *parent);
xmlNode *xml_next_element(const xmlNode *node);

/* True for a libvirt element of that name. */
bool xml_is(const xmlNode *node, const char *name);

/* Value of an attribute, or NULL; node may be NULL. */
const char *xml_attr(const xmlNode *node, const char *name);

/* True if the attribute is there and has that value. */
bool xml_attr_is(const xmlNode *node, const char *name, const char *value);

/* The element's text without white space around it, "" if there is none; NULL for a NULL node. */
const char *xml_text(const xmlNode *node);

/*
 * The path of the element, as in "/domain/devices/disk[2]/source": devices are always counted (from
 * 1), others only if there are several of one name.
 */
void xml_path(const xmlNode *node, char *path, size_t size);

/* A whole decimal number; false for NULL or anything else. */
bool xml_number(const char *text, uint64_t *ret_value);

#endif
