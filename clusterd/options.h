/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's command line and its exit codes. */
#ifndef CLUSTERD_OPTIONS_H
#define CLUSTERD_OPTIONS_H

#include <stdbool.h>

enum exit_code {
    EXIT_STOPPED = 0,   /* SIGTERM or SIGINT, orderly */
    EXIT_BROKEN = 1,    /* it could not continue; the log says why */
    EXIT_USAGE = 2,     /* wrong options */
    EXIT_CONFIG = 3,    /* clusterd.conf, or corosync's configuration, is wrong */
    EXIT_DUPLICATE = 4, /* another clusterd runs on this node */
    EXIT_DATABASE = 5   /* cluster.db is damaged, or from a newer version, or from another node */
};

struct options {
    const char *config_path;
    bool config_given;     /* then the file must exist */
    bool export;           /* print the database to standard output, and exit */
    const char *state_dir; /* with it, instead of the configured one; NULL: not given */
};

/* false: exit with *ret_exit_code; everything has been said. */
bool options_parse(int argc, char **argv, struct options *ret_options, int *ret_exit_code);

#endif
