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
    char output[PATH_MAX];      /* the final file */
    char parent[PATH_MAX];      /* its directory, also of `scratch` */
    char scratch[PATH_MAX];     /* the directory; "" before it is made */
    int content;                /* descriptor of SCRATCH/NAME; -1 likewise */
    json_t *answers;            /* owned: file name -> the daemon's answer */
    json_t *missing;            /* owned: texts: what is missing, and why */
};

/* Asks this node's clusterd, into b->answers, before the directory exists: the answers contain the
 * node's name. A clusterd that does not answer is no failure. CLI_DONE or reported. */
int bundle_ask_daemon(struct bundle *b);
/* Writes everything else, and the answers, into the directory. Missing things are noted in
 * b->missing and in a file; a failed write is a failure. CLI_DONE or reported. */
int bundle_gather(struct bundle *b);

/* Both report and return an exit code: the bundle cannot be written; the command was interrupted,
 * or --timeout has passed. */
int bundle_fail_write(const struct bundle *b, int error);
int bundle_fail_stopped(const struct bundle *b, int error);
/* Whether the whole command must end, not only one step. */
bool bundle_is_stopped(const struct bundle *b, int error);
/* Deadline of a step that may take so long. */
int64_t bundle_deadline_ms(const struct bundle *b, int64_t ms);

#endif
