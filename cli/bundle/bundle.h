/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A support bundle while it is being made: a directory beside the final file, which only root can
 * read, and which is removed at the end, whatever happens.
 */
#ifndef CLI_BUNDLE_BUNDLE_H
#define CLI_BUNDLE_BUNDLE_H

#include "cli.h"

#include <limits.h>

enum { BUNDLE_NAME_MAX = 160 };

struct bundle {
    struct cli *cli;
    char name[BUNDLE_NAME_MAX]; /* "clusterd-support-n1-20261125-104502": of what is packed */
    char output[PATH_MAX];      /* the file that it becomes */
    char parent[PATH_MAX];      /* where that lies, and `scratch` too */
    char scratch[PATH_MAX];     /* the directory; "" before it is made */
    int content;                /* descriptor of SCRATCH/NAME; -1 likewise */
    json_t *answers;            /* owned: file name -> what the daemon said */
    json_t *missing;            /* owned: texts: what could not be had, and why */
};

/* What this node's clusterd says, into b->answers, before there is a directory: it knows the node's
 * name. That it does not answer is no failure. CLI_DONE or reported. */
int bundle_ask_daemon(struct bundle *b);
/* All else, and the answers, into the directory. What cannot be had is noted in b->missing and in
 * a file; what cannot be written is a failure. CLI_DONE or reported. */
int bundle_gather(struct bundle *b);

/* Each returns an exit code after it has reported: that the bundle cannot be written; that it was
 * interrupted, or that --timeout has passed. */
int bundle_fail_write(const struct bundle *b, int error);
int bundle_fail_stopped(const struct bundle *b, int error);
/* Whether the command's own end has come, and not only that of one step. */
bool bundle_is_stopped(const struct bundle *b, int error);
/* Deadline of a step that may take so long. */
int64_t bundle_deadline_ms(const struct bundle *b, int64_t ms);

#endif
