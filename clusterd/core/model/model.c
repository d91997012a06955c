/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of rows, their look-ups, and the whole model as bytes; see model.h.
 */
#include "core/model/model.h"

#include "base/check.h"
#include "base/owned.h"
#include "base/hash.h"
#include "wire/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

WIRE_DEFINE(model_node);
WIRE_DEFINE(model_vm);
WIRE_DEFINE(model_volume);
WIRE_DEFINE(model_health);
WIRE_DEFINE(model_device);
WIRE_DEFINE(model_setting);
WIRE_DEFINE(operation_vm);
WIRE_DEFINE(vm_stay);
WIRE_DEFINE(model_operation);
WIRE_DEFINE(model_event);
WIRE_DEFINE(model_rule);
WIRE_DEFINE(model_journal);
WIRE_DEFINE(model_leftover);
WIRE_DEFINE(model_checkpoint);

/* A snapshot: the counters, then each table's rows. */
/* clang-format off */
#define WIRE_FIELDS_model_counters(F, S) \
    F(S, U64, epoch, 0)                  \
    F(S, U64, index, 0)                  \
    F(S, U64, last_event, 0)             \
    F(S, U32, last_vm, 0)                \
    F(S, U32, last_volume, 0)            \
    F(S, IDS, members, WIRE_MAX_NODES)   \
    F(S, U32, protocol, 0)               \
    F(S, U32, needs, 0)
WIRE_STRUCT(model_counters);
WIRE_DEFINE(model_counters);
/* clang-format on */

void model_init(struct model *m) {
    *m = (struct model){.speaks = PROTOCOL_HIGHEST};
#define X(table, type) m->table.record = &type##_record;
    MODEL_TABLES(X)
#undef X
}

static void *row_at(const struct model_table *table, uint32_t i) {
    return (uint8_t *)table->rows + (size_t)i * table->record->size;
}

static void table_finish(struct model_table *table) {
    for (uint32_t i = 0; i < table->n; i++) {
        wire_release(table->record, row_at(table, i));
    }
    free(table->rows);
    *table = (struct model_table){.record = table->record};
}

void model_finish(struct model *m) {
#define X(table, type) table_finish(&m->table);
    MODEL_TABLES(X)
#undef X
    owned_free(m->members.v);
    model_init(m);
}

void *model_add(struct model_table *table) {
    if (table->n == table->capacity) {
        uint32_t capacity = table->capacity ? table->capacity * 2 : 8;
        void *rows = realloc(table->rows, (size_t)capacity * table->record->size);
        if (!rows) {
            return NULL;
        }
        table->rows = rows;
        table->capacity = capacity;
    }
    void *row = row_at(table, table->n);
    void *empty = calloc(1, table->record->size);
    int err = empty ? wire_copy(table->record, empty, row) : -ENOMEM;
    free(empty);
    if (err < 0) {
        return NULL;
    }
    table->n++;
    return row;
}

void model_remove(struct model_table *table, const void *row) {
    void *own = model_row(table, row);
    size_t size = table->record->size;
    size_t after = (size_t)((uint8_t *)table->rows + table->n * size - (uint8_t *)own) - size;
    wire_release(table->record, own);
    memmove(own, (uint8_t *)own + size, after);
    table->n--;
}

void *model_row(const struct model_table *table, const void *found) {
    if (!found) {
        return NULL;
    }
    size_t size = table->record->size;
    size_t offset = (size_t)((const uint8_t *)found - (const uint8_t *)table->rows);
    CHECK(offset < table->n * size && offset % size == 0);
    return (uint8_t *)table->rows + offset;
}

/* ------------------------------------------------------------------------------ look-ups ---- */

const struct model_node *model_node_by_id(const struct model *m, uint32_t id) {
    MODEL_EACH(model_node, node, &m->nodes) {
        if (node->id == id) {
            return node;
        }
    }
    return NULL;
}

const struct model_node *model_node_by_name(const struct model *m, const char *name) {
    MODEL_EACH(model_node, node, &m->nodes) {
        if (strcmp(node->name, name) == 0) {
            return node;
        }
    }
    return NULL;
}

