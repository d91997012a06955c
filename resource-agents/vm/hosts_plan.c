/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of a move between two hosts: which files move where, and can they? See hosts.h. */
#include "hosts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handover.h"
#include "host.h"
#include "host_copy.h"
#include "qcow2.h"
#include "volumes.h"
#include "xml.h"

enum { QEMU_KEEPS_HOLES = 10 * 1000 * 1000, MIB = 1024 * 1024 };

void hosts_plan_finish(struct hosts_plan *plan) {
    definition_finish(&plan->definition);
    definition_finish(&plan->defined);
}

/* ---- the definitions ---- */

static int read_definition(struct hosts *hosts, unsigned int flags,
                           struct definition *ret_definition) {
    char reason[256];

    int r = host_read_definition(hosts->operation->domain, flags, ret_definition, reason,
                                 sizeof(reason));
    return r < 0 ? hosts_fail(hosts, "its definition cannot be read: %s", reason) : 0;
}

static int read_definitions(struct hosts *hosts, struct hosts_plan *plan) {
    const unsigned int defined =
        VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE;
    const unsigned int running = VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE;

    int r = read_definition(hosts, plan->live ? running : defined, &plan->definition);
    if (r == 0 && plan->live && plan->persistent) {
        r = read_definition(hosts, defined, &plan->defined);
    }
    return r;
}

/* ---- which files ---- */

static int plan_files(struct hosts *hosts, const struct move_request *request,
                      const struct definition *definition, struct move_plan *ret_files) {
    struct move_refusal refusal;

    return move_plan(definition, request, ret_files, &refusal) < 0
               ? hosts_refuse(hosts, "%s", refusal.reason)
               : 0;
}

/* Does the definition name the files that run? Otherwise its next start would find none. */
static bool same_files(const struct move_plan *a, const struct move_plan *b) {
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++) {
        bool found = false;
        for (size_t k = 0; !found && k < b->count; k++) {
            found = strcmp(a->files[i].from, b->files[k].from) == 0 &&
                    strcmp(a->files[i].to, b->files[k].to) == 0;
        }
        same = found;
    }
    return same;
}

static int read_request(struct hosts *hosts, bool live, struct move_request *request) {
    const struct params *params = hosts->operation->params;
    char reason[512];

    request->dest = params->dest;
    request->disks_only = live;
    request->elsewhere = true;
    if (params->dest[0] != '\0' && params->dest[0] != '/') {
        return hosts_refuse(hosts, "%s: give the absolute path of a directory", params->dest);
    }
    return move_overrides_parse(params->disks, request, reason, sizeof(reason)) < 0
               ? hosts_refuse(hosts, "%s", reason)
               : 0;
}

static int choose_files(struct hosts *hosts, struct hosts_plan *plan) {
    static struct move_request request;
    static struct move_plan other;
    const struct params *params = hosts->operation->params;

    if (params->dest[0] == '\0' && params->disks[0] == '\0') {
        return 0;
    }
    int r = read_request(hosts, plan->live, &request);
    if (r == 0) {
        r = plan_files(hosts, &request, &plan->definition, &plan->files);
    }
    if (r < 0 || plan->defined.doc == NULL) {
        return r;
    }
    r = plan_files(hosts, &request, &plan->defined, &other);
    if (r == 0 && !same_files(&plan->files, &other)) {
        return hosts_refuse(hosts, "its definition names other disks than it runs with; make them "
                                   "the same first, or move it while it is off");
    }
    return r == 0 && move_rewrite(&other) < 0 ? hosts_fail(hosts, "out of memory") : r;
}

/* ---- what stays where it is ---- */

static bool moves(const struct move_plan *files, const char *path) {
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->files[i].from, path) == 0) {
            return true;
        }
    }
    return false;
}

/* A file that stays must be the same file on the target. */
static int check_stays(struct hosts *hosts, const char *name, const char *path) {
    const struct params *params = hosts->operation->params;
    struct host_file here, there;
    char normal[PATH_MAX];
    char directory[PATH_MAX];

    if (params->shared) {
        return 0;
    }
    if (path_normalize(path, normal, sizeof(normal)) < 0 || path_parent(normal, directory) < 0) {
        return hosts_refuse(hosts, "%s: its file is %s: give an absolute path", name, path);
    }
    if (host_files_read(&hosts->from_files, normal, &here) < 0) {
        return hosts_refuse(hosts, "%s: its file %s is not on %s", name, normal, hosts->from_name);
    }
    int r = host_files_read(&hosts->to_files, normal, &there);
    if (r < 0) {
        return hosts_refuse(hosts,
                            "%s: %s is not on %s; say where its data goes (--storage DIRECTORY)",
                            name, normal, hosts->to_name);
    }
    if (here.physical != there.physical || hosts_prove_shared(hosts, directory) < 0) {
        return hosts_refuse(hosts,
                            "%s: %s of %s and of %s are not known to be the same file; say where "
                            "its data goes (--storage DIRECTORY), or that both hosts reach the "
                            "same storage (--shared)",
                            name, normal, hosts->from_name, hosts->to_name);
    }
    return 0;
}

