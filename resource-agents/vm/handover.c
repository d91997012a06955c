/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal of a move between two hosts. See handover.h. */
#include "handover.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvirt/virterror.h>

#include "xml.h"

#define NAMESPACE "https://clusterd.org/xmlns/move/1"
#define PREFIX "clusterdmove"
#define ELEMENT "move"
#define DISARMED ".clusterd-moving"

void handover_finish(struct handover *handover) {
    for (size_t i = 0; i < handover->count; i++) {
        free(handover->files[i]);
    }
    handover->count = 0;
}

int handover_add(struct handover *handover, const char *path) {
    char *copy = handover->count < MOVE_FILES_MAX ? strdup(path) : NULL;
    if (copy == NULL) {
        return -ENOMEM;
    }
    handover->files[handover->count++] = copy;
    return 0;
}

/* ---- as XML ---- */

static int set(xmlNode *node, const char *name, const char *value) {
    return xmlNewProp(node, (const xmlChar *)name, (const xmlChar *)value) != NULL ? 0 : -ENOMEM;
}

/* Fills the element; its children get its namespace. */
static int fill(xmlNode *node, const struct handover *handover) {
    char run[32];
    int r = set(node, "role", handover->role == HANDOVER_ARRIVES ? "arrives" : "leaves");
    r = r < 0 ? r : set(node, "peer", handover->peer);
    r = r < 0 ? r : set(node, "persistent", handover->persistent ? "yes" : "no");
    r = r < 0 ? r : set(node, "autostart", handover->autostart ? "yes" : "no");
    r = r < 0 ? r : set(node, "remove", handover->remove ? "yes" : "no");
    snprintf(run, sizeof(run), "%" PRIu64, handover->run);
    r = r < 0 ? r : set(node, "run", run);
    for (size_t i = 0; r == 0 && i < handover->count; i++) {
        xmlNode *file = xmlNewChild(node, node->ns, (const xmlChar *)"file", NULL);
        r = file == NULL ? -ENOMEM : set(file, "path", handover->files[i]);
    }
    return r;
}

/* Its elements are read with or without their namespace: libvirt takes it off. */
static int parse(const char *text, struct handover *ret_handover) {
    char reason[64];
    xmlDoc *doc = NULL;
    struct handover found = {.role = HANDOVER_LEAVES};

    if (xml_parse(text, strlen(text), &doc, reason, sizeof(reason)) < 0) {
        return -EIO;
    }
    xmlNode *root = xmlDocGetRootElement(doc);
    const char *peer = xml_attr(root, "peer");
    found.role = xml_attr_is(root, "role", "arrives") ? HANDOVER_ARRIVES : HANDOVER_LEAVES;
    found.persistent = xml_attr_is(root, "persistent", "yes");
    found.autostart = xml_attr_is(root, "autostart", "yes");
    found.remove = xml_attr_is(root, "remove", "yes");
    (void)xml_number(xml_attr(root, "run"), &found.run); /* stays 0 */
    snprintf(found.peer, sizeof(found.peer), "%s", peer != NULL ? peer : "");
    int r = 0;
    for (xmlNode *file = xml_first_element(root); r == 0 && file != NULL;
         file = xml_next_element(file)) {
        const char *path = xml_attr(file, "path");
        r = path != NULL ? handover_add(&found, path) : 0;
    }
    xmlFreeDoc(doc);
    if (r < 0) {
        handover_finish(&found);
        return r;
    }
    *ret_handover = found;
    return 0;
}

static bool is_ours(const xmlNode *node) {
    return node->ns != NULL && strcmp((const char *)node->ns->href, NAMESPACE) == 0;
}

int handover_enter(struct definition *definition, const struct handover *handover) {
    xmlNode *metadata = xml_child(definition->domain, "metadata");

    for (xmlNode *node = xml_first_element(metadata); node != NULL;) {
        xmlNode *next = xml_next_element(node);
        if (is_ours(node)) {
            xmlUnlinkNode(node);
            xmlFreeNode(node);
        }
        node = next;
    }
    if (handover == NULL) {
        return 0;
    }
    if (metadata == NULL) {
        metadata = xmlNewChild(definition->domain, NULL, (const xmlChar *)"metadata", NULL);
    }
    xmlNode *node =
        metadata != NULL ? xmlNewChild(metadata, NULL, (const xmlChar *)ELEMENT, NULL) : NULL;
    xmlNs *ns =
        node != NULL ? xmlNewNs(node, (const xmlChar *)NAMESPACE, (const xmlChar *)PREFIX) : NULL;
    if (ns == NULL) {
        return -ENOMEM;
    }
    xmlSetNs(node, ns);
    return fill(node, handover);
}

/* ---- in libvirt ---- */