/* Ids only grow and rows keep their order: the table is sorted by id. */
const struct model_vm *model_vm_by_id(const struct model *m, uint32_t id) {
    uint32_t low = 0, high = m->vms.n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct model_vm *vm = row_at(&m->vms, middle);
        if (vm->id == id) {
            return vm;
        }
        if (vm->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct model_vm *model_vm_by_name(const struct model *m, const char *name) {
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (strcmp(vm->name, name) == 0) {
            return vm;
        }
    }
    return NULL;
}

const struct model_vm *model_vm_by_uuid(const struct model *m, const char *uuid) {
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (strcmp(vm->uuid, uuid) == 0) {
            return vm;
        }
    }
    return NULL;
}

const struct model_volume *model_volume_by_name(const struct model *m, const char *name) {
    MODEL_EACH(model_volume, volume, &m->volumes) {
        if (strcmp(volume->name, name) == 0) {
            return volume;
        }
    }
    return NULL;
}

const struct model_health *model_health_of(const struct model *m, uint32_t volume, uint32_t node) {
    MODEL_EACH(model_health, health, &m->health) {
        if (health->volume == volume && health->node == node) {
            return health;
        }
    }
    return NULL;
}

const struct model_device *model_device_by_name(const struct model *m, const char *name) {
    MODEL_EACH(model_device, device, &m->devices) {
        if (strcmp(device->name, name) == 0) {
            return device;
        }
    }
    return NULL;
}

const struct model_device *model_device_for(const struct model *m, uint32_t node) {
    const struct model_device *for_all = NULL;
    MODEL_EACH(model_device, device, &m->devices) {
        if (ids_contain(&device->nodes, node)) {
            return device;
        }
        if (device->nodes.n == 0 && !for_all) {
            for_all = device;
        }
    }
    return for_all;
}

const struct model_rule *model_rule_by_name(const struct model *m, const char *name) {
    MODEL_EACH(model_rule, rule, &m->rules) {
        if (strcmp(rule->name, name) == 0) {
            return rule;
        }
    }
    return NULL;
}

const struct model_operation *model_operation_by_id(const struct model *m, uint64_t id) {
    MODEL_EACH(model_operation, operation, &m->operations) {
        if (operation->id == id) {
            return operation;
        }
    }
    return NULL;
}

bool model_vm_has_tpm(const struct model_vm *vm) {
    return strstr(vm->xml, "<tpm") != NULL;
}

const struct model_journal *model_journal_of_vm(const struct model *m, uint32_t vm) {
    MODEL_EACH(model_journal, row, &m->journal) {
        if (row->vm == vm) {
            return row;
        }
    }
    return NULL;
}

bool model_vm_is_bound(const struct model *m, const struct model_vm *vm) {
    const struct model_journal *row = model_journal_of_vm(m, vm->id);
    return row && (row->phase == STORAGE_MIRROR || row->phase == STORAGE_CONTINUE);
}

bool model_vm_is_held(const struct model *m, const struct model_vm *vm) {
    return vm->release || model_vm_is_bound(m, vm);
}

bool model_journal_is_called_off(const struct model *m, const struct model_journal *row) {
    const struct model_operation *op = model_operation_by_id(m, row->operation);
    return op && (op->cancelled || op->state != OPERATION_RUNNING);
}

bool model_node_sees_volumes(const struct model *m, uint32_t node, const struct wire_strs *names) {
    bool sees = true;
    for (uint32_t i = 0; i < names->n; i++) {
        const struct model_volume *volume = model_volume_by_name(m, names->v[i]);
        const struct model_health *health = volume ? model_health_of(m, volume->id, node) : NULL;
        sees = sees && (!volume || (health && health->state == VOLUME_OK));
    }
    return sees;
}

const char *model_journal_waits(const struct model *m, const struct model_journal *row) {
    const struct model_vm *vm = model_vm_by_id(m, row->vm);
    bool sees = false;
    bool of_move = row->kind == JOURNAL_STORAGE;
    /* Whoever has the order is at work; and what QEMU does, its own node does. */
    if (!vm || vm->order != ORDER_NONE || model_vm_is_bound(m, vm) ||
        (!of_move && vm->state != VM_OFF)) {
        return NULL;
    }
    for (uint32_t i = 0; i < m->members.n; i++) {
        const struct model_node *node = model_node_by_id(m, m->members.v[i]);
        if (node && model_node_sees_volumes(m, node->id, &vm->volumes) &&
            model_node_sees_volumes(m, node->id, &row->volumes)) {
            if (node->service == SERVICE_ACTIVE) {
                return NULL;
            }
            sees = true;
        }
    }
    if (!of_move) {
        return sees ? "it waits: the nodes that have all volumes of the VM are drained"
                    : "it waits: no node has all volumes of the VM";
    }
    return sees ? "it waits: the nodes that have all volumes of the move are drained"
                : "it waits: no node has all volumes of the move";
}

