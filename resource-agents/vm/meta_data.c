/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's self-description, in the XML of the OCF resource agent API. */
#include "actions.h"

#include <stdio.h>

#include "../shared/ocf.h"

static const struct {
    const char *name;
    const char *type;
    const char *fallback;
    const char *text;
} parameters[] = {
    {"uri", "string", "qemu:///system", "libvirt on this node"},
    {"name", "string", "", "Name of the VM"},
    {"uuid", "string", "", "UUID of the VM; if given, the VM is found by it"},
    {"timeout_ms", "integer", "60000", "Time for the operation; it ends shortly before"},
    {"generation", "integer", "0", "Generation of the VM; it grows with each change of owner"},
    {"grace_ms", "integer", "30000",
     "stop: time for the guest to shut down before it is destroyed; 0 destroys at once"},
    {"target", "string", "", "migrate_to: name of the target node"},
    {"target_uri", "string", "",
     "migrate_to: libvirt on the target node, as qemu+tls://node2/system"},
    {"bandwidth_mbps", "integer", "0",
     "migrate_to, predict, host-move: bandwidth limit in Mbit/s; 0 means none"},
    {"max_downtime_ms", "integer", "0",
     "migrate_to, predict: longest blackout of the guest; 0 means QEMU's default, 300"},
    {"if_not_converging", "string", "abort",
     "migrate_to, predict: what follows if the guest dirties its memory too fast: abort or "
     "suspend"},
    {"auto_converge", "integer", "0",
     "migrate_to, predict: 1 slows down a guest that writes faster than the network can copy"},
    {"shared", "integer", "0",
     "migrate_to: 1 declares that the disks are on shared storage, even if libvirt does not know "
     "it"},
    {"rate_bps", "integer", "0", "predict: bytes a second of earlier moves; 0: none is known"},
    {"overhead_ms", "integer", "0", "predict: time of a move besides memory and blackout"},
    {"blackout_ms", "integer", "0", "predict: usual blackout of a move"},
    {"known_bytes", "integer", "0", "predict: memory that an earlier move sent; 0: not known"},
    {"state_file", "string", "",
     "save, restore, state-remove: file on a volume for the VM's state"},
    {"volumes", "string", "",
     "validate-all, copy-plan: the cluster's volumes, as name=/path:name=/path"},
    {"wait_job", "integer", "0", "monitor: 1 waits until no migration or save runs on the VM"},
    {"dest", "string", "",
     "copy-plan: directory to which the files move; may be empty if disks names each of them"},
    {"disks", "string", "",
     "copy-plan: places of single files, as lines TARGET=/path or TARGET=/path,format=qcow2; "
     "checkpoint and the like: the disks, as lines TARGET=/path"},
    {"checkpoint", "integer", "0",
     "checkpoint, checkpoint-revert, checkpoint-remove, checkpoint-live, checkpoint-remove-live: "
     "number of the checkpoint"},
    {"disks_only", "integer", "0", "copy-plan: 1 leaves the UEFI variables where they are"},
    {"files", "string", "", "copy, copy-undo, copy-finish, mirror: lines FROM, tab, TO"},
    {"move", "integer", "0", "copy, copy-undo, copy-finish, mirror: number of the storage move"},
    {"cancelled", "integer", "0", "mirror: 1 takes the move back, if that is still possible"},
    {"dry_run", "integer", "0", "host-move: 1 only shows the plan"},
    {"remove_source", "integer", "0",
     "host-move: 1 removes the files of the source once the VM has moved"},
    {"usage_ms", "integer", "5000", "watch: time between two reports of usage"},
};

static const struct {
    const char *name;
    const char *timeout;
} actions[] = {
    {"start", "60s"},
    {"stop", "120s"},
    {"monitor", "20s"},
    {"migrate_to", "3600s"},
    {"migrate_from", "60s"},
    {"validate-all", "10s"},
    {"meta-data", "5s"},
    {"save", "600s"},
    {"restore", "600s"},
    {"resume", "20s"},
    {"destroy", "30s"},
    {"host-cpu", "20s"},
    {"copy-plan", "20s"},
    {"copy", "86400s"},
    {"copy-undo", "60s"},
    {"copy-finish", "60s"},
    {"host-forget", "30s"},
    {"host-inspect", "30s"},
    {"host-move", "86400s"},
    {"state-remove", "60s"},
    {"predict", "10s"},
    {"checkpoint", "60s"},
    {"checkpoint-plan", "20s"},
    {"checkpoint-revert", "86400s"},
    {"checkpoint-remove", "86400s"},
    {"checkpoint-live", "60s"},
    {"checkpoint-remove-live", "60s"},
    {"mirror", "86400s"},
    {"mirror-continue", "20s"},
    {"host-define", "30s"},
    {"adopt", "30s"},
    {"release", "30s"},
};

int action_meta_data(const struct params *params, const char *xml, size_t xml_len) {
    (void)params;
    (void)xml;
    (void)xml_len;
    printf("<?xml version=\"1.0\"?>\n"
           "<resource-agent name=\"vm\" version=\"%s\">\n"
           "  <version>1.1</version>\n"
           "  <longdesc lang=\"en\">Runs one virtual machine as a transient libvirt domain on "
           "behalf of clusterd. The\n"
           "definition (libvirt's domain XML) is read from standard input by start, adopt, "
           "release, restore, validate-all and copy-plan. Results are\n"
           "JSON lines on standard output.</longdesc>\n"
           "  <shortdesc lang=\"en\">A virtual machine of clusterd</shortdesc>\n"
           "  <parameters>\n",
           CLUSTERD_VERSION);
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        printf("    <parameter name=\"%s\" unique=\"0\" required=\"%d\">\n"
               "      <longdesc lang=\"en\">%s</longdesc>\n"
               "      <shortdesc lang=\"en\">%s</shortdesc>\n"
               "      <content type=\"%s\" default=\"%s\"/>\n"
               "    </parameter>\n",
               parameters[i].name, i == 1, parameters[i].text, parameters[i].name,
               parameters[i].type, parameters[i].fallback);
    }
    printf("  </parameters>\n"
           "  <actions>\n");
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        printf("    <action name=\"%s\" timeout=\"%s\"/>\n", actions[i].name, actions[i].timeout);
    }
    printf("    <action name=\"watch\" timeout=\"0\"/>\n"
           "  </actions>\n"
           "</resource-agent>\n");
    return fflush(stdout) == 0 ? OCF_SUCCESS : OCF_ERR_GENERIC;
}
