/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm add: a file with a domain definition becomes a VM of the cluster.
 *
 *     read the file
 *       -> give it its name, uuid and MAC addresses
 *       -> agent `vm validate-all`, with the cluster's volumes
 *       -> vm.add
 *
 * The agent says what the VM needs (memory, cpus, volumes), and the cluster believes it. The agent
 * refuses what could not run on another node, and names the element.
 */
#include "cli.h"
#include "output/text.h"
#include "verbs.h"
#include "commands/set.h"
#include "commands/vm_add.h"
#include "commands/vm_agent.h"
#include "commands/xml_edit.h"
#include "output/print.h"
#include "wire/limits.h"
#include "wire/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Into `xml`, which has room for WIRE_MAX_XML + 2 bytes. */
static int read_definition(struct cli *cli, const char *path, char *xml) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (file == NULL) {
        return cli_fail(cli, CLI_USAGE, NULL, "vm add: cannot read %s: %s", path, strerror(errno));
    }
    size_t size = fread(xml, 1, WIRE_MAX_XML + 1, file);
    bool broken = ferror(file) != 0;
    if (!standard) {
        fclose(file);
    }
    xml[size] = '\0';
    if (broken) {
        return cli_fail(cli, CLI_USAGE, NULL, "vm add: cannot read %s", path);
    }
    if (size > WIRE_MAX_XML) {
        return cli_fail(cli, CLI_USAGE, NULL, "vm add: %s is larger than %u KiB", path,
                        WIRE_MAX_XML / 1024);
    }
    if (strlen(xml) != size || size == 0) {
        return cli_fail(cli, CLI_USAGE, "write one with: virsh dumpxml --inactive DOMAIN",
                        "vm add: %s is %s", standard ? "standard input" : path,
                        size == 0 ? "empty" : "not a text file");
    }
    return CLI_DONE;
}

/* Replaces [begin, end) of *xml by `text`. */
static int edit(struct cli *cli, char **xml, size_t begin, size_t end, const char *text) {
    char *edited = xml_replace(*xml, begin, end, text);
    if (edited == NULL) {
        return cli_fail(cli, CLI_FAILED, NULL, "vm add: out of memory");
    }
    free(*xml);
    *xml = edited;
    return CLI_DONE;
}

/* Sets the name given by --name, and a uuid if the definition has none: libvirt would invent a
 * different one on each node, and the VM would not be recognised after a move. */
static int complete_definition(struct cli *cli, const char *path, char **xml) {
    struct xml_place root;
    struct xml_place place;
    char uuid[XML_UUID_SIZE];
    char element[128];
    const char *name = options_value(&cli->options, OPTION_NAME);
    if (name != NULL && !name_is_good(name)) {
        return cli_fail_usage(cli, "vm add", "--name %s: a name has " NAME_RULE, name);
    }
    if (xml_find(*xml, NULL, &root) < 0) {
        return cli_fail(cli, CLI_REFUSED, "write one with: virsh dumpxml --inactive DOMAIN",
                        "vm add: %s is not XML: it contains no complete element", path);
    }
    int found = xml_find(*xml, "name", &place);
    int code = CLI_DONE;
    if (name != NULL && found == 0) {
        code = edit(cli, xml, place.content, place.content_end, name);
    } else if (name != NULL && found == -ENOENT) {
        snprintf(element, sizeof(element), "<name>%s</name>", name);
        code = edit(cli, xml, root.content, root.content, element);
    }
    if (code != CLI_DONE || xml_find(*xml, "uuid", &place) != -ENOENT ||
        xml_find(*xml, "name", &place) < 0) {
        return code; /* the agent reports missing or wrong parts better */
    }
    if (xml_make_uuid(uuid) < 0) {
        return cli_fail(cli, CLI_FAILED, NULL, "vm add: no random numbers for a uuid");
    }
    snprintf(element, sizeof(element), "<uuid>%s</uuid>", uuid);
    return edit(cli, xml, place.end, place.end, element);
}

