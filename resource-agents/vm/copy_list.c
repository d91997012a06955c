/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of a storage move. See copy_list.h. */
#include "copy_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tpm.h"

bool copy_path_is_clean(const char *path) {
    for (const char *p = path; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            return false;
        }
    }
    return true;
}

static void finish_names(struct copy_names *names) {
    free(names->from);
    free(names->to);
    free(names->format);
    free(names->part);
    free(names->link);
    *names = (struct copy_names){.from = NULL};
}

static char *suffixed(const char *to, uint64_t move, const char *what) {
    char *name = NULL;
    return asprintf(&name, "%s.clusterd-%" PRIu64 ".%s", to, move, what) < 0 ? NULL : name;
}

/* What QEMU and a definition call it: other formats do not move. */
static bool format_is_known(const char *format) {
    return strcmp(format, "raw") == 0 || strcmp(format, "qcow2") == 0;
}

/* One line of len bytes. */
static int parse_line(const char *line, size_t len, uint64_t move, struct copy_names *ret_names) {
    const char *tab = memchr(line, '\t', len);
    struct copy_names names = {.from = NULL};

    if (tab == NULL) {
        return -EINVAL;
    }
    names.from = strndup(line, (size_t)(tab - line));
    const char *end = line + len;
    const char *second = memchr(tab + 1, '\t', (size_t)(end - tab - 1));
    names.to = strndup(tab + 1, (size_t)((second != NULL ? second : end) - tab - 1));
    names.format = second != NULL ? strndup(second + 1, (size_t)(end - second - 1)) : NULL;
    names.part = names.to != NULL ? suffixed(names.to, move, "part") : NULL;
    names.link = names.to != NULL ? suffixed(names.to, move, "link") : NULL;
    if (names.from == NULL || names.part == NULL || names.link == NULL ||
        (second != NULL && names.format == NULL)) {
        finish_names(&names);
        return -ENOMEM;
    }
    const char *name = strrchr(names.to, '/');
    if (names.from[0] != '/' || names.to[0] != '/' || !copy_path_is_clean(names.from) ||
        !copy_path_is_clean(names.to) || name[1] == '\0' || strlen(name + 1) > COPY_NAME_MAX ||
        strlen(names.to) > COPY_PATH_MAX || strlen(names.from) >= PATH_MAX ||
        (names.format != NULL && !format_is_known(names.format))) {
        finish_names(&names);
        return -EINVAL;
    }
    names.is_tpm = strcmp(name + 1, TPM_STATE_FILE) == 0;
    *ret_names = names;
    return 0;
}

/* The path that cannot be both, or NULL: the move would overwrite or remove it. */
static const char *find_clash(const struct copy_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        const struct copy_names *one = &list->items[i];
        for (size_t k = 0; k < list->count; k++) {
            const struct copy_names *other = &list->items[k];
            if (strcmp(one->to, other->from) == 0 || (i != k && strcmp(one->to, other->to) == 0)) {
                return one->to;
            }
            if (i != k && strcmp(one->from, other->from) == 0) {
                return one->from;
            }
        }
    }
    return NULL;
}

int copy_list_parse(const char *text, uint64_t move, struct copy_list *ret_list, char *reason,
                    size_t reason_size) {
    struct copy_list list = {.count = 0};
    int r = 0;

    for (const char *p = text; *p != '\0' && r == 0;) {
        size_t len = strcspn(p, "\n");
        if (len > 0) {
            r = list.count < COPY_FILES_MAX ? parse_line(p, len, move, &list.items[list.count])
                                            : -E2BIG;
            list.count += r == 0 ? 1 : 0;
        }
        if (r == -E2BIG || r == -ENOMEM) {
            snprintf(reason, reason_size, "parameter files: %s after %zu files", strerror(-r),
                     list.count);
        } else if (r < 0) {
            snprintf(
                reason, reason_size,
                "parameter files: line %zu is not FROM<TAB>TO with absolute paths, or that with "
                "<TAB>raw or <TAB>qcow2: %.*s",
                list.count + 1, len < 200 ? (int)len : 200, p);
        }
        p += len + (p[len] == '\n' ? 1 : 0);
    }
    const char *clash = r == 0 ? find_clash(&list) : NULL;
    if (r == 0 && list.count == 0) {
        snprintf(reason, reason_size, "parameter files names no file");
        r = -EINVAL;
    } else if (clash != NULL) {
        snprintf(reason, reason_size, "parameter files: %s is named twice", clash);
        r = -EINVAL;
    }
    if (r < 0) {
        copy_list_finish(&list);
        return r;
    }
    *ret_list = list;
    return 0;
}

void copy_list_finish(struct copy_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        finish_names(&list->items[i]);
    }
    list->count = 0;
}
