/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's definition. See definition.h. */
#include "definition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libxml/xmlsave.h>

#include "../shared/jsonl.h"
#include "xml.h"

/* Takes over the document, also on failure. */
static int begin(xmlDoc *doc, struct definition *ret_definition, char *reason, size_t reason_size) {
    xmlNode *root = xmlDocGetRootElement(doc);
    if (!xml_is(root, "domain")) {
        snprintf(reason, reason_size, "the root element is <%s>, not <domain>",
                 (const char *)root->name);
        xmlFreeDoc(doc);
        return -EINVAL;
    }
    *ret_definition = (struct definition){.doc = doc, .domain = root};
    return 0;
}

int definition_parse(const char *text, size_t len, struct definition *ret_definition, char *reason,
                     size_t reason_size) {
    xmlDoc *doc;
    int r = xml_parse(text, len, &doc, reason, reason_size);
    return r < 0 ? r : begin(doc, ret_definition, reason, reason_size);
}

int definition_parse_verbatim(const char *text, size_t len, struct definition *ret_definition,
                              char *reason, size_t reason_size) {
    xmlDoc *doc;
    int r = xml_parse_verbatim(text, len, &doc, reason, reason_size);
    return r < 0 ? r : begin(doc, ret_definition, reason, reason_size);
}

void definition_finish(struct definition *definition) {
    xmlFreeDoc(definition->doc);
    *definition = (struct definition){.doc = NULL};
}

const char *definition_name(const struct definition *definition) {
    const char *name = xml_text(xml_child(definition->domain, "name"));
    return name != NULL ? name : "";
}

int uuid_normalize(const char *text, char ret_uuid[DEFINITION_UUID_SIZE]) {
    static const char hex[] = "0123456789abcdef";
    char uuid[DEFINITION_UUID_SIZE];
    size_t digits = 0;
    size_t len = 0;

    for (const char *p = text; *p != '\0'; p++) {
        const char *digit = strchr(hex, *p >= 'A' && *p <= 'F' ? *p - 'A' + 'a' : *p);
        if (*p == '-') {
            continue;
        }
        if (digit == NULL || digits == 32) {
            return -EINVAL;
        }
        if (digits == 8 || digits == 12 || digits == 16 || digits == 20) {
            uuid[len++] = '-';
        }
        uuid[len++] = *digit;
        digits++;
    }
    if (digits != 32) {
        return -EINVAL;
    }
    uuid[len] = '\0';
    memcpy(ret_uuid, uuid, DEFINITION_UUID_SIZE);
    return 0;
}

int definition_uuid(const struct definition *definition, char ret_uuid[DEFINITION_UUID_SIZE]) {
    const char *text = xml_text(xml_child(definition->domain, "uuid"));
    if (text == NULL || text[0] == '\0') {
        return -ENOENT;
    }
    return uuid_normalize(text, ret_uuid);
}

/* clusterd's element in the metadata, or NULL. */
xmlNode *definition_mark(const struct definition *definition) {
    xmlNode *node = xml_first_element(xml_child(definition->domain, "metadata"));
    while (node != NULL) {
        if (node->ns != NULL && xmlStrEqual(node->name, (const xmlChar *)"vm") &&
            xmlStrEqual(node->ns->href, (const xmlChar *)DEFINITION_NAMESPACE)) {
            return node;
        }
        node = xml_next_element(node);
    }
    return NULL;
}

uint64_t definition_generation(const struct definition *definition) {
    uint64_t generation = 0;
    const xmlNode *mark = definition_mark(definition);
    return mark != NULL && xml_number(xml_attr(mark, "generation"), &generation) ? generation : 0;
}

uint64_t metadata_generation(const char *text) {
    char reason[128];
    uint64_t generation = 0;
    xmlDoc *doc;

    if (xml_parse(text, strlen(text), &doc, reason, sizeof(reason)) < 0) {
        return 0;
    }
    if (!xml_number(xml_attr(xmlDocGetRootElement(doc), "generation"), &generation)) {
        generation = 0;
    }
    xmlFreeDoc(doc);
    return generation;
}

