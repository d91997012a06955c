/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checkpoint-live, checkpoint-remove-live: the checkpoints of a VM that runs.
 *
 * QEMU makes the snapshots of all disks in one transaction: all or none, and of one moment. libvirt
 * has no call for that. Its own internal snapshot of a running VM always writes the memory as well,
 * for which the guest stands still, and leaves metadata on this node that forbid every migration.
 * So QEMU is told directly, through libvirt. That is one short command: if the agent dies, QEMU has
 * carried it out, or not, and the next look at its disks shows which.
 *
 *   none of the disks has the snapshot    it is made
 *   all of them have it                   an earlier order has made it: ok
 *   some have it                          QEMU or the node died in the middle: failed
 */
#include "checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <libvirt/libvirt-qemu.h>

#include "../shared/ocf.h"
#include "actions.h"
#include "host.h"
#include "volumes.h"

static void free_json(json_t **object) {
    json_decref(*object);
}
#define json_auto json_t __attribute__((cleanup(free_json)))

/* QEMU's answer to one command, whose reference it takes over. NULL: the report says why. */
static json_t *tell(struct checkpoint *checkpoint, json_t *command, const char *what) {
    char *text = json_dumps(command, JSON_COMPACT);
    char *reply = NULL;
    json_t *answer = NULL;

    json_decref(command);
    if (text == NULL) {
        checkpoint_fail(checkpoint, "cannot %s: out of memory", what);
        return NULL;
    }
    int r = virDomainQemuMonitorCommand(checkpoint->operation->domain, text, &reply,
                                        VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT);
    free(text);
    if (r < 0) {
        checkpoint_fail(checkpoint, "cannot %s: %s", what, host_error());
        return NULL;
    }
    answer = json_loads(reply, 0, NULL);
    free(reply);
    const char *error =
        json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));
    if (answer == NULL || json_object_get(answer, "return") == NULL) {
        checkpoint_fail(checkpoint, "cannot %s: %s", what,
                        error != NULL ? error : "QEMU gave an answer that cannot be read");
        json_decref(answer);
        return NULL;
    }
    return answer;
}

/* The drive of query-block whose image is the file. */
static json_t *find_drive(const json_t *answer, const char *path) {
    char normal[PATH_MAX];
    size_t i;
    json_t *drive;

    json_array_foreach (json_object_get(answer, "return"), i, drive) {
        json_t *inserted = json_object_get(drive, "inserted");
        const char *file =
            json_string_value(json_object_get(json_object_get(inserted, "image"), "filename"));
        if (file != NULL && path_normalize(file, normal, sizeof(normal)) == 0 &&
            strcmp(normal, path) == 0) {
            return inserted;
        }
    }
    return NULL;
}

