/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of the model as JSON; see ipc/view.h. No secret ever leaves: secret parameters of fence
 * devices appear as asterisks, and only this file renders a device's row.
 */
#include "adapters/ipc/view.h"

#include "base/secret.h"
#include "base/check.h"
#include "core/model/resources.h"
#include "core/model/rules.h"
#include "core/model/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The name of a node, or null. */
static json_t *node_name(const struct model *m, uint32_t id) {
    return id ? json_of_text(model_node_name(m, id)) : json_null();
}

static json_t *node_names(const struct model *m, const struct wire_ids *ids) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < ids->n; i++) {
        json_array_append_new(list, json_of_text(model_node_name(m, ids->v[i])));
    }
    return list;
}

static json_t *texts(const struct wire_strs *strs) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < strs->n; i++) {
        json_array_append_new(list, json_of_text(strs->v[i]));
    }
    return list;
}

static json_t *amounts(const struct wire_list *list) {
    const struct resource_amount *items = list->items;
    json_t *object = json_object();
    for (uint32_t i = 0; i < list->n; i++) {
        json_object_set_new(object, items[i].name, json_of_number(items[i].amount));
    }
    return object;
}

/* ---- nodes ---- */

const char *shown_node_state(const struct model_node *node) {
    if (node->state == NODE_ONLINE && node->service == SERVICE_DRAINING) {
        return "draining";
    }
    if (node->state == NODE_ONLINE && node->service == SERVICE_DRAINED) {
        return "drained";
    }
    return node_state_name(node->state);
}

static json_t *node_volumes(const struct model *m, uint32_t node) {
    json_t *object = json_object();
    MODEL_EACH(model_volume, volume, &m->volumes) {
        const struct model_health *health = model_health_of(m, volume->id, node);
        json_object_set_new(
            object, volume->name,
            json_of_text(volume_state_name(health ? health->state : VOLUME_UNKNOWN)));
    }
    return object;
}

/* All that the node's VMs need, including resources that the node does not have. */
static json_t *resources_used_on(const struct model *m, uint32_t node) {
    struct resource_names names;
    uint64_t used[WIRE_MAX_RESOURCES];
    json_t *object = json_object();
    resource_names_in_use(m, NULL, &names);
    resources_used(m, node, &names, used);
    for (uint32_t i = 0; i < names.n; i++) {
        if (used[i] > 0) {
            json_object_set_new(object, names.v[i], json_of_number(used[i]));
        }
    }
    return object;
}

/* Why the node is in its state; or why it takes no VMs although it is online. */
static const char *shown_node_reason(const struct ipc_view *view, const struct model_node *node) {
    bool away = node->libvirt[0] && (node->state == NODE_ONLINE || node->state == NODE_JOINING);
    const char *text =
        away ? arena_printf(view->arena, "libvirt does not answer: %s", node->libvirt) : NULL;
    return text ? text : node->reason;
}

json_t *render_node(const struct ipc_view *view, const struct model_node *node) {
    const struct model *m = view->model;
    uint64_t memory_mb = 0, vcpus = 0, vms = 0;
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (model_vm_may_run_on(vm, node->id)) {
            memory_mb += vm->memory_mb;
            vcpus += vm->vcpus;
            vms++;
        }
    }
    return json_pack("{so so ss sb so so so so so so so sb so so so so so so so so so sb}", "id",
                     json_of_number(node->id), "name", json_of_text(node->name), "state",
                     shown_node_state(node), "coordinator", model_coordinator(m) == node->id,
                     "memory_mb", json_of_number(node->memory_mb), "memory_used_mb",
                     json_of_number(memory_mb), "cpus", json_of_number(node->cpus), "vcpus_used",
                     json_of_number(vcpus), "vms", json_of_number(vms), "reason",
                     json_of_text(shown_node_reason(view, node)), "since_ms",
                     json_of_number(node->since_ms), "watchdog", node->watchdog_ms > 0, "version",
                     json_of_text(node->version), "volumes", node_volumes(m, node->id), "site",
                     json_of_text(node->site), "rack", json_of_text(node->rack), "votes",
                     json_of_number(node->votes), "vms_max", json_of_number(node->vms_max),
                     "resources", amounts(&node->resources), "resources_used",
                     resources_used_on(m, node->id), "libvirt", json_of_text(node->libvirt),
                     "failback_due", node->failback_due != 0);
}

