/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resource agent `volume`: is a cluster shared volume there, writable, and the same storage
 * that other nodes see?
 *
 * If the storage hangs, only this process hangs with it; clusterd notices that the lines stop.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "base/standard_fds.h"
#include "heartbeat.h"

enum {
    INTERVAL_DEFAULT_MS = 2000,
    INTERVAL_MIN_MS = 50,
    INTERVAL_MAX_MS = 3600 * 1000,
    HURRY = 10 /* so many times faster while a node is new */
};

struct volume_params {
    const char *name;
    const char *path;
    const char *node;
    const char *nonce;
    uint64_t interval_ms;
};

static json_t *line_failed(const struct volume_params *params, const char *reason) {
    char text[PATH_MAX + 512];
    snprintf(text, sizeof(text), "volume %s on %s: %s", params->name, params->node, reason);
    ocf_one_line(text);
    return json_pack("{so sb so}", "volume", jsonl_text(params->name), "ok", 0, "reason",
                     jsonl_text(text));
}

/* One beat as a line. Returns 0 or a negative errno of the storage. */
static int beat(const struct volume_params *params, struct heartbeat *heartbeat,
                json_t **ret_line) {
    char reason[PATH_MAX + 128];
    uint64_t free_mb = 0;
    uint64_t total_mb = 0;

    int r = heartbeat_beat(heartbeat, reason, sizeof(reason));
    if (r == 0) {
        r = heartbeat_room(params->path, &free_mb, &total_mb);
        if (r < 0) {
            snprintf(reason, sizeof(reason), "cannot determine the free space in %s: %s",
                     params->path, strerror(-r));
        }
    }
    if (r < 0) {
        *ret_line = line_failed(params, reason);
        return r;
    }
    *ret_line = json_pack("{so sb sI sI so}", "volume", jsonl_text(params->name), "ok", 1,
                          "free_mb", (json_int_t)free_mb, "total_mb", (json_int_t)total_mb, "seen",
                          heartbeat_seen(heartbeat));
    return 0;
}

/* Sleeps until due_ms. False: nobody reads our lines any more. */
static bool sleep_until(uint64_t due_ms) {
    for (uint64_t now = ocf_now_ms(); now < due_ms; now = ocf_now_ms()) {
        struct pollfd output = {.fd = STDOUT_FILENO, .events = 0};
        if (poll(&output, 1, (int)(due_ms - now)) > 0) {
            return false; /* poll() always reports errors */
        }
    }
    return true;
}

static int action_watch(const struct volume_params *params) {
    struct heartbeat heartbeat = {
        .path = params->path, .node = params->node, .nonce = params->nonce};
    uint64_t hurry_ms = params->interval_ms / HURRY > INTERVAL_MIN_MS ? params->interval_ms / HURRY
                                                                      : INTERVAL_MIN_MS;
    uint64_t due_ms = ocf_now_ms();
    json_t *line;

    if (params->nonce == NULL) {
        ocf_log("volume watch: OCF_RESKEY_nonce is missing");
        return OCF_ERR_ARGS;
    }
    for (;;) {
        (void)beat(params, &heartbeat, &line);
        int r = jsonl_send(line, (int)params->interval_ms);
        if (r == -EPIPE || r == -ETIMEDOUT) {
            return OCF_SUCCESS;
        }
        bool hurries = heartbeat_hurries(&heartbeat, 2 * params->interval_ms);
        due_ms += hurries ? hurry_ms : params->interval_ms;
        if (due_ms < ocf_now_ms()) {
            due_ms = ocf_now_ms(); /* the storage was slow; do not catch up missed beats */
        }
        if (!sleep_until(due_ms)) {
            return OCF_SUCCESS;
        }
    }
}

/* A single check. It has no nonce, so that it does not disturb the heartbeat of a watch that runs
 * at the same time. */
static int action_monitor(const struct volume_params *params) {
    struct heartbeat heartbeat = {.path = params->path, .node = params->node, .nonce = NULL};
    json_t *line;

    int r = beat(params, &heartbeat, &line);
    jsonl_send(line, JSONL_IMPORTANT_MS);
    return r < 0 ? OCF_ERR_GENERIC : OCF_SUCCESS;
}

