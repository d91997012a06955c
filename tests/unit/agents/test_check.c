/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes a definition impossible to be highly available. Each row is a good definition with one
 * thing put into it, and what the check must say about it: where, and the words that matter. A row
 * without an element must pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "resource-agents/vm/check.h"
#include "unit/ranges.h"

#define VOLUMES "csv1=/srv/csv1:csv2=/srv/csv2/"

/* The parts of a good definition that a row can replace or add to. */
struct parts {
    const char *domain;  /* attributes of <domain> */
    const char *name;    /* all that identifies it */
    const char *os;      /* inside <os> */
    const char *more;    /* beside <devices> */
    const char *devices; /* inside <devices>, after a good disk */
};

struct row {
    const char *what;
    struct parts parts;
    const char *element; /* NULL: nothing is refused */
    const char *words;
};

#define NAME                                                                     \
    "<name>web1</name><uuid>11111111-0000-4000-8000-000000000001</uuid><memory " \
    "unit='MiB'>512</memory>"
#define HVM "<type arch='x86_64' machine='q35'>hvm</type>"

#define TPM(attributes, inside) \
    "<tpm model='tpm-crb'><backend type='emulator' " attributes ">" inside "</backend></tpm>"
#define SCRIPT(inside) \
    "<interface type='ethernet'><mac address='52:54:00:00:00:01'/>" inside "</interface>"
#define TPM_BANKS(banks) "<active_pcr_banks>" banks "</active_pcr_banks>"
#define TPM_SOURCE "<source type='dir' path='/srv/csv1/web1/tpm'/>"

