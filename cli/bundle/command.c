/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl support-bundle: one file that tells somebody elsewhere what happened here.
 *
 *     ask the daemon -> scratch directory -> gather (contents.c) -> tar -> rename -> remove scratch
 *
 * The bundle gets its final name only when it is complete, and it never replaces a file.
 */
#include "bundle/bundle.h"
#include "child.h"
#include "output/print.h"
#include "output/text.h"
#include "verbs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define PACKED "bundle.tar.gz"

enum { TAR_TIMEOUT_MS = 300000, WORDS_MAX = 512 };

/* ---- its names ---- */

static int fail_exists(const struct bundle *b) {
    return cli_fail(b->cli, CLI_FAILED, "name another file: --output FILE",
                    "support-bundle: %s exists already and is not overwritten", b->output);
}

static void name_it(struct bundle *b) {
    struct utsname host = {.nodename = ""};
    char when[32] = "";
    time_t now = time(NULL);
    struct tm tm;
    const char *node = json_text(json_object_get(b->answers, "status.json"), "node");
    uname(&host);
    if (gmtime_r(&now, &tm) != NULL) {
        strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
    }
    snprintf(b->name, sizeof(b->name), "clusterd-support-%.63s-%s",
             node[0] != '\0' ? node : host.nodename, when);
    for (char *c = b->name; *c != '\0'; c++) {
        *c = *c == '/' || *c <= ' ' ? '_' : *c;
    }
}

static int choose_output(struct bundle *b) {
    const char *given = options_value(&b->cli->options, OPTION_OUTPUT);
    if (given != NULL && (given[0] == '\0' || strlen(given) >= sizeof(b->output) - 64)) {
        return cli_fail_usage(b->cli, "support-bundle", "--output %s is not a file name", given);
    }
    if (given != NULL) {
        snprintf(b->output, sizeof(b->output), "%s", given);
    } else {
        snprintf(b->output, sizeof(b->output), "%s.tar.gz", b->name);
    }
    const char *slash = strrchr(b->output, '/');
    int length = slash != NULL ? (int)(slash - b->output) : 0;
    snprintf(b->parent, sizeof(b->parent), "%.*s%s", length, b->output,
             slash == b->output ? "/"
             : slash == NULL    ? "."
                                : "");
    return faccessat(AT_FDCWD, b->output, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? fail_exists(b)
                                                                          : CLI_DONE;
}

/* ---- its directory ---- */

static int make_scratch(struct bundle *b) {
    char path[PATH_MAX + BUNDLE_NAME_MAX + 2];
    char made[PATH_MAX];
    int length = snprintf(made, sizeof(made), "%s/.clusterd-support-XXXXXX", b->parent);
    if (length >= (int)sizeof(made)) {
        return bundle_fail_write(b, -ENAMETOOLONG);
    }
    if (mkdtemp(made) == NULL) {
        return bundle_fail_write(b, -errno);
    }
    memcpy(b->scratch, made, sizeof(made));
    snprintf(path, sizeof(path), "%s/%s", b->scratch, b->name);
    if (mkdir(path, 0700) < 0) {
        return bundle_fail_write(b, -errno);
    }
    b->content = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return b->content < 0 ? bundle_fail_write(b, -errno) : CLI_DONE;
}

static void remove_scratch(struct bundle *b) {
    char path[PATH_MAX + BUNDLE_NAME_MAX + 2];
    if (b->scratch[0] == '\0') {
        return;
    }
    DIR *directory = b->content >= 0 ? fdopendir(b->content) : NULL;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        unlinkat(dirfd(directory), entry->d_name, 0); /* all but . and .. are files */
    }
    if (directory != NULL) {
        closedir(directory);
    }
    snprintf(path, sizeof(path), "%s/%s", b->scratch, b->name);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/%s", b->scratch, PACKED);
    unlink(path);
    rmdir(b->scratch);
}

/* ---- packing ---- */

static int run_tar(struct bundle *b, int file) {
    char words[WORDS_MAX];
    const char *const argv[] = {"tar",      "--owner=0", "--group=0", "--numeric-owner", "-C",
                                b->scratch, "-czf",      "-",         b->name,           NULL};
    const struct child_call call = {.argv = argv,
                                    .output = file,
                                    .deadline_ms = bundle_deadline_ms(b, TAR_TIMEOUT_MS),
                                    .interrupt = b->cli->signal_fd};
    int r = child_run(&call, words, sizeof(words));
    if (bundle_is_stopped(b, r)) {
        return bundle_fail_stopped(b, r);
    }
    if (r < 0) {
        return bundle_fail_write(b, r);
    }
    if (r != 0) {
        return cli_fail(b->cli, CLI_FAILED, NULL, "support-bundle: tar ended with %d: %s", r,
                        r == CHILD_NOT_FOUND ? "tar is not installed" : words);
    }
    return fsync(file) < 0 ? bundle_fail_write(b, -errno) : CLI_DONE;
}

/* Never overwrites a file that has appeared meanwhile. */
static int put_in_place(struct bundle *b, const char *packed) {
    int r = renameat2(AT_FDCWD, packed, AT_FDCWD, b->output, RENAME_NOREPLACE) < 0 ? -errno : 0;
    if (r == -EINVAL || r == -ENOSYS) { /* not possible on this file system */
        r = link(packed, b->output) < 0 ? -errno : 0;
    }
    return r == -EEXIST ? fail_exists(b) : r < 0 ? bundle_fail_write(b, r) : CLI_DONE;
}

static int pack(struct bundle *b) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", b->scratch, PACKED);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return bundle_fail_write(b, -errno);
    }
    int code = run_tar(b, file);
    if (close(file) < 0 && code == CLI_DONE) {
        code = bundle_fail_write(b, -errno);
    }
    return code == CLI_DONE ? put_in_place(b, path) : code;
}

/* ---- the command ---- */

static int make(struct bundle *b) {
    int code = bundle_ask_daemon(b);
    if (code != CLI_DONE) {
        return code;
    }
    name_it(b);
    code = choose_output(b);
    if (code == CLI_DONE) {
        code = make_scratch(b);
    }
    if (code == CLI_DONE) {
        code = bundle_gather(b);
    }
    return code == CLI_DONE ? pack(b) : code;
}

static void tell(const struct bundle *b) {
    size_t i = 0;
    json_t *text = NULL;
    if (b->cli->json) {
        json_auto *document =
            json_pack("{s:b, s:s, s:O}", "ok", 1, "file", b->output, "missing", b->missing);
        cli_print_json(document);
        return;
    }
    print_text(stdout, "%s\n", b->output);
    json_array_foreach (b->missing, i, text) {
        print_text(stderr, "missing: %s\n", json_string_value(text));
    }
    fputs("Known secrets were removed; check the bundle before you share it.\n", stderr);
}

int command_support_bundle(struct cli *cli, char **words) {
    (void)words;
    if (geteuid() != 0) {
        return cli_fail(cli, CLI_FAILED, "run this as root",
                        "support-bundle: only root may read clusterd's database and configuration");
    }
    struct bundle b = {
        .cli = cli, .content = -1, .answers = json_object(), .missing = json_array()};
    umask(0077);
    cli_catch_signals(cli);
    int code = make(&b);
    remove_scratch(&b);
    if (code == CLI_DONE) {
        tell(&b);
    }
    json_decref(b.answers);
    json_decref(b.missing);
    return code;
}
