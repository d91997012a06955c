/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl host ...: hosts that need not be in a cluster. The VM agent of this machine asks them;
 * clusterd is not needed.
 */
#include "cli.h"
#include "commands/vm_agent.h"
#include "output/lists.h"
#include "output/print.h"
#include "output/table.h"
#include "output/text.h"
#include "verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COMMAND "host inspect"

/* "a, b (inactive)": the names of objects that may be inactive. The caller frees it. */
static char *join_names(const json_t *objects) {
    char *text = NULL;
    size_t size = 0;
    size_t i = 0;
    json_t *object = NULL;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    json_array_foreach (objects, i, object) {
        const char *name =
            json_is_string(object) ? json_string_value(object) : json_text(object, "name");
        bool inactive = json_is_false(json_object_get(object, "active"));
        print_text(out, "%s%s%s", i > 0 ? ", " : "", name, inactive ? " (inactive)" : "");
    }
    fclose(out);
    return text;
}

static void view_list(const struct screen *out, const char *title, const json_t *objects) {
    text_auto *names = join_names(objects);
    view_field(out, STYLE_PLAIN, title, "%s", names != NULL && names[0] != '\0' ? names : "none");
}

static void view_vms_of_host(const struct screen *out, const json_t *vms) {
    static const struct table_column columns[] = {{"VM", TABLE_NAME},       {"STATE", TABLE_WORD},
                                                  {"MEMORY", TABLE_FIGURE}, {"CPUS", TABLE_FIGURE},
                                                  {"DISKS", TABLE_FIGURE},  {"SIZE", TABLE_FIGURE}};
    size_t i = 0;
    json_t *vm = NULL;
    if (json_array_size(vms) == 0) {
        return;
    }
    struct table *table = table_create(out, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (vms, i, vm) {
        const json_t *disks = json_object_get(vm, "disks");
        char memory[TEXT_MAX];
        char size[TEXT_MAX];
        int64_t bytes = 0;
        size_t k = 0;
        json_t *disk = NULL;
        json_array_foreach (disks, k, disk) {
            bytes += json_number(disk, "bytes");
        }
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(vm, "name"));
        table_cell(table, screen_state_style(json_text(vm, "state")), "%s", json_text(vm, "state"));
        table_cell(table, STYLE_PLAIN, "%s", text_megabytes(json_number(vm, "memory_mb"), memory));
        table_cell(table, STYLE_PLAIN, "%" PRId64, json_number(vm, "vcpus"));
        table_cell(table, STYLE_PLAIN, "%zu", json_array_size(disks));
        table_cell(table, STYLE_PLAIN, "%s", text_megabytes((bytes + 1048575) / 1048576, size));
    }
    fputc('\n', out->file);
    table_print(table);
    table_destroy(table);
}

/* What stands in the way, one line for each reason. */
static void view_obstacles(const struct screen *out, const json_t *vms, const char *member,
                           const char *where) {
    size_t i = 0;
    json_t *vm = NULL;
    json_array_foreach (vms, i, vm) {
        const json_t *reasons = json_object_get(vm, member);
        size_t k = 0;
        json_t *reason = NULL;
        json_array_foreach (reasons, k, reason) {
            char line[1200];
            snprintf(line, sizeof(line), "%s cannot move to %s: %s", json_text(vm, "name"), where,
                     json_string_value(reason));
            text_wrap(out->file, line, 2, out->terminal ? out->columns - 1 : 0);
        }
    }
}

static void view_host(const struct screen *out, const json_t *host, const char *to) {
    char total[TEXT_MAX];
    char free_text[TEXT_MAX];
    const json_t *vms = json_object_get(host, "vms");
    view_field(out, STYLE_BOLD, "host", "%s", json_text(host, "name"));
    view_field(out, STYLE_PLAIN, "libvirt", "%s, QEMU %s", json_text(host, "libvirt"),
               json_text(host, "qemu"));
    view_field(out, STYLE_PLAIN, "CPUs", "%" PRId64, json_number(host, "cpus"));
    view_field(out, STYLE_PLAIN, "memory", "%s, %s free",
               text_megabytes(json_number(host, "memory_mb"), total),
               text_megabytes(json_number(host, "memory_free_mb"), free_text));
    view_list(out, "pools", json_object_get(host, "pools"));
    view_list(out, "networks", json_object_get(host, "networks"));
    view_list(out, "interfaces", json_object_get(host, "interfaces"));
    view_vms_of_host(out, vms);
    fputc('\n', out->file);
    view_obstacles(out, vms, "to_cluster", "a cluster");
    if (to != NULL) {
        view_obstacles(out, vms, "to_host", to);
    }
}

int command_host_inspect(struct cli *cli, char **words) {
    const char *to = options_value(&cli->options, OPTION_TO);
    json_auto *answer = NULL;
    const char *const params[][2] = {{"OCF_RESKEY_uri", words[0]},
                                     {"OCF_RESKEY_name", words[0]},
                                     {"OCF_RESKEY_timeout_ms", "25000"},
                                     {"OCF_RESKEY_target_uri", to != NULL ? to : ""},
                                     {NULL, NULL}};
    const struct vm_question question = {
        .command = COMMAND, .action = "host-inspect", .name = words[0], .params = params};
    int code = vm_agent_ask(cli, &question, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    const json_t *host = json_object_get(answer, "host");
    if (!vm_agent_agrees(answer) || host == NULL) {
        return cli_fail(cli, json_flag(answer, "refused") ? CLI_REFUSED : CLI_FAILED, NULL, "%s",
                        json_text(answer, "reason"));
    }
    if (cli->json) {
        json_auto *document = json_pack("{s:b, s:O}", "ok", 1, "host", host);
        cli_print_json(document);
    } else {
        view_host(&cli->out, host, to);
    }
    return CLI_DONE;
}
