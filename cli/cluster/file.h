/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster in a file, as a placement problem: the neutral form of clusterd-cluster.json(5).
 *
 * `clusterctl plan` reads all its problems in this form, including the live cluster (clusterd
 * exports its model in it), and so do the benches: there is one way from names to the numbers of
 * the engine.
 *
 * Reading is strict: an unknown key, a wrong type, an unknown name, a number beyond the limits of
 * the engine or a rule that the engine cannot keep ends it with one line that names the place.
 * Either the whole file is read or nothing.
 */
#ifndef CLI_CLUSTER_FILE_H
#define CLI_CLUSTER_FILE_H

#include "base/arena.h"
#include "cluster/names.h"
#include "placement/placement.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enough for every message about a file. */
#define CLUSTER_FILE_MESSAGE_MAX 512u
/* A limit for solving times: a day. */
#define CLUSTER_FILE_SECONDS_MAX 86400u

struct cluster_file {
    struct placement_problem problem; /* all of it belongs to the file */
    /* The file's own request: VMs without a host to place, nodes to empty. */
    struct placement_request request;
    bool drain_moves_others; /* like request.may_move_others, when nodes are emptied */
    uint32_t solve_ms;       /* how long to look for better plans, by default */
    struct cluster_names nodes;
    struct cluster_names vms;

    struct placement_vm *vm_rows; /* the problem's */
    bool *bound;                  /* of VMs: by bound_cpu_model */
    uint32_t *start_machines;     /* of VMs: the machine type of a start, or NONE */
    struct arena arena;           /* the memory of everything above */
    json_t *root;                 /* owned: the names are its texts */
};

/* Reads a file. 0, or with a line about it in ret_message (of CLUSTER_FILE_MESSAGE_MAX bytes):
 * -EINVAL: the content is wrong; -ENOMEM; another errno: it cannot be read. The caller ends with
 * cluster_file_destroy(). */
int cluster_file_read(const char *path, struct cluster_file **ret_file, char *ret_message);
/* The same from JSON in memory (stolen); messages call it `path`. */
int cluster_file_take(json_t *root, const char *path, struct cluster_file **ret_file,
                      char *ret_message);
/* The question is what a loss would do. VMs then start anew: none is bound to the CPU or machine
 * type with which it runs. A VM that is so bound makes no room, as it might start anywhere. */
void cluster_file_unbind(struct cluster_file *file);
/* NULL is fine. */
void cluster_file_destroy(struct cluster_file *file);

#endif