const char *model_node_name(const struct model *m, uint32_t id) {
    const struct model_node *node = model_node_by_id(m, id);
    return node ? node->name : "a node that is not configured";
}

bool ids_contain(const struct wire_ids *ids, uint32_t id) {
    for (uint32_t i = 0; i < ids->n; i++) {
        if (ids->v[i] == id) {
            return true;
        }
    }
    return false;
}

uint32_t model_coordinator(const struct model *m) {
    return m->members.n ? m->members.v[0] : 0;
}

bool model_vm_may_run_on(const struct model_vm *vm, uint32_t node) {
    switch ((enum vm_state)vm->state) {
    case VM_OFF:
    case VM_SAVED: return false;
    case VM_STARTING:
    case VM_RUNNING:
    case VM_STOPPING:
    case VM_SAVING:
    case VM_RESTORING: return vm->owner == node;
    case VM_MIGRATING:
    case VM_RESOLVING: return vm->owner == node || (vm->target == node && node != 0);
    }
    return true;
}

bool model_vm_is_foreign(const struct model_vm *vm, uint64_t generation) {
    return generation == 0 || generation < vm->added;
}

bool model_node_is_stuck(const struct model *m, const struct model_node *node) {
    bool stuck = false;
    if (node->state != NODE_ONLINE || node->libvirt[0] == '\0') {
        return false;
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (!model_vm_may_run_on(vm, node->id)) {
            continue;
        }
        /* What is being adopted ran there before: it is no reason to end it. */
        bool started = order_makes_copy(vm->unclear) && vm->unclear != ORDER_ADOPT;
        if (vm->state != VM_RESOLVING || !started || vm->owner != node->id) {
            return false;
        }
        stuck = true;
    }
    return stuck;
}

bool model_node_works_on_files(const struct model *m, uint32_t node) {
    bool works = false;
    MODEL_EACH(model_vm, vm, &m->vms) {
        works = works ||
                (order_on_files(vm->order) && !order_by_owner(vm->order) && vm->order_node == node);
    }
    MODEL_EACH(model_journal, row, &m->journal) {
        works = works || (row->kind == JOURNAL_CHECKPOINT && row->held_by == node);
    }
    return works;
}

bool model_node_holds_vms(const struct model *m, uint32_t node) {
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (model_vm_may_run_on(vm, node)) {
            return true;
        }
    }
    return model_node_works_on_files(m, node);
}

/* ------------------------------------------------------------------------------ as bytes ---- */

static void table_encode(const struct model_table *table, struct buffer *out) {
    buffer_append_u32(out, table->n);
    for (uint32_t i = 0; i < table->n; i++) {
        wire_encode(table->record, row_at(table, i), out);
    }
}

/* The last table that has rows, and all before it: a reader tells them apart by their order. */
static uint32_t tables_to_write(const struct model *m) {
    uint32_t i = 0, n = MODEL_TABLES_WRITTEN;
#define X(table, type) \
    i++;               \
    n = m->table.n > 0 && i > n ? i : n;
    MODEL_TABLES(X)
#undef X
    return n;
}

void model_encode(const struct model *m, struct buffer *out) {
    struct model_counters counters = {.epoch = m->epoch,
                                      .index = m->index,
                                      .last_event = m->last_event,
                                      .last_vm = m->last_vm,
                                      .last_volume = m->last_volume,
                                      .members = m->members,
                                      .protocol = m->protocol,
                                      .needs = m->needs};
    wire_encode(&model_counters_record, &counters, out);
    uint32_t left = tables_to_write(m);
#define X(table, type)                \
    if (left > 0) {                   \
        table_encode(&m->table, out); \
        left--;                       \
    }
    MODEL_TABLES(X)
#undef X
}

