/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that only read; see ipc/view.h.
 */
#include "adapters/ipc/view.h"

#include "adapters/store/redact.h"
#include "base/check.h"
#include "core/model/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_DEFAULT 100u

/* The rows of a table as objects, in a named list of the answer. */
#define LIST_OF(type, table, render)         \
    json_t *list = json_array();             \
    MODEL_EACH(type, row, table) {           \
        json_array_append_new(list, render); \
    }

static json_t *nodes(struct ipc_view *view) {
    LIST_OF(model_node, &view->model->nodes, render_node(view, row))
    return list;
}

static json_t *vms(struct ipc_view *view) {
    LIST_OF(model_vm, &view->model->vms, render_vm(view, row))
    return list;
}

static json_t *volumes(struct ipc_view *view) {
    LIST_OF(model_volume, &view->model->volumes, render_volume(view, row))
    return list;
}

static json_t *devices(struct ipc_view *view) {
    LIST_OF(model_device, &view->model->devices, render_device(view, row))
    return list;
}

static json_t *operations(struct ipc_view *view) {
    LIST_OF(model_operation, &view->model->operations, render_operation(view->model, row))
    return list;
}

static json_t *rules(struct ipc_view *view) {
    LIST_OF(model_rule, &view->model->rules, render_rule(view->model, row))
    return list;
}

static json_t *running_operations(struct ipc_view *view) {
    json_t *list = json_array();
    MODEL_EACH(model_operation, operation, &view->model->operations) {
        if (operation->state == OPERATION_RUNNING) {
            json_array_append_new(list, render_operation(view->model, operation));
        }
    }
    return list;
}

static json_t *status(struct ipc_view *view) {
    const struct core_status *s = &view->status;
    uint32_t coordinator = s->quorate ? model_coordinator(view->model) : 0;
    char digest[17];
    (void)snprintf(digest, sizeof(digest), "%016" PRIx64, model_digest(view->model));
    return json_pack(
        "{so sb sb so so so so so so so so so so ss so}", "cluster", json_of_text(view->cluster),
        "quorate", s->quorate != 0, "usable", s->usable != 0, "epoch", json_of_number(s->epoch),
        "coordinator",
        coordinator ? json_of_text(model_node_name(view->model, coordinator)) : json_null(), "node",
        s->node ? json_of_text(model_node_name(view->model, s->node)) : json_null(), "phase",
        json_of_text(view->waiting[0] ? "waiting" : s->phase), "nodes", nodes(view), "vms",
        vms(view), "volumes", volumes(view), "operations", running_operations(view), "problems",
        render_problems(view), "index", json_of_number(s->applied_index), "digest", digest,
        "reserve", render_reserve(view));
}

/* The newest `limit` of the events after `since`, oldest first. */
static bool is_by(const struct model_event *event, const char *user) {
    char uid[24];
    (void)snprintf(uid, sizeof(uid), "%llu", (unsigned long long)event->asker - 1);
    return event->asker && (strcmp(event->user, user) == 0 || strcmp(uid, user) == 0);
}

static bool is_asked_for(const struct model_event *event, const struct ipc_args *args) {
    bool any = !args->user || !args->user[0];
    return (!args->has_since || event->seq > args->since) && (any || is_by(event, args->user));
}

static json_t *events(struct ipc_view *view, const struct ipc_args *args) {
    const struct model *m = view->model;
    uint64_t limit = args->limit || args->has_since ? args->limit : EVENTS_DEFAULT;
    uint64_t matching = 0;
    MODEL_EACH(model_event, event, &m->events) {
        matching += is_asked_for(event, args);
    }
    uint64_t skip = limit && matching > limit ? matching - limit : 0;
    json_t *list = json_array();
    MODEL_EACH(model_event, event, &m->events) {
        if (!is_asked_for(event, args)) {
            continue;
        }
        if (skip > 0) {
            skip--;
            continue;
        }
        json_array_append_new(list, render_event(event));
    }
    return list;
}

static json_t *config(struct ipc_view *view) {
    json_t *list = json_array();
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        json_array_append_new(list, render_setting(view->model, i));
    }
    return list;
}

static json_t *missing(struct ipc_error *error, const char *what, const char *name,
                       const char *hint) {
    (void)ipc_fail(error, "not-found", hint, "there is no %s %s", what, name);
    return NULL;
}

/* Machine types: "x86_64/pc-i440fx-7.2"; an alias with its target: "x86_64/pc=pc-i440fx-7.2".
 * Networks: "bridge/br0", "network/lan". */
static json_t *names(const struct wire_strs *strs) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < strs->n; i++) {
        json_array_append_new(list, json_of_text(strs->v[i]));
    }
    return list;
}

static json_t *node_show(struct ipc_view *view, const char *name, struct ipc_error *error) {
    const struct model_node *node = model_node_by_name(view->model, name);
    if (!node) {
        return missing(error, "node", name, "clusterctl node list");
    }
    json_t *object = render_node(view, node);
    json_object_set_new(object, "machines", names(&node->machines));
    json_object_set_new(object, "networks", names(&node->networks));
    return json_pack("{so}", "node", object);
}

/* Only administrators get the whole definition: libvirt, too, shows secrets only to connections
 * that may write. NULL when memory has run out. */
static json_t *definition(const struct ipc_view *view, const char *xml) {
    if (view->secrets) {
        return json_of_text(xml);
    }
    char *hidden = redact_xml(xml);
    json_t *text = hidden ? json_of_text(hidden) : NULL;
    free(hidden);
    return text;
}