/* ---- VMs ---- */

static bool node_in_doubt(const struct model *m, uint32_t id) {
    const struct model_node *node = id ? model_node_by_id(m, id) : NULL;
    return node &&
           (node->state == NODE_LOST || node->state == NODE_FENCING || node->state == NODE_SILENT);
}

/* The last planned place of a VM that should run but does not. */
static const struct planner_choice *planned_choice(const struct ipc_view *view, uint32_t id) {
    const struct planner_plan *plan = view->outlook.starts;
    for (uint32_t i = 0; plan && i < plan->n; i++) {
        if (plan->v[i].vm == id) {
            return &plan->v[i];
        }
    }
    return NULL;
}

const char *shown_vm_state(struct ipc_view *view, const struct model_vm *vm,
                           const char **ret_reason) {
    const struct model *m = view->model;
    uint32_t lost = node_in_doubt(m, vm->owner)    ? vm->owner
                    : node_in_doubt(m, vm->target) ? vm->target
                                                   : 0;
    *ret_reason = vm->reason;
    if (vm->state != VM_OFF && vm->state != VM_SAVED && lost) {
        const struct model_node *node = model_node_by_id(m, lost);
        const char *text = arena_printf(
            view->arena, "%s is %s: the VM starts elsewhere once that node is known to be off",
            node->name,
            node->state == NODE_FENCING ? "being fenced" : node_state_name(node->state));
        *ret_reason = text ? text : vm->reason;
        return "lost";
    }
    if (vm->state == VM_OFF && vm->foreign.n > 0) {
        const char *text =
            arena_printf(view->arena, "it runs on %s under libvirt, not by the cluster",
                         model_node_name(m, vm->foreign.v[0]));
        *ret_reason = text ? text : vm->reason;
        return vm->wanted == WANTED_RUNNING ? "blocked" : vm_state_name(vm->state);
    }
    if (vm->state == VM_OFF && vm->other_disks[0] && vm->wanted == WANTED_RUNNING) {
        const char *text = arena_printf(
            view->arena, "it ran with disks that differ from its definition: %s", vm->other_disks);
        *ret_reason = text ? text : vm->reason;
        return "blocked";
    }
    if (vm->state == VM_OFF && model_vm_is_reverting(m, vm)) {
        const struct model_journal *row = model_journal_of_vm(m, vm->id);
        const char *held = row->held_by == 0
                               ? NULL
                               : arena_printf(view->arena, "%s may still write to its disks",
                                              model_node_name(m, row->held_by));
        *ret_reason = row->phase == CHECKPOINT_REVERT || !held
                          ? "its disks are being set back to a checkpoint"
                          : held;
        return vm->wanted == WANTED_RUNNING ? "blocked" : vm_state_name(vm->state);
    }
    if (vm->unasked.n > 0) {
        *ret_reason = "it is being added: every node is asked whether the VM already runs there";
    }
    if (planner_to_be_started(m, vm)) {
        const struct planner_choice *choice = planned_choice(view, vm->id);
        bool nowhere = choice && choice->to == 0;
        if (nowhere && (vm->failures > 0 || vm->avoid.n > 0) && vm->reason[0]) {
            uint64_t rest_ms = vm->retry_ms > view->wall_ms ? vm->retry_ms - view->wall_ms : 0;
            const char *text = vm->waits
                                   ? arena_printf(view->arena, "%s; next try in %llu s", vm->reason,
                                                  (unsigned long long)(rest_ms + 999) / 1000)
                                   : NULL;
            *ret_reason = text ? text : vm->reason;
            return "failed";
        }
        if (nowhere) {
            *ret_reason = choice->reason;
            return "blocked";
        }
    }
    if (vm->state == VM_RUNNING && vm->paused) {
        const char *text = arena_printf(view->arena, "the guest is paused%s%s",
                                        vm->reason[0] ? ": " : "", vm->reason);
        *ret_reason = text ? text : vm->reason;
    } else if (vm->state == VM_RUNNING && vm->wanted == WANTED_RUNNING) {
        *ret_reason = ""; /* an older failure no longer matters */
    }
    return vm_state_name(vm->state);
}

