/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of a definition: one table, one line for each kind. See check.h. */
#include "check.h"

#include <limits.h>
#include <string.h>

#include "xml.h"

/* The target of a character device. `device` is the element with the type. */
static void check_chardev(struct check *check, const xmlNode *device, const char *type) {
    static const char *const anywhere[] = {"pty",          "null",     "vc",        "tcp",
                                           "udp",          "spicevmc", "spiceport", "stdio",
                                           "qemu-vdagent", "dbus"};
    const xmlNode *source = xml_child(device, "source");
    const xmlNode *log = xml_child(device, "log");

    if (log != NULL && xml_attr(log, "file") != NULL) {
        check_on_volume(check, log, "the log file", xml_attr(log, "file"));
    }
    if (type == NULL) {
        return; /* libvirt's default, pty */
    }
    for (size_t i = 0; i < sizeof(anywhere) / sizeof(anywhere[0]); i++) {
        if (strcmp(type, anywhere[i]) == 0) {
            return;
        }
    }
    if (strcmp(type, "file") == 0) {
        const char *path = xml_attr(source, "path");
        if (path == NULL) {
            check_refuse(check, device, "a %s of type file needs a <source path=...> on a volume",
                         (const char *)device->name);
        } else {
            check_on_volume(check, source, "the output file", path);
        }
    } else if (strcmp(type, "unix") == 0) {
        if (xml_attr_is(source, "mode", "connect")) {
            check_refuse(check, source,
                         "it needs a socket of another process on this node; use mode='bind'");
        }
    } else {
        check_refuse(check, device,
                     "a %s of type %s depends on this node; use pty, tcp, or a file on a volume",
                     (const char *)device->name, type);
    }
}

static void check_character_device(struct check *check, const xmlNode *device) {
    check_chardev(check, device, xml_attr(device, "type"));
}

/* libvirt or QEMU runs it as root when the VM starts. */
static void check_script(struct check *check, const xmlNode *script) {
    const char *path = xml_attr(script, "path");
    char normal[PATH_MAX];

    if (path == NULL || path[0] == '\0') {
        return; /* no script */
    }
    if (path_normalize(path, normal, sizeof(normal)) == 0 && path_is_in(normal, "/etc")) {
        check_warn(check, script, "every possible owner must have the script %s, with one content",
                   normal);
    } else {
        check_installed_or_on_volume(check, script, "the script", path);
    }
}