static bool has_snapshot(const json_t *drive, const char *name) {
    size_t i;
    const json_t *snapshot;

    json_array_foreach (json_object_get(json_object_get(drive, "image"), "snapshots"), i,
                        snapshot) {
        const char *other = json_string_value(json_object_get(snapshot, "name"));
        if (other != NULL && strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The names by which QEMU knows the disks, and whether they have the snapshot. -1: the report says
 * why. */
static int look(struct checkpoint *checkpoint, json_t **ret_nodes) {
    operation_step(checkpoint->operation, "asking QEMU for its disks");
    json_auto *answer =
        tell(checkpoint, json_pack("{ss}", "execute", "query-block"), "ask QEMU for its disks");
    json_auto *nodes = json_array();

    for (size_t i = 0; answer != NULL && i < checkpoint->disks.count; i++) {
        const struct move_override *disk = &checkpoint->disks.overrides[i];
        json_t *drive = find_drive(answer, disk->path);
        json_t *node = json_object_get(drive, "node-name");
        const char *driver = json_string_value(json_object_get(drive, "drv"));
        if (!json_is_string(node) || driver == NULL || strcmp(driver, "qcow2") != 0) {
            return checkpoint_fail(checkpoint, "%s: it does not run with %s as a qcow2 image",
                                   disk->disk, disk->path);
        }
        checkpoint->has[i] = has_snapshot(drive, checkpoint->snapshot);
        json_array_append(nodes, node);
    }
    if (answer == NULL) {
        return -1;
    }
    if (json_array_size(nodes) != checkpoint->disks.count) {
        return checkpoint_fail(checkpoint, "out of memory");
    }
    *ret_nodes = json_incref(nodes);
    return 0;
}

static int make_all(struct checkpoint *checkpoint, const json_t *nodes) {
    json_t *actions = json_array();
    size_t i;
    json_t *node;

    json_array_foreach (nodes, i, node) {
        json_array_append_new(actions,
                              json_pack("{ss s{sO ss}}", "type", "blockdev-snapshot-internal-sync",
                                        "data", "device", node, "name", checkpoint->snapshot));
    }
    operation_step(checkpoint->operation, "making the checkpoint");
    operation_check_begun(checkpoint->operation);
    json_auto *answer =
        tell(checkpoint,
             json_pack("{ss s{so}}", "execute", "transaction", "arguments", "actions", actions),
             "make the checkpoint");
    return answer != NULL ? 0 : -1;
}

static int remove_all(struct checkpoint *checkpoint, const json_t *nodes) {
    operation_step(checkpoint->operation, "removing the checkpoint");
    for (size_t i = 0; i < checkpoint->disks.count; i++) {
        if (!checkpoint->has[i]) {
            continue;
        }
        operation_check_begun(checkpoint->operation);
        json_auto *answer =
            tell(checkpoint,
                 json_pack("{ss s{sO ss}}", "execute", "blockdev-snapshot-delete-internal-sync",
                           "arguments", "device", json_array_get(nodes, i), "name",
                           checkpoint->snapshot),
                 "remove the checkpoint");
        if (answer == NULL) {
            return -1;
        }
    }
    return 0;
}

/* The copy here is the one that is meant, and is up. */
static bool find(struct operation *operation, struct checkpoint *checkpoint) {
    const struct params *params = operation->params;
    const struct report *report = &operation->report;
    const char *text;

    if (!checkpoint_begin(operation, checkpoint) || host_open(operation) < 0) {
        return false;
    }
    if (host_read_state(operation, &text) < 0) {
        checkpoint_fail(checkpoint, "cannot read its state: %s", host_error());
        return false;
    }
    bool up = report->state == AGENT_VM_RUNNING || report->state == AGENT_VM_PAUSED;
    if (!up || report->generation != params->generation) {
        checkpoint_fail(checkpoint, "it is %s, with generation %" PRIu64 " instead of %" PRIu64,
                        text, report->generation, params->generation);
        return false;
    }
    return true;
}

static void end(struct operation *operation, int r) {
    if (r == 0) {
        report_set(&operation->report, VM_OK, "%s", "");
    } else {
        host_settle(operation);
    }
}

void action_checkpoint_live(struct operation *operation) {
    static struct checkpoint checkpoint;
    json_auto *nodes = NULL;

    if (!find(operation, &checkpoint) || look(&checkpoint, &nodes) < 0 ||
        !operation_may_begin(operation, "its checkpoint")) {
        return;
    }
    size_t count = checkpoint_count(&checkpoint);
    if (count == 0) {
        end(operation, make_all(&checkpoint, nodes));
    } else if (count == checkpoint.disks.count) {
        end(operation, 0);
    } else {
        checkpoint_fail(&checkpoint, "%zu of its %zu disks have the checkpoint: it broke off",
                        count, checkpoint.disks.count);
    }
}

void action_checkpoint_remove_live(struct operation *operation) {
    static struct checkpoint checkpoint;
    json_auto *nodes = NULL;

    if (!find(operation, &checkpoint) || look(&checkpoint, &nodes) < 0 ||
        !operation_may_begin(operation, "the removal of its checkpoint")) {
        return;
    }
    end(operation, remove_all(&checkpoint, nodes));
}