static const struct row rows[] = {
    /* clang-format off */
    {"a plain VM", {0}, NULL, NULL},
    /* -- what it is -- */
    {"no name", {.name = "<uuid>11111111-0000-4000-8000-000000000001</uuid>"}, "/domain", "no name"},
    {"a name with a slash", {.name = "<name>a/b</name><uuid>11111111-0000-4000-8000-000000000001</uuid>"}, "/domain/name", "letters"},
    {"a name like an option", {.name = "<name>-a</name><uuid>11111111-0000-4000-8000-000000000001</uuid>"}, "/domain/name", "start"},
    {"no uuid", {.name = "<name>web1</name>"}, "/domain", "uuidgen"},
    {"not a uuid", {.name = "<name>web1</name><uuid>1234</uuid>"}, "/domain/uuid", "not a UUID"},
    {"a container", {.domain = "type='lxc'"}, "/domain", "kvm and qemu"},
    {"no type of os", {.os = " "}, "/domain", "hvm"},
    {"xen's paravirtual guests", {.os = "<type>xen</type>"}, "/domain/os/type", "hvm"},
    /* -- its life -- */
    {"kept after a crash", {.more = "<on_crash>preserve</on_crash>"}, "/domain/on_crash", "preserve"},
    {"dumped after a crash", {.more = "<on_crash>coredump-restart</on_crash>"}, "/domain/on_crash", "own disk"},
    {"restarted after a crash", {.more = "<on_crash>restart</on_crash>"}, NULL, NULL},
    {"off after a reboot", {.more = "<on_reboot>destroy</on_reboot>"}, "/domain/on_reboot", "like a shutdown"},
    {"on after a shutdown", {.more = "<on_poweroff>restart</on_poweroff>"}, "/domain/on_poweroff", "start again"},
    {"without locks", {.more = "<on_lockfailure>ignore</on_lockfailure>"}, "/domain/on_lockfailure", "second copy"},
    {"encrypted memory", {.more = "<launchSecurity type='sev'/>"}, "/domain/launchSecurity", "encrypted"},
    /* -- how it boots -- */
    {"a kernel of the node", {.os = HVM "<kernel>/boot/vmlinuz</kernel>"}, "/domain/os/kernel", "/boot/vmlinuz"},
    {"a kernel on a volume", {.os = HVM "<kernel>/srv/csv2/vmlinuz</kernel><initrd>/usr/share/x/initrd</initrd>"}, NULL, NULL},
    {"an initrd of the node", {.os = HVM "<initrd>/home/me/initrd</initrd>"}, "/domain/os/initrd", "initial ram disk"},
    {"uefi by name", {.domain = "type='kvm'", .os = HVM}, NULL, NULL},
    {"uefi whose variables stay behind", {.os = HVM "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>"}, "/domain/os", "nvram"},
    {"uefi without variables", {.os = HVM "<loader readonly='yes' type='pflash' stateless='yes'>/usr/share/OVMF/OVMF.fd</loader>"}, NULL, NULL},
    {"variables on a volume", {.os = HVM "<loader type='pflash'>/usr/share/OVMF/C.fd</loader>"
      "<nvram template='/usr/share/OVMF/V.fd'>/srv/csv1/v.fd</nvram>"},
     NULL, NULL},
    {"variables in the new form", {.os = HVM "<loader type='pflash'>/usr/share/O.fd</loader><nvram type='file'><source file='/srv/csv1/v.fd'/>"
      "</nvram>"},
     NULL, NULL},
    {"variables without a place", {.os = HVM "<nvram template='/usr/share/V.fd'/>"}, "/domain/os/nvram", "local disk"},
    {"variables on the node", {.os = HVM "<nvram>/var/lib/libvirt/qemu/nvram/v.fd</nvram>"}, "/domain/os/nvram", "UEFI variables"},
    {"variables on a block device", {.os = HVM "<nvram type='block'><source dev='/dev/sda1'/></nvram>"}, "/domain/os/nvram", "block"},
    {"a loader of the node", {.os = HVM "<loader>/root/bios.bin</loader>"}, "/domain/os/loader", "firmware"},
    {"an acpi table of the node", {.os = HVM "<acpi><table type='slic'>/root/slic</table></acpi>"}, "/domain/os/acpi/table", "ACPI"},
    {"a fw_cfg file of the node", {.more = "<sysinfo type='fwcfg'><entry name='opt/a' file='/root/a'/></sysinfo>"}, "/domain/sysinfo/entry", "fw_cfg"},
    /* -- disks -- */
    {"a second disk on a volume", {.devices = "<disk type='file'><source file='/srv/csv2/b.raw'/></disk>"}, NULL, NULL},
    {"a disk on the node", {.devices = "<disk type='file'><source file='/var/lib/libvirt/images/b.raw'/></disk>"},
     "/domain/devices/disk[2]/source", "none of the cluster's 2 volumes"},
    {"a disk beside a volume", {.devices = "<disk type='file'><source file='/srv/csv10/b.raw'/></disk>"}, "/domain/devices/disk[2]/source", "/srv/csv10/b.raw"},
    {"a disk that climbs out", {.devices = "<disk type='file'><source file='/srv/csv1/../b.raw'/></disk>"}, "/domain/devices/disk[2]/source", "absolute"},
    {"a relative disk", {.devices = "<disk type='file'><source file='b.raw'/></disk>"}, "/domain/devices/disk[2]/source", "absolute"},
    {"no source", {.devices = "<disk type='file'/>"}, "/domain/devices/disk[2]", "needs a <source>"},
    {"an empty cdrom drive", {.devices = "<disk type='file' device='cdrom'><readonly/></disk>"}, NULL, NULL},
    {"a cdrom of the node", {.devices = "<disk type='file' device='cdrom'><source file='/root/i.iso'/></disk>"},
     "/domain/devices/disk[2]/source", "/root/i.iso"},
    {"a block device", {.devices = "<disk type='block'><source dev='/dev/sdb'/></disk>"}, "/domain/devices/disk[2]/source", "/dev/sdb"},
    {"a directory", {.devices = "<disk type='dir'><source dir='/srv/csv1'/></disk>"}, "/domain/devices/disk[2]", "directory"},
    {"a storage pool", {.devices = "<disk type='volume'><source pool='p' volume='v'/></disk>"}, "/domain/devices/disk[2]", "pool"},
    {"nvme", {.devices = "<disk type='nvme'><source type='pci'/></disk>"}, "/domain/devices/disk[2]", "NVMe"},
    {"vhost-user", {.devices = "<disk type='vhostuser'><source type='unix' path='/run/s'/></disk>"}, "/domain/devices/disk[2]", "process"},
    {"vdpa", {.devices = "<disk type='vhostvdpa'><source dev='/dev/vhost-vdpa-0'/></disk>"}, "/domain/devices/disk[2]", "vDPA"},
    {"a kind of tomorrow", {.devices = "<disk type='telepathy'><source/></disk>"}, "/domain/devices/disk[2]", "does not know"},
    {"a lun", {.devices = "<disk type='block' device='lun'><source dev='/dev/sg0'/></disk>"}, "/domain/devices/disk[2]", "SCSI"},
    {"rbd", {.devices = "<disk type='network'><source protocol='rbd' name='p/i'><host name='mon1' port='6789'/></source></disk>"}, NULL, NULL},
    {"nbd on a socket", {.devices = "<disk type='network'><source protocol='nbd'><host transport='unix' socket='/run/n'/></source></disk>"},
     "/domain/devices/disk[2]/source/host", "socket"},
    {"iscsi to itself", {.devices = "<disk type='network'><source protocol='iscsi' name='i'><host name='127.0.0.1'/></source></disk>"},
     "/domain/devices/disk[2]/source/host", "each node"},
    {"a network disk of no protocol", {.devices = "<disk type='network'><source name='i'/></disk>"}, "/domain/devices/disk[2]/source", "protocol"},
    {"transient", {.devices = "<disk type='file'><source file='/srv/csv1/t'/><transient/></disk>"}, "/domain/devices/disk[2]/transient", "transient"},
    {"a backing file on the node", {.devices = "<disk type='file'><source file='/srv/csv1/t'/><backingStore type='file'><source file='/root/base'/>"
      "</backingStore></disk>"},
     "/domain/devices/disk[2]/backingStore/source", "/root/base"},
    {"a chain of backing files", {.devices = "<disk type='file'><source file='/srv/csv1/t'/><backingStore type='file'><source file='/srv/csv1/u'/>"
      "<backingStore type='block'><source dev='/dev/sdc'/></backingStore></backingStore></disk>"},
     "/domain/devices/disk[2]/backingStore/backingStore/source", "/dev/sdc"},
    {"a chain that ends", {.devices = "<disk type='file'><source file='/srv/csv1/t'/><backingStore/></disk>"}, NULL, NULL},
    {"a mirror", {.devices = "<disk type='file'><source file='/srv/csv1/t'/><mirror type='file'/></disk>"}, "/domain/devices/disk[2]/mirror", "copy"},
    {"a data file on the node", {.devices = "<disk type='file'><source file='/srv/csv1/t'><dataStore type='file'><source file='/root/data'/>"
      "</dataStore></source></disk>"},
     "/domain/devices/disk[2]/source/dataStore/source", "/root/data"},
    /* -- devices of the node -- */
    {"a host device", {.devices = "<hostdev mode='subsystem' type='pci'/>"}, "/domain/devices/hostdev[1]", "device of this node"},
    {"the second host device", {.devices = "<sound model='ich6'/><hostdev type='usb'/><hostdev type='pci'/>"},
     "/domain/devices/hostdev[1]", "device of this node"},
    {"a shared directory", {.devices = "<filesystem type='mount'><source dir='/srv/csv1/d'/></filesystem>"}, "/domain/devices/filesystem[1]", "directory"},
    {"shared memory", {.devices = "<shmem name='s'/>"}, "/domain/devices/shmem[1]", "shared"},
    {"a tpm on a volume", {.devices = TPM("version='2.0'", TPM_SOURCE)}, NULL, NULL},
    {"a tpm that is to be kept", {.devices = TPM("version='2.0' persistent_state='yes'", TPM_SOURCE TPM_BANKS("<sha256/>"))}, NULL, NULL},
    {"a tpm on the node", {.devices = TPM("version='2.0'", "")}, "/domain/devices/tpm[1]/backend", "local disk"},
    {"a tpm in a file", {.devices = TPM("version='2.0'", "<source type='file' path='/srv/csv1/tpm'/>")},
     "/domain/devices/tpm[1]/backend/source", "directory of its own"},
    {"a tpm on no volume", {.devices = TPM("version='2.0'", "<source type='dir' path='/var/lib/libvirt/swtpm/web'/>")},
     "/domain/devices/tpm[1]/backend/source", "the directory of the TPM's state"},
    {"a tpm with a comma", {.devices = TPM("version='2.0'", "<source type='dir' path='/srv/csv1/a,b'/>")}, "/domain/devices/tpm[1]/backend/source", "comma"},
    {"a tpm of version 1.2", {.devices = TPM("version='1.2'", TPM_SOURCE)}, "/domain/devices/tpm[1]/backend", "2.0"},
    {"a tpm of some version", {.devices = TPM("", TPM_SOURCE)}, "/domain/devices/tpm[1]/backend", "version='2.0'"},
    {"a tpm that forgets", {.devices = TPM("version='2.0' persistent_state='no'", TPM_SOURCE)}, "/domain/devices/tpm[1]/backend", "persistent_state"},
    {"an encrypted tpm", {.devices = TPM("version='2.0'", TPM_SOURCE "<encryption secret='x'/>")}, "/domain/devices/tpm[1]/backend/encryption", "secret"},
    {"a tpm with a profile", {.devices = TPM("version='2.0'", TPM_SOURCE "<profile name='custom'/>")}, "/domain/devices/tpm[1]/backend/profile", "profile"},
    {"a tpm with other banks", {.devices = TPM("version='2.0'", TPM_SOURCE TPM_BANKS("<sha1/>"))},
     "/domain/devices/tpm[1]/backend/active_pcr_banks", "sha256"},
    {"two tpms", {.devices = TPM("version='2.0'", TPM_SOURCE) TPM("version='2.0'", TPM_SOURCE)}, "/domain/devices/tpm[2]", "one TPM"},
    {"a tpm of somebody else", {.devices = "<tpm><backend type='external'><source type='unix' path='/run/x'/></backend></tpm>"},
     "/domain/devices/tpm[1]", "emulator"},
    {"the node's tpm", {.devices = "<tpm><backend type='passthrough'/></tpm>"}, "/domain/devices/tpm[1]", "node itself"},
    {"a device of tomorrow", {.devices = "<teleporter/>"}, "/domain/devices/teleporter[1]", "does not know"},
    {"an emulator of one's own", {.devices = "<emulator>/opt/qemu/bin/qemu</emulator>"}, "/domain/devices/emulator[1]", "/opt/qemu/bin/qemu"},
    {"the usual emulator", {.devices = "<emulator>/usr/bin/qemu-system-x86_64</emulator>"}, NULL, NULL},
    /* -- network -- */
    {"a bridge", {.devices = "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>"}, NULL, NULL},
    {"no mac", {.devices = "<interface type='network'><source network='default'/></interface>"}, "/domain/devices/interface[1]", "MAC"},
    {"a card of the node", {.devices = "<interface type='hostdev'><mac address='52:54:00:00:00:01'/></interface>"},
     "/domain/devices/interface[1]", "part of one node"},
    {"vhost-user network", {.devices = "<interface type='vhostuser'><mac address='52:54:00:00:00:01'/></interface>"}, "/domain/devices/interface[1]", "socket"},
    {"a script that packages install", {.devices = SCRIPT("<script path='/usr/lib/net/up'/>")}, NULL, NULL},
    {"a script on a volume", {.devices = SCRIPT("<script path='/srv/csv1/web1/up'/>")}, NULL, NULL},
    {"a script that does nothing", {.devices = SCRIPT("<script path=''/>")}, NULL, NULL},
    {"a script of this node", {.devices = SCRIPT("<script path='/tmp/up'/>")}, "/domain/devices/interface[1]/script", "volume"},
    {"a script by its name alone", {.devices = SCRIPT("<script path='up'/>")}, "/domain/devices/interface[1]/script", "absolute"},
    {"a script that leaves a volume", {.devices = SCRIPT("<script path='/srv/csv1/../../tmp/up'/>")}, "/domain/devices/interface[1]/script", "absolute"},
    {"a script for the end", {.devices = SCRIPT("<downscript path='/opt/down'/>")}, "/domain/devices/interface[1]/downscript", "volume"},
    {"vdpa network", {.devices = "<interface type='vdpa'/>"}, "/domain/devices/interface[1]", "vDPA"},
    /* -- character devices -- */
    {"a pty", {.devices = "<serial type='pty'/><console type='pty'/>"}, NULL, NULL},
    {"a console on a volume", {.devices = "<serial type='file'><source path='/srv/csv1/con' append='on'/></serial>"}, NULL, NULL},
    {"a console on the node", {.devices = "<serial type='file'><source path='/var/log/con'/></serial>"}, "/domain/devices/serial[1]/source", "/var/log/con"},
    {"a console in no file", {.devices = "<console type='file'/>"}, "/domain/devices/console[1]", "<source path"},
    {"a log on the node", {.devices = "<serial type='pty'><log file='/var/log/con'/></serial>"}, "/domain/devices/serial[1]/log", "log file"},
    {"a device file", {.devices = "<serial type='dev'><source path='/dev/ttyS0'/></serial>"}, "/domain/devices/serial[1]", "type dev"},
    {"a pipe", {.devices = "<parallel type='pipe'><source path='/run/p'/></parallel>"}, "/domain/devices/parallel[1]", "type pipe"},
    {"an agent's channel", {.devices = "<channel type='unix'><source mode='bind' path='/run/a'/></channel>"}, NULL, NULL},
    {"somebody else's socket", {.devices = "<channel type='unix'><source mode='connect' path='/run/a'/></channel>"},
     "/domain/devices/channel[1]/source", "bind"},
    {"usb over spice", {.devices = "<redirdev bus='usb' type='spicevmc'/>"}, NULL, NULL},
    {"the node's smart card", {.devices = "<smartcard mode='host'/>"}, "/domain/devices/smartcard[1]", "smart card"},
    {"a smart card over spice", {.devices = "<smartcard mode='passthrough' type='spicevmc'/>"}, NULL, NULL},
    /* -- the rest -- */
    {"randomness", {.devices = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"}, NULL, NULL},
    {"randomness of the node", {.devices = "<rng model='virtio'><backend model='random'>/dev/hwrng</backend></rng>"},
     "/domain/devices/rng[1]/backend", "/dev/hwrng"},
    {"randomness from a pipe", {.devices = "<rng model='virtio'><backend model='egd' type='pipe'/></rng>"}, "/domain/devices/rng[1]/backend", "type pipe"},
    {"vnc", {.devices = "<graphics type='vnc' listen='0.0.0.0'><listen type='address' address='0.0.0.0'/></graphics>"}, NULL, NULL},
    {"vnc on the node's address", {.devices = "<graphics type='vnc' listen='10.0.0.1'/>"}, "/domain/devices/graphics[1]", "10.0.0.1"},
    {"spice on the node's address", {.devices = "<graphics type='spice'><listen type='address' address='10.0.0.1'/></graphics>"},
     "/domain/devices/graphics[1]/listen", "10.0.0.1"},
    {"a window on the node", {.devices = "<graphics type='sdl'/>"}, "/domain/devices/graphics[1]", "screen"},
    {"opengl", {.devices = "<graphics type='spice'><gl enable='yes'/></graphics>"}, "/domain/devices/graphics[1]/gl", "OpenGL"},
    {"3D", {.devices = "<video><model type='virtio'><acceleration accel3d='yes'/></model></video>"}, "/domain/devices/video[1]/model/acceleration", "3D"},
    {"memory to be plugged", {.devices = "<memory model='dimm'><target><size>1</size></target></memory>"}, NULL, NULL},
    {"an nvdimm on a volume", {.devices = "<memory model='nvdimm'><source><path>/srv/csv1/n</path></source></memory>"}, NULL, NULL},
    {"an nvdimm of the node", {.devices = "<memory model='nvdimm'><source><path>/dev/pmem0</path></source></memory>"},
     "/domain/devices/memory[1]/source/path", "/dev/pmem0"},
    {"an enclave", {.devices = "<memory model='sgx-epc'/>"}, "/domain/devices/memory[1]", "SGX"},
    {"the node's mouse", {.devices = "<input type='evdev'><source dev='/dev/input/event0'/></input>"}, "/domain/devices/input[1]", "input device"},
    {"a tablet", {.devices = "<input type='tablet' bus='usb'/>"}, NULL, NULL},
    {"a lease on the node", {.devices = "<lease><target path='/var/l'/></lease>"}, "/domain/devices/lease[1]/target", "lease"},
    {"sound into a file of the node", {.devices = "<audio id='1' type='file' path='/root/a.wav'/>"}, "/domain/devices/audio[1]", "sound"},
    {"a watchdog that dumps", {.devices = "<watchdog model='i6300esb' action='dump'/>"}, "/domain/devices/watchdog[1]", "dump"},
    {"the kernel's keys", {.devices = "<crypto model='virtio'><backend model='lkcf'/></crypto>"}, "/domain/devices/crypto[1]", "keys"},
    {"what is everywhere", {.devices = "<controller type='usb'/><memballoon model='none'/><panic model='isa'/><vsock model='virtio'/>"
      "<iommu model='intel'/>"},
     NULL, NULL},
    /* clang-format on */
};

static const char *or_else(const char *given, const char *fallback) {
    return given != NULL ? given : fallback;
}

/* Fills in the parts and checks the whole. check_finish() frees the result. */
static void check_parts(const struct parts *parts, const char *volumes_text,
                        struct check *ret_check) {
    char text[8192];
    char reason[256] = "";
    struct definition definition;
    static struct volumes volumes;

    int n =
        snprintf(text, sizeof(text),
                 "<domain %s>%s<os>%s</os>%s<devices><disk type='file' device='disk'><source "
                 "file='/srv/csv1/web1/disk.raw'/></disk>%s</devices></domain>",
                 or_else(parts->domain, "type='kvm'"), or_else(parts->name, NAME),
                 or_else(parts->os, HVM), or_else(parts->more, ""), or_else(parts->devices, ""));
    assert_int_in_range(n, 1, sizeof(text) - 1);
    if (definition_parse(text, strlen(text), &definition, reason, sizeof(reason)) < 0) {
        fail_msg("%s: %s", reason, text);
    }
    assert_int_equal(volumes_parse(volumes_text, &volumes), 0);
    assert_int_equal(check_definition(&definition, &volumes, false, ret_check), 0);
    definition_finish(&definition);
    volumes_finish(&volumes);
}

static const char *text_of(const json_t *finding, const char *key) {
    return json_string_value(json_object_get(finding, key));
}

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct check check;
        check_parts(&row->parts, VOLUMES, &check);
        const json_t *first = json_array_get(check.problems, 0);
        if (row->element == NULL && first != NULL) {
            fail_msg("%s: refused %s: %s", row->what, text_of(first, "element"),
                     text_of(first, "reason"));
        }
        if (row->element != NULL && first == NULL) {
            fail_msg("%s: not refused", row->what);
        }
        if (row->element != NULL && (strcmp(text_of(first, "element"), row->element) != 0 ||
                                     strstr(text_of(first, "reason"), row->words) == NULL)) {
            fail_msg("%s: said %s: %s", row->what, text_of(first, "element"),
                     text_of(first, "reason"));
        }
        check_finish(&check);
    }
}