static void check_interface(struct check *check, const xmlNode *interface) {
    static const struct {
        const char *type;
        const char *reason;
    } refused[] = {
        {"hostdev",
         "a passed-through network card is part of one node; use type='bridge' or 'network'"},
        {"vhostuser",
         "the process behind its socket runs on one node; use type='bridge' or 'network'"},
        {"vdpa", "a vDPA device is part of one node; use type='bridge' or 'network'"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (xml_attr_is(interface, "type", refused[i].type)) {
            check_refuse(check, interface, "%s", refused[i].reason);
            return;
        }
    }
    check_script(check, xml_child(interface, "script"));
    check_script(check, xml_child(interface, "downscript"));
    if (xml_attr(xml_child(interface, "mac"), "address") == NULL) {
        check_refuse(check, interface,
                     "it has no MAC address, so each start would give it another one; add <mac "
                     "address='52:54:00:xx:xx:xx'/>");
    }
}

/* Where the state is, for check_tpm(). */
static void check_tpm_state(struct check *check, const xmlNode *backend) {
    const xmlNode *source = xml_child(backend, "source");
    const char *path = xml_attr(source, "path");

    if (source == NULL || path == NULL || !xml_attr_is(source, "type", "dir")) {
        check_refuse(check, source != NULL ? source : backend,
                     "libvirt would keep the TPM's state on a local disk of the node; name a "
                     "directory of its own on a volume: add <source type='dir' "
                     "path='/path/on/a/volume/NAME/tpm'/> to <backend>");
    } else if (strchr(path, ',') != NULL) {
        check_refuse(check, source, "swtpm does not take a directory with a comma in its name");
    } else {
        check_on_volume(check, source, "the directory of the TPM's state", path);
    }
}

static void check_tpm(struct check *check, const xmlNode *tpm) {
    const xmlNode *backend = xml_child(tpm, "backend");
    const xmlNode *banks = xml_child(backend, "active_pcr_banks");
    const xmlNode *bank = xml_first_element(banks);

    if (!xml_attr_is(backend, "type", "emulator")) {
        check_refuse(check, tpm,
                     "a TPM of the node itself cannot move with the VM; use <backend "
                     "type='emulator' version='2.0'>");
        return;
    }
    for (const xmlNode *before = tpm->prev; before != NULL; before = before->prev) {
        if (xml_is(before, "tpm")) {
            check_refuse(check, tpm, "a VM has one TPM at most; remove this one");
            return;
        }
    }
    check_tpm_state(check, backend);
    if (!xml_attr_is(backend, "version", "2.0")) {
        check_refuse(check, backend, "clusterd makes TPMs of version 2.0 only; add version='2.0'");
    }
    if (xml_attr_is(backend, "persistent_state", "no")) {
        check_refuse(check, backend,
                     "the TPM would forget all at each stop; use persistent_state='yes'");
    }
    if (xml_child(backend, "encryption") != NULL) {
        check_refuse(check, xml_child(backend, "encryption"),
                     "only nodes that have this secret of libvirt's could read the TPM's state; "
                     "remove <encryption>");
    }
    if (xml_child(backend, "profile") != NULL) {
        check_refuse(check, xml_child(backend, "profile"),
                     "not every node's swtpm knows profiles; remove <profile>");
    }
    if (banks != NULL && (!xml_is(bank, "sha256") || xml_next_element(bank) != NULL)) {
        check_refuse(check, banks,
                     "clusterd makes TPMs with the bank sha256 only; remove <active_pcr_banks>");
    }
    check_warn(check, tpm,
               "a VM with a TPM is moved quickly, not live: the TPM's state cannot change hands "
               "while the guest runs");
}

static void check_graphics(struct check *check, const xmlNode *graphics) {
    static const char *const everywhere[] = {"0.0.0.0", "::", "127.0.0.1", "::1", "localhost", ""};
    const xmlNode *listen = xml_child(graphics, "listen");
    const char *address = xml_attr(listen, "address");

    if (xml_attr_is(graphics, "type", "sdl") || xml_attr_is(graphics, "type", "desktop") ||
        xml_attr_is(graphics, "type", "egl-headless")) {
        check_refuse(check, graphics,
                     "it uses the screen or GPU of this node; use type='vnc' or 'spice'");
        return;
    }
    if (xml_attr_is(xml_child(graphics, "gl"), "enable", "yes")) {
        check_refuse(check, xml_child(graphics, "gl"),
                     "OpenGL on this node's GPU cannot move with the VM; use enable='no'");
    }
    if (address == NULL) {
        address = xml_attr(graphics, "listen");
    }
    if (address == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(everywhere) / sizeof(everywhere[0]); i++) {
        if (strcmp(address, everywhere[i]) == 0) {
            return;
        }
    }
    check_refuse(check, listen != NULL ? listen : graphics,
                 "it listens on %s, which only one node has; use 0.0.0.0, 127.0.0.1 or <listen "
                 "type='network'>",
                 address);
}

static void check_video(struct check *check, const xmlNode *video) {
    const xmlNode *acceleration = xml_child(xml_child(video, "model"), "acceleration");
    if (xml_attr_is(acceleration, "accel3d", "yes")) {
        check_refuse(check, acceleration,
                     "3D on this node's GPU cannot move with the VM; use accel3d='no'");
    }
}

static void check_rng(struct check *check, const xmlNode *rng) {
    const xmlNode *backend = xml_child(rng, "backend");
    const char *source = xml_text(backend);

    if (xml_attr_is(backend, "model", "egd")) {
        check_chardev(check, backend, xml_attr(backend, "type"));
    } else if (xml_attr_is(backend, "model", "random") && source[0] != '\0' &&
               strcmp(source, "/dev/urandom") != 0 && strcmp(source, "/dev/random") != 0) {
        check_refuse(check, backend, "not every node has %s; use /dev/urandom", source);
    }
}

static void check_memory_device(struct check *check, const xmlNode *memory) {
    const xmlNode *path = xml_child(xml_child(memory, "source"), "path");

    if (xml_attr_is(memory, "model", "sgx-epc")) {
        check_refuse(check, memory, "an SGX enclave cannot move to another node; remove it");
    } else if (path != NULL) {
        check_on_volume(check, path, "the memory's file", xml_text(path));
    }
}

static void check_input(struct check *check, const xmlNode *input) {
    if (xml_attr_is(input, "type", "passthrough") || xml_attr_is(input, "type", "evdev")) {
        check_refuse(check, input,
                     "an input device of this node cannot move with the VM; remove it");
    }
}

static void check_smartcard(struct check *check, const xmlNode *card) {
    if (!xml_attr_is(card, "mode", "passthrough")) {
        check_refuse(check, card,
                     "it uses this node's smart card or certificates; use mode='passthrough'");
        return;
    }
    check_chardev(check, card, xml_attr(card, "type"));
}

static void check_lease(struct check *check, const xmlNode *lease) {
    const xmlNode *target = xml_child(lease, "target");
    if (xml_attr(target, "path") != NULL) {
        check_on_volume(check, target, "the lease's file", xml_attr(target, "path"));
    }
}

static void check_audio(struct check *check, const xmlNode *audio) {
    if (xml_attr_is(audio, "type", "file") && xml_attr(audio, "path") != NULL) {
        check_on_volume(check, audio, "the sound's file", xml_attr(audio, "path"));
    }
}

static void check_emulator(struct check *check, const xmlNode *emulator) {
    check_installed_or_on_volume(check, emulator, "the emulator", xml_text(emulator));
}

static void check_watchdog(struct check *check, const xmlNode *watchdog) {
    if (xml_attr_is(watchdog, "action", "dump")) {
        check_refuse(check, watchdog,
                     "the dump would fill this node's own disk; use action='reset'");
    }
}

static void check_crypto(struct check *check, const xmlNode *crypto) {
    if (xml_attr_is(xml_child(crypto, "backend"), "model", "lkcf")) {
        check_refuse(check, crypto, "it uses this node's kernel keys; use the backend builtin");
    }
}

/* A kind of device has a rule, or a reason why it is never allowed. With neither it is always
 * allowed. */
static const struct device_rule {
    const char *name;
    void (*rule)(struct check *check, const xmlNode *device);
    const char *refusal;
} device_rules[] = {
    {"emulator", check_emulator, NULL},
    {"disk", check_disk, NULL},
    {"interface", check_interface, NULL},
    {"hostdev", NULL, "a device of this node cannot move with the VM; remove it"},
    {"filesystem", NULL,
     "a directory shared from the node prevents live moves; use a disk on a volume"},
    {"serial", check_character_device, NULL},
    {"parallel", check_character_device, NULL},
    {"console", check_character_device, NULL},
    {"channel", check_character_device, NULL},
    {"redirdev", check_character_device, NULL},
    {"smartcard", check_smartcard, NULL},
    {"tpm", check_tpm, NULL},
    {"graphics", check_graphics, NULL},
    {"video", check_video, NULL},
    {"rng", check_rng, NULL},
    {"memory", check_memory_device, NULL},
    {"input", check_input, NULL},
    {"lease", check_lease, NULL},
    {"audio", check_audio, NULL},
    {"watchdog", check_watchdog, NULL},
    {"crypto", check_crypto, NULL},
    {"shmem", NULL, "memory shared with a process on this node prevents moves; remove it"},
    {"nvram", NULL, NULL},
    {"controller", NULL, NULL},
    {"hub", NULL, NULL},
    {"sound", NULL, NULL},
    {"panic", NULL, NULL},
    {"memballoon", NULL, NULL},
    {"vsock", NULL, NULL},
    {"iommu", NULL, NULL},
    {"redirfilter", NULL, NULL},
};

void check_devices(struct check *check, const xmlNode *devices) {
    for (const xmlNode *device = xml_first_element(devices); device != NULL;
         device = xml_next_element(device)) {
        const struct device_rule *rule = NULL;
        for (size_t i = 0; i < sizeof(device_rules) / sizeof(device_rules[0]) && rule == NULL;
             i++) {
            rule = xml_is(device, device_rules[i].name) ? &device_rules[i] : NULL;
        }
        if (rule == NULL) {
            check_refuse(
                check, device,
                "clusterd does not know <%s>, so it cannot tell whether other nodes have it",
                (const char *)device->name);
        } else if (rule->refusal != NULL) {
            check_refuse(check, device, "%s", rule->refusal);
        } else if (rule->rule != NULL) {
            rule->rule(check, device);
        }
    }
}