/* File systems that no other node can see. With a local disk, only the heartbeats show that it is
 * not shared. */
static const char *private_file_system(const char *path) {
    static const struct {
        unsigned long magic;
        const char *name;
    } private_kinds[] = {
        {TMPFS_MAGIC, "tmpfs"},
        {RAMFS_MAGIC, "ramfs"},
        {OVERLAYFS_SUPER_MAGIC, "overlayfs"},
        {SQUASHFS_MAGIC, "squashfs"},
        {PROC_SUPER_MAGIC, "proc"},
        {SYSFS_MAGIC, "sysfs"},
    };
    struct statfs fs;

    if (statfs(path, &fs) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(private_kinds) / sizeof(private_kinds[0]); i++) {
        if ((unsigned long)fs.f_type == private_kinds[i].magic) {
            return private_kinds[i].name;
        }
    }
    return NULL;
}

static int end_validation(const char *reason, const char *warning) {
    jsonl_send(json_pack("{ss so so}", "result", reason[0] == '\0' ? "ok" : "failed", "reason",
                         jsonl_text(reason), "warning", jsonl_text(warning)),
               JSONL_IMPORTANT_MS);
    return reason[0] == '\0' ? OCF_SUCCESS : OCF_ERR_CONFIGURED;
}

static int action_validate_all(const struct volume_params *params) {
    char reason[PATH_MAX + 256] = "";
    char warning[PATH_MAX + 256] = "";
    struct stat st;

    if (params->path[0] != '/') {
        snprintf(reason, sizeof(reason), "volume %s: the path %s is not absolute", params->name,
                 params->path);
    } else if (stat(params->path, &st) < 0) {
        snprintf(reason, sizeof(reason), "volume %s on %s: %s: %s; mount it there first",
                 params->name, params->node, params->path, strerror(errno));
    } else if (!S_ISDIR(st.st_mode)) {
        snprintf(reason, sizeof(reason), "volume %s on %s: %s is not a directory", params->name,
                 params->node, params->path);
    } else if (faccessat(AT_FDCWD, params->path, W_OK | X_OK, AT_EACCESS) < 0) {
        snprintf(reason, sizeof(reason), "volume %s on %s: cannot write to %s: %s", params->name,
                 params->node, params->path, strerror(errno));
    } else if (private_file_system(params->path) != NULL) {
        snprintf(warning, sizeof(warning),
                 "volume %s on %s: %s is a %s, which no other node can see", params->name,
                 params->node, params->path, private_file_system(params->path));
    }
    return end_validation(reason, warning);
}

static int action_meta_data(const struct volume_params *params) {
    (void)params;
    printf(
        "<?xml version=\"1.0\"?>\n<resource-agent name=\"volume\" version=\"%s\">\n  "
        "<version>1.1</version>\n  <longdesc lang=\"en\">Watches a shared volume of the cluster: a "
        "directory that all nodes see at the same path.\nEach node writes a heartbeat file and "
        "reads the others', which proves that it is the same storage.</longdesc>\n  <shortdesc "
        "lang=\"en\">A shared volume of clusterd</shortdesc>\n  <parameters>\n    <parameter "
        "name=\"name\" required=\"1\"><shortdesc lang=\"en\">Name of the "
        "volume</shortdesc><content type=\"string\"/></parameter>\n    <parameter name=\"path\" "
        "required=\"1\"><shortdesc lang=\"en\">Its directory</shortdesc><content "
        "type=\"string\"/></parameter>\n    <parameter name=\"node\" required=\"0\"><shortdesc "
        "lang=\"en\">Name of this node</shortdesc><content type=\"string\"/></parameter>\n    "
        "<parameter name=\"nonce\" required=\"0\"><shortdesc lang=\"en\">Random text that "
        "identifies this run</shortdesc><content type=\"string\"/></parameter>\n    <parameter "
        "name=\"interval_ms\" required=\"0\"><shortdesc lang=\"en\">Time between two "
        "heartbeats</shortdesc><content type=\"integer\" default=\"%d\"/></parameter>\n  "
        "</parameters>\n  <actions>\n    <action name=\"watch\" timeout=\"0\"/>\n    <action "
        "name=\"monitor\" timeout=\"20s\" interval=\"10s\"/>\n    <action name=\"start\" "
        "timeout=\"20s\"/>\n    <action name=\"stop\" timeout=\"5s\"/>\n    <action "
        "name=\"validate-all\" timeout=\"10s\"/>\n    <action name=\"meta-data\" "
        "timeout=\"5s\"/>\n  </actions>\n</resource-agent>\n",
        CLUSTERD_VERSION, INTERVAL_DEFAULT_MS);
    return fflush(stdout) == 0 ? OCF_SUCCESS : OCF_ERR_GENERIC;
}

