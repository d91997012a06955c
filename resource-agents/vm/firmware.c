/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware files that a definition names. See firmware.h. */
#include "firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "xml.h"

static const char *path_or_null(const char *path) {
    return path != NULL && path[0] == '/' ? path : NULL;
}

struct firmware firmware_of(const struct definition *definition) {
    const xmlNode *os = xml_child(definition->domain, "os");
    const xmlNode *loader = xml_child(os, "loader");
    const xmlNode *nvram = xml_child(os, "nvram");
    const xmlNode *source = xml_child(nvram, "source");
    const char *type = xml_attr(nvram, "type");
    struct firmware firmware = {
        .loader = path_or_null(xml_text(loader)),
        .loader_format = xml_attr(loader, "format"),
        .nvram_format = xml_attr(nvram, "format"),
        .blank = path_or_null(xml_attr(nvram, "template")),
    };

    if (type == NULL || strcmp(type, "file") == 0) {
        firmware.nvram = path_or_null(source != NULL ? xml_attr(source, "file") : xml_text(nvram));
    }
    const char *blank_format = xml_attr(nvram, "templateFormat");
    firmware.blank_format = blank_format != NULL ? blank_format : firmware.nvram_format;
    return firmware;
}

const char *firmware_format(const char *path) {
    static const char qcow[] = {'Q', 'F', 'I', '\xfb'};
    char head[sizeof(qcow)];

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    ssize_t n = read(fd, head, sizeof(head));
    int r = errno;
    close(fd);
    if (n < 0) {
        errno = r;
        return NULL;
    }
    return n == (ssize_t)sizeof(head) && memcmp(head, qcow, sizeof(qcow)) == 0 ? "qcow2" : "raw";
}
