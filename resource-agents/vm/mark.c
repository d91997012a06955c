/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our mark in a VM's metadata: its generation, and its disks at its start.
 *
 *     <clusterd:vm generation="7">
 *       <clusterd:disk target="vda" source="/srv/csv1/web.qcow2"/>
 *     </clusterd:vm>
 *
 * While the files of the VM are moved, a disk has also next="/srv/csv2/web.qcow2": where it is
 * about to be, or is already.
 *
 * Backup programs put a new image over a disk (an external snapshot). From then on the old image is
 * older than the guest's memory. The mark shows this on every node where the VM runs, also after
 * migrations.
 */
#include "base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "definition.h"
#include "xml.h"

/* Identifies a disk's image: a path, a name on a server. "" for an empty drive. */
static const char *source_of(const xmlNode *disk) {
    static const char *const names[] = {"file", "dev", "dir", "volume", "name", "path"};
    const xmlNode *source = xml_child(disk, "source");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = xml_attr(source, names[i]);
        if (value != NULL) {
            return value;
        }
    }
    return "";
}

/* Media come and go, and an older CD harms no guest. */
static bool is_disk(const xmlNode *disk) {
    const char *device = xml_attr(disk, "device");
    return device == NULL || strcmp(device, "disk") == 0 || strcmp(device, "lun") == 0;
}

static xmlNode *first_disk(const struct definition *definition) {
    return xml_child(xml_child(definition->domain, "devices"), "disk");
}

static const xmlNode *find_disk(const struct definition *definition, const char *target) {
    for (const xmlNode *disk = first_disk(definition); disk != NULL; disk = xml_next(disk)) {
        if (is_disk(disk) && xml_attr_is(xml_child(disk, "target"), "dev", target)) {
            return disk;
        }
    }
    return NULL;
}

static int set_attr(xmlNode *node, const char *name, const char *value) {
    return xmlNewProp(node, (const xmlChar *)name, (const xmlChar *)value) != NULL ? 0 : -ENOMEM;
}

static int add_disks(xmlNode *mark, const struct definition *definition) {
    int r = 0;

    for (const xmlNode *disk = first_disk(definition); r == 0 && disk != NULL;
         disk = xml_next(disk)) {
        const char *target = xml_attr(xml_child(disk, "target"), "dev");
        if (!is_disk(disk) || target == NULL || source_of(disk)[0] == '\0') {
            continue;
        }
        xmlNode *child = xmlNewChild(mark, mark->ns, (const xmlChar *)"disk", NULL);
        r = child == NULL ? -ENOMEM : set_attr(child, "target", target);
        r = r < 0 ? r : set_attr(child, "source", source_of(disk));
    }
    return r;
}

/* The disks of the former mark, which was removed from the document. */
static int move_disks(xmlNode *mark, xmlNode *former) {
    xmlNode *child = xml_first_element(former);

    while (child != NULL) {
        xmlNode *next = xml_next_element(child);
        xmlUnlinkNode(child);
        if (xmlAddChild(mark, child) == NULL) {
            xmlFreeNode(child);
            return -ENOMEM;
        }
        xmlSetNs(child, mark->ns);
        child = next;
    }
    return 0;
}

static xmlNode *new_mark(const struct definition *definition) {
    xmlNode *metadata = xml_child(definition->domain, "metadata");

    if (metadata == NULL) {
        metadata = xmlNewChild(definition->domain, NULL, (const xmlChar *)"metadata", NULL);
    }
    /* libvirt keeps one element for each namespace, so the mark leaves a definition's other
     * metadata alone. */
    xmlNode *mark =
        metadata != NULL ? xmlNewChild(metadata, NULL, (const xmlChar *)"vm", NULL) : NULL;
    xmlNs *ns = mark != NULL ? xmlNewNs(mark, (const xmlChar *)DEFINITION_NAMESPACE,
                                        (const xmlChar *)DEFINITION_PREFIX)
                             : NULL;
    if (ns == NULL) {
        return NULL;
    }
    xmlSetNs(mark, ns);
    return mark;
}

int definition_set_mark(struct definition *definition, uint64_t generation,
                        enum definition_disks disks) {
    char number[24];
    CHECK(generation > 0); /* 0 means "none": clusterd would take the VM for a foreign one */
    xmlNode *former = definition_mark(definition);

    if (former != NULL) {
        xmlUnlinkNode(former);
    }
    for (xmlNode *old = definition_mark(definition); old != NULL;
         old = definition_mark(definition)) {
        xmlUnlinkNode(old);
        xmlFreeNode(old);
    }
    snprintf(number, sizeof(number), "%" PRIu64, generation);
    xmlNode *mark = new_mark(definition);
    int r = mark == NULL ? -ENOMEM : set_attr(mark, "generation", number);
    if (r == 0 && disks == DISKS_OF_DEFINITION) {
        r = add_disks(mark, definition);
    } else if (r == 0 && former != NULL) {
        r = move_disks(mark, former);
    }
    if (former != NULL) {
        xmlFreeNode(former);
    }
    return r;
}

