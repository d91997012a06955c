/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Can this definition be highly available? The frame, and everything but the devices. See
 * check.h. */
#include "check.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "xml.h"

static void check_identity(struct check *check, const struct definition *definition) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+@-";
    const xmlNode *name = xml_child(definition->domain, "name");
    const xmlNode *type = xml_child(xml_child(definition->domain, "os"), "type");
    const char *text = definition_name(definition);
    char uuid[DEFINITION_UUID_SIZE];

    if (text[0] == '\0') {
        check_refuse(check, name != NULL ? name : definition->domain,
                     "the VM has no name; give it a <name>");
    } else if (strlen(text) > DEFINITION_NAME_MAX || text[strspn(text, allowed)] != '\0' ||
               text[0] == '.' || text[0] == '-') {
        check_refuse(
            check, name,
            "a name has at most %d letters, digits and . _ + @ - and does not start with . or -",
            DEFINITION_NAME_MAX);
    }
    int r = definition_uuid(definition, uuid);
    if (r == -ENOENT) {
        check_refuse(check, definition->domain,
                     "the VM has no UUID, so each start would create another VM; add "
                     "<uuid>...</uuid> with the output of `uuidgen`");
    } else if (r < 0) {
        check_refuse(check, xml_child(definition->domain, "uuid"),
                     "not a UUID; `uuidgen` prints one");
    }
    if (!xml_attr_is(definition->domain, "type", "kvm") &&
        !xml_attr_is(definition->domain, "type", "qemu")) {
        check_refuse(check, definition->domain,
                     "only domains of type kvm and qemu can be moved between nodes");
    }
    if (type == NULL || strcmp(xml_text(type), "hvm") != 0) {
        check_refuse(check, type != NULL ? type : definition->domain,
                     "the <os> needs <type>hvm</type>");
    }
}

/* libvirt's own reaction when the guest stops: it must not hide the guest's end from clusterd. */
static void check_lifecycle(struct check *check, const struct definition *definition) {
    static const struct {
        const char *element;
        const char *value;
        const char *reason;
    } refused[] = {
        {"on_crash", "preserve",
         "a crashed VM would keep its memory and disks and never be restarted; use destroy"},
        {"on_crash", "rename-restart", "libvirt would restart it under another name; use destroy"},
        {"on_crash", "coredump-destroy", "the dump would fill this node's own disk; use destroy"},
        {"on_crash", "coredump-restart", "the dump would fill this node's own disk; use destroy"},
        {"on_reboot", "preserve",
         "a VM that reboots would stay stopped and hold its disks; use restart"},
        {"on_reboot", "rename-restart", "libvirt would restart it under another name; use restart"},
        {"on_reboot", "destroy", "a reboot by the guest would look like a shutdown; use restart"},
        {"on_poweroff", "restart",
         "a VM that is shut down would start again by itself; use destroy"},
        {"on_poweroff", "preserve",
         "a VM that is shut down would hold its memory and disks; use destroy"},
        {"on_poweroff", "rename-restart",
         "libvirt would restart it under another name; use destroy"},
        {"on_lockfailure", "ignore",
         "the VM would continue without the lock that prevents a second copy; use poweroff"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const xmlNode *element = xml_child(definition->domain, refused[i].element);
        if (element != NULL && strcmp(xml_text(element), refused[i].value) == 0) {
            check_refuse(check, element, "%s: %s", refused[i].value, refused[i].reason);
        }
    }
}

/* UEFI variables: without an explicit path libvirt stores them in /var/lib/libvirt of the node. */
static void check_nvram(struct check *check, const xmlNode *os) {
    const xmlNode *loader = xml_child(os, "loader");
    const xmlNode *nvram = xml_child(os, "nvram");
    bool needed = xml_attr_is(os, "firmware", "efi") || xml_attr_is(loader, "type", "pflash");

    if (nvram == NULL) {
        if (needed && !xml_attr_is(loader, "stateless", "yes")) {
            check_refuse(check, os,
                         "libvirt would keep the UEFI variables on a local disk of the node; add "
                         "<nvram>/path/on/a/volume/NAME_VARS.fd</nvram> to <os>");
        }
        return;
    }
    if (xml_attr_is(os, "firmware", "efi") && xml_child(os, "loader") == NULL) {
        check_warn(check, os,
                   "each node chooses the firmware among its own, and may choose one that does not "
                   "fit the UEFI variables; name it with <loader readonly='yes' type='pflash'>");
    }
    if (xml_attr(nvram, "template") != NULL) {
        check_installed_or_on_volume(check, nvram, "the template of the UEFI variables",
                                     xml_attr(nvram, "template"));
    }
    if (xml_attr_is(nvram, "type", "network")) {
        return;
    }
    if (xml_attr(nvram, "type") != NULL && !xml_attr_is(nvram, "type", "file")) {
        check_refuse(check, nvram,
                     "UEFI variables of type %s depend on this node; use a file on a volume",
                     xml_attr(nvram, "type"));
        return;
    }
    const char *path = xml_attr(xml_child(nvram, "source"), "file");
    if (path == NULL) {
        path = xml_text(nvram);
    }
    if (path[0] == '\0') {
        check_refuse(check, nvram,
                     "libvirt would keep the UEFI variables on a local disk of the node; name a "
                     "file on a volume");
        return;
    }
    check_on_volume(check, nvram, "the file of the UEFI variables", path);
}

static void check_boot(struct check *check, const struct definition *definition) {
    static const char *const files[][2] = {{"kernel", "the kernel"},
                                           {"initrd", "the initial ram disk"},
                                           {"dtb", "the device tree"},
                                           {"loader", "the firmware"}};
    const xmlNode *os = xml_child(definition->domain, "os");

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const xmlNode *element = xml_child(os, files[i][0]);
        if (element != NULL && xml_text(element)[0] != '\0') {
            check_installed_or_on_volume(check, element, files[i][1], xml_text(element));
        }
    }
    check_nvram(check, os);
    const xmlNode *table = xml_child(xml_child(os, "acpi"), "table");
    for (; table != NULL; table = xml_next(table)) {
        check_installed_or_on_volume(check, table, "the ACPI table", xml_text(table));
    }
    for (const xmlNode *sysinfo = xml_child(definition->domain, "sysinfo"); sysinfo != NULL;
         sysinfo = xml_next(sysinfo)) {
        const xmlNode *entry = xml_child(sysinfo, "entry");
        for (; entry != NULL; entry = xml_next(entry)) {
            if (xml_attr(entry, "file") != NULL) {
                check_installed_or_on_volume(check, entry, "the fw_cfg file",
                                             xml_attr(entry, "file"));
            }
        }
    }
}

