/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's objects as tables and as lists of fields: see lists.h.
 */
#include "output/lists.h"
#include "json.h"
#include "output/print.h"
#include "output/table.h"
#include "output/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { FIELD_INDENT = 14 };

void view_nodes(const struct screen *screen, const json_t *nodes) {
    static const struct table_column columns[] = {
        {"NODE", TABLE_NAME},     {"STATE", TABLE_WORD},  {"VMS", TABLE_FIGURE},
        {"MEMORY", TABLE_FIGURE}, {"CPUS", TABLE_FIGURE}, {"NOTE", TABLE_WRAP},
    };
    size_t i = 0;
    json_t *node = NULL;
    if (json_array_size(nodes) == 0) {
        fputs("no nodes\n", screen->file);
        return;
    }
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (nodes, i, node) {
        char used[TEXT_MAX];
        char total[TEXT_MAX];
        const char *reason = json_text(node, "reason");
        bool coordinator = json_flag(node, "coordinator");
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(node, "name"));
        table_cell(table, screen_state_style(json_text(node, "state")), "%s",
                   json_text(node, "state"));
        table_cell(table, STYLE_PLAIN, "%" PRId64, json_number(node, "vms"));
        table_cell(table, STYLE_PLAIN, "%s / %s",
                   text_megabytes(json_number(node, "memory_used_mb"), used),
                   text_megabytes(json_number(node, "memory_mb"), total));
        table_cell(table, STYLE_PLAIN, "%" PRId64 " / %" PRId64, json_number(node, "vcpus_used"),
                   json_number(node, "cpus"));
        table_cell(table, STYLE_PLAIN, "%s%s%s", coordinator ? "coordinator" : "",
                   coordinator && reason[0] != '\0' ? "; " : "", reason);
    }
    table_print(table);
    table_destroy(table);
}

void view_vms(const struct screen *screen, const json_t *vms) {
    static const struct table_column columns[] = {
        {"VM", TABLE_NAME},       {"STATE", TABLE_WORD},  {"NODE", TABLE_NAME},
        {"MEMORY", TABLE_FIGURE}, {"PRIO", TABLE_FIGURE}, {"NOTE", TABLE_WRAP},
    };
    size_t i = 0;
    json_t *vm = NULL;
    if (json_array_size(vms) == 0) {
        fputs("no VMs\n", screen->file);
        return;
    }
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (vms, i, vm) {
        char memory[TEXT_MAX];
        const char *target = json_text(vm, "target");
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(vm, "name"));
        table_cell(table, screen_state_style(json_text(vm, "state")), "%s", json_text(vm, "state"));
        table_cell(table, STYLE_PLAIN, "%s%s%s", json_text(vm, "owner"),
                   target[0] != '\0' ? " -> " : "", target);
        table_cell(table, STYLE_PLAIN, "%s", text_megabytes(json_number(vm, "memory_mb"), memory));
        table_cell(table, STYLE_PLAIN, "%" PRId64, json_number(vm, "priority"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(vm, "reason"));
    }
    table_print(table);
    table_destroy(table);
}

/* "ok on 3 of 3 nodes", and the nodes that disagree. The caller frees it. */
static char *volume_state(const json_t *volume, const json_t *nodes, bool *ret_ok) {
    char *text = NULL;
    size_t size = 0;
    size_t good = 0;
    size_t i = 0;
    json_t *node = NULL;
    const char *name = json_text(volume, "name");
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return strdup("");
    }
    json_array_foreach (nodes, i, node) {
        const char *state = json_text(json_object_get(node, "volumes"), name);
        good += strcmp(state, "ok") == 0 ? 1 : 0;
    }
    print_text(out, "ok on %zu of %zu nodes", good, json_array_size(nodes));
    json_array_foreach (nodes, i, node) {
        const char *state = json_text(json_object_get(node, "volumes"), name);
        if (strcmp(state, "ok") != 0) {
            print_text(out, "; %s: %s", json_text(node, "name"),
                       state[0] != '\0' ? state : "unknown");
        }
    }
    fclose(out);
    *ret_ok = good == json_array_size(nodes);
    return text;
}

void view_volumes(const struct screen *screen, const json_t *volumes, const json_t *nodes) {
    static const struct table_column columns[] = {
        {"VOLUME", TABLE_NAME}, {"PATH", TABLE_WRAP}, {"STATE", TABLE_WRAP}};
    size_t i = 0;
    json_t *volume = NULL;
    if (json_array_size(volumes) == 0) {
        fputs("no volumes\n", screen->file);
        return;
    }
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (volumes, i, volume) {
        bool ok = false;
        text_auto *state = volume_state(volume, nodes, &ok);
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(volume, "name"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(volume, "path"));
        table_cell(table, ok ? STYLE_GOOD : STYLE_WARN, "%s", state);
    }
    table_print(table);
    table_destroy(table);
}

