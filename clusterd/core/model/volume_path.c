/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * At which path a volume may be; see volume_path.h.
 */
#include "core/model/volume_path.h"

#include "base/clean.h"
#include "base/path.h"
#include "core/model/model.h"

#include <errno.h>
#include <string.h>

const char *volume_path_refusal(const char *path, char ret_path[WIRE_MAX_PATH + 1]) {
    char normal[WIRE_MAX_PATH + 1];
    if (path[0] != '/') {
        return "is not an absolute path";
    }
    if (path[strcspn(path, ":=,")]) {
        return "has a ':', '=' or ',', which agents cannot be told";
    }
    for (const char *at = path; *at; at += clean_first(at).bytes) {
        if (!clean_first(at).safe) {
            return "has a character that cannot be shown";
        }
    }
    int r = path_normalize(path, normal, sizeof(normal));
    if (r < 0) {
        return r == -EINVAL ? "has '..', which may lead elsewhere on each node" : "is too long";
    }
    if (strcmp(normal, "/") == 0) {
        return "is the root of each node's own file system";
    }
    memcpy(ret_path, normal, sizeof(normal));
    return NULL;
}

const struct model_volume *volume_at_path(const struct model *m, const char *path) {
    MODEL_EACH(model_volume, volume, &m->volumes) {
        char normal[WIRE_MAX_PATH + 1];
        bool same = path_normalize(volume->path, normal, sizeof(normal)) == 0
                        ? strcmp(normal, path) == 0
                        : strcmp(volume->path, path) == 0;
        if (same) {
            return volume;
        }
    }
    return NULL;
}
