/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks of a definition. See check.h. */
#include "check.h"

#include <string.h>

#include "../shared/jsonl.h"
#include "xml.h"

/* Why this kind of source depends on one node; NULL if it does not. */
static const char *local_source(const char *type) {
    static const struct {
        const char *type;
        const char *reason;
    } refused[] = {
        {"dir", "a directory presented as a disk prevents live moves; use a file on a volume"},
        {"volume",
         "a storage pool is defined on one node only; name the file on the volume instead"},
        {"nvme", "an NVMe device is part of one node; use a file on a volume"},
        {"vhostuser", "its storage process runs on one node; use a file on a volume"},
        {"vhostvdpa", "a vDPA device is part of one node; use a file on a volume"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (strcmp(type, refused[i].type) == 0) {
            return refused[i].reason;
        }
    }
    return NULL;
}

static void check_network_source(struct check *check, const xmlNode *source) {
    const char *protocol = xml_attr(source, "protocol");
    const xmlNode *host = xml_child(source, "host");

    if (protocol == NULL) {
        check_refuse(check, source, "a network disk needs a protocol");
        return;
    }
    for (; host != NULL; host = xml_next(host)) {
        const char *name = xml_attr(host, "name");
        if (xml_attr_is(host, "transport", "unix")) {
            check_refuse(check, host,
                         "other nodes cannot reach a socket on this node; use a network address");
        } else if (name != NULL && (strcmp(name, "localhost") == 0 ||
                                    strncmp(name, "127.", 4) == 0 || strcmp(name, "::1") == 0)) {
            check_refuse(check, host, "%s is another host on each node; use a network address",
                         name);
        }
    }
    if (xml_child(source, "auth") != NULL) {
        check_warn(
            check, source,
            "its secret must be defined in libvirt on every possible owner (virsh secret-define)");
    }
}

/*
 * A source of the given type: what `holder` (a disk, a backing store or a mirror) reads or writes.
 * With `removable` it may be missing.
 */
static void check_source(struct check *check, const xmlNode *holder, const char *type,
                         bool removable) {
    const xmlNode *source = xml_child(holder, "source");
    const char *reason = local_source(type);

    if (reason != NULL) {
        check_refuse(check, holder, "%s", reason);
        return;
    }
    if (strcmp(type, "network") == 0 && source != NULL) {
        check_network_source(check, source);
        return;
    }
    bool block = strcmp(type, "block") == 0;
    if (!block && strcmp(type, "file") != 0) {
        check_refuse(check, holder,
                     "clusterd does not know disks of type %s; use a file on a volume", type);
        return;
    }
    const char *path = xml_attr(source, block ? "dev" : "file");
    if (path == NULL || path[0] == '\0') {
        if (!removable) {
            check_refuse(check, holder,
                         "a disk needs a <source>; only a cdrom or floppy drive may be empty");
        }
        return;
    }
    if (block && volumes_find(check->known, path) == NULL) {
        check_refuse(check, source,
                     "the block device %s belongs to one node as far as clusterd can tell; use a "
                     "file on a volume",
                     path);
        return;
    }
    check_on_volume(check, source, "the disk's file", path);
    check_append(check, check->disks, jsonl_text(path));
    const xmlNode *store = xml_child(source, "dataStore");
    if (store != NULL) {
        check_source(check, store,
                     xml_attr(store, "type") != NULL ? xml_attr(store, "type") : "file", false);
    }
}

static const char *type_of(const xmlNode *holder, const char *fallback) {
    const char *type = xml_attr(holder, "type");
    return type != NULL ? type : fallback;
}

void check_disk(struct check *check, const xmlNode *disk) {
    const char *device = xml_attr(disk, "device");
    bool removable =
        device != NULL && (strcmp(device, "cdrom") == 0 || strcmp(device, "floppy") == 0);

    if (xml_attr_is(disk, "device", "lun")) {
        check_refuse(check, disk,
                     "SCSI passthrough depends on a device of this node; use device='disk' and a "
                     "file on a volume");
        return;
    }
    check_source(check, disk, type_of(disk, "file"), removable);
    if (xml_child(disk, "transient") != NULL) {
        check_refuse(check, xml_child(disk, "transient"),
                     "the changes of a transient disk are stored on one node; remove <transient/>");
    }
    const xmlNode *mirror = xml_child(disk, "mirror");
    if (mirror != NULL) {
        check_refuse(
            check, mirror,
            "a block copy runs on this disk; end it first (virsh blockjob --abort or --pivot)");
    }
    const xmlNode *backing = xml_child(disk, "backingStore");
    /* An empty <backingStore/> ends the chain. A chain recorded only in the images is not visible
     * here. */
    for (; backing != NULL && xml_child(backing, "source") != NULL;
         backing = xml_child(backing, "backingStore")) {
        check_source(check, backing, type_of(backing, "file"), false);
    }
}
