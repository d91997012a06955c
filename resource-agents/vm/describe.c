/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Actions that only report: validate-all (reads the XML, looks where paths lead), host-cpu and
 * meta-data. */
#include "actions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "check.h"
#include "host.h"
#include "xml.h"

static int validate(const struct definition *definition, const struct volumes *volumes) {
    struct check check;
    char reason[256];
    char path[512] = "/domain";
    const xmlNode *culprit = definition->domain;
    json_t *needs = NULL;
    int code;

    if (check_definition(definition, volumes, true, &check) < 0) {
        return report_validation(path, "out of memory", NULL, NULL);
    }
    int r = definition_needs(definition, check.volumes, check.disks, &needs, &culprit, reason,
                             sizeof(reason));
    if (r == 0) {
        jsonl_send(json_pack("{so}", "needs", needs), JSONL_IMPORTANT_MS);
    }
    const json_t *first = json_array_get(check.problems, 0);
    json_incref(check.problems);
    json_incref(check.warnings);
    if (r < 0) {
        xml_path(culprit, path, sizeof(path));
        code = report_validation(path, r == -ENOMEM ? "out of memory" : reason, check.problems,
                                 check.warnings);
    } else if (first != NULL) {
        code = report_validation(json_string_value(json_object_get(first, "element")),
                                 json_string_value(json_object_get(first, "reason")),
                                 check.problems, check.warnings);
    } else {
        code = report_validation(NULL, NULL, check.problems, check.warnings);
    }
    check_finish(&check);
    return code;
}

int action_validate_all(const struct params *params, const char *xml, size_t xml_len) {
    struct volumes volumes;
    struct definition definition;
    char reason[256];

    int r = volumes_parse(params->volumes, &volumes);
    if (r < 0) {
        snprintf(reason, sizeof(reason), "parameter volumes=%s: %s; give name=/path:name=/path",
                 params->volumes, strerror(-r));
        (void)report_validation("", reason, NULL, NULL);
        return OCF_ERR_ARGS;
    }
    if (definition_parse(xml, xml_len, &definition, reason, sizeof(reason)) < 0) {
        volumes_finish(&volumes);
        return report_validation("/", reason, NULL, NULL);
    }
    int code = validate(&definition, &volumes);
    definition_finish(&definition);
    volumes_finish(&volumes);
    return code;
}

/* Names of the CPU models that QEMU can give to a guest on this node. */
static json_t *usable_models(const xmlNode *capabilities) {
    json_t *models = json_array();

    for (const xmlNode *mode = xml_child(xml_child(capabilities, "cpu"), "mode"); mode != NULL;
         mode = xml_next(mode)) {
        const xmlNode *model =
            xml_attr_is(mode, "name", "custom") ? xml_child(mode, "model") : NULL;
        for (; model != NULL; model = xml_next(model)) {
            if (xml_attr_is(model, "usable", "yes")) {
                json_array_append_new(models, jsonl_text(xml_text(model)));
            }
        }
    }
    return models;
}

/* The cluster keeps no longer list: then report none, and all are assumed. */
enum { MACHINES_MAX = 1024 };

/*
 * The machine types of the QEMUs that libvirt knows here, as "ARCH/NAME"; an alias also with what
 * it stands for, as in "x86_64/pc=pc-i440fx-7.2".
 */
static json_t *machine_types(const xmlNode *capabilities) {
    json_t *machines = json_array();
    char text[64]; /* a longer one is not a valid name in the cluster */

    for (const xmlNode *guest = xml_child(capabilities, "guest"); guest != NULL;
         guest = xml_next(guest)) {
        const xmlNode *arch = xml_child(guest, "arch");
        const char *arch_name = xml_attr(arch, "name");
        for (const xmlNode *machine = xml_child(arch, "machine"); machine != NULL;
             machine = xml_next(machine)) {
            const char *name = xml_text(machine);
            const char *canonical = xml_attr(machine, "canonical");
            int n = snprintf(text, sizeof(text), "%s/%s%s%s", arch_name != NULL ? arch_name : "",
                             name != NULL ? name : "", canonical != NULL ? "=" : "",
                             canonical != NULL ? canonical : "");
            if (name != NULL && n > 0 && (size_t)n < sizeof(text)) {
                json_array_append_new(machines, jsonl_text(text));
            }
        }
    }
    if (json_array_size(machines) > MACHINES_MAX) {
        json_array_clear(machines);
    }
    return machines;
}

/* What QEMU offers with that kind of virtualization, parsed; NULL if unavailable. */
static xmlDoc *offers(virConnectPtr conn, const char *virt) {
    char reason[128];
    xmlDoc *doc = NULL;

    char *text = virConnectGetDomainCapabilities(conn, NULL, NULL, NULL, virt, 0);
    if (text != NULL && xml_parse(text, strlen(text), &doc, reason, sizeof(reason)) < 0) {
        doc = NULL;
    }
    free(text);
    return doc;
}

int action_host_cpu(const struct params *params, const char *xml, size_t xml_len) {
    char reason[512];
    xmlDoc *host = NULL;
    const char *virt = "kvm";
    (void)xml;
    (void)xml_len;

    virConnectPtr conn = virConnectOpen(params->uri);
    char *text = conn != NULL ? virConnectGetCapabilities(conn) : NULL;
    if (text == NULL || xml_parse(text, strlen(text), &host, reason, sizeof(reason)) < 0) {
        snprintf(reason, sizeof(reason), "%s: cannot ask libvirt at %s for its CPU: %s", ocf_node(),
                 params->uri, host_error());
        jsonl_send(json_pack("{ss ss so}", "result", "failed", "state", "unknown", "reason",
                             jsonl_text(reason)),
                   JSONL_IMPORTANT_MS);
        return OCF_ERR_GENERIC;
    }
    xmlDoc *guest = offers(conn, virt);
    if (guest == NULL) {
        virt = "qemu";
        guest = offers(conn, virt);
    }
    const xmlNode *cpu = xml_child(xml_child(xmlDocGetRootElement(host), "host"), "cpu");
    const char *model = xml_text(xml_child(cpu, "model"));
    const char *vendor = xml_text(xml_child(cpu, "vendor"));
    const char *arch = xml_text(xml_child(cpu, "arch"));
    json_t *line =
        json_pack("{s{so so so ss so so}}", "cpu", "model", jsonl_text(model != NULL ? model : ""),
                  "vendor", jsonl_text(vendor != NULL ? vendor : ""), "arch",
                  jsonl_text(arch != NULL ? arch : ""), "virt", virt, "usable_models",
                  usable_models(guest != NULL ? xmlDocGetRootElement(guest) : NULL), "machines",
                  machine_types(xmlDocGetRootElement(host)));
    int r = jsonl_send(line, JSONL_IMPORTANT_MS);
    jsonl_send(json_pack("{ss ss ss}", "result", "ok", "state", "unknown", "reason", ""),
               JSONL_IMPORTANT_MS);
    xmlFreeDoc(guest);
    xmlFreeDoc(host);
    free(text);
    virConnectClose(conn);
    return r == 0 ? OCF_SUCCESS : OCF_ERR_GENERIC;
}