static size_t vms_in_state(const json_t *operation, const char *state) {
    size_t count = 0;
    size_t i = 0;
    json_t *vm = NULL;
    json_array_foreach (json_object_get(operation, "vms"), i, vm) {
        count += strcmp(json_text(vm, "state"), state) == 0 ? 1 : 0;
    }
    return count;
}

void view_operations(const struct screen *screen, const json_t *operations) {
    static const struct table_column columns[] = {
        {"ID", TABLE_FIGURE},  {"KIND", TABLE_WORD},    {"SUBJECT", TABLE_NAME},
        {"STATE", TABLE_WORD}, {"STARTED", TABLE_NAME}, {"VMS", TABLE_FIGURE},
        {"NOTE", TABLE_WRAP},
    };
    size_t i = 0;
    json_t *operation = NULL;
    if (json_array_size(operations) == 0) {
        fputs("no operations\n", screen->file);
        return;
    }
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (operations, i, operation) {
        char started[TEXT_MAX];
        const char *state = json_text(operation, "state");
        table_row(table);
        table_cell(table, STYLE_BOLD, "%" PRId64, json_number(operation, "id"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(operation, "kind"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(operation, "subject"));
        table_cell(table, screen_state_style(state), "%s", state);
        table_cell(table, STYLE_PLAIN, "%.19s",
                   text_clock(json_number(operation, "started_ms"), started));
        table_cell(table, STYLE_PLAIN, "%zu/%zu", vms_in_state(operation, "done"),
                   json_array_size(json_object_get(operation, "vms")));
        table_cell(table, STYLE_PLAIN, "%s", json_text(operation, "reason"));
    }
    table_print(table);
    table_destroy(table);
}

void view_history(const struct screen *screen, const char *vm, const json_t *stays) {
    static const struct table_column columns[] = {
        {"NODE", TABLE_NAME},  {"FROM", TABLE_NAME}, {"UNTIL", TABLE_NAME},
        {"FOR", TABLE_FIGURE}, {"CAME", TABLE_WRAP}, {"WENT", TABLE_WRAP},
    };
    size_t i = 0;
    json_t *stay = NULL;
    if (json_array_size(stays) == 0) {
        print_text(screen->file, "no history of %s is recorded yet\n", vm);
        return;
    }
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (stays, i, stay) {
        char from[TEXT_MAX];
        char until[TEXT_MAX];
        char length[TEXT_MAX];
        int64_t from_ms = json_number(stay, "from_ms");
        int64_t until_ms = json_number(stay, "until_ms");
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(stay, "node"));
        table_cell(table, STYLE_PLAIN, "%.19s", text_clock(from_ms, from));
        table_cell(table, STYLE_PLAIN, "%.19s",
                   until_ms > 0 ? text_clock(until_ms, until) : "runs there");
        table_cell(table, STYLE_PLAIN, "%s",
                   until_ms > 0 ? text_duration(until_ms - from_ms, length) : "");
        table_cell(table, STYLE_PLAIN, "%s", json_text(stay, "began"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(stay, "ended"));
    }
    table_print(table);
    table_destroy(table);
}

/* "vda, vdb" */
static void join(const json_t *names, char *text, size_t size) {
    size_t used = 0;
    size_t i = 0;
    json_t *name = NULL;
    text[0] = '\0';
    json_array_foreach (names, i, name) {
        int n =
            snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", json_string_value(name));
        used += n > 0 && (size_t)n < size - used ? (size_t)n : 0;
    }
}

void view_checkpoints(const struct screen *screen, const char *vm, const json_t *checkpoints) {
    static const struct table_column columns[] = {
        {"NAME", TABLE_NAME},  {"TIME", TABLE_NAME}, {"AGE", TABLE_FIGURE},
        {"DISKS", TABLE_WRAP}, {"MADE", TABLE_WORD}, {"NOTE", TABLE_WRAP},
    };
    size_t i = 0;
    json_t *checkpoint = NULL;
    if (json_array_size(checkpoints) == 0) {
        print_text(screen->file, "%s has no checkpoints\n", vm);
        return;
    }
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (checkpoints, i, checkpoint) {
        char made[TEXT_MAX];
        char age[TEXT_MAX];
        char disks[512];
        int64_t time_ms = json_number(checkpoint, "time_ms");
        int64_t age_ms = (int64_t)time(NULL) * 1000 - time_ms;
        const char *state = json_text(checkpoint, "state");
        const char *reason = json_text(checkpoint, "reason");
        bool whole = strcmp(state, "whole") == 0;
        join(json_object_get(checkpoint, "disks"), disks, sizeof(disks));
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(checkpoint, "name"));
        table_cell(table, STYLE_PLAIN, "%.19s", text_clock(time_ms, made));
        table_cell(table, STYLE_PLAIN, "%s", text_duration(age_ms > 0 ? age_ms : 0, age));
        table_cell(table, STYLE_PLAIN, "%s", disks);
        table_cell(table, STYLE_PLAIN, "%s",
                   json_is_true(json_object_get(checkpoint, "running")) ? "running" : "off");
        table_cell(table, whole ? STYLE_PLAIN : STYLE_WARN, "%s%s%s", whole ? "" : state,
                   reason[0] != '\0' ? ": " : "", reason);
    }
    table_print(table);
    table_destroy(table);
}

void view_event(const struct screen *screen, const json_t *event) {
    char when[TEXT_MAX], since[TEXT_MAX], again[TEXT_MAX + 64] = "", by[TEXT_MAX] = "";
    char *line = NULL;
    long long repeated = json_number(event, "repeated");
    const char *severity = json_text(event, "severity");
    const char *subject = json_text(event, "subject");
    const char *message = json_text(event, "message");
    /* Most messages name their subject themselves. */
    bool named = subject[0] == '\0' || strstr(message, subject) != NULL;
    if (repeated > 0) {
        (void)snprintf(again, sizeof(again), " (repeated %lld time%s since %s)", repeated,
                       repeated == 1 ? "" : "s", text_clock(json_number(event, "first_ms"), since));
    }
    if (json_object_get(event, "uid") != NULL && json_text(event, "user")[0] != '\0') {
        (void)snprintf(by, sizeof(by), " (by %s)", json_text(event, "user"));
    } else if (json_object_get(event, "uid") != NULL) {
        (void)snprintf(by, sizeof(by), " (by user %lld)", (long long)json_number(event, "uid"));
    }
    if (asprintf(&line, "%s %s %s %s: %s%s%s%s%s", text_clock(json_number(event, "time_ms"), when),
                 json_text(event, "node"), severity, json_text(event, "kind"), named ? "" : subject,
                 named ? "" : ": ", message, by, again) < 0) {
        return;
    }
    fputs(screen_begin(screen, screen_state_style(severity)), screen->file);
    text_wrap(screen->file, line, 4, screen->terminal ? screen->columns - 1 : 0);
    fputs(screen_end(screen), screen->file);
    free(line);
}

void view_field(const struct screen *screen, enum style style, const char *name, const char *format,
                ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length <= 0) {
        free(length == 0 ? text : NULL);
        return;
    }
    print_text(screen->file, "%-*s", FIELD_INDENT, name);
    fputs(screen_begin(screen, style), screen->file);
    text_wrap(screen->file, text, FIELD_INDENT, screen->columns - 1);
    fputs(screen_end(screen), screen->file);
    free(text);
}

