/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's command line and its exit codes. */
#ifndef CLUSTERD_OPTIONS_H
#define CLUSTERD_OPTIONS_H

#include <stdbool.h>

enum exit_code {
    EXIT_STOPPED = 0,   /* by SIGTERM or SIGINT, in good order */
    EXIT_BROKEN = 1,    /* it could not go on; the log says why */
    EXIT_USAGE = 2,     /* wrong options */
    EXIT_CONFIG = 3,    /* clusterd.conf, or corosync's configuration, is wrong */
    EXIT_DUPLICATE = 4, /* another clusterd runs on this node */
    EXIT_DATABASE = 5   /* cluster.db is damaged, of a newer version, or another node's */
};

struct options {
    const char *config_path;
    bool config_given;     /* then it must exist */
    bool export;           /* write what the database holds to standard output, and end */
    const char *state_dir; /* with it, in place of the configured one; NULL: that */
};

/* false: the process is to end with *ret_exit_code; all has been said. */
bool options_parse(int argc, char **argv, struct options *ret_options, int *ret_exit_code);

#endif
