/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks of a storage move of a VM that runs. See mirror_disks.h. */
#include "mirror_disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../shared/ocf.h"
#include "copy_parts.h"
#include "definition.h"
#include "file_locks.h"
#include "host.h"
#include "sync.h"
#include "xml.h"

/* ---- what libvirt says ---- */

int mirror_parse(const struct params *params, struct mirror_disks *ret_disks, char *reason,
                 size_t reason_size) {
    int r = copy_list_parse(params->files, params->move, &ret_disks->list, reason, reason_size);

    for (size_t i = 0; r == 0 && i < ret_disks->list.count; i++) {
        ret_disks->items[i] = (struct mirror_disk){.names = &ret_disks->list.items[i]};
    }
    return r;
}

static const xmlNode *find_disk(const struct definition *definition, const struct copy_names *names,
                                bool *ret_moved) {
    const xmlNode *devices = xml_child(definition->domain, "devices");

    for (const xmlNode *disk = xml_child(devices, "disk"); disk != NULL; disk = xml_next(disk)) {
        const xmlNode *source = xml_child(disk, "source");
        if (xml_attr_is(source, "file", names->from) || xml_attr_is(source, "file", names->to)) {
            *ret_moved = xml_attr_is(source, "file", names->to);
            return disk;
        }
    }
    return NULL;
}

static enum mirror_state state_of(const xmlNode *mirror, const struct copy_names *names) {
    if (mirror == NULL) {
        return MIRROR_ORIGINAL;
    }
    if (!xml_attr_is(mirror, "job", "copy") ||
        !xml_attr_is(xml_child(mirror, "source"), "file", names->to)) {
        return MIRROR_ELSEWHERE;
    }
    return xml_attr_is(mirror, "ready", "yes") ? MIRROR_READY : MIRROR_COPYING;
}

static void judge_disk(const struct definition *definition, struct mirror_disk *disk, char *reason,
                       size_t reason_size) {
    bool moved = false;
    const xmlNode *node = find_disk(definition, disk->names, &moved);

    if (node == NULL) {
        disk->state = MIRROR_ELSEWHERE;
        snprintf(reason, reason_size, "it runs with neither %s nor %s", disk->names->from,
                 disk->names->to);
        return;
    }
    const char *target = xml_attr(xml_child(node, "target"), "dev");
    const char *format = xml_attr(xml_child(node, "driver"), "type");
    snprintf(disk->target, sizeof(disk->target), "%s", target != NULL ? target : "");
    snprintf(disk->format, sizeof(disk->format), "%s", format != NULL ? format : "raw");
    disk->has_backing = xml_child(xml_child(node, "backingStore"), "source") != NULL;
    disk->shareable = xml_child(node, "shareable") != NULL;
    if (disk->names->format != NULL) {
        snprintf(disk->format, sizeof(disk->format), "%s", disk->names->format);
    }
    disk->state = moved ? MIRROR_COPY : state_of(xml_child(node, "mirror"), disk->names);
    if (disk->state == MIRROR_ELSEWHERE) {
        snprintf(reason, reason_size, "%s has another block job; wait for it or end it",
                 disk->target);
    }
}

int mirror_read(struct operation *operation, struct mirror_disks *disks, char *reason,
                size_t reason_size) {
    struct definition definition;

    int r = host_read_definition(operation->domain, 0, &definition, reason, reason_size);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < disks->list.count; i++) {
        judge_disk(&definition, &disks->items[i], reason, reason_size);
    }
    definition_finish(&definition);
    return 0;
}

size_t mirror_count(const struct mirror_disks *disks, enum mirror_state state) {
    size_t n = 0;

    for (size_t i = 0; i < disks->list.count; i++) {
        n += disks->items[i].state == state;
    }
    return n;
}

bool mirror_all_are(const struct mirror_disks *disks, enum mirror_state state) {
    return mirror_count(disks, state) == disks->list.count;
}

/* ---- steps ---- */

static int cannot(char *reason, size_t reason_size, const char *what, const char *path,
                  const char *why) {
    snprintf(reason, reason_size, "cannot %s %s: %s", what, path, why);
    return -1;
}

/* TO is made empty, with the owner and mode of FROM, as a second name of its part: so copy-undo
 * knows that it is of this move (copy_parts.h). The lock would keep QEMU out, so it ends here. */
static int make_target(const struct mirror_disk *disk, char *reason, size_t reason_size) {
    const struct copy_names *names = disk->names;
    struct stat from;
    int part = -1;

    int r = copy_part_create(names, &part);
    if (r < 0) {
        return cannot(reason, reason_size, "create", names->part,
                      r == -EBUSY ? "it is in use; wait until that has ended" : strerror(-r));
    }
    int ours = copy_is_ours(names);
    r = ours == 1 ? copy_remove(names->to) : ours; /* of an earlier attempt */
    r = r < 0 ? r : copy_look(names->from, &from);
    if (r == 0 && (ftruncate(part, 0) < 0 || fchown(part, from.st_uid, from.st_gid) < 0 ||
                   fchmod(part, from.st_mode & 07777) < 0)) {
        r = -errno;
    }
    r = r < 0 ? r : copy_part_publish(names);
    close(part);
    if (r == -EEXIST) {
        return cannot(reason, reason_size, "create", names->to,
                      "it exists and is not of this move; remove it if nobody needs it");
    }
    r = r < 0 ? r : sync_parent(names->to);
    return r < 0 ? cannot(reason, reason_size, "create", names->to, strerror(-r)) : 0;
}