void view_names(const struct screen *screen, const char *name, const json_t *names) {
    if (json_is_array(names)) {
        text_auto *joined = json_join(names, ", ");
        view_field(screen, STYLE_PLAIN, name, "%s", joined);
        return;
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach ((json_t *)(uintptr_t)names, key, value) {
        text_auto *other = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        view_field(screen, STYLE_PLAIN, name, "%s: %s", key,
                   other != NULL ? other : json_string_value(value));
        name = "";
    }
}

char *storage_file_line(const json_t *file) {
    char size[TEXT_MAX];
    char *text = NULL;
    int64_t mb = (json_number(file, "bytes") + 1048575) / 1048576;
    const char *format = json_text(file, "new_format");
    if (asprintf(&text, "%s: %s -> %s, %s%s%s", json_text(file, "disk"), json_text(file, "from"),
                 json_text(file, "to"), text_megabytes(mb, size),
                 format[0] != '\0' ? ", becomes " : "", format) < 0) {
        fputs("clusterctl: out of memory\n", stderr);
        exit(1);
    }
    return text;
}

void view_storage(const struct screen *screen, const json_t *storage) {
    static const char *const phases[][2] = {
        {"copy", "the files are being copied"},
        {"undo", "the files have not moved; their copies are being removed"},
        {"finish", "the files have moved; the originals are being removed"}};
    const char *reason = json_text(storage, "reason");
    size_t i = 0;
    json_t *file = NULL;
    for (size_t k = 0; k < sizeof(phases) / sizeof(phases[0]); k++) {
        if (strcmp(phases[k][0], json_text(storage, "phase")) == 0) {
            view_field(screen, reason[0] != '\0' ? STYLE_WARN : STYLE_BUSY, "storage move",
                       "%s%s%s", phases[k][1],
                       reason[0] != '\0' ? "; the last attempt has failed: " : "", reason);
        }
    }
    json_array_foreach (json_object_get(storage, "files"), i, file) {
        text_auto *line = storage_file_line(file);
        view_field(screen, STYLE_PLAIN, i == 0 ? "files" : "", "%s", line);
    }
}