void definition_changed_disks(const struct definition *definition, char *text, size_t size) {
    size_t used = 0;

    text[0] = '\0';
    for (const xmlNode *was = xml_first_element(definition_mark(definition)); was != NULL;
         was = xml_next_element(was)) {
        const char *target = xml_attr(was, "target");
        const char *source = xml_attr(was, "source");
        const xmlNode *disk = target != NULL ? find_disk(definition, target) : NULL;
        if (disk == NULL || source == NULL || strcmp(source_of(disk), source) == 0 ||
            xml_attr_is(was, "next", source_of(disk))) {
            continue;
        }
        int n = snprintf(text + used, size - used, "%s%s is %s now, and was %s",
                         used > 0 ? "; " : "", target, source_of(disk), source);
        used = n > 0 && (size_t)n < size - used ? used + (size_t)n : size - 1;
    }
}

static const char *format_of(const xmlNode *disk) {
    const char *format = xml_attr(xml_child(disk, "driver"), "type");
    return format != NULL ? format : "raw"; /* as libvirt has it */
}

/* One that `other` has not, or has differently. */
static const xmlNode *first_other_disk(const struct definition *definition,
                                       const struct definition *other) {
    for (const xmlNode *disk = first_disk(definition); disk != NULL; disk = xml_next(disk)) {
        const char *target = xml_attr(xml_child(disk, "target"), "dev");
        const xmlNode *same = is_disk(disk) && target != NULL ? find_disk(other, target) : NULL;
        if (is_disk(disk) && (same == NULL || strcmp(source_of(same), source_of(disk)) != 0 ||
                              strcmp(format_of(same), format_of(disk)) != 0)) {
            return disk;
        }
    }
    return NULL;
}

static void describe_disk(const struct definition *definition, const char *target, char *text,
                          size_t size) {
    const xmlNode *disk = find_disk(definition, target);

    if (disk == NULL) {
        snprintf(text, size, "missing");
    } else {
        snprintf(text, size, "%s (%s)", source_of(disk), format_of(disk));
    }
}

bool definition_has_same_disks(const struct definition *runs, const struct definition *named,
                               char *text, size_t size) {
    char there[PATH_MAX + 32];
    char here[PATH_MAX + 32];
    const xmlNode *disk = first_other_disk(runs, named);

    disk = disk != NULL ? disk : first_other_disk(named, runs);
    if (disk == NULL) {
        return true;
    }
    const char *target = xml_attr(xml_child(disk, "target"), "dev");
    target = target != NULL ? target : "";
    describe_disk(runs, target, there, sizeof(there));
    describe_disk(named, target, here, sizeof(here));
    snprintf(text, size, "its disk %s is %s there, and %s in its definition", target, there, here);
    return false;
}

int definition_mark_disk(struct definition *definition, const char *target, const char *source,
                         const char *next) {
    xmlNode *mark = definition_mark(definition);
    xmlNode *disk = mark != NULL ? xml_first_element(mark) : NULL;

    while (disk != NULL && !xml_attr_is(disk, "target", target)) {
        disk = xml_next_element(disk);
    }
    if (mark == NULL) {
        return -ENOENT;
    }
    if (disk == NULL) {
        disk = xmlNewChild(mark, mark->ns, (const xmlChar *)"disk", NULL);
        int r = disk == NULL ? -ENOMEM : set_attr(disk, "target", target);
        if (r < 0) {
            return r;
        }
    }
    (void)xmlUnsetProp(disk, (const xmlChar *)"next");
    if (xmlSetProp(disk, (const xmlChar *)"source", (const xmlChar *)source) == NULL) {
        return -ENOMEM;
    }
    return next != NULL ? set_attr(disk, "next", next) : 0;
}

int definition_print_mark(const struct definition *definition, char **ret_text) {
    xmlNode *mark = definition_mark(definition);
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *copy = mark != NULL && doc != NULL ? xmlDocCopyNode(mark, doc, 1) : NULL;
    int r = mark == NULL ? -ENOENT : -ENOMEM;

    if (copy != NULL) {
        xmlDocSetRootElement(doc, copy);
        /* libvirt puts it into the namespace itself, and refuses one that is there already. */
        copy->ns = NULL;
        for (xmlNode *disk = xml_first_element(copy); disk != NULL; disk = xml_next_element(disk)) {
            disk->ns = NULL;
        }
        xmlFreeNsList(copy->nsDef);
        copy->nsDef = NULL;
        struct definition alone = {.doc = doc, .domain = copy};
        r = definition_print(&alone, ret_text);
    }
    xmlFreeDoc(doc);
    return r;
}
