/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of names as text: see json.h.
 */
#include "json.h"

#include <stdio.h>
#include <string.h>

static void join_one(FILE *out, const char *name, const char *separator, bool *first) {
    if (name == NULL) {
        return;
    }
    /* lint: allow fprintf, because it goes to memory; whoever prints it cleans it */
    fprintf(out, "%s%s", *first ? "" : separator, name);
    *first = false;
}

char *json_join(const json_t *names, const char *separator) {
    char *text = NULL;
    size_t size = 0;
    bool first = true;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        fputs("clusterctl: out of memory\n", stderr);
        exit(1);
    }
    if (json_is_array(names)) {
        size_t i = 0;
        json_t *name = NULL;
        json_array_foreach (names, i, name) {
            join_one(out, json_string_value(name), separator, &first);
        }
    } else {
        const char *key = NULL;
        json_t *value = NULL;
        json_object_foreach ((json_t *)(uintptr_t)names, key, value) {
            join_one(out, key, separator, &first);
        }
    }
    fclose(out);
    return text;
}
