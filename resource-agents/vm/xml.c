/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading libvirt's XML. See xml.h. */
#include "xml.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>

#include "../shared/ocf.h"

static int parse(const char *text, size_t len, int blanks, xmlDoc **ret_doc, char *reason,
                 size_t reason_size) {
    /* Entities stay unexpanded: a document type cannot make the text grow before it is refused
     * below. */
    const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | blanks;

    if (len == 0 || len > INT_MAX) {
        snprintf(reason, reason_size, "not XML: the text has %zu bytes", len);
        return -EINVAL;
    }
    xmlDoc *doc = xmlReadMemory(text, (int)len, "definition", NULL, options);
    if (doc == NULL) {
        const xmlError *error = xmlGetLastError();
        snprintf(reason, reason_size, "not well-formed XML, line %d: %s",
                 error != NULL ? error->line : 0,
                 error != NULL && error->message != NULL ? error->message : "unknown error");
        ocf_one_line(reason);
        return -EINVAL;
    }
    if (doc->intSubset != NULL || xmlDocGetRootElement(doc) == NULL) {
        snprintf(reason, reason_size, "XML with a document type (<!DOCTYPE>) is not accepted");
        xmlFreeDoc(doc);
        return -EINVAL;
    }
    *ret_doc = doc;
    return 0;
}

int xml_parse(const char *text, size_t len, xmlDoc **ret_doc, char *reason, size_t reason_size) {
    return parse(text, len, XML_PARSE_NOBLANKS, ret_doc, reason, reason_size);
}

int xml_parse_verbatim(const char *text, size_t len, xmlDoc **ret_doc, char *reason,
                       size_t reason_size) {
    return parse(text, len, 0, ret_doc, reason, reason_size);
}

bool xml_is(const xmlNode *node, const char *name) {
    return node->type == XML_ELEMENT_NODE && node->ns == NULL &&
           strcmp((const char *)node->name, name) == 0;
}

xmlNode *xml_first_element(const xmlNode *parent) {
    if (parent == NULL) {
        return NULL;
    }
    xmlNode *node = parent->children;
    while (node != NULL && node->type != XML_ELEMENT_NODE) {
        node = node->next;
    }
    return node;
}

xmlNode *xml_next_element(const xmlNode *node) {
    xmlNode *next = node->next;
    while (next != NULL && next->type != XML_ELEMENT_NODE) {
        next = next->next;
    }
    return next;
}

xmlNode *xml_child(const xmlNode *parent, const char *name) {
    xmlNode *node = xml_first_element(parent);
    while (node != NULL && !xml_is(node, name)) {
        node = xml_next_element(node);
    }
    return node;
}

xmlNode *xml_next(const xmlNode *node) {
    xmlNode *next = xml_next_element(node);
    while (next != NULL && !xml_is(next, (const char *)node->name)) {
        next = xml_next_element(next);
    }
    return next;
}

/* A copy of text that lives as long as the document. */
static const char *keep(const xmlNode *node, const char *text, size_t len) {
    if (len > INT_MAX) {
        return "";
    }
    const xmlChar *kept = xmlDictLookup(node->doc->dict, (const xmlChar *)text, (int)len);
    return kept != NULL ? (const char *)kept : "";
}

const char *xml_attr(const xmlNode *node, const char *name) {
    if (node == NULL) {
        return NULL;
    }
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    if (value == NULL) {
        return NULL;
    }
    const char *kept = keep(node, (const char *)value, strlen((const char *)value));
    xmlFree(value);
    return kept;
}

bool xml_attr_is(const xmlNode *node, const char *name, const char *value) {
    const char *found = xml_attr(node, name);
    return found != NULL && strcmp(found, value) == 0;
}

const char *xml_text(const xmlNode *node) {
    static const char white[] = " \t\r\n";

    if (node == NULL) {
        return NULL;
    }
    xmlChar *content = xmlNodeGetContent(node);
    if (content == NULL) {
        return "";
    }
    const char *start = (const char *)content + strspn((const char *)content, white);
    size_t len = strlen(start);
    while (len > 0 && strchr(white, start[len - 1]) != NULL) {
        len--;
    }
    const char *kept = keep(node, start, len);
    xmlFree(content);
    return kept;
}

/* "name" or "name[n]" of one element. */
static void path_step(const xmlNode *node, char *step, size_t size) {
    unsigned int position = 1;
    bool several = node->parent != NULL && node->parent->type == XML_ELEMENT_NODE &&
                   xml_is(node->parent, "devices");

    for (const xmlNode *other = node->prev; other != NULL; other = other->prev) {
        if (other->type == XML_ELEMENT_NODE && xmlStrEqual(other->name, node->name)) {
            position++;
            several = true;
        }
    }
    for (const xmlNode *other = node->next; other != NULL && !several; other = other->next) {
        several = other->type == XML_ELEMENT_NODE && xmlStrEqual(other->name, node->name);
    }
    const char *prefix =
        node->ns != NULL && node->ns->prefix != NULL ? (const char *)node->ns->prefix : "";
    const char *colon = prefix[0] != '\0' ? ":" : "";
    if (several) {
        snprintf(step, size, "/%s%s%s[%u]", prefix, colon, (const char *)node->name, position);
    } else {
        snprintf(step, size, "/%s%s%s", prefix, colon, (const char *)node->name);
    }
}

void xml_path(const xmlNode *node, char *path, size_t size) {
    char step[128];
    size_t start = size; /* the path is written from its end */

    if (size == 0) {
        return;
    }
    path[--start] = '\0';
    for (; node != NULL && node->type == XML_ELEMENT_NODE; node = node->parent) {
        path_step(node, step, sizeof(step));
        size_t len = strlen(step);
        if (len > start) {
            break; /* deeper than libvirt's format: the end of the path names the element */
        }
        start -= len;
        memcpy(path + start, step, len);
    }
    memmove(path, path + start, size - start);
}

bool xml_number(const char *text, uint64_t *ret_value) {
    uint64_t value = 0;

    if (text == NULL || text[0] == '\0') {
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || value > (UINT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(*p - '0');
    }
    *ret_value = value;
    return true;
}