struct cursor {
    const uint8_t *data;
    size_t left;
    struct arena arena;
};

static int take_record(struct cursor *c, const struct wire_record *record, void *value) {
    size_t used = 0;
    int err = wire_decode(record, c->data, c->left, &c->arena, value, &used);
    c->data += used;
    c->left -= used;
    return err;
}

static int table_decode(struct model_table *table, struct cursor *c, bool may_be_absent) {
    if (c->left == 0 && may_be_absent) {
        return 0;
    }
    if (c->left < 4) {
        return -EBADMSG;
    }
    uint32_t n = (uint32_t)c->data[0] | (uint32_t)c->data[1] << 8 | (uint32_t)c->data[2] << 16 |
                 (uint32_t)c->data[3] << 24;
    c->data += 4;
    c->left -= 4;
    for (uint32_t i = 0; i < n; i++) {
        void *value = arena_alloc(&c->arena, table->record->size);
        int err = value ? take_record(c, table->record, value) : -ENOMEM;
        if (err < 0) {
            return err;
        }
        void *row = model_add(table);
        if (!row) {
            return -ENOMEM;
        }
        wire_release(table->record, row);
        err = wire_copy(table->record, value, row);
        if (err < 0) {
            table->n--;
            return err;
        }
        arena_reset(&c->arena);
    }
    return 0;
}

static int counters_decode(struct model *m, struct cursor *c) {
    struct model_counters counters;
    int err = take_record(c, &model_counters_record, &counters);
    struct model_counters copy = {0};
    if (err == 0) {
        err = wire_copy(&model_counters_record, &counters, &copy);
    }
    if (err < 0) {
        return err;
    }
    m->epoch = copy.epoch;
    m->index = copy.index;
    m->last_event = copy.last_event;
    m->last_vm = copy.last_vm;
    m->last_volume = copy.last_volume;
    m->members = copy.members;
    m->protocol = copy.protocol;
    m->needs = copy.needs;
    return 0;
}

/* As VMs are added, and as they are looked for (core/planner/index.c). */
static bool vm_ids_ascend(const struct model *m) {
    uint32_t last = 0;
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (vm->id <= last) {
            return false;
        }
        last = vm->id;
    }
    return last <= m->last_vm;
}

int model_decode(struct model *m, const uint8_t *data, size_t size) {
    struct cursor c = {.data = data, .left = size};
    arena_init(&c.arena);
    int err = counters_decode(m, &c);
    /* A snapshot of version 1 ends before the rules. */
    uint32_t i = 0;
#define X(table, type)                                                \
    i++;                                                              \
    if (err == 0) {                                                   \
        err = table_decode(&m->table, &c, i >= MODEL_TABLES_WRITTEN); \
    }
    MODEL_TABLES(X)
#undef X
    arena_finish(&c.arena);
    if (err == 0 && (c.left != 0 || !vm_ids_ascend(m))) {
        err = -EBADMSG;
    }
    if (err < 0) {
        model_finish(m);
    }
    return err;
}

/* As model_encode(), without what may be secret. */
static void public_encode(const struct model *m, struct buffer *out) {
    struct model rest = *m;
    rest.vms.n = 0;
    rest.devices.n = 0;
    rest.journal.n = 0;
    model_encode(&rest, out);
    buffer_append_u32(out, m->vms.n);
    MODEL_EACH(model_vm, vm, &m->vms) {
        struct model_vm row = *vm;
        row.xml = "";
        wire_encode(m->vms.record, &row, out);
    }
    buffer_append_u32(out, m->devices.n);
    MODEL_EACH(model_device, device, &m->devices) {
        struct model_device row = *device;
        row.values = (struct wire_strs){0};
        wire_encode(m->devices.record, &row, out);
    }
    MODEL_EACH(model_journal, journal, &m->journal) { /* nothing while there is none */
        struct model_journal row = *journal;
        row.xml = "";
        wire_encode(m->journal.record, &row, out);
    }
}

uint64_t model_digest(const struct model *m) {
    struct buffer b;
    buffer_init(&b);
    public_encode(m, &b);
    uint64_t digest = b.failed ? 0 : fnv64(FNV64_START, b.data, b.size);
    buffer_finish(&b);
    return digest;
}