int definition_print(const struct definition *definition, char **ret_text) {
    xmlBuffer *buffer = xmlBufferCreate();
    if (buffer == NULL) {
        return -ENOMEM;
    }
    char *text = NULL;
    if (xmlNodeDump(buffer, definition->doc, definition->domain, 0, 0) >= 0) {
        text = strdup((const char *)xmlBufferContent(buffer));
    }
    xmlBufferFree(buffer);
    if (text == NULL) {
        return -ENOMEM;
    }
    *ret_text = text;
    return 0;
}

int definition_print_verbatim(const struct definition *definition, const char *original,
                              size_t original_len, char **ret_text) {
    bool declared = original_len >= 5 && memcmp(original, "<?xml", 5) == 0;
    bool ends_line = original_len > 0 && original[original_len - 1] == '\n';
    char *text = NULL;

    xmlBuffer *buffer = xmlBufferCreate();
    xmlSaveCtxt *save =
        buffer != NULL ? xmlSaveToBuffer(buffer, "UTF-8", declared ? 0 : XML_SAVE_NO_DECL) : NULL;
    if (save != NULL) {
        bool saved = xmlSaveDoc(save, definition->doc) >= 0;
        if (xmlSaveClose(save) >= 0 && saved) {
            text = strdup((const char *)xmlBufferContent(buffer));
        }
    }
    xmlBufferFree(buffer);
    if (text == NULL) {
        return -ENOMEM;
    }
    size_t len = strlen(text);
    if (!ends_line && len > 0 && text[len - 1] == '\n') {
        text[len - 1] = '\0'; /* libxml2 ends a document with a line break */
    }
    *ret_text = text;
    return 0;
}

/* Bytes in one of libvirt's units of memory; 0 for an unknown one. */
static uint64_t unit_bytes(const char *unit) {
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"b", 1},
        {"bytes", 1},
        {"KB", 1000},
        {"k", 1024},
        {"KiB", 1024},
        {"MB", 1000000},
        {"M", 1024 * 1024},
        {"MiB", 1024 * 1024},
        {"GB", 1000000000},
        {"G", 1024ULL * 1024 * 1024},
        {"GiB", 1024ULL * 1024 * 1024},
        {"TB", 1000000000000},
        {"T", 1024ULL * 1024 * 1024 * 1024},
        {"TiB", 1024ULL * 1024 * 1024 * 1024},
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(unit, units[i].name) == 0) {
            return units[i].bytes;
        }
    }
    return 0;
}

/* Memory in MiB, rounded up: the reported need must not be too small. */
static int read_memory(const xmlNode *memory, uint64_t *ret_mb) {
    const uint64_t mib = 1024 * 1024;
    uint64_t amount;
    const char *unit = xml_attr(memory, "unit");
    uint64_t bytes = unit_bytes(unit != NULL ? unit : "KiB");

    if (bytes == 0 || !xml_number(xml_text(memory), &amount) || amount == 0 ||
        amount > (UINT64_MAX - mib) / bytes) {
        return -EINVAL;
    }
    *ret_mb = (amount * bytes + mib - 1) / mib;
    return 0;
}

static int read_vcpus(const xmlNode *vcpu, uint64_t *ret_vcpus) {
    uint64_t current;
    uint64_t value = 1; /* libvirt's own default */

    if (vcpu == NULL) {
        *ret_vcpus = value;
        return 0;
    }
    if (!xml_number(xml_text(vcpu), &value) || value == 0 || value > 65536) {
        return -EINVAL;
    }
    if (xml_attr(vcpu, "current") != NULL) {
        if (!xml_number(xml_attr(vcpu, "current"), &current) || current == 0 || current > value) {
            return -EINVAL;
        }
        value = current;
    }
    *ret_vcpus = value;
    return 0;
}