static void test_all_problems_are_told(void **state) {
    const struct parts parts = {.devices = "<hostdev type='pci'/><hostdev type='usb'/><tpm/>"};
    struct check check;
    (void)state;

    check_parts(&parts, VOLUMES, &check);
    assert_int_equal(json_array_size(check.problems), 3);
    assert_string_equal(text_of(json_array_get(check.problems, 1), "element"),
                        "/domain/devices/hostdev[2]");
    check_finish(&check);
}

static void test_volumes_and_disks_are_collected_once(void **state) {
    const struct parts parts = {
        .devices = "<disk type='file'><source file='/srv/csv2/b.raw'/></disk>"
                   "<disk type='file'><source file='/srv/csv1/c.raw'/></disk>"
                   "<serial type='file'><source path='/srv/csv1/console'/></serial>",
    };
    struct check check;
    (void)state;

    check_parts(&parts, VOLUMES, &check);
    assert_int_equal(json_array_size(check.problems), 0);
    char *volumes = json_dumps(check.volumes, JSON_COMPACT);
    char *disks = json_dumps(check.disks, JSON_COMPACT);
    assert_string_equal(volumes, "[\"csv1\",\"csv2\"]");
    assert_string_equal(disks,
                        "[\"/srv/csv1/web1/disk.raw\",\"/srv/csv2/b.raw\",\"/srv/csv1/c.raw\"]");
    free(volumes);
    free(disks);
    check_finish(&check);
}

