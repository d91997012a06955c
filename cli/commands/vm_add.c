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
#include "agent.h"
#include "cli.h"
#include "node_config.h"
#include "output/text.h"
#include "verbs.h"
#include "commands/xml_edit.h"
#include "wire/limits.h"
#include "wire/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALIDATE_TIMEOUT_MS = 30000 };

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

/* "csv1=/srv/csv1:csv2=/srv/csv2", the form that the agent expects. The caller frees it. */
static char *volume_paths(const json_t *volumes) {
    char *text = NULL;
    size_t size = 0;
    size_t i = 0;
    json_t *volume = NULL;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    json_array_foreach (volumes, i, volume) {
        fprintf(out, "%s%s=%s", i > 0 ? ":" : "", json_text(volume, "name"),
                json_text(volume, "path"));
    }
    fclose(out);
    return text;
}

/* Prints lines of {"element","reason"}, from `first` on: further errors, or warnings. */
static void show_findings(const char *title, const json_t *findings, size_t first) {
    for (size_t i = first; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        text_auto *line = NULL;
        if (asprintf(&line, "clusterctl: %s: %s: %s", title, json_text(finding, "element"),
                     json_text(finding, "reason")) > 0) {
            text_clean(line);
            fprintf(stderr, "%s\n", line);
        }
    }
}

static int refuse(struct cli *cli, const char *path, const json_t *result, const char *words) {
    const char *element = json_text(result, "element");
    const char *reason = json_text(result, "reason");
    json_t *problems = json_object_get(result, "problems");
    reason = reason[0] != '\0' ? reason : words;
    cli_detail(cli, "problems", problems);
    int code =
        cli_fail(cli, CLI_REFUSED, "change the file; list the volumes with: clusterctl volume list",
                 "vm add: %s cannot be made highly available: %s%s%s", path, element,
                 element[0] != '\0' ? ": " : "",
                 reason[0] != '\0' ? reason : "the agent gave no reason");
    show_findings("and also", problems, 1);
    return code;
}

/* The path of the VM agent, into `path`. CLI_DONE or reported. */
static int find_agent(struct cli *cli, char *path, size_t size) {
    const char *directory = getenv("CLUSTERD_AGENT_DIR");
    struct config config;
    int code = directory == NULL ? node_config_read(cli, "vm add", &config) : CLI_DONE;
    if (code == CLI_DONE) {
        snprintf(path, size, "%s/vm", directory != NULL ? directory : config.agent_dir);
    }
    return code;
}

/* Runs the agent at `path`; returns the result of agent_run(). */
static int run_agent(struct cli *cli, const char *agent, const char *xml, const char *volumes,
                     json_t **ret_result, char *ret_words, size_t size) {
    const char *name = options_value(&cli->options, OPTION_NAME);
    const char *const settings[][2] = {{"OCF_ROOT", "/usr/lib/ocf"},
                                       {"OCF_RESOURCE_INSTANCE", name != NULL ? name : "new"},
                                       {"OCF_RESKEY_volumes", volumes},
                                       {NULL, NULL}};
    int64_t limit_ms = ipc_now_ms() + VALIDATE_TIMEOUT_MS;
    struct agent_call call = {
        .path = agent,
        .action = "validate-all",
        .input = xml,
        .settings = settings,
        .deadline_ms = limit_ms < cli->deadline_ms ? limit_ms : cli->deadline_ms,
    };
    return agent_run(&call, ret_result, ret_words, size);
}

/* Asks the agent. On CLI_DONE *ret_needs is what the VM needs. */
static int validate(struct cli *cli, const char *path, const char *xml, const char *volumes,
                    json_t **ret_needs) {
    char agent[CONFIG_MAX_TEXT + 8];
    char words[512];
    json_auto *result = NULL;
    int code = find_agent(cli, agent, sizeof(agent));
    if (code != CLI_DONE) {
        return code;
    }
    int r = run_agent(cli, agent, xml, volumes, &result, words, sizeof(words));
    if (r == -ENOENT || r == -EACCES) {
        return cli_fail(cli, CLI_FAILED, "install clusterd and its resource agents on this node",
                        "vm add: the agent %s cannot be run: %s", agent, strerror(-r));
    }
    if (r == -ETIMEDOUT) {
        return cli_fail(cli, CLI_DEADLINE, NULL,
                        "vm add: the agent %s did not finish in time; it was killed", agent);
    }
    if (r < 0) {
        return cli_fail(cli, CLI_FAILED, NULL, "vm add: the agent %s failed: %s", agent,
                        words[0] != '\0' ? words : strerror(-r));
    }
    if (strcmp(json_text(result, "result"), "ok") != 0) {
        return refuse(cli, path, result, words);
    }
    json_t *needs = json_object_get(result, "needs");
    if (json_text(needs, "name")[0] == '\0' || json_text(needs, "uuid")[0] == '\0') {
        return cli_fail(cli, CLI_FAILED, "are clusterctl and the agents of the same version?",
                        "vm add: the agent %s did not report the VM's name and uuid", agent);
    }
    show_findings("warning", json_object_get(result, "warnings"), 0);
    *ret_needs = json_incref(needs);
    return CLI_DONE;
}

static int add(struct cli *cli, const char *xml, json_t *needs) {
    json_auto *possible = NULL;
    json_auto *preferred = NULL;
    int64_t priority = 0;
    char done[200];
    const char *name = json_text(needs, "name");
    const char *priority_text = options_value(&cli->options, OPTION_PRIORITY);
    bool start = options_given(&cli->options, OPTION_START);
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
    code = cli_resources(cli, "vm add", arguments);
    if (code != CLI_DONE) {
        json_decref(arguments);
        return code;
    }
    snprintf(done, sizeof(done), "VM %s has been added; start it with: clusterctl vm start %s",
             name, name);
    return cli_change(cli, "vm.add", arguments, done);
}

int command_vm_add(struct cli *cli, char **words) {
    const char *title = strcmp(words[0], "-") == 0 ? "standard input" : words[0];
    text_auto *xml = malloc(WIRE_MAX_XML + 2);
    json_auto *answer = NULL;
    json_auto *needs = NULL;
    json_auto *macs = NULL;
    if (xml == NULL) {
        return cli_fail(cli, CLI_FAILED, NULL, "vm add: out of memory");
    }
    int code = read_definition(cli, words[0], xml);
    if (code == CLI_DONE) {
        code = complete_definition(cli, title, &xml);
    }
    if (code == CLI_DONE) {
        code = complete_macs(cli, &xml, &macs);
    }
    if (code == CLI_DONE) {
        code = cli_request(cli, "volume.list", NULL, &answer);
    }
    if (code != CLI_DONE) {
        return code;
    }
    text_auto *volumes = volume_paths(json_object_get(answer, "volumes"));
    if (volumes == NULL) {
        return cli_fail(cli, CLI_FAILED, NULL, "vm add: out of memory");
    }
    code = validate(cli, title, xml, volumes, &needs);
    if (code != CLI_DONE) {
        return code;
    }
    show_findings("note", macs, 0);
    return add(cli, xml, needs);
}