void write_node_name(struct json_writer *w, const char *key, const struct model *m, uint32_t id) {
    if (id) {
        json_write_text(w, key, model_node_name(m, id));
    } else {
        json_write_null(w, key);
    }
}

static void write_nodes(struct json_writer *w, const char *key, const struct model *m,
                        const struct wire_ids *ids) {
    json_write_array(w, key);
    for (uint32_t i = 0; i < ids->n; i++) {
        json_write_text(w, NULL, model_node_name(m, ids->v[i]));
    }
    json_write_array_end(w);
}

static void write_texts(struct json_writer *w, const char *key, const struct wire_strs *strs) {
    json_write_array(w, key);
    for (uint32_t i = 0; i < strs->n; i++) {
        json_write_text(w, NULL, strs->v[i]);
    }
    json_write_array_end(w);
}

void write_vm_members(struct json_writer *w, struct ipc_view *view, const struct model_vm *vm) {
    const struct model *m = view->model;
    const char *reason = NULL;
    const char *state = shown_vm_state(view, vm, &reason);
    json_write_number(w, "id", vm->id);
    json_write_text(w, "name", vm->name);
    json_write_text(w, "uuid", vm->uuid);
    json_write_text(w, "state", state);
    json_write_text(w, "wanted", vm->wanted == WANTED_RUNNING ? "running" : "stopped");
    write_node_name(w, "owner", m, vm->owner);
    write_node_name(w, "target", m, vm->target);
    json_write_number(w, "generation", vm->generation);
    json_write_number(w, "priority", vm->priority);
    json_write_number(w, "memory_mb", vm->memory_mb);
    json_write_number(w, "vcpus", vm->vcpus);
    write_texts(w, "volumes", &vm->volumes);
    write_nodes(w, "possible", m, &vm->possible);
    write_nodes(w, "preferred", m, &vm->preferred);
    json_write_text(w, "reason", reason);
    json_write_number(w, "operation", vm->operation);
    json_write_bool(w, "paused", vm->paused != 0);
    json_write_number(w, "since_ms", vm->since_ms);
    json_write_bool(w, "auto_start", vm->no_auto_start == 0);
    json_write_text(w, "mobility", vm_mobility_name(vm->mobility));
    json_write_value(w, "resources", amounts(&vm->resources));
    json_write_number(w, "retry_ms", vm->waits ? vm->retry_ms : 0);
    json_write_text(w, "other_disks", vm->other_disks);
    json_write_number(w, "max_downtime_ms", vm->max_downtime_ms);
    json_write_text(w, "move_policy", vm_move_policy_name(vm->move_policy));
    write_node_name(w, "shut_down_by", m, vm->shut_down_by);
}

json_t *render_history(const struct model_vm *vm) {
    const struct vm_stay *items = vm->stays.items;
    json_t *stays = json_array();
    for (uint32_t i = 0; i < vm->stays.n; i++) {
        json_array_append_new(
            stays, json_pack("{so so so so so so}", "node", json_of_text(items[i].node), "from_ms",
                             json_of_number(items[i].from_ms), "until_ms",
                             json_of_number(items[i].until_ms), "operation",
                             json_of_number(items[i].operation), "began",
                             json_of_text(items[i].began), "ended", json_of_text(items[i].ended)));
    }
    return stays;
}

json_t *render_storage(const struct model_journal *row) {
    static const char *const phases[] = {[STORAGE_COPY] = "copy",
                                         [STORAGE_UNDO] = "undo",
                                         [STORAGE_FINISH] = "finish",
                                         [STORAGE_MIRROR] = "mirror",
                                         [STORAGE_CONTINUE] = "continue"};
    const struct storage_file *items = row->files.items;
    json_t *files = json_array();
    for (uint32_t i = 0; i < row->files.n; i++) {
        json_array_append_new(files, json_pack("{so so so so}", "disk", json_of_text(items[i].disk),
                                               "from", json_of_text(items[i].from), "to",
                                               json_of_text(items[i].to), "bytes",
                                               json_of_number(items[i].bytes)));
    }
    bool known = row->phase < ARRAY_SIZE(phases) && phases[row->phase];
    return json_pack("{ss so so}", "phase", known ? phases[row->phase] : "?", "files", files,
                     "reason", json_of_text(row->reason));
}

