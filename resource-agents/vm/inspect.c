/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-inspect: what a host has, and what would stand in the way of each of its VMs, on its way to
 * another host and into a cluster. It changes nothing, but makes transient storage pools while it
 * looks for files on the target.
 *
 *     {"host":{"name","libvirt","qemu","cpus","memory_mb","memory_free_mb","pools":[...],
 *              "networks":[...],"interfaces":[...],
 *              "vms":[{"name","uuid","state","persistent","memory_mb","vcpus","disks":[...],
 *                      "to_cluster":[...],"to_host":[...]}]}}
 */
#include "actions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "check.h"
#include "host.h"
#include "hosts.h"
#include "xml.h"

enum { MIB = 1024 * 1024 };

/* A place for the disks of a VM that is only thought of as being in a cluster. */
#define IMAGINED_VOLUMES "imported=/imported"
#define IMAGINED_DIRECTORY "/imported"

static char *version_text(unsigned long version, char text[32]) {
    snprintf(text, 32, "%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
    return text;
}

/* ---- the host ---- */

static json_t *list_pools(virConnectPtr conn) {
    json_t *list = json_array();
    virStoragePoolPtr *pools = NULL;

    int n = virConnectListAllStoragePools(conn, &pools, 0);
    for (int i = 0; i < n; i++) {
        virStoragePoolInfo info = {.state = VIR_STORAGE_POOL_INACTIVE};
        (void)virStoragePoolGetInfo(pools[i], &info);
        json_array_append_new(list, json_pack("{so sb sI sI}", "name",
                                              jsonl_text(virStoragePoolGetName(pools[i])), "active",
                                              info.state == VIR_STORAGE_POOL_RUNNING, "total_mb",
                                              (json_int_t)(info.capacity / MIB), "free_mb",
                                              (json_int_t)(info.available / MIB)));
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    return list;
}

static json_t *list_networks(virConnectPtr conn) {
    json_t *list = json_array();
    virNetworkPtr *networks = NULL;

    int n = virConnectListAllNetworks(conn, &networks, 0);
    for (int i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{so sb}", "name",
                                              jsonl_text(virNetworkGetName(networks[i])), "active",
                                              virNetworkIsActive(networks[i]) == 1));
        virNetworkFree(networks[i]);
    }
    free(networks);
    return list;
}

static json_t *list_interfaces(virConnectPtr conn) {
    json_t *list = json_array();
    virInterfacePtr *links = NULL;

    int n = virConnectListAllInterfaces(conn, &links, 0);
    for (int i = 0; i < n; i++) {
        json_array_append_new(list, jsonl_text(virInterfaceGetName(links[i])));
        virInterfaceFree(links[i]);
    }
    free(links);
    return list;
}

/* ---- its VMs ---- */

static json_t *list_disks(virDomainPtr domain, const struct definition *definition) {
    json_t *list = json_array();
    const xmlNode *disk = xml_child(xml_child(definition->domain, "devices"), "disk");

    for (; disk != NULL; disk = xml_next(disk)) {
        const xmlNode *source = xml_child(disk, "source");
        const char *target = xml_attr(xml_child(disk, "target"), "dev");
        const char *format = xml_attr(xml_child(disk, "driver"), "type");
        const char *path = xml_attr(source, "file");
        virDomainBlockInfo info = {.capacity = 0};
        path = path != NULL ? path : xml_attr(source, "dev");
        path = path != NULL ? path : xml_attr(source, "name");
        if (target == NULL || path == NULL || xml_attr_is(disk, "device", "cdrom")) {
            continue;
        }
        (void)virDomainGetBlockInfo(domain, target, &info, 0);
        json_array_append_new(list, json_pack("{so so so sI sI}", "disk", jsonl_text(target),
                                              "path", jsonl_text(path), "format",
                                              jsonl_text(format != NULL ? format : "raw"), "bytes",
                                              (json_int_t)info.capacity, "allocated",
                                              (json_int_t)info.allocation));
    }
    return list;
}

static void note(void *context, const char *text) {
    json_array_append_new((json_t *)context, jsonl_text(text));
}

