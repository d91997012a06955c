/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules' findings, and the volumes that a definition uses. See check.h. */
#include "check.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "xml.h"

void check_append(struct check *check, json_t *array, json_t *item) {
    if (json_array_append_new(array, item) < 0) {
        check->incomplete = true; /* a lost refusal must not become an approval */
    }
}

__attribute__((format(printf, 4, 0))) static void add_finding(struct check *check, json_t *list,
                                                              const xmlNode *element,
                                                              const char *format, va_list args) {
    char path[512];
    char reason[1024];

    xml_path(element, path, sizeof(path));
    if (vsnprintf(reason, sizeof(reason), format, args) < 0) {
        reason[0] = '\0';
    }
    check_append(check, list,
                 json_pack("{so so}", "element", jsonl_text(path), "reason", jsonl_text(reason)));
}

void check_refuse(struct check *check, const xmlNode *element, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add_finding(check, check->problems, element, format, args);
    va_end(args);
}

void check_warn(struct check *check, const xmlNode *element, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add_finding(check, check->warnings, element, format, args);
    va_end(args);
}

static void note_volume(struct check *check, const char *name) {
    size_t i;
    json_t *known;

    json_array_foreach (check->volumes, i, known) {
        if (strcmp(json_string_value(known), name) == 0) {
            return;
        }
    }
    check_append(check, check->volumes, jsonl_text(name));
}

void check_on_volume(struct check *check, const xmlNode *element, const char *what,
                     const char *path) {
    char normal[PATH_MAX];

    if (path_normalize(path, normal, sizeof(normal)) < 0) {
        check_refuse(check, element, "%s is %s: give an absolute path without \"..\"", what, path);
        return;
    }
    const struct volume *volume = volumes_find(check->known, path);
    if (volume == NULL) {
        check_refuse(check, element,
                     "%s %s is on none of the cluster's %zu volumes, so no other node could start "
                     "the VM; move it to a volume (clusterctl volume list)",
                     what, normal, check->known->count);
        return;
    }
    note_volume(check, volume->name);
}

void check_installed_or_on_volume(struct check *check, const xmlNode *element, const char *what,
                                  const char *path) {
    char normal[PATH_MAX];

    if (path_normalize(path, normal, sizeof(normal)) == 0 && path_is_in(normal, "/usr")) {
        return; /* packages install it, the same on every node */
    }
    check_on_volume(check, element, what, path);
}