static int check_disk_stays(struct hosts *hosts, const struct hosts_plan *plan,
                            const xmlNode *disk) {
    const char *target = xml_attr(xml_child(disk, "target"), "dev");
    const xmlNode *source = xml_child(disk, "source");
    const char *file = xml_attr(source, "file");
    const char *device = xml_attr(disk, "device");

    if (source == NULL ||
        (device != NULL && strcmp(device, "disk") != 0 && strcmp(device, "lun") != 0)) {
        return 0; /* media: see hosts_check() */
    }
    target = target != NULL ? target : "a disk";
    if (file != NULL) {
        return moves(&plan->files, file) ? 0 : check_stays(hosts, target, file);
    }
    return hosts->operation->params->shared
               ? 0
               : hosts_refuse(hosts,
                              "%s is no file, so its data stays where it is; say that both hosts "
                              "reach it there (--shared)",
                              target);
}

static int check_what_stays(struct hosts *hosts, const struct hosts_plan *plan) {
    const xmlNode *root = plan->definition.domain;
    const xmlNode *nvram = xml_child(xml_child(root, "os"), "nvram");
    const char *path = xml_text(nvram);
    int r = 0;

    for (const xmlNode *disk = xml_child(xml_child(root, "devices"), "disk");
         r == 0 && disk != NULL; disk = xml_next(disk)) {
        r = check_disk_stays(hosts, plan, disk);
    }
    if (r < 0 || path == NULL || path[0] == '\0' || moves(&plan->files, path)) {
        return r;
    }
    return plan->live && plan->files.count > 0
               ? hosts_refuse(hosts, "its UEFI variables (%s) can move only while it is off", path)
               : check_stays(hosts, MOVE_NVRAM, path);
}

/* ---- what moves ---- */

/* The image itself must be complete: no other file that stays behind. */
static int check_image(struct hosts *hosts, const struct move_file *file) {
    uint8_t bytes[QCOW2_HEADER_SIZE];
    struct qcow2_header header;
    size_t len = 0;

    if (strcmp(file->format, "raw") == 0) {
        return 0;
    }
    if (strcmp(file->format, "qcow2") != 0) {
        return hosts_refuse(hosts, "%s: its format is %s; convert it to qcow2 or raw first",
                            file->disk, file->format);
    }
    int r = host_copy_read(&hosts->from_files, file->from, bytes, sizeof(bytes), &len);
    if (r < 0) {
        return hosts_refuse(hosts, "%s: %s on %s cannot be read: %s", file->disk, file->from,
                            hosts->from_name, hosts->from_files.error);
    }
    if (qcow2_parse(bytes, len, &header) < 0) {
        return hosts_refuse(hosts, "%s: %s on %s is not a qcow2 image, as its definition says",
                            file->disk, file->from, hosts->from_name);
    }
    if (header.backing_offset != 0 || header.data_file) {
        return hosts_refuse(hosts,
                            "%s: %s needs another file (a backing or data file), which would stay "
                            "behind; make it one image first",
                            file->disk, file->from);
    }
    return 0;
}

static int check_source(struct hosts *hosts, struct hosts_plan *plan, size_t i) {
    struct move_file *file = &plan->files.files[i];
    struct host_file found;
    virDomainBlockInfo block;

    int r = host_files_read(&hosts->from_files, file->from, &found);
    if (r < 0) {
        return hosts_refuse(hosts, "%s: its file %s is not on %s%s%s", file->disk, file->from,
                            hosts->from_name, r == -EIO ? ": " : "",
                            r == -EIO ? hosts->from_files.error : "");
    }
    r = check_image(hosts, file);
    if (r < 0) {
        return r;
    }
    file->bytes = found.physical;
    file->allocated = found.allocation;
    plan->sizes[i] = found.physical;
    memcpy(plan->modified[i], found.modified, sizeof(plan->modified[i]));
    if (plan->live) {
        if (virDomainGetBlockInfo(hosts->operation->domain, file->disk, &block, 0) < 0) {
            return hosts_refuse(hosts, "%s: its size cannot be read: %s", file->disk, host_error());
        }
        plan->sizes[i] = block.capacity;
    }
    return 0;
}

static int check_target(struct hosts *hosts, const struct move_file *file) {
    struct host_space space;
    struct host_file found;
    char directory[PATH_MAX];

    if (path_parent(file->to, directory) < 0) {
        return hosts_refuse(hosts, "%s: %s is too long", file->disk, file->to);
    }
    int r = host_files_space(&hosts->to_files, directory, &space);
    if (r < 0) {
        return hosts_refuse(hosts, "the directory %s cannot be used on %s: %s", directory,
                            hosts->to_name, hosts->to_files.error);
    }
    r = host_files_read(&hosts->to_files, file->to, &found);
    if (r == 0) {
        return hosts_refuse(hosts, "%s: %s is on %s already, and is not written over", file->disk,
                            file->to, hosts->to_name);
    }
    return r == -ENOENT ? 0
                        : hosts_refuse(hosts, "%s: cannot look at %s on %s: %s", file->disk,
                                       file->to, hosts->to_name, hosts->to_files.error);
}

