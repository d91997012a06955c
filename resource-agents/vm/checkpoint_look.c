/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checkpoint-plan: the disks that a checkpoint of the VM would have, or why there can be none. It
 * changes nothing, and needs no libvirt: the definition on standard input is the cluster's.
 */
#include "actions.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "checkpoint_plan.h"
#include "qcow2.h"

static int look_at_image(const struct checkpoint_disk *disk, struct move_refusal *refusal) {
    struct qcow2_header header;
    char backing[QCOW2_BACKING_MAX + 1];

    int fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return move_refuse(refusal, disk->element,
                           "%s: its file %s on %s: %s; is its volume there?", disk->disk,
                           disk->path, ocf_node(), strerror(errno));
    }
    int r = qcow2_read(fd, &header, backing);
    close(fd);
    if (r < 0) {
        return move_refuse(refusal, disk->element,
                           "%s: %s on %s is not a qcow2 image (%s), but the definition says so",
                           disk->disk, disk->path, ocf_node(),
                           r == -EINVAL ? "its header is another" : strerror(-r));
    }
    return header.data_file
               ? move_refuse(refusal, disk->element,
                             "%s: the data of %s is in another file (data_file), which cannot keep "
                             "a checkpoint; convert it to an image of one file first (qemu-img "
                             "convert)",
                             disk->disk, disk->path)
               : 0;
}

static int send_plan(const struct checkpoint_plan *plan) {
    json_t *disks = json_object();

    for (size_t i = 0; i < plan->count; i++) {
        json_object_set_new(disks, plan->disks[i].disk, jsonl_text(plan->disks[i].path));
    }
    if (json_object_size(disks) != plan->count) { /* no memory, or two disks of one name */
        json_decref(disks);
        return -EINVAL;
    }
    return jsonl_send(json_pack("{so}", "disks", disks), JSONL_IMPORTANT_MS);
}

int action_checkpoint_plan(const struct params *params, const char *xml, size_t xml_len) {
    static struct checkpoint_plan plan;
    struct definition definition;
    struct move_refusal refusal;
    char reason[512];
    int r;

    (void)params;
    if (definition_parse(xml, xml_len, &definition, reason, sizeof(reason)) < 0) {
        return report_validation("/", reason, NULL, NULL);
    }
    r = checkpoint_plan(&definition, &plan, &refusal);
    for (size_t i = 0; r == 0 && i < plan.count; i++) {
        r = look_at_image(&plan.disks[i], &refusal);
    }
    int code;
    if (r < 0) {
        code = report_validation(refusal.element, refusal.reason, NULL, NULL);
    } else {
        r = send_plan(&plan);
        code = r < 0 ? report_validation("/domain/devices", strerror(-r), NULL, NULL)
                     : report_validation(NULL, NULL, NULL, NULL);
    }
    definition_finish(&definition);
    return code;
}