/* What holds only if the administrator sees to it: accepted, with one warning that names the
 * element. Without an element there is nothing to warn of. */
static void test_warnings(void **state) {
    static const struct row warned[] = {
        /* clang-format off */
        {"pinned cpus", {.more = "<cputune><vcpupin vcpu='0' cpuset='7'/></cputune>"}, "/domain/cputune", "by number"},
        {"pinned memory", {.more = "<numatune><memory nodeset='1'/></numatune>"}, "/domain/numatune", "by number"},
        {"cpus by number", {.more = "<vcpu cpuset='4-5'>2</vcpu>"}, "/domain/vcpu", "by number"},
        {"words for QEMU",
         {.domain = "type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'",
          .more = "<qemu:commandline><qemu:arg value='-nodefaults'/></qemu:commandline>"},
         "/domain/qemu:commandline", "cannot be checked"},
        {"a disk with a password",
         {.devices = "<disk type='network'><source protocol='rbd' name='p/i'><auth username='a'/></source></disk>"},
         "/domain/devices/disk[2]/source", "secret"},
        {"a script in /etc", {.devices = SCRIPT("<script path='/etc/qemu-ifup'/>")}, "/domain/devices/interface[1]/script", "one content"},
        /* -- its CPU -- */
        {"the host's CPU", {.more = "<cpu mode='host-passthrough' check='none' migratable='on'/>"}, "/domain/cpu", "host-passthrough"},
        {"all that QEMU can do", {.more = "<cpu mode='maximum'/>"}, "/domain/cpu", "maximum"},
        {"the host's model", {.more = "<cpu mode='host-model'/>"}, "/domain/cpu", "moves only to"},
        {"a model", {.more = "<cpu mode='custom'><model>EPYC</model></cpu>"}, NULL, NULL},
        {"a model by its name alone", {.more = "<cpu><model>EPYC</model></cpu>"}, NULL, NULL},
        {"a topology", {.more = "<cpu><topology sockets='1' cores='2' threads='1'/></cpu>"}, NULL, NULL},
        {"features that it may lack",
         {.more = "<cpu><model>EPYC</model><feature policy='disable' name='svm'/><feature policy='optional' name='aes'/></cpu>"},
         NULL, NULL},
        {"features that it must have",
         {.more = "<cpu><model>EPYC</model><feature policy='disable' name='svm'/><feature policy='require' name='avx512f'/>"
                  "<feature name='aes'/></cpu>"},
         "/domain/cpu/feature[2]", "avx512f, aes"},
        {"a feature that is forced", {.more = "<cpu><model>EPYC</model><feature policy='force' name='aes'/></cpu>"}, "/domain/cpu/feature", "aes"},
        {"a vendor", {.more = "<cpu><model>EPYC</model><vendor>AMD</vendor></cpu>"}, "/domain/cpu/vendor", "AMD"},
        /* clang-format on */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(warned) / sizeof(warned[0]); i++) {
        const struct row *row = &warned[i];
        struct check check;
        check_parts(&row->parts, VOLUMES, &check);
        const json_t *first = json_array_get(check.warnings, 0);
        if (json_array_size(check.problems) != 0) {
            fail_msg("%s: refused", row->what);
        }
        if (json_array_size(check.warnings) != (row->element != NULL ? 1 : 0)) {
            fail_msg("%s: %zu warnings", row->what, json_array_size(check.warnings));
        }
        if (row->element != NULL && (strcmp(text_of(first, "element"), row->element) != 0 ||
                                     strstr(text_of(first, "reason"), row->words) == NULL)) {
            fail_msg("%s: said %s: %s", row->what, text_of(first, "element"),
                     text_of(first, "reason"));
        }
        check_finish(&check);
    }
}