/* QEMU before 10 may write the holes of a disk that it copies. */
static uint64_t need_of(struct hosts *hosts, const struct hosts_plan *plan, size_t i) {
    unsigned long version = 0;
    const struct move_file *file = &plan->files.files[i];

    bool keeps = virConnectGetVersion(hosts->to, &version) == 0 && version >= QEMU_KEEPS_HOLES;
    return plan->live && !keeps ? plan->sizes[i] : file->allocated;
}

/* Directories with the same figures are taken to be on one file system. */
static int check_space(struct hosts *hosts, const struct hosts_plan *plan) {
    char directory[PATH_MAX];
    struct host_space spaces[MOVE_FILES_MAX];

    for (size_t i = 0; i < plan->files.count; i++) {
        uint64_t need = 0;
        if (path_parent(plan->files.files[i].to, directory) < 0 ||
            host_files_space(&hosts->to_files, directory, &spaces[i]) < 0) {
            return hosts_refuse(hosts, "the free space there cannot be read: %s",
                                hosts->to_files.error);
        }
        for (size_t k = 0; k <= i; k++) {
            if (spaces[k].total == spaces[i].total && spaces[k].free == spaces[i].free) {
                need += need_of(hosts, plan, k);
            }
        }
        if (need > spaces[i].free) {
            return hosts_refuse(hosts,
                                "no space: %s on %s has %" PRIu64 " MiB free, and %" PRIu64
                                " MiB are needed",
                                directory, hosts->to_name, spaces[i].free / MIB,
                                (need + MIB - 1) / MIB);
        }
    }
    return 0;
}

static int check_files(struct hosts *hosts, struct hosts_plan *plan) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->files.count; i++) {
        r = check_source(hosts, plan, i);
        if (r == 0) {
            r = check_target(hosts, &plan->files.files[i]);
        }
    }
    return r == 0 ? check_space(hosts, plan) : r;
}

/* ---- all of it ---- */

static void first_obstacle(void *context, const char *text) {
    struct hosts *hosts = context;

    if (!hosts->operation->report.refused) {
        (void)hosts_refuse(hosts, "%s", text);
    }
}

static int read_state(struct hosts *hosts, struct hosts_plan *plan) {
    const char *text = "in an unknown state";
    int autostart = 0;

    if (host_read_state(hosts->operation, &text) < 0) {
        return hosts_fail(hosts, "its state cannot be read: %s", host_error());
    }
    enum agent_vm_state state = hosts->operation->report.state;
    if (state != AGENT_VM_RUNNING && state != AGENT_VM_OFF) {
        return hosts_refuse(hosts, "it is %s; resume it or shut it down first", text);
    }
    plan->live = state == AGENT_VM_RUNNING;
    if (!plan->live && hosts->operation->params->bandwidth_mbps > 0) {
        return hosts_refuse(hosts, "it is off, and a bandwidth limits only what a VM that runs "
                                   "sends; leave --bandwidth out");
    }
    plan->persistent = virDomainIsPersistent(hosts->operation->domain) == 1;
    plan->autostart =
        virDomainGetAutostart(hosts->operation->domain, &autostart) == 0 && autostart != 0;
    return 0;
}

int hosts_plan_make(struct hosts *hosts, struct hosts_plan *plan) {
    struct operation *operation = hosts->operation;

    *plan = (struct hosts_plan){.live = false};
    operation_step(operation, "making the plan");
    int r = read_state(hosts, plan);
    if (r == 0) {
        r = read_definitions(hosts, plan);
    }
    if (r == 0) {
        uint64_t given_up = operation->params->dry_run ? operation->params->generation : 0;
        hosts_check(operation->domain, &plan->definition, &hosts->to_files, given_up,
                    first_obstacle, hosts);
        r = operation->report.refused ? -EINVAL : 0;
    }
    if (r == 0) {
        r = choose_files(hosts, plan);
    }
    if (r == 0) {
        r = check_what_stays(hosts, plan);
    }
    if (r == 0) {
        r = check_files(hosts, plan);
    }
    if (r == 0 && move_rewrite(&plan->files) < 0) {
        r = hosts_fail(hosts, "out of memory");
    }
    return r;
}

int hosts_print_arrival(const struct hosts *hosts, const struct hosts_plan *plan,
                        struct definition *definition, char **ret_text) {
    struct handover arrival = {.role = HANDOVER_ARRIVES,
                               .persistent = plan->persistent,
                               .autostart = plan->autostart,
                               .remove = hosts->operation->params->remove_source};
    int r = 0;

    snprintf(arrival.peer, sizeof(arrival.peer), "%s", hosts->from_uuid);
    for (size_t i = 0; r == 0 && i < plan->files.count; i++) {
        r = handover_add(&arrival, plan->files.files[i].from);
    }
    r = r < 0 ? r : handover_enter(definition, &arrival);
    r = r < 0 ? r : definition_print(definition, ret_text);
    handover_finish(&arrival);
    return r;
}