/* clusterd mounts nothing: a volume is "started" if it is there; there is nothing to stop. */
static int action_stop(const struct volume_params *params) {
    (void)params;
    return OCF_SUCCESS;
}

static const struct {
    const char *name;
    bool needs_volume;
    int (*run)(const struct volume_params *params);
} volume_actions[] = {
    {"watch", true, action_watch},
    {"monitor", true, action_monitor},
    {"start", true, action_monitor},
    {"stop", false, action_stop},
    {"validate-all", true, action_validate_all},
    {"meta-data", false, action_meta_data},
};

/* Reads the parameters; returns an error text, or NULL. */
static const char *read_params(struct volume_params *params) {
    params->name = ocf_param("name", NULL);
    params->path = ocf_param("path", NULL);
    params->node = ocf_param("node", ocf_node());
    params->nonce = ocf_param("nonce", NULL);
    if (params->name == NULL) {
        return "OCF_RESKEY_name is missing";
    }
    if (params->path == NULL) {
        return "OCF_RESKEY_path is missing";
    }
    if (strchr(params->node, '/') != NULL || strlen(params->node) >= HEARTBEAT_TEXT_MAX) {
        return "OCF_RESKEY_node is not a node name";
    }
    if (params->nonce != NULL && strlen(params->nonce) >= HEARTBEAT_TEXT_MAX) {
        return "OCF_RESKEY_nonce is too long";
    }
    if (ocf_param_u64("interval_ms", INTERVAL_DEFAULT_MS, INTERVAL_MAX_MS, &params->interval_ms) <
            0 ||
        params->interval_ms < INTERVAL_MIN_MS) {
        return "OCF_RESKEY_interval_ms is not a number of milliseconds of at least 50";
    }
    return NULL;
}

int main(int argc, char **argv) {
    struct volume_params params = {.name = ""};
    size_t count = sizeof(volume_actions) / sizeof(volume_actions[0]);
    size_t i = 0;

    if (standard_fds_occupy() < 0) {
        return OCF_ERR_GENERIC; /* there is nowhere to say why */
    }
    if (argc != 2) {
        fprintf(stderr, "usage: volume watch|monitor|start|stop|validate-all|meta-data\n");
        return OCF_ERR_ARGS;
    }
    while (i < count && strcmp(volume_actions[i].name, argv[1]) != 0) {
        i++;
    }
    if (i == count) {
        ocf_log("volume: no action %s", argv[1]);
        return OCF_ERR_UNIMPLEMENTED;
    }
    const char *wrong = read_params(&params);
    if (wrong != NULL && volume_actions[i].needs_volume) {
        ocf_log("volume %s: %s", argv[1], wrong);
        jsonl_send(json_pack("{so ss ss}", "volume",
                             jsonl_text(params.name != NULL ? params.name : ""), "result", "failed",
                             "reason", wrong),
                   JSONL_IMPORTANT_MS);
        return OCF_ERR_ARGS;
    }
    int r = ocf_process_setup(OCF_DIES_WITH_PARENT);
    if (r < 0) {
        ocf_log("volume %s: %s", argv[1], strerror(-r));
        return OCF_ERR_GENERIC;
    }
    return volume_actions[i].run(&params);
}
