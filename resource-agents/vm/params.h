/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters of an action, from the environment. */
#ifndef AGENTS_VM_PARAMS_H
#define AGENTS_VM_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converge.h"

struct params {
    const char *uri;
    const char *name;
    char uuid[37]; /* "" if there is none */
    uint64_t timeout_ms;
    uint64_t generation;
    uint64_t grace_ms;
    uint64_t bandwidth_mbps;  /* megabits a second; 0: no limit */
    uint64_t max_downtime_ms; /* 0: what is usual */
    enum if_not_converging if_not_converging;
    uint64_t usage_ms;
    uint64_t rate_bps, overhead_ms, blackout_ms, known_bytes; /* of earlier moves; 0: not known */
    bool auto_converge;
    bool shared; /* the disks are on shared storage, whatever libvirt thinks of the file system */
    bool wait_job;
    const char *target;
    const char *target_uri;
    const char *state_file;
    const char *volumes;
    const char *dest;    /* directory; "" if each file has its own place */
    const char *disks;   /* lines, as struct move_request has them */
    const char *files;   /* lines "from<TAB>to" */
    uint64_t move;       /* the storage move's number */
    uint64_t checkpoint; /* its number */
    bool disks_only;
    bool running; /* the VM goes on meanwhile */
    bool dry_run;
    bool remove_source; /* the files of the source, once the VM has moved */
    bool cancelled;     /* the move is to be taken back, if it still can be */
};

/* Parameters that an action requires, as bits. */
enum params_required {
    PARAMS_VM = 1,          /* name */
    PARAMS_GENERATION = 2,  /* generation, not 0 */
    PARAMS_TARGET = 4,      /* target, target_uri */
    PARAMS_STATE_FILE = 8,  /* state_file, absolute */
    PARAMS_FILES = 16,      /* files; move, not 0 */
    PARAMS_CHECKPOINT = 32, /* checkpoint, not 0; disks */
};

/* Reads all parameters; the required ones (bits) must exist. -EINVAL with one line in reason. */
int params_read(unsigned int required, struct params *ret_params, char *reason, size_t reason_size);

/* The bandwidth limit as libvirt counts it, in MiB/s; 0: no limit. */
unsigned long long params_bandwidth_mib(const struct params *params);

#endif
