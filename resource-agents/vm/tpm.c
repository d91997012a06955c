/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The emulated TPM of a definition. See tpm.h. */
#include "tpm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "volumes.h"
#include "xml.h"

xmlNode *tpm_element(const struct definition *definition) {
    return xml_child(xml_child(definition->domain, "devices"), "tpm");
}

bool tpm_is_libvirts(const struct definition *definition) {
    const xmlNode *tpm = tpm_element(definition);
    return tpm != NULL && !xml_attr_is(xml_child(tpm, "backend"), "type", "external");
}

int tpm_state_dir(const struct definition *definition, char ret_dir[PATH_MAX]) {
    const xmlNode *backend = xml_child(tpm_element(definition), "backend");
    const xmlNode *source = xml_child(backend, "source");
    const char *path = xml_attr(source, "path");

    if (!xml_attr_is(backend, "type", "emulator") || !xml_attr_is(source, "type", "dir") ||
        path == NULL || path_normalize(path, ret_dir, PATH_MAX) < 0) {
        return -ENOENT;
    }
    return 0;
}

int tpm_socket(const char *name, char ret_socket[PATH_MAX]) {
    enum { SUN_PATH_MAX = 107 };
    int n = snprintf(ret_socket, PATH_MAX, TPM_RUN_DIR "/%s.pid", name);
    return n < 0 || n > SUN_PATH_MAX ? -ENAMETOOLONG : 0;
}

int tpm_connect(const struct definition *definition, const char *socket) {
    xmlNode *tpm = tpm_element(definition);
    xmlNode *former = xml_child(tpm, "backend");

    while (former != NULL) {
        xmlNode *next = xml_next(former);
        xmlUnlinkNode(former);
        xmlFreeNode(former);
        former = next;
    }
    xmlNode *backend = xmlNewChild(tpm, NULL, (const xmlChar *)"backend", NULL);
    xmlNode *source =
        backend != NULL ? xmlNewChild(backend, NULL, (const xmlChar *)"source", NULL) : NULL;
    const char *const attributes[][2] = {{"type", "unix"}, {"mode", "connect"}, {"path", socket}};
    bool complete = source != NULL && xmlNewProp(backend, (const xmlChar *)"type",
                                                 (const xmlChar *)"external") != NULL;
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]) && complete; i++) {
        complete = xmlNewProp(source, (const xmlChar *)attributes[i][0],
                              (const xmlChar *)attributes[i][1]) != NULL;
    }
    return complete ? 0 : -ENOMEM;
}

void tpm_conf_value(const char *text, const char *key, const char *fallback, char *ret_value,
                    size_t size) {
    size_t key_len = strlen(key);

    snprintf(ret_value, size, "%s", fallback);
    for (const char *line = text; line != NULL;) {
        const char *end = strchr(line, '\n');
        const char *p = line + strspn(line, " \t");
        line = end != NULL ? end + 1 : NULL;
        if (strncmp(p, key, key_len) != 0) {
            continue;
        }
        p += key_len;
        p += strspn(p, " \t");
        if (*p != '=') {
            continue;
        }
        p++;
        p += strspn(p, " \t");
        p += *p == '"' ? 1 : 0;
        int len = (int)strcspn(p, "\"\n");
        snprintf(ret_value, size, "%.*s", len, p); /* the last one counts, as for libvirt */
    }
}

bool tpm_is_swtpm(const char *cmdline, size_t len, const char *socket) {
    const char *end = cmdline + len;
    const char *slash;
    size_t socket_len = strlen(socket);

    size_t first = strnlen(cmdline, len);
    slash = memrchr(cmdline, '/', first);
    const char *program = slash != NULL ? slash + 1 : cmdline;
    if ((size_t)(cmdline + first - program) != strlen("swtpm") ||
        strncmp(program, "swtpm", strlen("swtpm")) != 0) {
        return false;
    }
    for (const char *p = cmdline; p < end; p += strnlen(p, (size_t)(end - p)) + 1) {
        const char *path = memmem(p, strnlen(p, (size_t)(end - p)), "path=", strlen("path="));
        size_t left = path != NULL ? strnlen(path, (size_t)(end - path)) - strlen("path=") : 0;
        if (path != NULL && left > socket_len &&
            strncmp(path + strlen("path="), socket, socket_len) == 0 &&
            path[strlen("path=") + socket_len] == ',') {
            return true;
        }
    }
    return false;
}
