/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in the way of a VM's move to another host, as far as it can be asked beforehand: what
 * it leaves behind here, and what it would not find there. See hosts.h.
 *
 * A question that libvirt there cannot answer is no obstacle: then libvirt itself refuses the
 * definition or the migration, before anything flows.
 */
#include "hosts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvirt/virterror.h>

#include "host.h"
#include "volumes.h"
#include "xml.h"

struct check_run {
    virDomainPtr domain;
    const xmlNode *root;
    const xmlNode *devices;
    struct host_files *to;
    uint64_t given_up; /* generation */
    hosts_obstacle take;
    void *context;
};

static void found(struct check_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void found(struct check_run *run, const char *format, ...) {
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    run->take(run->context, text);
}

/* ---- what would be left behind ---- */

static void check_device_kinds(struct check_run *run) {
    static const struct {
        const char *element;
        const char *why;
    } kinds[] = {
        {"hostdev", "it has a device of its host (<hostdev>); remove it first"},
        {"tpm", "its TPM's state would stay behind; this move cannot take it along yet"},
        {"redirdev", "it has a redirected USB device (<redirdev>); remove it first"},
        {"filesystem", "it shares a directory of its host (<filesystem>); remove it first"},
        {"shmem", "it shares memory with its host (<shmem>); remove it first"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (xml_child(run->devices, kinds[i].element) != NULL) {
            found(run, "%s", kinds[i].why);
        }
    }
}

static void check_history(struct check_run *run) {
    int snapshots = virDomainSnapshotNum(run->domain, 0);
    int checkpoints = virDomainListAllCheckpoints(run->domain, NULL, 0);
    bool foreign = false;

    if (snapshots > 0) {
        found(run,
              "it has snapshots (%d), which would be lost; remove them first (virsh "
              "snapshot-delete)",
              snapshots);
    }
    if (checkpoints > 0) {
        found(run,
              "it has checkpoints for backups (%d), which would be lost; remove them first "
              "(virsh checkpoint-delete)",
              checkpoints);
    }
    if (virDomainHasManagedSaveImage(run->domain, 0) == 1) {
        found(run,
              "its memory is saved on its host (managed save); start it, or give the memory up "
              "(virsh managedsave-remove)");
    }
    uint64_t generation = host_generation(run->domain, &foreign);
    if (generation != 0 && generation != run->given_up) {
        found(run, "it is a VM of a cluster, which would start it again; use clusterctl there");
    }
}

/* ---- what the target lacks ---- */

static char *dump(const xmlNode *node) {
    xmlBuffer *buffer = xmlBufferCreate();
    char *text = NULL;

    if (node != NULL && xmlNodeDump(buffer, node->doc, (xmlNode *)(uintptr_t)node, 0, 0) > 0) {
        text = strdup((const char *)xmlBufferContent(buffer));
    }
    xmlBufferFree(buffer);
    return text;
}

static void check_machine(struct check_run *run) {
    const xmlNode *type = xml_child(xml_child(run->root, "os"), "type");
    const xmlNode *cpu = xml_child(run->root, "cpu");
    const char *emulator = xml_text(xml_child(run->devices, "emulator"));
    const char *arch = xml_attr(type, "arch");
    const char *machine = xml_attr(type, "machine");
    const char *virt = xml_attr(run->root, "type");

    char *text = virConnectGetDomainCapabilities(run->to->conn, emulator, arch, machine, virt, 0);
    if (text == NULL) {
        found(run, "the target cannot run machine type %s by %s with %s: %s",
              machine != NULL ? machine : "", virt != NULL ? virt : "",
              emulator != NULL ? emulator : "its emulator", host_error());
        return;
    }
    free(text);
    if (!xml_attr_is(cpu, "mode", "custom")) {
        return;
    }
    text = dump(cpu);
    if (text != NULL && virConnectCompareHypervisorCPU(run->to->conn, emulator, arch, machine, virt,
                                                       text, 0) == VIR_CPU_COMPARE_INCOMPATIBLE) {
        found(run, "the target's CPU lacks features of CPU model %s",
              xml_text(xml_child(cpu, "model")));
    }
    free(text);
}

static void check_link(struct check_run *run, const char *what, const char *name) {
    virInterfacePtr link = virInterfaceLookupByName(run->to->conn, name);

    if (link != NULL) {
        virInterfaceFree(link);
    } else if (virGetLastErrorCode() == VIR_ERR_NO_INTERFACE) {
        found(run, "the target has no %s %s; make it there first", what, name);
    }
}

static void check_network(struct check_run *run, const char *name) {
    virNetworkPtr network = virNetworkLookupByName(run->to->conn, name);

    if (network == NULL) {
        if (virGetLastErrorCode() == VIR_ERR_NO_NETWORK) {
            found(run, "the target has no network %s; define it there first (virsh net-define)",
                  name);
        }
        return;
    }
    if (virNetworkIsActive(network) == 0) {
        found(run, "the target's network %s is not active; start it there (virsh net-start %s)",
              name, name);
    }
    virNetworkFree(network);
}

static void check_interfaces(struct check_run *run) {
    for (const xmlNode *nic = xml_child(run->devices, "interface"); nic != NULL;
         nic = xml_next(nic)) {
        const xmlNode *source = xml_child(nic, "source");
        const char *network = xml_attr(source, "network");
        const char *bridge = xml_attr(source, "bridge");
        const char *device = xml_attr(source, "dev");
        if (xml_attr_is(nic, "type", "network") && network != NULL) {
            check_network(run, network);
        } else if (xml_attr_is(nic, "type", "bridge") && bridge != NULL) {
            check_link(run, "bridge", bridge);
        } else if (xml_attr_is(nic, "type", "direct") && device != NULL) {
            check_link(run, "network device", device);
        }
    }
}

static void check_file(struct check_run *run, const char *what, const char *path) {
    char normal[4096];
    virStorageVolPtr volume = NULL;

    if (path == NULL || path_normalize(path, normal, sizeof(normal)) < 0 || normal[1] == '\0') {
        return;
    }
    int r = host_files_find(run->to, normal, &volume);
    if (r == 0) {
        virStorageVolFree(volume);
    } else if (r == -ENOENT) {
        found(run, "the target has no %s %s; put it there first", what, normal);
    }
}

/* Files that are read only, and stay. */
static void check_files(struct check_run *run) {
    static const char *const parts[] = {"kernel", "initrd", "dtb", "loader"};
    const xmlNode *os = xml_child(run->root, "os");

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        check_file(run, parts[i], xml_text(xml_child(os, parts[i])));
    }
    for (const xmlNode *disk = xml_child(run->devices, "disk"); disk != NULL;
         disk = xml_next(disk)) {
        if (xml_attr_is(disk, "device", "cdrom") || xml_attr_is(disk, "device", "floppy")) {
            check_file(run, "medium", xml_attr(xml_child(disk, "source"), "file"));
        }
    }
}

void hosts_check(virDomainPtr domain, const struct definition *definition, struct host_files *to,
                 uint64_t given_up, hosts_obstacle take, void *context) {
    struct check_run run = {.domain = domain,
                            .root = definition->domain,
                            .devices = xml_child(definition->domain, "devices"),
                            .to = to,
                            .given_up = given_up,
                            .take = take,
                            .context = context};
    check_device_kinds(&run);
    check_history(&run);
    if (to != NULL) {
        check_machine(&run);
        check_interfaces(&run);
        check_files(&run);
    }
}