/* Where a journal belongs: in the definition, or, of a transient domain, in what runs. */
static unsigned int place_of(virDomainPtr domain) {
    return virDomainIsPersistent(domain) == 1 ? VIR_DOMAIN_AFFECT_CONFIG : VIR_DOMAIN_AFFECT_LIVE;
}

int handover_read(virDomainPtr domain, struct handover *ret_handover) {
    static const unsigned int places[] = {VIR_DOMAIN_AFFECT_CONFIG, VIR_DOMAIN_AFFECT_LIVE};
    int r = -ENOENT;

    /* A copy that has arrived may have it in one of the two. */
    for (size_t i = 0; r == -ENOENT && i < sizeof(places) / sizeof(places[0]); i++) {
        char *text =
            virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, places[i]);
        r = text != NULL ? parse(text, ret_handover) : -ENOENT;
        int code = virGetLastErrorCode();
        if (text == NULL && code != VIR_ERR_NO_DOMAIN_METADATA &&
            code != VIR_ERR_OPERATION_INVALID && code != VIR_ERR_INVALID_ARG) {
            r = -EIO;
        }
        free(text);
    }
    return r;
}

int handover_write(virDomainPtr domain, const struct handover *handover) {
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *node = xmlNewDocNode(doc, NULL, (const xmlChar *)ELEMENT, NULL);
    xmlBuffer *buffer = xmlBufferCreate();

    xmlDocSetRootElement(doc, node);
    int r = fill(node, handover);
    if (r == 0 && xmlNodeDump(buffer, doc, node, 0, 0) > 0) {
        r = virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT,
                                 (const char *)xmlBufferContent(buffer), PREFIX, NAMESPACE,
                                 place_of(domain)) < 0
                ? -EIO
                : 0;
    }
    xmlBufferFree(buffer);
    xmlFreeDoc(doc);
    return r;
}

static int clear_in(virDomainPtr domain, unsigned int place) {
    return virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, NULL, PREFIX, NAMESPACE,
                                place) < 0 &&
                   virGetLastErrorCode() != VIR_ERR_NO_DOMAIN_METADATA
               ? -EIO
               : 0;
}

int handover_clear(virDomainPtr domain) {
    int r = virDomainIsActive(domain) == 1 ? clear_in(domain, VIR_DOMAIN_AFFECT_LIVE) : 0;
    int other = virDomainIsPersistent(domain) == 1 ? clear_in(domain, VIR_DOMAIN_AFFECT_CONFIG) : 0;
    return r < 0 ? r : other;
}

/* ---- disarmed definitions ---- */

static const char *const source_names[] = {"file", "dev", "name"};

/* Calls change() for each name of a disk's source; stops at the first that is not 0. */
static int each_source(const struct definition *definition,
                       int (*change)(xmlNode *source, const char *name, const char *value)) {
    const xmlNode *disk = xml_child(xml_child(definition->domain, "devices"), "disk");
    int r = 0;

    for (; r == 0 && disk != NULL; disk = xml_next(disk)) {
        xmlNode *source = xml_child(disk, "source");
        for (size_t i = 0; r == 0 && i < sizeof(source_names) / sizeof(source_names[0]); i++) {
            const char *value = xml_attr(source, source_names[i]);
            r = value != NULL ? change(source, source_names[i], value) : 0;
        }
    }
    return r;
}

static bool ends_disarmed(const char *value) {
    size_t len = strlen(value);
    size_t end = strlen(DISARMED);
    return len > end && strcmp(value + len - end, DISARMED) == 0;
}

static int replace(xmlNode *source, const char *name, const char *value) {
    return xmlSetProp(source, (const xmlChar *)name, (const xmlChar *)value) != NULL ? 0 : -ENOMEM;
}

static int disarm(xmlNode *source, const char *name, const char *value) {
    char text[PATH_MAX + sizeof(DISARMED)];

    if (ends_disarmed(value)) {
        return 0;
    }
    int n = snprintf(text, sizeof(text), "%s" DISARMED, value);
    return n < 0 || (size_t)n >= sizeof(text) ? -ENOMEM : replace(source, name, text);
}

static int arm(xmlNode *source, const char *name, const char *value) {
    char text[PATH_MAX + sizeof(DISARMED)];

    if (!ends_disarmed(value)) {
        return 0;
    }
    int n = snprintf(text, sizeof(text), "%.*s", (int)(strlen(value) - strlen(DISARMED)), value);
    return n < 0 || (size_t)n >= sizeof(text) ? -ENOMEM : replace(source, name, text);
}

static int find_disarmed(xmlNode *source, const char *name, const char *value) {
    (void)source;
    (void)name;
    return ends_disarmed(value) ? 1 : 0;
}

int handover_disarm(struct definition *definition) {
    return each_source(definition, disarm);
}

int handover_arm(struct definition *definition) {
    return each_source(definition, arm);
}

bool handover_is_disarmed(const struct definition *definition) {
    return each_source(definition, find_disarmed) == 1;
}