/* As if its disks were on a volume already. */
static void note_problems(struct definition *definition, json_t *list) {
    static struct move_request request = {.dest = IMAGINED_DIRECTORY};
    static struct move_plan plan;
    struct move_refusal refusal;
    struct volumes volumes;
    struct check check;
    size_t i = 0;
    json_t *problem = NULL;

    if (move_plan(definition, &request, &plan, &refusal) < 0) {
        plan.count = 0; /* it has no files, or the check below says what is wrong with them */
    }
    if (move_rewrite(&plan) < 0 || volumes_parse(IMAGINED_VOLUMES, &volumes) < 0) {
        return;
    }
    if (check_definition(definition, &volumes, false, &check) == 0) {
        json_array_foreach (check.problems, i, problem) {
            json_array_append(list, json_object_get(problem, "reason"));
        }
        check_finish(&check);
    }
    volumes_finish(&volumes);
}

static json_t *describe_vm(virDomainPtr domain, struct host_files *to) {
    struct definition definition;
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    char reason[256];
    virDomainInfo info = {.state = VIR_DOMAIN_NOSTATE};
    json_t *to_cluster = json_array();
    json_t *to_host = to != NULL ? json_array() : NULL;

    if (host_read_definition(domain, VIR_DOMAIN_XML_INACTIVE, &definition, reason, sizeof(reason)) <
        0) {
        json_decref(to_cluster);
        json_decref(to_host);
        return NULL; /* it has gone meanwhile */
    }
    (void)virDomainGetUUIDString(domain, uuid);
    (void)virDomainGetInfo(domain, &info);
    json_t *disks = list_disks(domain, &definition);
    hosts_check(domain, &definition, NULL, 0, note, to_cluster);
    if (to != NULL) {
        hosts_check(domain, &definition, to, 0, note, to_host);
    }
    note_problems(&definition, to_cluster);
    definition_finish(&definition);
    return json_pack("{so ss ss sb sI sI so so so*}", "name", jsonl_text(virDomainGetName(domain)),
                     "uuid", uuid, "state", host_state_of(info.state, 0).text, "persistent",
                     virDomainIsPersistent(domain) == 1, "memory_mb",
                     (json_int_t)(info.maxMem / 1024), "vcpus", (json_int_t)info.nrVirtCpu, "disks",
                     disks, "to_cluster", to_cluster, "to_host", to_host);
}

static json_t *list_vms(virConnectPtr conn, struct host_files *to) {
    json_t *list = json_array();
    virDomainPtr *domains = NULL;

    int n = virConnectListAllDomains(conn, &domains, 0);
    for (int i = 0; i < n; i++) {
        json_t *vm = describe_vm(domains[i], to);
        if (vm != NULL) {
            json_array_append_new(list, vm);
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    return list;
}

static void inspect(struct operation *operation, struct host_files *to) {
    virConnectPtr conn = operation->conn;
    char name[HOSTS_NAME_SIZE];
    char uuid[VIR_UUID_STRING_BUFLEN];
    char libvirt[32], qemu[32];
    unsigned long libvirt_version = 0, qemu_version = 0;
    virNodeInfo info = {.cpus = 0};

    operation_step(operation, "asking the host");
    hosts_identify(conn, name, uuid);
    (void)virConnectGetLibVersion(conn, &libvirt_version);
    (void)virConnectGetVersion(conn, &qemu_version);
    (void)virNodeGetInfo(conn, &info);
    json_t *host =
        json_pack("{so ss ss sI sI sI so so so so}", "name", jsonl_text(name), "libvirt",
                  version_text(libvirt_version, libvirt), "qemu", version_text(qemu_version, qemu),
                  "cpus", (json_int_t)info.cpus, "memory_mb", (json_int_t)(info.memory / 1024),
                  "memory_free_mb", (json_int_t)(virNodeGetFreeMemory(conn) / MIB), "pools",
                  list_pools(conn), "networks", list_networks(conn), "interfaces",
                  list_interfaces(conn), "vms", list_vms(conn, to));
    jsonl_send(json_pack("{so}", "host", host), JSONL_IMPORTANT_MS);
    report_set(&operation->report, VM_OK, "%s", "");
}

void action_host_inspect(struct operation *operation) {
    static struct host_files files;
    const struct params *params = operation->params;
    virConnectPtr to = NULL;

    operation_step(operation, "connecting");
    operation->conn = hosts_connect(operation, params->uri);
    if (operation->conn == NULL) {
        return;
    }
    if (params->target_uri != NULL) {
        operation_step(operation, "connecting to the target");
        to = hosts_connect(operation, params->target_uri);
        if (to == NULL) {
            return;
        }
        host_files_open(&files, to, "inspect");
    }
    inspect(operation, to != NULL ? &files : NULL);
    if (to != NULL) {
        host_files_close(&files);
    }
}
