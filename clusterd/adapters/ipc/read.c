/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that only read; see ipc/view.h.
 */
#include "adapters/ipc/view.h"

#include "adapters/store/redact.h"
#include "base/check.h"
#include "core/model/settings.h"

#include <errno.h>
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

static void write_vms(struct json_writer *w, struct ipc_view *view) {
    json_write_array(w, "vms");
    MODEL_EACH(model_vm, vm, &view->model->vms) {
        json_write_object(w, NULL);
        write_vm_members(w, view, vm);
        json_write_object_end(w);
    }
    json_write_array_end(w);
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

/* It takes as long as writing a third of the VMs, and is the same until the model changes. */
static uint64_t digest_of(const struct ipc_view *view) {
    const struct model *m = view->model;
    struct ipc_digest *last = view->digest;
    if (!last) {
        return model_digest(m);
    }
    if (!last->known || last->epoch != m->epoch || last->index != m->index) {
        *last = (struct ipc_digest){m->epoch, m->index, model_digest(m), true};
    }
    return last->digest;
}

static void write_status(struct json_writer *w, struct ipc_view *view) {
    const struct core_status *s = &view->status;
    char digest[17];
    (void)snprintf(digest, sizeof(digest), "%016" PRIx64, digest_of(view));
    json_write_text(w, "cluster", view->cluster);
    json_write_bool(w, "quorate", s->quorate != 0);
    json_write_bool(w, "usable", s->usable != 0);
    json_write_number(w, "epoch", s->epoch);
    write_node_name(w, "coordinator", view->model, s->quorate ? model_coordinator(view->model) : 0);
    write_node_name(w, "node", view->model, s->node);
    json_write_text(w, "phase", view->waiting[0] ? "waiting" : s->phase);
    json_write_value(w, "nodes", nodes(view));
    write_vms(w, view);
    json_write_value(w, "volumes", volumes(view));
    json_write_value(w, "operations", running_operations(view));
    json_write_value(w, "problems", render_problems(view));
    json_write_number(w, "index", s->applied_index);
    json_write_text(w, "digest", digest);
    json_write_value(w, "reserve", render_reserve(view));
}

static bool is_by(const struct model_event *event, const char *user) {
    char uid[24];
    (void)snprintf(uid, sizeof(uid), "%llu", (unsigned long long)event->asker - 1);
    return event->asker && (strcmp(event->user, user) == 0 || strcmp(uid, user) == 0);
}

static bool is_asked_for(const struct model_event *event, const struct ipc_args *args) {
    bool any = !args->user || !args->user[0];
    return (!args->has_since || event->seq > args->since) && (any || is_by(event, args->user));
}

/* The newest `limit` of the events after `since`, oldest first. */
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

static void write_vm_show(struct json_writer *w, struct ipc_view *view, const char *name,
                          struct ipc_error *error) {
    const struct model *m = view->model;
    const struct model_vm *vm = model_vm_by_name(m, name);
    if (!vm) {
        (void)missing(error, "VM", name, "clusterctl vm list");
        return;
    }
    const struct model_journal *row = model_journal_of_vm(m, vm->id);
    json_write_object(w, "vm");
    write_vm_members(w, view, vm);
    json_write_value(w, "xml", definition(view, vm->xml));
    json_write_number(w, "serial", vm->serial);
    if (row && row->kind == JOURNAL_STORAGE) {
        json_write_value(w, "storage", render_storage(row));
    }
    json_write_value(w, "checkpoints", render_checkpoints(m, vm));
    json_write_text(w, "cpu_mode", vm->cpu_mode);
    json_write_text(w, "cpu_model", vm->cpu_model);
    json_write_text(w, "arch", vm->arch);
    json_write_text(w, "machine", vm->machine);
    json_write_text(w, "machine_running", vm->machine_running);
    json_write_value(w, "networks", names(&vm->networks));
    json_write_object_end(w);
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

/* All that ipc_read() does not write itself. */
static json_t *read_small(struct ipc_view *view, const struct ipc_request *request,
                          struct ipc_error *error) {
    const struct ipc_args *args = &request->args;
    switch ((enum ipc_read_verb)request->verb->what) {
    case READ_NODE_LIST: return json_pack("{so}", "nodes", nodes(view));
    case READ_NODE_SHOW: return node_show(view, args->name, error);
    case READ_VM_HISTORY: return vm_history(view, args->name, error);
    case READ_VM_EXPLAIN: return explain(view, args->name, error);
    case READ_VOLUME_LIST: return json_pack("{so}", "volumes", volumes(view));
    case READ_VOLUME_SHOW: return volume_show(view, args->name, error);
    case READ_DEVICE_LIST: return json_pack("{so}", "devices", devices(view));
    case READ_OPERATION_LIST: return json_pack("{so}", "operations", operations(view));
    case READ_OPERATION_SHOW: return operation_show(view, args->number, error);
    case READ_EVENT_LIST: return json_pack("{so}", "events", events(view, args));
    case READ_CONFIG_LIST: return json_pack("{so}", "config", config(view));
    case READ_RULE_LIST: return json_pack("{so}", "rules", rules(view));
    case READ_RULE_SHOW: return rule_show(view, args->name, error);
    case READ_CONFIG_GET: return config_get(view, args->name, error);
    case READ_EXPORT: return render_cluster(view, error);
    case READ_STATUS:
    case READ_VM_LIST:
    case READ_VM_SHOW:
    case READ_COUNT: break;
    }
    return NULL;
}

int ipc_read(struct ipc_view *view, const struct ipc_request *request, struct json_writer *w,
             struct ipc_error *ret_error) {
    CHECK(request->verb->kind == IPC_READ);
    ret_error->code = NULL;
    enum ipc_read_verb verb = (enum ipc_read_verb)request->verb->what;
    if (verb == READ_STATUS) {
        write_status(w, view);
    } else if (verb == READ_VM_LIST) {
        write_vms(w, view);
    } else if (verb == READ_VM_SHOW) {
        write_vm_show(w, view, request->args.name, ret_error);
    } else {
        json_write_members(w, read_small(view, request, ret_error));
    }
    if (w->out.failed && !ret_error->code) {
        (void)ipc_fail(ret_error, "failed", "", "clusterd is out of memory");
    }
    return ret_error->code ? -EINVAL : 0;
}