/* The features that a guest must get, as text: "vmx, avx512f". Returns the element of the first
 * one. */
static const xmlNode *required_features(const xmlNode *cpu, char *text, size_t size) {
    const xmlNode *first = NULL;
    size_t used = 0;

    text[0] = '\0';
    for (const xmlNode *node = xml_child(cpu, "feature"); node != NULL; node = xml_next(node)) {
        const char *name = xml_attr(node, "name");
        /* Without a policy libvirt assumes "require". */
        bool needed = xml_attr(node, "policy") == NULL || xml_attr_is(node, "policy", "require") ||
                      xml_attr_is(node, "policy", "force");
        if (!needed || name == NULL) {
            continue;
        }
        int n = snprintf(text + used, size - used, "%s%s", first != NULL ? ", " : "", name);
        used = n >= 0 && (size_t)n < size - used ? used + (size_t)n : size - 1;
        first = first != NULL ? first : node;
    }
    return first;
}

/*
 * clusterd compares a CPU model with what each node offers. Any other choice depends on the node
 * where the VM happens to start. That is no reason to refuse the VM, because it starts anywhere,
 * but anyone who wants to move it later should know now.
 */
static void check_cpu(struct check *check, const struct definition *definition) {
    const xmlNode *cpu = xml_child(definition->domain, "cpu");
    const xmlNode *vendor = xml_child(cpu, "vendor");
    const char *mode = xml_attr(cpu, "mode");
    char features[256];

    if (xml_attr_is(cpu, "mode", "host-passthrough") || xml_attr_is(cpu, "mode", "maximum")) {
        check_warn(check, cpu,
                   "%s gives the VM exactly the CPU of the node on which it starts: it starts on "
                   "every node, but it may hang or crash if it is moved to a node with another "
                   "CPU, microcode or QEMU; name a <model> that all its nodes have",
                   mode);
    } else if (xml_attr_is(cpu, "mode", "host-model")) {
        check_warn(check, cpu,
                   "host-model becomes the CPU of the node on which the VM starts: it starts on "
                   "every node, but moves only to nodes that have all features of that CPU; name a "
                   "<model> that all its nodes have");
    }
    const xmlNode *feature = required_features(cpu, features, sizeof(features));
    if (feature != NULL) {
        check_warn(check, feature,
                   "requires the CPU features %s, which cannot be checked: every possible owner "
                   "must have them",
                   features);
    }
    if (vendor != NULL) {
        check_warn(check, vendor, "runs on CPUs of %s only: every possible owner must have one",
                   xml_text(vendor));
    }
}

static void check_rest(struct check *check, const struct definition *definition) {
    const xmlNode *node = xml_first_element(definition->domain);

    for (; node != NULL; node = xml_next_element(node)) {
        if (xml_is(node, "launchSecurity")) {
            check_refuse(check, node,
                         "encrypted memory cannot move to another node; remove <launchSecurity>");
        } else if (xml_is(node, "cputune") || xml_is(node, "numatune")) {
            check_warn(check, node,
                       "pins the VM to CPUs or memory nodes by number: every possible owner must "
                       "have them");
        } else if (node->ns != NULL && xmlStrEqual(node->name, (const xmlChar *)"commandline")) {
            check_warn(
                check, node,
                "arguments for QEMU cannot be checked: they must work on every possible owner");
        } else if (xml_is(node, "vcpu") && xml_attr(node, "cpuset") != NULL) {
            check_warn(check, node,
                       "pins the VM to CPUs by number: every possible owner must have them");
        }
    }
}

int check_definition(const struct definition *definition, const struct volumes *known, bool look,
                     struct check *ret_check) {
    struct check check = {
        .known = known,
        .look = look,
        .problems = json_array(),
        .warnings = json_array(),
        .volumes = json_array(),
        .disks = json_array(),
    };
    const xmlNode *devices = xml_child(definition->domain, "devices");

    if (check.problems == NULL || check.warnings == NULL || check.volumes == NULL ||
        check.disks == NULL) {
        check_finish(&check);
        return -ENOMEM;
    }
    check_identity(&check, definition);
    check_lifecycle(&check, definition);
    check_boot(&check, definition);
    check_cpu(&check, definition);
    check_rest(&check, definition);
    if (devices != NULL) {
        check_devices(&check, devices);
    }
    if (check.incomplete) {
        check_finish(&check);
        return -ENOMEM;
    }
    *ret_check = check;
    return 0;
}

void check_finish(struct check *check) {
    json_decref(check->problems);
    json_decref(check->warnings);
    json_decref(check->volumes);
    json_decref(check->disks);
    *check = (struct check){.known = NULL};
}