/* A list of features longer than any text is cut, not more. */
static void test_many_features(void **state) {
    char more[4096] = "<cpu><model>EPYC</model>";
    (void)state;
    for (int i = 0; i <= 60; i++) {
        size_t used = strlen(more);
        (void)snprintf(more + used, sizeof(more) - used, "<feature name='feature%d'/>%s", i,
                       i == 60 ? "</cpu>" : "");
    }
    const struct parts parts = {.more = more};
    struct check check;
    check_parts(&parts, VOLUMES, &check);
    assert_int_equal(json_array_size(check.warnings), 1);
    assert_non_null(strstr(text_of(json_array_get(check.warnings, 0), "reason"), "must have them"));
    check_finish(&check);
}

static void test_without_volumes_nothing_can_be_placed(void **state) {
    const struct parts parts = {0};
    struct check check;
    (void)state;

    check_parts(&parts, "", &check);
    assert_int_equal(json_array_size(check.problems), 1);
    assert_string_equal(text_of(json_array_get(check.problems, 0), "element"),
                        "/domain/devices/disk[1]/source");
    check_finish(&check);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_all_problems_are_told),
        cmocka_unit_test(test_volumes_and_disks_are_collected_once),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_many_features),
        cmocka_unit_test(test_without_volumes_nothing_can_be_placed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
