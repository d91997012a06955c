/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes, fence devices, settings.
 */
#include "core/apply/inside.h"
#include "core/model/needed_protocol.h"
#include "core/model/settings.h"
#include "core/model/volume_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Before PROTOCOL_VOLUME_PATHS a path was taken as it came, and what has been applied so must be
 * applied so again. Where the two rules agree, a log needs no newer version.
 */
static bool good_path(struct apply *a, const char *path, char ret_path[WIRE_MAX_PATH + 1]) {
    bool good_before = path[0] == '/' && path[1] != '\0' && !strstr(path, "/../");
    const char *wrong = good_before ? volume_path_refusal(path, ret_path) : "";
    bool differs = good_before && (wrong || strcmp(path, ret_path) != 0);
    if (differs && !apply_by_version(a, PROTOCOL_VOLUME_PATHS)) {
        wrong = NULL;
        (void)snprintf(ret_path, WIRE_MAX_PATH + 1, "%s", path);
    }
    if (wrong) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "'%s' is not an absolute path of a directory", path),
                     "give the path at which the volume is mounted on all nodes");
    }
    return !wrong;
}

static const struct model_volume *volume_with_path(struct apply *a, const char *path) {
    MODEL_EACH(model_volume, volume, &a->m->volumes) {
        if (strcmp(volume->path, path) == 0) {
            return volume;
        }
    }
    const struct model_volume *same = volume_at_path(a->m, path);
    return same && apply_by_version(a, PROTOCOL_VOLUME_PATHS) ? same : NULL;
}

void apply_volume_add(struct apply *a, const void *command) {
    const struct cmd_volume_add *add = command;
    if (!apply_good_name(a, "volume", add->name)) {
        return;
    }
    char path[WIRE_MAX_PATH + 1];
    if (!good_path(a, add->path, path)) {
        return;
    }
    const struct model_volume *other = model_volume_by_name(a->m, add->name);
    other = other ? other : volume_with_path(a, path);
    if (other) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "volume '%s' at %s exists already", other->name,
                                 other->path),
                     "choose another name and path");
        return;
    }
    if (a->m->volumes.n >= MODEL_MAX_VOLUMES) {
        apply_refuse(a, REPLY_REFUSED, "the cluster has the maximum number of volumes", "");
        return;
    }
    struct model_volume *volume = model_add(&a->m->volumes);
    if (!volume) {
        a->error = -ENOMEM;
        return;
    }
    volume->id = ++a->m->last_volume;
    set_text(a, &volume->name, add->name);
    set_text(a, &volume->path, path);
    apply_event(a, SEVERITY_INFO, "volume-added", add->name, "volume %s at %s was added", add->name,
                path);
}

static const struct model_volume *find_volume(struct apply *a, const char *name) {
    const struct model_volume *volume = model_volume_by_name(a->m, name);
    if (!volume) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no volume '%s'", name),
                     "clusterctl volume list shows them");
    }
    return volume;
}

void apply_volume_remove(struct apply *a, const void *command) {
    const struct cmd_volume_remove *remove = command;
    const struct model_volume *volume = find_volume(a, remove->volume);
    if (!volume) {
        return;
    }
    MODEL_EACH(model_vm, vm, &a->m->vms) {
        for (uint32_t i = 0; i < vm->volumes.n; i++) {
            if (strcmp(vm->volumes.v[i], volume->name) == 0) {
                apply_refuse(a, REPLY_REFUSED,
                             outbox_text(a->out, "VM %s needs volume %s", vm->name, volume->name),
                             "remove or change that VM first");
                return;
            }
        }
    }
    struct model_health *rows = a->m->health.rows;
    for (uint32_t i = a->m->health.n; i > 0; i--) {
        if (rows[i - 1].volume == volume->id) {
            model_remove(&a->m->health, &rows[i - 1]);
        }
    }
    leftovers_leave_volume(a, volume->name);
    apply_event(a, SEVERITY_INFO, "volume-removed", volume->name,
                "volume %s was removed; its files were not touched", volume->name);
    model_remove(&a->m->volumes, volume);
}

void apply_volume_health(struct apply *a, const void *command) {
    const struct cmd_volume_health *found = command;
    const struct model_volume *volume = model_volume_by_name(a->m, found->volume);
    const struct model_node *node = model_node_by_id(a->m, found->node);
    if (!volume || !node || node->incarnation != found->incarnation) {
        apply_refuse(a, REPLY_REFUSED, "there is no such volume any more", "");
        return;
    }
    struct model_health *health = apply_health_row(a, model_health_of(a->m, volume->id, node->id));
    if (!health) {
        health = model_add(&a->m->health);
        if (!health) {
            a->error = -ENOMEM;
            return;
        }
        health->volume = volume->id;
        health->node = node->id;
    }
    bool changed = health->state != found->state;
    health->state = found->state;
    set_text(a, &health->nonce, found->nonce);
    set_text(a, &health->reason, found->reason);
    set_ids(a, &health->sees, found->sees.v, found->sees.n);
    if (!changed) {
        return;
    }
    health->since_ms = a->time_ms;
    if (found->state == VOLUME_UNKNOWN) {
        return; /* its agent has just started to look */
    }
    apply_event(a, found->state == VOLUME_OK ? SEVERITY_INFO : SEVERITY_ERROR, "volume",
                volume->name, "volume %s on %s: %s%s%s", volume->name, node->name,
                volume_state_name(found->state), found->reason[0] ? ": " : "", found->reason);
    if (found->state == VOLUME_OK) {
        vms_forget_failures(a); /* what failed for want of the volume may work now */
    }
}

