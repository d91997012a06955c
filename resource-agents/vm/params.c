/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters of an action. See params.h. */
#include "params.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../shared/ocf.h"
#include "definition.h"

enum {
    TIMEOUT_DEFAULT_MS = 60000,
    TIMEOUT_MAX_MS = 7 * 24 * 3600 * 1000,
    GRACE_DEFAULT_MS = 30000,
    USAGE_DEFAULT_MS = 5000,
    BANDWIDTH_MAX_MBPS = 1000 * 1000,
};

static int read_numbers(struct params *params, const char **ret_culprit) {
    uint64_t auto_converge = 0;
    uint64_t shared = 0;
    uint64_t wait_job = 0;
    uint64_t disks_only = 0;
    uint64_t running = 0;
    uint64_t dry_run = 0;
    uint64_t remove_source = 0;
    uint64_t cancelled = 0;
    const struct {
        const char *name;
        uint64_t *value;
        uint64_t fallback;
        uint64_t max;
    } numbers[] = {
        {"timeout_ms", &params->timeout_ms, TIMEOUT_DEFAULT_MS, TIMEOUT_MAX_MS},
        {"generation", &params->generation, 0, INT64_MAX}, /* a JSON integer is signed */
        {"grace_ms", &params->grace_ms, GRACE_DEFAULT_MS, TIMEOUT_MAX_MS},
        {"bandwidth_mbps", &params->bandwidth_mbps, 0, BANDWIDTH_MAX_MBPS},
        {"max_downtime_ms", &params->max_downtime_ms, 0, TIMEOUT_MAX_MS},
        {"rate_bps", &params->rate_bps, 0, INT64_MAX},
        {"overhead_ms", &params->overhead_ms, 0, TIMEOUT_MAX_MS},
        {"blackout_ms", &params->blackout_ms, 0, TIMEOUT_MAX_MS},
        {"known_bytes", &params->known_bytes, 0, INT64_MAX},
        {"usage_ms", &params->usage_ms, USAGE_DEFAULT_MS, TIMEOUT_MAX_MS},
        {"auto_converge", &auto_converge, 0, 1},
        {"shared", &shared, 0, 1},
        {"wait_job", &wait_job, 0, 1},
        {"move", &params->move, 0, INT64_MAX},
        {"checkpoint", &params->checkpoint, 0, INT64_MAX},
        {"disks_only", &disks_only, 0, 1},
        {"running", &running, 0, 1},
        {"dry_run", &dry_run, 0, 1},
        {"remove_source", &remove_source, 0, 1},
        {"cancelled", &cancelled, 0, 1},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int r =
            ocf_param_u64(numbers[i].name, numbers[i].fallback, numbers[i].max, numbers[i].value);
        if (r < 0) {
            *ret_culprit = numbers[i].name;
            return r;
        }
    }
    params->auto_converge = auto_converge != 0;
    params->shared = shared != 0;
    params->wait_job = wait_job != 0;
    params->disks_only = disks_only != 0;
    params->running = running != 0;
    params->dry_run = dry_run != 0;
    params->remove_source = remove_source != 0;
    params->cancelled = cancelled != 0;
    return 0;
}

static const char *missing(const struct params *params, unsigned int required) {
    if ((required & PARAMS_VM) != 0 && params->name == NULL) {
        return "name";
    }
    if ((required & PARAMS_GENERATION) != 0 && params->generation == 0) {
        return "generation";
    }
    if ((required & PARAMS_TARGET) != 0 && params->target == NULL) {
        return "target";
    }
    if ((required & PARAMS_TARGET) != 0 && params->target_uri == NULL) {
        return "target_uri";
    }
    if ((required & PARAMS_STATE_FILE) != 0 && params->state_file == NULL) {
        return "state_file";
    }
    if ((required & PARAMS_FILES) != 0 && params->files == NULL) {
        return "files";
    }
    if ((required & PARAMS_FILES) != 0 && params->move == 0) {
        return "move";
    }
    if ((required & PARAMS_CHECKPOINT) != 0 && params->checkpoint == 0) {
        return "checkpoint";
    }
    if ((required & PARAMS_CHECKPOINT) != 0 && params->disks[0] == '\0') {
        return "disks";
    }
    return NULL;
}

int params_read(unsigned int required, struct params *ret_params, char *reason,
                size_t reason_size) {
    const char *culprit = NULL;
    const char *uuid = ocf_param("uuid", "");
    const char *otherwise = ocf_param("if_not_converging", "abort");
    struct params params = {
        .uri = ocf_param("uri", "qemu:///system"),
        .name = ocf_param("name", NULL),
        .target = ocf_param("target", NULL),
        .target_uri = ocf_param("target_uri", NULL),
        .state_file = ocf_param("state_file", NULL),
        .volumes = ocf_param("volumes", ""),
        .dest = ocf_param("dest", ""),
        .disks = ocf_param("disks", ""),
        .files = ocf_param("files", NULL),
    };

    if (read_numbers(&params, &culprit) < 0) {
        snprintf(reason, reason_size, "parameter %s=%s is not a number in the allowed range",
                 culprit, ocf_param(culprit, ""));
        return -EINVAL;
    }
    if (converge_policy(otherwise, &params.if_not_converging) < 0) {
        snprintf(reason, reason_size, "parameter if_not_converging=%s is neither abort nor suspend",
                 otherwise);
        return -EINVAL;
    }
    if (uuid[0] != '\0' && uuid_normalize(uuid, params.uuid) < 0) {
        snprintf(reason, reason_size, "parameter uuid=%s is not a UUID", uuid);
        return -EINVAL;
    }
    culprit = missing(&params, required);
    if (culprit != NULL) {
        snprintf(reason, reason_size, "parameter %s is missing: set OCF_RESKEY_%s", culprit,
                 culprit);
        return -EINVAL;
    }
    if (params.state_file != NULL && params.state_file[0] != '/') {
        snprintf(reason, reason_size, "parameter state_file=%s is not an absolute path",
                 params.state_file);
        return -EINVAL;
    }
    *ret_params = params;
    return 0;
}

unsigned long long params_bandwidth_mib(const struct params *params) {
    const uint64_t bytes_per_megabit = 1000 * 1000 / 8;
    unsigned long long mib = params->bandwidth_mbps * bytes_per_megabit / (1024 * 1024);

    return mib == 0 && params->bandwidth_mbps > 0 ? 1 : mib; /* 0 would be no limit */
}
