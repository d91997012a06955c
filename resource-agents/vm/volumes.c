/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes and the paths on them. See volumes.h. */
#include "volumes.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

bool path_is_in(const char *path, const char *dir) {
    size_t len = strlen(dir);

    if (strcmp(dir, "/") == 0) {
        return true;
    }
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

int path_parent(const char *path, char ret_parent[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;

    if (slash == NULL || len + 2 > PATH_MAX) {
        return -ENAMETOOLONG;
    }
    memcpy(ret_parent, path, len);
    ret_parent[len] = '\0';
    if (len == 0) {
        memcpy(ret_parent, "/", 2);
    }
    return 0;
}

/* One "name=path" of len bytes. */
static int parse_one(const char *text, size_t len, struct volume *ret_volume) {
    char path[PATH_MAX];
    const char *equals = memchr(text, '=', len);

    if (equals == NULL || equals == text) {
        return -EINVAL;
    }
    char *given = strndup(equals + 1, len - (size_t)(equals + 1 - text));
    if (given == NULL) {
        return -ENOMEM;
    }
    int r = path_normalize(given, path, sizeof(path));
    free(given);
    if (r < 0) {
        return r;
    }
    struct volume volume = {.name = strndup(text, (size_t)(equals - text)), .path = strdup(path)};
    if (volume.name == NULL || volume.path == NULL) {
        free(volume.name);
        free(volume.path);
        return -ENOMEM;
    }
    *ret_volume = volume;
    return 0;
}

int volumes_parse(const char *text, struct volumes *ret_volumes) {
    struct volumes volumes = {.count = 0};
    int r = 0;

    for (const char *p = text; *p != '\0' && r == 0;) {
        size_t len = strcspn(p, ":");
        if (len > 0 && volumes.count == VOLUMES_MAX) {
            r = -E2BIG;
        } else if (len > 0) {
            r = parse_one(p, len, &volumes.items[volumes.count]);
            volumes.count += r == 0 ? 1 : 0;
        }
        p += len + (p[len] == ':' ? 1 : 0);
    }
    if (r < 0) {
        volumes_finish(&volumes);
        return r;
    }
    *ret_volumes = volumes;
    return 0;
}

void volumes_finish(struct volumes *volumes) {
    for (size_t i = 0; i < volumes->count; i++) {
        free(volumes->items[i].name);
        free(volumes->items[i].path);
    }
    volumes->count = 0;
}

const struct volume *volumes_find(const struct volumes *volumes, const char *path) {
    const struct volume *best = NULL;
    char normal[PATH_MAX];

    if (path_normalize(path, normal, sizeof(normal)) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < volumes->count; i++) {
        const struct volume *volume = &volumes->items[i];
        if (path_is_in(normal, volume->path) &&
            (best == NULL || strlen(volume->path) > strlen(best->path))) {
            best = volume;
        }
    }
    return best;
}