/* QEMU opens images anew for its copying and ends at once if its own lock is in its way. */
static int check_locks(const struct mirror_disk *disk, char *reason, size_t reason_size) {
    const char *const paths[] = {disk->names->from, disk->names->part};

    for (size_t i = 0; !disk->shareable && i < 2; i++) {
        int r = file_locks_end_with_close(paths[i]);
        if (r == 0) {
            return cannot(
                reason, reason_size, "copy to or from", paths[i],
                "on its file system a lock outlives its file for a moment, and QEMU would "
                "end; stop the VM first, its files can be moved then");
        }
        if (r < 0) {
            return cannot(reason, reason_size, "test the locks of", paths[i], strerror(-r));
        }
    }
    return 0;
}

/* The destination as libvirt wants it. The caller frees it; NULL: no memory. */
static char *destination(const struct mirror_disk *disk) {
    char *text = NULL;
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = doc != NULL ? xmlNewDocNode(doc, NULL, (const xmlChar *)"disk", NULL) : NULL;

    if (root != NULL) {
        xmlDocSetRootElement(doc, root);
        xmlNode *source = xmlNewChild(root, NULL, (const xmlChar *)"source", NULL);
        xmlNode *driver = xmlNewChild(root, NULL, (const xmlChar *)"driver", NULL);
        struct definition definition = {.doc = doc, .domain = root};
        if (source != NULL && driver != NULL &&
            xmlNewProp(root, (const xmlChar *)"type", (const xmlChar *)"file") != NULL &&
            xmlNewProp(source, (const xmlChar *)"file", (const xmlChar *)disk->names->to) != NULL &&
            xmlNewProp(driver, (const xmlChar *)"type", (const xmlChar *)disk->format) != NULL) {
            (void)definition_print(&definition, &text);
        }
    }
    xmlFreeDoc(doc);
    return text;
}

int mirror_start(struct operation *operation, const struct mirror_disk *disk, char *reason,
                 size_t reason_size) {
    unsigned int flags = VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB; /* no more: see mirror.c */

    operation_check_begun(operation);
    if (make_target(disk, reason, reason_size) < 0 || check_locks(disk, reason, reason_size) < 0) {
        return -1;
    }
    if (disk->has_backing && disk->names->format != NULL) {
        return cannot(reason, reason_size, "convert", disk->names->from,
                      "it has a backing file by now, which would not follow");
    }
    if (disk->has_backing) {
        flags |= VIR_DOMAIN_BLOCK_COPY_SHALLOW;
    }
    char *xml = destination(disk);
    if (xml == NULL) {
        return cannot(reason, reason_size, "copy to", disk->names->to, strerror(ENOMEM));
    }
    int r = virDomainBlockCopy(operation->domain, disk->target, xml, NULL, 0, flags);
    free(xml);
    return r < 0 ? cannot(reason, reason_size, "copy to", disk->names->to, host_error()) : 0;
}

int mirror_pivot(struct operation *operation, const struct mirror_disk *disk) {
    operation_check_begun(operation);
    return virDomainBlockJobAbort(operation->domain, disk->target,
                                  VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT |
                                      VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC);
}

int mirror_abort(struct operation *operation, const struct mirror_disk *disk) {
    return virDomainBlockJobAbort(operation->domain, disk->target,
                                  VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC);
}

void mirror_progress(struct operation *operation, const struct mirror_disks *disks,
                     struct progress *ret_progress) {
    uint64_t done = 0;
    uint64_t total = 0;

    for (size_t i = 0; i < disks->list.count; i++) {
        virDomainBlockJobInfo info = {0};
        if (virDomainGetBlockJobInfo(operation->domain, disks->items[i].target, &info, 0) == 1 &&
            info.cur <= info.end) {
            done += info.cur;
            total += info.end;
        }
    }
    uint64_t percent = total > 0 ? done * 100 / total : 0;
    *ret_progress = (struct progress){
        .percent = percent < 99 ? percent : 99, /* the last percent is the switch */
        .remaining_bytes = total - done,
        .done_bytes = done,
        .total_bytes = total,
    };
}

/* ---- the mark ---- */

int mirror_set_mark(struct operation *operation, const struct mirror_disks *disks,
                    enum mirror_mark where) {
    struct definition definition;
    char reason[256];
    char *text = NULL;

    int r = host_read_definition(operation->domain, 0, &definition, reason, sizeof(reason));
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; r == 0 && i < disks->list.count; i++) {
        const struct mirror_disk *disk = &disks->items[i];
        const char *now = where == MIRROR_MARK_COPIES ? disk->names->to : disk->names->from;
        const char *soon = where == MIRROR_MARK_BOTH ? disk->names->to : NULL;
        r = definition_mark_disk(&definition, disk->target, now, soon);
    }
    r = r < 0 ? r : definition_print_mark(&definition, &text);
    definition_finish(&definition);
    if (r < 0) {
        return r;
    }
    r = virDomainSetMetadata(operation->domain, VIR_DOMAIN_METADATA_ELEMENT, text,
                             DEFINITION_PREFIX, DEFINITION_NAMESPACE, VIR_DOMAIN_AFFECT_LIVE);
    free(text);
    return r < 0 ? -EIO : 0;
}
