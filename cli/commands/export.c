/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl export: the live cluster as a file for `clusterctl plan --file`.
 */
#include "cli.h"
#include "output/print.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_write(struct cli *cli, const char *path) {
    return cli_fail(cli, CLI_FAILED, NULL, "export: cannot write %s: %s", path, strerror(errno));
}

static bool write_cluster(FILE *file, const json_t *cluster) {
    return print_json(file, cluster, JSON_INDENT(1)) == 0;
}

/* Writes a temporary file beside it first: an existing file is replaced as a whole or not at all.
 * Writes directly to anything that is not a regular file (a pipe, /dev/stdout). */
static int write_file(struct cli *cli, const char *path, const json_t *cluster) {
    text_auto *beside = NULL;
    struct stat status;
    bool replace = stat(path, &status) < 0 || S_ISREG(status.st_mode);
    if (asprintf(&beside, "%s.new", path) < 0) {
        beside = NULL;
        return cli_fail(cli, CLI_FAILED, NULL, "export: out of memory");
    }
    const char *target = replace ? beside : path;
    FILE *file = fopen(target, "we");
    if (file == NULL) {
        return fail_write(cli, target);
    }
    bool written = write_cluster(file, cluster);
    written = fclose(file) == 0 && written;
    if (written && (!replace || rename(target, path) == 0)) {
        return CLI_DONE;
    }
    int code = fail_write(cli, path);
    if (replace) {
        (void)unlink(target);
    }
    return code;
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
    return write_cluster(stdout, cluster) ? CLI_DONE : fail_write(cli, "standard output");
}
