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

/* The directory that path lies in. */
static int parent_of(const char *path, char *ret_parent, size_t size) {
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;

    if (slash == NULL || len + 2 > size) {
        return -ENAMETOOLONG;
    }
    memcpy(ret_parent, path, len);
    ret_parent[len] = '\0';
    if (len == 0) {
        memcpy(ret_parent, "/", 2);
    }
    return 0;
}

bool state_file_has_room(const char *path) {
    char parent[STATE_FILE_PATH_MAX];
    return parent_of(path, parent, sizeof(parent)) == 0 && access(parent, R_OK | X_OK) == 0;
}

static int sync_path(const char *path, int flags) {
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static int sync_parent(const char *path) {
    char parent[STATE_FILE_PATH_MAX];
    int r = parent_of(path, parent, sizeof(parent));
    return r < 0 ? r : sync_path(parent, O_DIRECTORY);
}

/* Removes claimed states (restore.c) of a VM that has run since. */
static void remove_claimed(const char *parent, const char *path) {
    const char *name = strrchr(path, '/') + 1;
    size_t len = strlen(name);
    DIR *dir = opendir(parent);

    if (dir == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strncmp(entry->d_name, name, len) == 0 &&
            strncmp(entry->d_name + len, STATE_FILE_CLAIM, sizeof(STATE_FILE_CLAIM) - 1) == 0) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0); /* only disk space is lost */
        }
    }
    closedir(dir);
}

int state_file_make_room(const char *path, const char *part) {
    char parent[STATE_FILE_PATH_MAX];

    int r = parent_of(path, parent, sizeof(parent));
    if (r < 0) {
        return r;
    }
    if (mkdir(parent, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    if (unlink(part) < 0 && errno != ENOENT) {
        return -errno;
    }
    remove_claimed(parent, path);
    return 0;
}

int state_file_rename(const char *from, const char *to) {
    if (rename(from, to) < 0) {
        return -errno;
    }
    return sync_parent(to);
}

int state_file_publish(const char *part, const char *path) {
    int r = sync_path(part, 0);
    return r < 0 ? r : state_file_rename(part, path);
}
