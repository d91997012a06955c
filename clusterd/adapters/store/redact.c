/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log entries and snapshots without secrets; see redact.h.
 */
#include "adapters/store/redact.h"

#include "base/secret.h"
#include "base/owned.h"
#include "core/replica/log.h"
#include "core/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Hide all values, not only those of keys that sound secret: the table of such keys may have a gap,
 * and the keys alone tell a helper enough. */
static int hide_values(struct arena *arena, struct wire_strs *values) {
    const char **hidden = arena_array(arena, values->n + 1u, sizeof(*hidden));
    if (!hidden) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < values->n; i++) {
        hidden[i] = SECRET_SHOWN;
    }
    values->v = hidden;
    return 0;
}

static int hide_xml(struct arena *arena, const char **xml) {
    /* An empty definition is refused: it must stay empty, and no other may become empty. */
    char *hidden = redact_xml(*xml);
    *xml = hidden ? arena_strdup(arena, hidden) : NULL;
    free(hidden);
    return *xml ? 0 : -ENOMEM;
}

static int hide_in_command(struct arena *arena, uint32_t type, void *command) {
    if (type == COMMAND_DEVICE_ADD) {
        return hide_values(arena, &((struct cmd_device_add *)command)->values);
    }
    if (type == COMMAND_VM_ADD) {
        return hide_xml(arena, &((struct cmd_vm_add *)command)->xml);
    }
    if (type == COMMAND_VM_STORAGE) {
        return hide_xml(arena, &((struct cmd_vm_storage *)command)->xml);
    }
    if (type == COMMAND_CONFIG_SET) {
        struct cmd_config_set *set = command;
        bool number = set->value[strspn(set->value, "0123456789")] == '\0';
        set->value = number ? set->value : SECRET_SHOWN;
    }
    return 0;
}

static int redact_command(struct arena *arena, struct log_command *entry, struct buffer *body) {
    const struct wire_record *record = command_record(entry->type);
    if (!record) {
        entry->body = (struct wire_bytes){.data = (const uint8_t *)""};
        return 0;
    }
    void *command = arena_alloc(arena, record->size);
    if (!command) {
        return -ENOMEM;
    }
    int err = wire_decode(record, entry->body.data, entry->body.size, arena, command, NULL);
    if (err == 0) {
        err = hide_in_command(arena, entry->type, command);
    }
    if (err < 0) {
        return err;
    }
    wire_encode(record, command, body);
    entry->body = (struct wire_bytes){.data = body->data, .size = (uint32_t)body->size};
    return body->failed ? -ENOMEM : 0;
}

int redact_entry(const struct core_entry *entry, struct buffer *out) {
    struct arena arena;
    struct buffer body;
    struct log_command command;
    arena_init(&arena);
    buffer_init(&body);
    int err = wire_decode(&log_command_record, entry->data, entry->size, &arena, &command, NULL);
    if (err == 0) {
        err = redact_command(&arena, &command, &body);
    }
    if (err == 0) {
        wire_encode(&log_command_record, &command, out);
        err = out->failed ? -ENOMEM : 0;
    }
    buffer_finish(&body);
    arena_finish(&arena);
    return err;
}

static int hide_owned_xml(const char **xml) {
    char *hidden = redact_xml(*xml);
    if (!hidden) {
        return -ENOMEM;
    }
    owned_free(*xml);
    *xml = hidden;
    return 0;
}

/* The rows own their texts: replace them in place. */
static int redact_model(struct model *m) {
    int err = 0;
    MODEL_EACH(model_device, device, &m->devices) {
        for (uint32_t i = 0; i < device->values.n; i++) {
            char *hidden = strdup(SECRET_SHOWN);
            const char **at = (const char **)(uintptr_t)&device->values.v[i];
            if (!hidden) {
                return -ENOMEM;
            }
            owned_free(*at);
            *at = hidden;
        }
    }
    MODEL_EACH(model_vm, found, &m->vms) {
        struct model_vm *vm = model_row(&m->vms, found);
        err = err < 0 ? err : hide_owned_xml(&vm->xml);
    }
    MODEL_EACH(model_journal, found, &m->journal) {
        struct model_journal *row = model_row(&m->journal, found);
        err = err < 0 ? err : hide_owned_xml(&row->xml);
    }
    return err;
}

int redact_snapshot(const uint8_t *data, size_t size, struct buffer *out) {
    struct model m;
    model_init(&m);
    int err = model_decode(&m, data, size);
    if (err == 0) {
        err = redact_model(&m);
    }
    if (err == 0) {
        model_encode(&m, out);
        err = out->failed ? -ENOMEM : 0;
    }
    model_finish(&m);
    return err;
}