void apply_device_add(struct apply *a, const void *command) {
    const struct cmd_device_add *add = command;
    uint32_t ids[WIRE_MAX_NODES];
    if (!apply_good_name(a, "fence device", add->name)) {
        return;
    }
    if (model_device_by_name(a->m, add->name) || add->keys.n != add->values.n ||
        a->m->devices.n >= MODEL_MAX_DEVICES) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "fence device '%s' exists already", add->name),
                     "remove it first, or choose another name");
        return;
    }
    if (strncmp(add->agent, "fence_", 6) != 0 || strchr(add->agent, '/')) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "'%s' is not the name of a fence agent", add->agent),
                     "fence agents are called fence_..., for example fence_ipmilan");
        return;
    }
    for (uint32_t i = 0; i < add->nodes.n; i++) {
        const struct model_node *node = model_node_by_name(a->m, add->nodes.v[i]);
        if (!node) {
            apply_refuse(a, REPLY_NOT_FOUND,
                         outbox_text(a->out, "there is no node '%s'", add->nodes.v[i]),
                         "clusterctl node list shows the nodes");
            return;
        }
        ids[i] = node->id;
    }
    struct model_device value = {.name = add->name,
                                 .agent = add->agent,
                                 .nodes = {.v = ids, .n = add->nodes.n},
                                 .keys = add->keys,
                                 .values = add->values};
    struct model_device *device = model_add(&a->m->devices);
    struct model_device copy;
    if (!device || wire_copy(&model_device_record, &value, &copy) < 0) {
        a->error = -ENOMEM;
        return;
    }
    wire_release(&model_device_record, device);
    *device = copy;
    apply_event(a, SEVERITY_INFO, "device-added", device->name,
                "fence device %s (%s) was added; clusterctl fence-device test tries it",
                device->name, device->agent);
}

void apply_device_remove(struct apply *a, const void *command) {
    const struct cmd_device_remove *remove = command;
    const struct model_device *device = model_device_by_name(a->m, remove->device);
    if (!device) {
        apply_refuse(a, REPLY_NOT_FOUND,
                     outbox_text(a->out, "there is no fence device '%s'", remove->device),
                     "clusterctl fence-device list shows them");
        return;
    }
    apply_event(a, SEVERITY_WARNING, "device-removed", device->name, "fence device %s was removed",
                device->name);
    model_remove(&a->m->devices, device);
}

static void refuse_value(struct apply *a, enum setting_id id, const struct cmd_config_set *set) {
    const struct setting *setting = &settings[id];
    const char *range =
        setting_is_named(id) ? outbox_text(a->out, "one of %s", setting->unit)
        : setting_is_hours(id)
            ? "two hours of the day, from and to, such as 22-6"
            : outbox_text(a->out, "a number from %llu to %llu%s%s",
                          (unsigned long long)setting->min, (unsigned long long)setting->max,
                          setting->unit[0] ? " " : "", setting->unit);
    apply_refuse(a, REPLY_REFUSED,
                 outbox_text(a->out, "%s cannot be '%s': it is %s", set->key, set->value, range),
                 setting->help);
}

void apply_config_set(struct apply *a, const void *command) {
    const struct cmd_config_set *set = command;
    int id = setting_find(set->key);
    if (id < 0 || setting_since((enum setting_id)id) > a->m->speaks) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no setting '%s'", set->key),
                     "clusterctl config list shows them");
        return;
    }
    uint64_t v;
    if (setting_parse((enum setting_id)id, set->value, &v) < 0) {
        refuse_value(a, (enum setting_id)id, set);
        return;
    }
    struct model_setting *row = NULL;
    APPLY_EACH(model_setting, other, &a->m->settings) {
        if (strcmp(other->key, set->key) == 0) {
            row = other;
        }
    }
    row = row ? row : model_add(&a->m->settings);
    if (!row) {
        a->error = -ENOMEM;
        return;
    }
    set_text(a, &row->key, set->key);
    set_text(a, &row->value, set->value);
    apply_event(a, SEVERITY_INFO, "config", set->key, "%s is %s now", set->key, set->value);
}
