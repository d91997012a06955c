/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two hosts. See hosts.h. */
#include "hosts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "host.h"
#include "xml.h"

enum { KEEPALIVE_S = 5, KEEPALIVE_COUNT = 4 };

/* The format is its callers': the attribute lets the compiler check it there. */
__attribute__((format(printf, 2, 0))) static void say(struct hosts *hosts, const char *format,
                                                      va_list args) {
    char why[600];

    (void)vsnprintf(why, sizeof(why), format, args);
    report_set(&hosts->operation->report, VM_FAILED, "%s: cannot move from %s to %s: %s",
               hosts->operation->params->name, hosts->from_name, hosts->to_name, why);
}

int hosts_refuse(struct hosts *hosts, const char *format, ...) {
    va_list args;

    va_start(args, format);
    say(hosts, format, args);
    va_end(args);
    hosts->operation->report.refused = true;
    return -EINVAL;
}

int hosts_fail(struct hosts *hosts, const char *format, ...) {
    va_list args;

    va_start(args, format);
    say(hosts, format, args);
    va_end(args);
    return -EIO;
}

virConnectPtr hosts_connect(struct operation *operation, const char *uri) {
    virConnectPtr conn = virConnectOpen(uri);

    if (conn == NULL) {
        const char *error = host_error();
        report_set(&operation->report, VM_FAILED, "%s: cannot reach libvirt at %s: %s",
                   operation->params->name, uri, error);
        operation->report.refused = true;
        return NULL;
    }
    (void)virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_COUNT); /* a local one needs none */
    return conn;
}

void hosts_identify(virConnectPtr conn, char ret_name[HOSTS_NAME_SIZE],
                    char ret_uuid[VIR_UUID_STRING_BUFLEN]) {
    char reason[64];
    xmlDoc *doc = NULL;
    char *name = virConnectGetHostname(conn);
    char *text = virConnectGetCapabilities(conn);

    snprintf(ret_name, HOSTS_NAME_SIZE, "%s", name != NULL ? name : "a host without a name");
    snprintf(ret_uuid, VIR_UUID_STRING_BUFLEN, "%s", ret_name);
    if (text != NULL && xml_parse(text, strlen(text), &doc, reason, sizeof(reason)) == 0) {
        const xmlNode *host = xml_child(xmlDocGetRootElement(doc), "host");
        const char *uuid = xml_text(xml_child(host, "uuid"));
        if (uuid != NULL && uuid[0] != '\0') {
            snprintf(ret_uuid, VIR_UUID_STRING_BUFLEN, "%s", uuid);
        }
        xmlFreeDoc(doc);
    }
    free(text);
    free(name);
}

/* Without a host, "qemu:///system" is the machine that opens it. */
static bool names_a_host(const char *uri) {
    const char *host = strstr(uri, "://");
    return host != NULL && host[3] != '/' && host[3] != '\0';
}

int hosts_open(struct hosts *hosts, struct operation *operation) {
    const struct params *params = operation->params;

    *hosts = (struct hosts){.operation = operation};
    if (getrandom(&hosts->run, sizeof(hosts->run), 0) != (ssize_t)sizeof(hosts->run)) {
        hosts->run = ocf_now_ms();
    }
    hosts->run >>= 8; /* xml_number() takes no larger ones */
    operation_step(operation, "connecting to the source");
    operation->conn = hosts_connect(operation, params->uri);
    if (operation->conn == NULL) {
        return -EINVAL;
    }
    hosts_identify(operation->conn, hosts->from_name, hosts->from_uuid);
    operation_step(operation, "connecting to the target");
    hosts->to = hosts_connect(operation, params->target_uri);
    if (hosts->to == NULL) {
        return -EINVAL;
    }
    hosts_identify(hosts->to, hosts->to_name, hosts->to_uuid);
    if (strcmp(hosts->from_uuid, hosts->to_uuid) == 0) {
        return hosts_refuse(hosts, "both URIs lead to the same host");
    }
    if (!names_a_host(params->target_uri)) {
        return hosts_refuse(hosts,
                            "%s names no host: the source's libvirt connects to it by itself; give "
                            "a URI that also leads there from %s, such as qemu+tls://HOST/system",
                            params->target_uri, hosts->from_name);
    }
    return 0;
}

void hosts_close(struct hosts *hosts) {
    if (hosts->from_files.conn != NULL) {
        host_files_close(&hosts->from_files);
    }
    if (hosts->to_files.conn != NULL) {
        host_files_close(&hosts->to_files);
    }
}
