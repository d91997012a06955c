/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network devices in sysfs. See links.h. */
#include "links.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/limits.h"

int links_append_one(json_t *list, const char *kind, const char *name) {
    char text[WIRE_MAX_NAME + 1];

    int n = snprintf(text, sizeof(text), "%s/%s", kind, name);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        return 0;
    }
    json_t *value = json_string(text); /* NULL also if it is no UTF-8 */
    return value == NULL || json_array_append_new(list, value) == 0 ? 0 : -ENOMEM;
}

/* The text of a small file in the device's directory; "" if there is none. */
static void read_text(int dir, const char *name, char *ret_text, size_t size) {
    ssize_t n = 0;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        n = read(fd, ret_text, size - 1);
        close(fd);
    }
    ret_text[n > 0 ? n : 0] = '\0';
}

static bool exists(int dir, const char *name) {
    return faccessat(dir, name, F_OK, 0) == 0;
}

/*
 * A tap has flags of its own; a macvtap says that it is one. A veth is known by the index of its
 * other end: a VLAN has such an index as well, but says that it is a VLAN.
 */
static bool belongs_to_one_guest(int dir) {
    char uevent[512];
    char index[32];
    char other[32];

    if (exists(dir, "tun_flags")) {
        return true;
    }
    read_text(dir, "uevent", uevent, sizeof(uevent));
    const char *type = strstr(uevent, "DEVTYPE=");
    if (type != NULL) {
        return strncmp(type, "DEVTYPE=macv", strlen("DEVTYPE=macv")) == 0;
    }
    read_text(dir, "ifindex", index, sizeof(index));
    read_text(dir, "iflink", other, sizeof(other));
    return strcmp(index, other) != 0;
}

static int append_device(int root, const char *name, json_t *list) {
    int dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = 0;

    if (dir < 0) {
        return 0; /* gone since, or no device ("bonding_masters") */
    }
    if (!belongs_to_one_guest(dir)) {
        r = exists(dir, "bridge") ? links_append_one(list, "bridge", name) : 0;
        r = r == 0 ? links_append_one(list, "device", name) : r;
    }
    close(dir);
    return r;
}

int links_append(const char *root, json_t *list) {
    DIR *dir = opendir(root);
    struct dirent *entry;
    int r = 0;

    if (dir == NULL) {
        return -errno;
    }
    while (r == 0 && (entry = readdir(dir)) != NULL) {
        r = entry->d_name[0] == '.' ? 0 : append_device(dirfd(dir), entry->d_name, list);
    }
    closedir(dir);
    return r;
}
