/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl export: the live cluster as a file for `clusterctl plan --file`.
 */
#include "cli.h"
#include "new_file.h"
#include "output/print.h"
#include "verbs.h"

#include <errno.h>
#include <string.h>

static int fail_write(struct cli *cli, const char *path, int error) {
    if (error == -ELOOP) {
        return cli_fail(cli, CLI_FAILED, "name the file that it leads to; - is standard output",
                        "export: cannot write %s: it is a symbolic link", path);
    }
    if (error == -EINVAL) {
        return cli_fail(cli, CLI_FAILED, "name a file, a pipe, or -: standard output",
                        "export: cannot write %s: it is no file", path);
    }
    return cli_fail(cli, CLI_FAILED, NULL, "export: cannot write %s: %s", path, strerror(-error));
}

/* An existing file is replaced as a whole or not at all. */
static int write_file(struct cli *cli, const char *path, const json_t *cluster) {
    new_file_auto file = {.stream = NULL};
    int r = new_file_open(&file, path);
    if (r == 0) {
        r = print_json(file.stream, cluster, JSON_INDENT(1));
        r = new_file_finish(&file, r == -ENOMEM ? r : 0); /* which knows better what went wrong */
    }
    return r < 0 ? fail_write(cli, path, r) : CLI_DONE;
}

int command_export(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    const char *path = words[0];
    int code = cli_request(cli, "export", NULL, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    const json_t *cluster = json_object_get(answer, "cluster");
    if (cluster == NULL) {
        return cli_fail(cli, CLI_FAILED, "are clusterctl and clusterd of the same version?",
                        "export: clusterd's answer has no cluster");
    }
    if (path != NULL && strcmp(path, "-") != 0) {
        code = write_file(cli, path, cluster);
        return code == CLI_DONE && cli_print_answer(cli, answer) ? CLI_DONE : code;
    }
    if (cli_print_answer(cli, answer)) {
        return CLI_DONE;
    }
    int r = print_json(stdout, cluster, JSON_INDENT(1));
    return r == 0 ? CLI_DONE : fail_write(cli, "standard output", r);
}