/* An address that the definition does not have yet. */
static int make_mac(const char *xml, char mac[XML_MAC_SIZE]) {
    int r = 0;
    do {
        r = xml_make_mac(mac);
    } while (r == 0 && strcasestr(xml, mac) != NULL);
    return r;
}

/* Gives each network interface a MAC address if it has none: libvirt would invent a new one at each
 * start, and the guest would not recognise its network. *ret_made lists them. */
static int complete_macs(struct cli *cli, char **xml, json_t **ret_made) {
    static const char *const names[] = {"devices", "interface", "mac"};
    json_auto *made = json_array();
    size_t at = 0;
    int i = 0;
    while ((i = xml_find_lacking(*xml, names, (size_t)i, &at)) >= 0) {
        char mac[XML_MAC_SIZE];
        char element[64];
        char path[64];
        char reason[80];
        if (make_mac(*xml, mac) < 0) {
            return cli_fail(cli, CLI_FAILED, NULL, "vm add: no random numbers for a MAC address");
        }
        snprintf(element, sizeof(element), "<mac address='%s'/>", mac);
        int code = edit(cli, xml, at, at, element);
        if (code != CLI_DONE) {
            return code;
        }
        i++;
        snprintf(path, sizeof(path), "/domain/devices/interface[%d]", i);
        snprintf(reason, sizeof(reason), "it had no MAC address and was given %s", mac);
        json_array_append_new(made, json_pack("{ss ss}", "element", path, "reason", reason));
    }
    *ret_made = json_incref(made);
    return CLI_DONE; /* the agent reports invalid XML better */
}

/* Prints lines of {"element","reason"}, from `first` on: further errors, or warnings. */
static void show_findings(const char *title, const json_t *findings, size_t first) {
    for (size_t i = first; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        print_text(stderr, "clusterctl: %s: %s: %s\n", title, json_text(finding, "element"),
                   json_text(finding, "reason"));
    }
}

static int refuse(struct cli *cli, const char *path, const json_t *answer) {
    const char *element = json_text(answer, "element");
    json_t *problems = json_object_get(answer, "problems");
    cli_detail(cli, "problems", problems);
    int code =
        cli_fail(cli, CLI_REFUSED, "change the file; list the volumes with: clusterctl volume list",
                 "vm add: %s cannot be made highly available: %s%s%s", path, element,
                 element[0] != '\0' ? ": " : "", json_text(answer, "reason"));
    show_findings("and also", problems, 1);
    return code;
}

