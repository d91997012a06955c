/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metadata of a fence agent; see commands/fence_agent.h.
 *
 * Agents for the controller of a single machine (IPMI, iDRAC, iLO, Redfish, ...) control the
 * machine at their ip and ignore a plug, unless port_as_ip is set: that parameter identifies them.
 * clusterd cannot run an agent while it handles a command, so this is checked here.
 */
#include "commands/fence_agent.h"
#include "child.h"
#include "ipc.h"
#include "node_config.h"
#include "output/print.h"
#include "output/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { METADATA_MAX = 1024 * 1024, METADATA_TIMEOUT_MS = 20000 };

bool fence_agent_takes(const char *metadata, const char *parameter) {
    size_t n = strlen(parameter);
    for (const char *at = strstr(metadata, "<parameter "); at != NULL;
         at = strstr(at + 1, "<parameter ")) {
        const char *end = strchr(at, '>');
        const char *name = strstr(at, " name=");
        if (end != NULL && name != NULL && name < end) {
            name += strlen(" name=");
            if ((*name == '"' || *name == '\'') && strncmp(name + 1, parameter, n) == 0 &&
                name[n + 1] == *name) {
                return true;
            }
        }
    }
    return false;
}

/* A bare name. clusterd says what is wrong with any other. */
static bool is_name(const char *agent) {
    return strncmp(agent, "fence_", 6) == 0 && strchr(agent, '/') == NULL;
}

/* "": there is none, and a warning has been written. The caller frees it. */
static char *metadata_of(struct cli *cli, const char *agent, const char *path) {
    char words[300] = "";
    const char *const argv[] = {path, "-o", "metadata", NULL};
    int fd = memfd_create("clusterctl", MFD_CLOEXEC);
    int64_t limit_ms = ipc_now_ms() + METADATA_TIMEOUT_MS;
    struct child_call call = {.argv = argv,
                              .output = fd,
                              .deadline_ms =
                                  limit_ms < cli->deadline_ms ? limit_ms : cli->deadline_ms,
                              .interrupt = -1};
    int r = fd < 0 ? -errno : child_run(&call, words, sizeof(words));
    char *text = calloc(1, METADATA_MAX + 1);
    ssize_t got = r == 0 && text != NULL ? pread(fd, text, METADATA_MAX, 0) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (got <= 0) {
        char code[32];
        snprintf(code, sizeof(code), "code %d", r);
        const char *why = r < 0 ? strerror(-r) : words[0] != '\0' ? words : code;
        print_text(
            stderr,
            "clusterctl: warning: %s printed no metadata (%s -o metadata: %s); is it installed "
            "completely?\n",
            agent, agent, why);
        free(text);
        return strdup("");
    }
    return text;
}

/* Whether any parameter depends on the node. */
static bool names_node(const json_t *params) {
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach ((json_t *)(uintptr_t)params, key, value) {
        if (strstr(json_text(params, key), "{node}") != NULL || strcmp(key, "port_as_ip") == 0) {
            return true;
        }
    }
    return false;
}

/* Whether the agent identifies the machine by its ip alone, or by nothing at all. */
static bool passes_over_plug(const char *metadata) {
    return fence_agent_takes(metadata, "port_as_ip") ||
           !(fence_agent_takes(metadata, "plug") || fence_agent_takes(metadata, "port") ||
             fence_agent_takes(metadata, "nodename"));
}

int fence_agent_check(struct cli *cli, const char *device, const char *agent, const json_t *nodes,
                      const json_t *params) {
    const char *directory = getenv("CLUSTERD_FENCE_AGENT_DIR");
    struct config config;
    text_auto *path = NULL;
    if (!is_name(agent)) {
        return CLI_DONE;
    }
    if (directory == NULL) {
        int code = node_config_read(cli, "fence-device add", &config);
        if (code != CLI_DONE) {
            return code;
        }
        directory = config.fence_agent_dir;
    }
    if (asprintf(&path, "%s/%s", directory, agent) < 0) {
        path = NULL;
        return cli_fail(cli, CLI_FAILED, NULL, "fence-device add: out of memory");
    }
    if (access(path, X_OK) < 0) {
        return CLI_DONE; /* clusterd says so, and is the one that must be able to run it */
    }
    text_auto *metadata = metadata_of(cli, agent, path);
    if (metadata == NULL || metadata[0] == '\0' || json_array_size(nodes) == 1 ||
        names_node(params) || !passes_over_plug(metadata)) {
        return CLI_DONE;
    }
    return cli_fail(cli, CLI_REFUSED,
                    "use {node} in its ip, or add one device for each node with --node; if this "
                    "agent selects the machine by its plug, add --param plug={node}",
                    "fence-device add: %s controls the machine at its ip, but %s is for %s", agent,
                    device, json_array_size(nodes) == 0 ? "all nodes" : "several nodes");
}
