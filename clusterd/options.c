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
    "; may be missing if not given)\n"
    "  -f, --foreground   stay in the foreground (it always does)\n"
    "      --export       write what the database holds to standard output, as JSON lines without\n"
    "                     secrets, and end; a clusterd that runs is not disturbed\n"
    "      --state-dir DIR  with --export: the directory of the database\n"
    "  -V, --version      print the version and end\n"
    "  -h, --help         print this and end\n"
    "\n"
    "Exit status: 0 stopped as asked; 1 could not go on; 2 wrong options; 3 wrong configuration;\n"
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
        (void)fprintf(stderr, "clusterd: %s: it takes no arguments\n", argv[optind]);
        *ret_exit_code = EXIT_USAGE;
        return false;
    }
    if (ret_options->state_dir && !ret_options->export) {
        (void)fputs("clusterd: --state-dir is for --export; set state_dir in clusterd.conf\n",
                    stderr);
        *ret_exit_code = EXIT_USAGE;
        return false;
    }
    return true;
}
