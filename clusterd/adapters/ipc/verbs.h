/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of requests: each argument's name, type, limit and place in its struct. The parser
 * (ipc/requests.c) knows types, not requests.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_VERBS_H
#define CLUSTERD_ADAPTERS_IPC_VERBS_H

#include "adapters/ipc/requests.h"

enum arg_type {
    ARG_TEXT,     /* limit: bytes */
    ARG_NEW_NAME, /* of a new object: becomes part of file and process names and XML */
    ARG_UUID,
    ARG_BOOL,
    ARG_MODE, /* a word of an enum; likewise the next four */
    ARG_RULE_KIND,
    ARG_RULE_SCOPE,
    ARG_MOBILITY,
    ARG_MOVE_POLICY,
    ARG_FAILBACK,
    ARG_CONVERGENCE,
    ARG_U32, /* limit: largest */
    ARG_U64,
    ARG_SINCE,
    ARG_NAMES,   /* limit: elements */
    ARG_PARAMS,  /* object of strings; offset: keys, limit: elements; values lie behind the keys */
    ARG_AMOUNTS, /* an object of numbers; limit: elements */
    ARG_FILES,   /* a list of objects with arguments of their own; limit: elements */
    ARG_NEEDS,   /* an object with arguments of its own */
    ARG_DRY_RUN,
    ARG_CHECKED /* any type, for people: checked, not kept */
};

struct ipc_arg {
    const char *name;
    enum arg_type type;
    bool required;
    size_t offset;
    uint64_t limit;
};

extern const struct ipc_verb ipc_verbs[];
extern const size_t ipc_n_verbs;
/* The members of vm.add's "needs". */
extern const struct ipc_arg ipc_needs_args[];
extern const size_t ipc_n_needs_args;
/* Those of each of vm.storage's "files". */
extern const struct ipc_arg ipc_file_args[];
extern const size_t ipc_n_file_args;

#endif