static json_t *vm_show(struct ipc_view *view, const char *name, struct ipc_error *error) {
    const struct model_vm *vm = model_vm_by_name(view->model, name);
    if (!vm) {
        return missing(error, "VM", name, "clusterctl vm list");
    }
    json_t *object = render_vm(view, vm);
    json_t *xml = definition(view, vm->xml);
    if (!xml) {
        json_decref(object);
        return NULL;
    }
    json_object_set_new(object, "xml", xml);
    json_object_set_new(object, "serial", json_of_number(vm->serial));
    const struct model_journal *row = model_journal_of_vm(view->model, vm->id);
    if (row && row->kind == JOURNAL_STORAGE) {
        json_object_set_new(object, "storage", render_storage(row));
    }
    json_object_set_new(object, "checkpoints", render_checkpoints(view->model, vm));
    json_object_set_new(object, "cpu_mode", json_of_text(vm->cpu_mode));
    json_object_set_new(object, "cpu_model", json_of_text(vm->cpu_model));
    json_object_set_new(object, "arch", json_of_text(vm->arch));
    json_object_set_new(object, "machine", json_of_text(vm->machine));
    json_object_set_new(object, "machine_running", json_of_text(vm->machine_running));
    json_object_set_new(object, "networks", names(&vm->networks));
    return json_pack("{so}", "vm", object);
}

static json_t *vm_history(struct ipc_view *view, const char *name, struct ipc_error *error) {
    const struct model_vm *vm = model_vm_by_name(view->model, name);
    return vm ? json_pack("{so so sb}", "vm", json_of_text(vm->name), "history", render_history(vm),
                          "recorded", setting_records_history(view->model))
              : missing(error, "VM", name, "clusterctl vm list");
}

static json_t *volume_show(struct ipc_view *view, const char *name, struct ipc_error *error) {
    const struct model_volume *volume = model_volume_by_name(view->model, name);
    return volume ? json_pack("{so}", "volume", render_volume(view, volume))
                  : missing(error, "volume", name, "clusterctl volume list");
}

static json_t *rule_show(struct ipc_view *view, const char *name, struct ipc_error *error) {
    const struct model_rule *rule = model_rule_by_name(view->model, name);
    return rule ? json_pack("{so}", "rule", render_rule(view->model, rule))
                : missing(error, "rule", name, "clusterctl rule list");
}

static json_t *explain(struct ipc_view *view, const char *name, struct ipc_error *error) {
    const struct model_vm *vm = model_vm_by_name(view->model, name);
    return vm ? render_explanation(view, vm, error)
              : missing(error, "VM", name, "clusterctl vm list");
}

static json_t *operation_show(struct ipc_view *view, uint64_t id, struct ipc_error *error) {
    const struct model_operation *operation = model_operation_by_id(view->model, id);
    if (!operation) {
        (void)ipc_fail(error, "not-found", "clusterctl operation list",
                       "there is no operation %llu (any more)", (unsigned long long)id);
        return NULL;
    }
    return json_pack("{so}", "operation", render_operation(view->model, operation));
}

static json_t *config_get(struct ipc_view *view, const char *key, struct ipc_error *error) {
    int id = setting_find(key);
    return id >= 0 ? render_setting(view->model, (unsigned)id)
                   : missing(error, "setting", key, "clusterctl config list");
}

bool ipc_read_shows_outlook(const struct ipc_request *request) {
    enum ipc_read_verb verb = (enum ipc_read_verb)request->verb->what;
    return verb == READ_STATUS || verb == READ_VM_LIST || verb == READ_VM_SHOW;
}

json_t *ipc_read(struct ipc_view *view, const struct ipc_request *request,
                 struct ipc_error *ret_error) {
    const struct ipc_args *args = &request->args;
    CHECK(request->verb->kind == IPC_READ);
    ret_error->code = NULL;
    json_t *body = NULL;
    switch ((enum ipc_read_verb)request->verb->what) {
    case READ_STATUS: body = status(view); break;
    case READ_NODE_LIST: body = json_pack("{so}", "nodes", nodes(view)); break;
    case READ_NODE_SHOW: body = node_show(view, args->name, ret_error); break;
    case READ_VM_LIST: body = json_pack("{so}", "vms", vms(view)); break;
    case READ_VM_SHOW: body = vm_show(view, args->name, ret_error); break;
    case READ_VM_HISTORY: body = vm_history(view, args->name, ret_error); break;
    case READ_VM_EXPLAIN: body = explain(view, args->name, ret_error); break;
    case READ_VOLUME_LIST: body = json_pack("{so}", "volumes", volumes(view)); break;
    case READ_VOLUME_SHOW: body = volume_show(view, args->name, ret_error); break;
    case READ_DEVICE_LIST: body = json_pack("{so}", "devices", devices(view)); break;
    case READ_OPERATION_LIST: body = json_pack("{so}", "operations", operations(view)); break;
    case READ_OPERATION_SHOW: body = operation_show(view, args->number, ret_error); break;
    case READ_EVENT_LIST: body = json_pack("{so}", "events", events(view, args)); break;
    case READ_CONFIG_LIST: body = json_pack("{so}", "config", config(view)); break;
    case READ_RULE_LIST: body = json_pack("{so}", "rules", rules(view)); break;
    case READ_RULE_SHOW: body = rule_show(view, args->name, ret_error); break;
    case READ_CONFIG_GET: body = config_get(view, args->name, ret_error); break;
    case READ_EXPORT: body = render_cluster(view, ret_error); break;
    case READ_COUNT: break;
    }
    if (!body && !ret_error->code) {
        (void)ipc_fail(ret_error, "failed", "", "clusterd is out of memory");
    }
    return body;
}
