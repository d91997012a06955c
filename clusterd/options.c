/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's command line; see options.h.
 */
#include "options.h"

#include "config/config.h"

#include <getopt.h>
#include <stdio.h>

enum { OPTION_EXPORT = 0x100, OPTION_STATE_DIR };

static const char help[] =
    "Usage: clusterd [-f] [-c FILE]\n"
    "       clusterd --export [-c FILE | --state-dir DIR]\n"
    "The cluster manager of this node. It stays in the foreground; systemd or the like starts it.\n"
    "\n"
    "  -c, --config FILE  configuration (default " CONFIG_DEFAULT_PATH
    "; the default file may be missing)\n"
    "  -f, --foreground   stay in the foreground (it always does)\n"
    "      --export       print the database as JSON lines without secrets, and exit; a running\n"
    "                     clusterd is not disturbed\n"
    "      --state-dir DIR  with --export: the directory of the database\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this help and exit\n"
    "\n"
    "Exit status: 0 stopped on request; 1 failed; 2 wrong options; 3 wrong configuration;\n"
    "4 another clusterd runs on this node; 5 the database cannot be used.\n";

bool options_parse(int argc, char **argv, struct options *ret_options, int *ret_exit_code) {
    static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                                 {"foreground", no_argument, NULL, 'f'},
                                                 {"export", no_argument, NULL, OPTION_EXPORT},
                                                 {"state-dir", required_argument, NULL,
                                                  OPTION_STATE_DIR},
                                                 {"version", no_argument, NULL, 'V'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    *ret_options = (struct options){.config_path = CONFIG_DEFAULT_PATH};
    int option = 0;
    while ((option = getopt_long(argc, argv, "c:fVh", long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            ret_options->config_path = optarg;
            ret_options->config_given = true;
            break;
        case 'f': break;
        case OPTION_EXPORT: ret_options->export = true; break;
        case OPTION_STATE_DIR: ret_options->state_dir = optarg; break;
        case 'V':
            (void)printf("clusterd %s\n", CLUSTERD_VERSION);
            *ret_exit_code = EXIT_STOPPED;
            return false;
        case 'h':
            (void)fputs(help, stdout);
            *ret_exit_code = EXIT_STOPPED;
            return false;
        default:
            (void)fputs("Try 'clusterd --help'.\n", stderr);
            *ret_exit_code = EXIT_USAGE;
            return false;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "clusterd: unexpected argument: %s\n", argv[optind]);
        *ret_exit_code = EXIT_USAGE;
        return false;
    }
    if (ret_options->state_dir && !ret_options->export) {
        (void)fputs("clusterd: --state-dir works only with --export; otherwise set state_dir in "
                    "clusterd.conf\n",
                    stderr);
        *ret_exit_code = EXIT_USAGE;
        return false;
    }
    return true;
}