/* What is being done with it, and why that does not go on. */
static const char *checkpoint_state(const struct model_journal *work,
                                    const struct model_checkpoint *row, const char **ret_reason) {
    *ret_reason = "";
    if (!work || work->kind != JOURNAL_CHECKPOINT || work->checkpoint != row->id) {
        return row->whole ? "whole" : "not whole";
    }
    *ret_reason = work->reason;
    return work->phase == CHECKPOINT_CREATE   ? "being made"
           : work->phase == CHECKPOINT_REVERT ? "being reverted to"
                                              : "being removed";
}

json_t *render_checkpoints(const struct model *m, const struct model_vm *vm) {
    const struct model_journal *work = model_journal_of_vm(m, vm->id);
    json_t *list = json_array();
    MODEL_EACH(model_checkpoint, row, &m->checkpoints) {
        const char *reason = NULL;
        if (row->vm == vm->id) {
            const char *state = checkpoint_state(work, row, &reason);
            json_array_append_new(
                list, json_pack("{so so so ss sb so so}", "id", json_of_number(row->id), "name",
                                json_of_text(row->name), "time_ms", json_of_number(row->time_ms),
                                "state", state, "running", row->running != 0, "disks",
                                texts(&row->disks), "reason", json_of_text(reason)));
        }
    }
    return list;
}

/* ---- others ---- */

json_t *render_volume(const struct ipc_view *view, const struct model_volume *volume) {
    const struct model *m = view->model;
    json_t *nodes = json_object();
    json_t *reasons = json_object();
    json_t *vms = json_array();
    MODEL_EACH(model_node, node, &m->nodes) {
        const struct model_health *health = model_health_of(m, volume->id, node->id);
        json_object_set_new(
            nodes, node->name,
            json_of_text(volume_state_name(health ? health->state : VOLUME_UNKNOWN)));
        if (health && health->state != VOLUME_OK && health->reason[0]) {
            json_object_set_new(reasons, node->name, json_of_text(health->reason));
        }
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        for (uint32_t i = 0; i < vm->volumes.n; i++) {
            if (strcmp(vm->volumes.v[i], volume->name) == 0) {
                json_array_append_new(vms, json_of_text(vm->name));
            }
        }
    }
    return json_pack("{so so so so so so}", "id", json_of_number(volume->id), "name",
                     json_of_text(volume->name), "path", json_of_text(volume->path), "nodes", nodes,
                     "reasons", reasons, "vms", vms);
}

json_t *render_device(const struct ipc_view *view, const struct model_device *device) {
    json_t *params = json_object();
    for (uint32_t i = 0; i < device->keys.n && i < device->values.n; i++) {
        const char *key = device->keys.v[i];
        const char *value = device->values.v[i];
        bool secret = secret_param(key, value, NULL, NULL);
        json_object_set_new(params, key, secret ? json_string(SECRET_SHOWN) : json_of_text(value));
    }
    return json_pack("{so so so so}", "name", json_of_text(device->name), "agent",
                     json_of_text(device->agent), "nodes", node_names(view->model, &device->nodes),
                     "params", params);
}

#define FIGURE_FORMAT(S, TYPE, field, LIMIT) " so"
#define FIGURE_FORMATS MOVE_FIGURES(FIGURE_FORMAT, )
#define FIGURE(S, TYPE, field, LIMIT) , #field, json_of_number((S)->field)

/* What has become of it; of one that is under way, what it waits for. */
static const char *operation_reason(const struct model *m,
                                    const struct model_operation *operation) {
    if (operation->state != OPERATION_RUNNING || operation->reason[0]) {
        return operation->reason;
    }
    MODEL_EACH(model_journal, row, &m->journal) {
        const char *waits = row->operation == operation->id ? model_journal_waits(m, row) : NULL;
        if (waits) {
            return waits;
        }
    }
    return operation->reason;
}

