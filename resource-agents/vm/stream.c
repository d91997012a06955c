/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of a live migration. See stream.h. */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/migrate_uri.h"

enum { PATH_SIZE = 512 };

/* The host of a URI; in brackets if it is an IPv6 address. Its length; 0: it has none. */
static size_t host_of(const char *uri, const char **ret_host) {
    const char *host = strstr(uri, "://");
    if (host == NULL) {
        return 0;
    }
    host += 3;
    size_t authority = strcspn(host, "/?");
    const char *at = memchr(host, '@', authority);
    if (at != NULL) {
        authority -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?");
    *ret_host = host;
    return len <= authority ? len : 0;
}

void stream_to(const char *target_uri, struct stream *ret_stream) {
    struct stream stream = {.encrypted = !migrate_uri_is_clear(target_uri)};
    const char *host = NULL;

    size_t len = host_of(target_uri, &host);
    if (len > 0 && len < sizeof(stream.host)) {
        snprintf(stream.uri, sizeof(stream.uri), "tcp://%.*s", (int)len, host);
        size_t bracket = host[0] == '[' ? 1 : 0; /* a certificate has none */
        snprintf(stream.host, sizeof(stream.host), "%.*s", (int)(len - 2 * bracket),
                 host + bracket);
    }
    *ret_stream = stream;
}

/* What qemu.conf may say of it; "" and -1: nothing. */
struct certificates {
    char migrate_dir[PATH_SIZE], default_dir[PATH_SIZE];
    int migrate_verify, default_verify;
};

/* The value in a line "KEY = VALUE", without its quotes; NULL: it is another line. May cut it. */
static char *value_of(char *line, const char *key) {
    line += strspn(line, " \t");
    size_t n = strlen(key);
    if (strncmp(line, key, n) != 0) {
        return NULL;
    }
    line += n + strspn(line + n, " \t");
    if (*line != '=') {
        return NULL;
    }
    line += 1 + strspn(line + 1, " \t");
    char quote[2] = {*line == '"' || *line == '\'' ? *line : '\0', '\0'};
    if (quote[0] != '\0') {
        line++;
    }
    line[strcspn(line, quote[0] != '\0' ? quote : " \t\r\n#")] = '\0';
    return line;
}

static void read_line(char *line, struct certificates *certificates) {
    char *value = NULL;

    if ((value = value_of(line, "migrate_tls_x509_cert_dir")) != NULL) {
        snprintf(certificates->migrate_dir, PATH_SIZE, "%s", value);
    } else if ((value = value_of(line, "default_tls_x509_cert_dir")) != NULL) {
        snprintf(certificates->default_dir, PATH_SIZE, "%s", value);
    } else if ((value = value_of(line, "migrate_tls_x509_verify")) != NULL) {
        certificates->migrate_verify = strcmp(value, "0") != 0;
    } else if ((value = value_of(line, "default_tls_x509_verify")) != NULL) {
        certificates->default_verify = strcmp(value, "0") != 0;
    }
}

/* The settings of qemu.conf, with libvirt's defaults for what it leaves out. */
static void read_settings(const char *etc, struct certificates *ret_certificates) {
    struct certificates found = {.migrate_verify = -1, .default_verify = -1};
    char path[PATH_SIZE];
    char *line = NULL;
    size_t size = 0;

    snprintf(path, sizeof(path), "%s/libvirt/qemu.conf", etc);
    FILE *file = fopen(path, "re");
    while (file != NULL && getline(&line, &size, file) >= 0) {
        read_line(line, &found);
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    if (found.default_dir[0] == '\0') {
        snprintf(found.default_dir, PATH_SIZE, "%s/pki/qemu", etc);
    }
    if (found.migrate_dir[0] == '\0') {
        snprintf(path, sizeof(path), "%s/pki/libvirt-migrate", etc);
        snprintf(found.migrate_dir, PATH_SIZE, "%s",
                 access(path, F_OK) == 0 ? path : found.default_dir);
    }
    if (found.migrate_verify < 0) {
        found.migrate_verify = found.default_verify;
    }
    *ret_certificates = found;
}

bool stream_has_certificates(const char *etc, char *ret_lacks, size_t size) {
    static const char *const files[] = {"ca-cert.pem", "client-cert.pem", "client-key.pem"};
    struct certificates settings;
    char path[PATH_SIZE + 32];

    read_settings(etc, &settings);
    /* Whether the target looks at the client's certificate is a setting of the target; all nodes
     * should have the same. */
    size_t n = settings.migrate_verify == 0 ? 1 : sizeof(files) / sizeof(files[0]);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", settings.migrate_dir, files[i]);
        if (access(path, F_OK) != 0) {
            snprintf(ret_lacks, size, "%s", path);
            return false;
        }
    }
    return true;
}

const char *stream_refused_by(const char *error, const char *source, const char *target,
                              const char **ret_why) {
    static const char command[] = "'object-add': ";
    const char *found = strstr(error, command);

    if (found == NULL) {
        return NULL;
    }
    *ret_why = found + sizeof(command) - 1;
    if (strstr(*ret_why, "/client-cert.pem") != NULL ||
        strstr(*ret_why, "/client-key.pem") != NULL) {
        return source;
    }
    if (strstr(*ret_why, "/server-cert.pem") != NULL ||
        strstr(*ret_why, "/server-key.pem") != NULL || strstr(*ret_why, strerror(ENOENT)) != NULL) {
        return target;
    }
    return "one of them";
}