/* What the interface's node must have; NULL: nothing that has a name. */
static const char *network_of(const xmlNode *interface, const char **ret_kind) {
    const xmlNode *source = xml_child(interface, "source");

    if (xml_attr_is(interface, "type", "network")) {
        *ret_kind = "network";
        return xml_attr(source, "network");
    }
    if (xml_attr_is(interface, "type", "bridge")) {
        /* To the kernel the bridge of an Open vSwitch is a device like others. */
        bool open_vswitch = xml_attr_is(xml_child(interface, "virtualport"), "type", "openvswitch");
        *ret_kind = open_vswitch ? "device" : "bridge";
        return xml_attr(source, "bridge");
    }
    *ret_kind = "device";
    return xml_attr_is(interface, "type", "direct") ? xml_attr(source, "dev") : NULL;
}

static bool contains(const json_t *list, const json_t *value) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_equal(json_array_get(list, i), value)) {
            return true;
        }
    }
    return false;
}

/* Each once. A name that is too long for the cluster is left out: then nobody looks for it. */
static json_t *needed_networks(const xmlNode *domain) {
    json_t *networks = json_array();
    const xmlNode *interface = xml_child(xml_child(domain, "devices"), "interface");

    for (; networks != NULL && interface != NULL; interface = xml_next(interface)) {
        const char *kind = NULL;
        const char *name = network_of(interface, &kind);
        if (name == NULL || name[0] == '\0' || strlen(kind) + 1 + strlen(name) > WIRE_MAX_NAME ||
            json_array_size(networks) == WIRE_MAX_VM_NETWORKS) {
            continue;
        }
        json_t *value = json_sprintf("%s/%s", kind, name);
        if (!contains(networks, value)) {
            json_array_append(networks, value);
        }
        json_decref(value);
    }
    return networks;
}

int definition_needs(const struct definition *definition, json_t *volumes, json_t *disks,
                     json_t **ret_needs, const xmlNode **ret_element, char *reason,
                     size_t reason_size) {
    const xmlNode *cpu = xml_child(definition->domain, "cpu");
    const xmlNode *memory = xml_child(definition->domain, "memory");
    const xmlNode *vcpu = xml_child(definition->domain, "vcpu");
    const xmlNode *type = xml_child(xml_child(definition->domain, "os"), "type");
    const char *mode = xml_attr(cpu, "mode");
    const char *model = xml_text(xml_child(cpu, "model"));
    const char *machine = xml_attr(type, "machine");
    const char *arch = xml_attr(type, "arch");
    char uuid[DEFINITION_UUID_SIZE] = "";
    uint64_t memory_mb;
    uint64_t vcpus;

    if (read_memory(memory, &memory_mb) < 0) {
        snprintf(reason, reason_size, "%s",
                 memory == NULL ? "the VM has no <memory>" : "not an amount of memory");
        *ret_element = memory != NULL ? memory : definition->domain;
        return -EINVAL;
    }
    if (read_vcpus(vcpu, &vcpus) < 0) {
        snprintf(reason, reason_size, "not a number of virtual CPUs");
        *ret_element = vcpu;
        return -EINVAL;
    }
    (void)definition_uuid(definition, uuid); /* check_definition() reports a missing one */
    json_t *needs =
        json_pack("{so so sI sI sO so ss so so so sO}", "name",
                  jsonl_text(definition_name(definition)), "uuid", jsonl_text(uuid), "memory_mb",
                  (json_int_t)memory_mb, "vcpus", (json_int_t)vcpus, "volumes", volumes, "networks",
                  needed_networks(definition->domain), "cpu_mode", mode != NULL ? mode : "custom",
                  "cpu_model", jsonl_text(model != NULL ? model : ""), "machine",
                  jsonl_text(machine != NULL ? machine : ""), "arch",
                  jsonl_text(arch != NULL ? arch : ""), "disks", disks);
    if (needs == NULL) {
        return -ENOMEM;
    }
    /* A TPM's state cannot change hands while the guest runs. Without it the cluster chooses. */
    if (xml_child(xml_child(definition->domain, "devices"), "tpm") != NULL &&
        json_object_set_new(needs, "mobility", json_string("quick")) < 0) {
        json_decref(needs);
        return -ENOMEM;
    }
    *ret_needs = needs;
    return 0;
}