/* Asks the agent. On CLI_DONE its answer has what the VM needs, and warnings. */
static int validate(struct cli *cli, const char *path, const char *xml, const char *volumes,
                    json_t **ret_answer) {
    const char *name = options_value(&cli->options, OPTION_NAME);
    const char *const params[][2] = {{"OCF_RESKEY_volumes", volumes}, {NULL, NULL}};
    const struct vm_question question = {.command = "vm add",
                                         .action = "validate-all",
                                         .name = name != NULL ? name : "new",
                                         .xml = xml,
                                         .params = params};
    json_auto *answer = NULL;
    int code = vm_agent_ask(cli, &question, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    if (!vm_agent_agrees(answer)) {
        return refuse(cli, path, answer);
    }
    json_t *needs = json_object_get(answer, "needs");
    if (json_text(needs, "name")[0] == '\0' || json_text(needs, "uuid")[0] == '\0') {
        return cli_fail(cli, CLI_FAILED, "are clusterctl and the agents of the same version?",
                        "vm add: the agent did not report the VM's name and uuid");
    }
    *ret_answer = json_incref(answer);
    return CLI_DONE;
}

static int add(struct cli *cli, const char *xml, json_t *needs, enum vm_add_as as) {
    json_auto *possible = NULL;
    json_auto *preferred = NULL;
    int64_t priority = 0;
    char done[200];
    const char *name = json_text(needs, "name");
    const char *priority_text = options_value(&cli->options, OPTION_PRIORITY);
    bool adopt = as == VM_ADD_ADOPTED; /* then it runs, whatever --start says */
    bool start = !adopt && options_given(&cli->options, OPTION_START);
    if (priority_text != NULL &&
        text_parse_number(priority_text, 0, WIRE_MAX_PRIORITY, &priority) < 0) {
        return cli_fail_usage(cli, "vm add", "--priority %s is not a number from 0 to %d",
                              priority_text, WIRE_MAX_PRIORITY);
    }
    int code = cli_names(cli, "vm add", OPTION_POSSIBLE, &possible);
    if (code == CLI_DONE) {
        code = cli_names(cli, "vm add", OPTION_PREFERRED, &preferred);
    }
    if (code != CLI_DONE) {
        return code;
    }
    json_t *arguments = json_pack("{s:s, s:s, s:O, s:I, s:O, s:O, s:b}", "name", name, "xml", xml,
                                  "needs", needs, "priority", (json_int_t)priority, "possible",
                                  possible, "preferred", preferred, "start", (int)start);
    if (arguments == NULL) {
        return cli_fail(cli, CLI_REFUSED, "save the file as UTF-8",
                        "vm add: the definition of %s is not UTF-8 text", name);
    }
    if (adopt) {
        json_object_set_new(arguments, "adopt", json_true());
    }
    code = cli_resources(cli, "vm add", arguments);
    if (code == CLI_DONE) {
        code = set_move_policy(cli, "vm add", arguments);
    }
    if (code != CLI_DONE) {
        json_decref(arguments);
        return code;
    }
    snprintf(done, sizeof(done), "VM %s has been added%s%s", name,
             adopt ? "" : "; start it with: clusterctl vm start ", adopt ? "" : name);
    return cli_change(cli, "vm.add", arguments, done);
}

/* The same, with the cluster's volumes. */
int vm_add_check(struct cli *cli, const char *title, const char *xml, json_t **ret_answer) {
    json_auto *list = NULL;
    int code = cli_request(cli, "volume.list", NULL, &list);
    if (code != CLI_DONE) {
        return code;
    }
    text_auto *volumes = vm_agent_volumes(json_object_get(list, "volumes"));
    if (volumes == NULL) {
        return cli_fail(cli, CLI_FAILED, NULL, "vm add: out of memory");
    }
    return validate(cli, title, xml, volumes, ret_answer);
}

int vm_add_definition(struct cli *cli, const char *title, char **xml, enum vm_add_as as) {
    json_auto *answer = NULL;
    json_auto *macs = NULL;
    int code = complete_definition(cli, title, xml);
    if (code == CLI_DONE) {
        code = complete_macs(cli, xml, &macs);
    }
    if (code == CLI_DONE) {
        code = vm_add_check(cli, title, *xml, &answer);
    }
    if (code != CLI_DONE) {
        return code;
    }
    show_findings("warning", json_object_get(answer, "warnings"), 0);
    show_findings("note", macs, 0);
    return add(cli, *xml, json_object_get(answer, "needs"), as);
}

int command_vm_add(struct cli *cli, char **words) {
    const char *title = strcmp(words[0], "-") == 0 ? "standard input" : words[0];
    bool adopt = options_given(&cli->options, OPTION_ADOPT);
    if (adopt && options_given(&cli->options, OPTION_START)) {
        return cli_fail_usage(cli, "vm add",
                              "vm add: --adopt and --start exclude each other: what is taken over "
                              "runs already");
    }
    text_auto *xml = malloc(WIRE_MAX_XML + 2);
    if (xml == NULL) {
        return cli_fail(cli, CLI_FAILED, NULL, "vm add: out of memory");
    }
    int code = read_definition(cli, words[0], xml);
    if (code != CLI_DONE) {
        return code;
    }
    return vm_add_definition(cli, title, &xml, adopt ? VM_ADD_ADOPTED : VM_ADD_OFF);
}
