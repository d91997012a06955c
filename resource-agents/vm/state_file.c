/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The saved state of a VM as a file on a volume. See state_file.h. */
#include "state_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sync.h"
#include "volumes.h"

int state_file_definition(virConnectPtr conn, const char *path, struct state_info *ret_info,
                          struct definition *ret_definition) {
    struct definition definition;
    struct state_info info;
    char reason[256];

    char *xml = virDomainSaveImageGetXMLDesc(conn, path, VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);
    if (xml == NULL) {
        return -EIO;
    }
    int r = definition_parse(xml, strlen(xml), &definition, reason, sizeof(reason));
    free(xml);
    if (r < 0) {
        return -EIO;
    }
    if (definition_uuid(&definition, info.uuid) < 0) {
        definition_finish(&definition);
        return -EIO;
    }
    info.generation = definition_generation(&definition);
    *ret_info = info;
    *ret_definition = definition;
    return 0;
}

int state_file_read(virConnectPtr conn, const char *path, struct state_info *ret_info) {
    struct definition definition;

    int r = state_file_definition(conn, path, ret_info, &definition);
    if (r == 0) {
        definition_finish(&definition);
    }
    return r;
}

bool state_file_exists(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno != ENOENT; /* whatever is wrong with it, something is there */
    }
    close(fd);
    return true;
}

bool state_file_has_room(const char *path) {
    char parent[PATH_MAX];
    return path_parent(path, parent) == 0 && access(parent, R_OK | X_OK) == 0;
}

/* The name of a state file itself, being written, or claimed (restore.c). */
static bool is_name_of(const char *name, const char *entry, bool only_claimed) {
    size_t n = strlen(name);

    if (strncmp(entry, name, n) != 0) {
        return false;
    }
    const char *rest = entry + n;
    bool claimed = strncmp(rest, STATE_FILE_CLAIM, sizeof(STATE_FILE_CLAIM) - 1) == 0;
    return claimed || (!only_claimed && (rest[0] == '\0' || strcmp(rest, STATE_FILE_PART) == 0));
}

bool state_file_is_claimed(const char *path) {
    char parent[PATH_MAX];
    bool claimed = false;
    DIR *dir = path_parent(path, parent) == 0 ? opendir(parent) : NULL;

    for (const struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL;
         entry = readdir(dir)) {
        claimed = claimed || is_name_of(strrchr(path, '/') + 1, entry->d_name, true);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return claimed;
}

/* How many of those names were there, all removed now; negative errno: one could not be. */
static int remove_names(const char *parent, const char *path, bool only_claimed) {
    const char *name = strrchr(path, '/') + 1;
    DIR *dir = opendir(parent);
    int found = 0;
    int r = 0;

    if (dir == NULL) {
        return -errno;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (!is_name_of(name, entry->d_name, only_claimed)) {
            continue;
        }
        found++;
        if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT) {
            r = -errno;
        }
    }
    closedir(dir);
    return r < 0 ? r : found;
}

int state_file_remove(const char *path) {
    enum { ROUNDS = 8 };
    char parent[PATH_MAX];

    int r = path_parent(path, parent);
    if (r < 0) {
        return r;
    }
    r = 1;
    for (int round = 0; round < ROUNDS && r > 0; round++) {
        r = remove_names(parent, path, false); /* somebody may have renamed one meanwhile */
    }
    if (r != 0) {
        return r < 0 ? r : -EBUSY;
    }
    return sync_parent(path);
}

int state_file_make_room(const char *path, const char *part) {
    char parent[PATH_MAX];

    int r = path_parent(path, parent);
    if (r < 0) {
        return r;
    }
    if (mkdir(parent, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    if (unlink(part) < 0 && errno != ENOENT) {
        return -errno;
    }
    (void)remove_names(parent, path, true); /* only disk space is lost */
    return 0;
}

int state_file_rename(const char *from, const char *to) {
    if (rename(from, to) < 0) {
        return -errno;
    }
    return sync_parent(to);
}

int state_file_publish(const char *part, const char *path) {
    int r = sync_file(part);
    return r < 0 ? r : state_file_rename(part, path);
}
