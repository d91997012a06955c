/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules' findings, and the volumes that a definition uses. See check.h. */
#include "check.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "real_path.h"
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

/* A link in the path, on the node that checks, may lead to what only this node has. */
static void check_links(struct check *check, const xmlNode *element, const char *what,
                        const char *path) {
    char real[PATH_MAX];
    int error;

    switch (real_place(check->known, path, real, &error)) {
    case REAL_ON_VOLUME: break;
    case REAL_ELSEWHERE:
        check_refuse(check, element,
                     "%s %s leads to %s by a symbolic link, which is on none of the cluster's %zu "
                     "volumes; move it to a volume, or name the file itself",
                     what, path, real, check->known->count);
        break;
    case REAL_UNKNOWN:
        check_warn(check, element,
                   "%s %s cannot be looked at on %s (%s): see that no symbolic link in it leads "
                   "off the cluster's volumes",
                   what, path, ocf_node(), strerror(-error));
        break;
    }
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
    if (check->look) {
        check_links(check, element, what, normal);
    }
}

void check_installed_or_on_volume(struct check *check, const xmlNode *element, const char *what,
                                  const char *path) {
    char normal[PATH_MAX];

    if (path_normalize(path, normal, sizeof(normal)) == 0 && path_is_in(normal, "/usr")) {
        return; /* packages install it, the same on every node */
    }
    check_on_volume(check, element, what, path);
}