/* Who asked for it, in two members; nobody: none. */
static json_t *add_user(json_t *json, uint64_t asker, const char *user) {
    if (json && asker &&
        (json_object_set_new(json, "uid", json_of_number(asker - 1)) < 0 ||
         json_object_set_new(json, "user", json_of_text(user ? user : "")) < 0)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

json_t *render_operation(const struct model *m, const struct model_operation *operation) {
    json_t *vms = json_array();
    const struct operation_vm *items = operation->vms.items;
    for (uint32_t i = 0; i < operation->vms.n; i++) {
        const struct operation_vm *item = &items[i];
        json_array_append_new(
            vms,
            json_pack("{so ss so so ss so so so so" FIGURE_FORMATS "}", "vm",
                      json_of_text(item->name), "state", operation_state_name(item->state), "from",
                      node_name(m, item->from), "to", node_name(m, item->to), "mode",
                      move_mode_name(item->mode), "blackout_ms", json_of_number(item->blackout_ms),
                      "total_ms", json_of_number(item->total_ms), "reason",
                      json_of_text(item->reason), "live_failure",
                      json_of_text(item->live_failure) MOVE_FIGURES(FIGURE, item)));
    }
    json_t *json =
        json_pack("{so ss so ss so so so sb so ss so so}", "id", json_of_number(operation->id),
                  "kind", operation_kind_name(operation->kind), "subject",
                  json_of_text(operation->subject), "state", operation_state_name(operation->state),
                  "reason", json_of_text(operation_reason(m, operation)), "started_ms",
                  json_of_number(operation->started_ms), "ended_ms",
                  json_of_number(operation->ended_ms), "cancelled", operation->cancelled != 0,
                  "vms", vms, "cause", move_cause_name(operation->cause), "why",
                  json_of_text(operation->why), "deadline_ms",
                  json_of_number(operation->deadline_ms));
    return add_user(json, operation->asker, operation->user);
}

json_t *render_event(const struct model_event *event) {
    json_t *json =
        json_pack("{so so so ss so so so so so}", "seq", json_of_number(event->seq), "time_ms",
                  json_of_number(event->time_ms), "node", json_of_text(event->node), "severity",
                  severity_name(event->severity), "kind", json_of_text(event->kind), "subject",
                  json_of_text(event->subject), "message", json_of_text(event->message), "repeated",
                  json_of_number(event->repeated), "first_ms",
                  json_of_number(event->repeated ? event->first_ms : event->time_ms));
    return add_user(json, event->asker, event->user);
}

json_t *render_progress(const struct model *m, const struct core_progress *progress) {
    const struct model_vm *vm = model_vm_by_id(m, progress->vm);
    json_t *json = json_pack("{so so}", "operation", json_of_number(progress->operation), "vm",
                             json_of_text(vm ? vm->name : ""));
    int err = json ? 0 : -1;
#define X(S, TYPE, field, LIMIT) \
    err = err < 0 ? err : json_object_set_new(json, #field, json_of_number((S)->field));
    PROGRESS_FIELDS(X, progress)
#undef X
    if (err < 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

json_t *render_rule(const struct model *m, const struct model_rule *rule) {
    json_t *vms = json_array();
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const struct model_vm *vm = model_vm_by_id(m, rule->vms.v[i]);
        json_array_append_new(vms, json_of_text(vm ? vm->name : ""));
    }
    bool of_vms = rule->kind == RULE_APART || rule->kind == RULE_TOGETHER;
    uint32_t broken = rule_broken(m, rule);
    return json_pack("{so ss so ss so so so so ss}", "name", json_of_text(rule->name), "kind",
                     rule_kind_name(rule->kind), "scope",
                     of_vms ? json_string(rule_scope_name(rule->scope)) : json_null(), "strength",
                     rule->hard ? "hard" : "soft", "weight", json_of_number(rule->weight), "vms",
                     vms, "nodes", node_names(m, &rule->nodes), "broken", json_of_number(broken),
                     "state", broken ? "broken" : "kept");
}

json_t *render_setting(const struct model *m, unsigned id) {
    CHECK(id < SETTING_COUNT);
    const struct setting *setting = &settings[id];
    uint64_t value = setting_get(m, (enum setting_id)id);
    bool named = setting_is_named((enum setting_id)id);
    char text[SETTING_TEXT];
    return json_pack("{ss ss sb ss ss so so so ss}", "key", setting->key, "value",
                     setting_text((enum setting_id)id, value, text), "default",
                     value == setting->initial, "unit", named ? "" : setting->unit, "help",
                     setting->help, "initial", json_of_number(setting->initial), "min",
                     json_of_number(setting->min), "max", json_of_number(setting->max), "choices",
                     named ? setting->unit : "");
}
