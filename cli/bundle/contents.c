/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes into a support bundle; see bundle/bundle.h.
 *
 *     status.json events.json       what clusterd answers, if it runs
 *     operations.json config.json
 *     database.jsonl                clusterd --export, for sim --replay
 *     clusterd.conf corosync.conf   lines that may hold a secret are masked
 *     journal.txt clusterd.log      likewise
 *     versions.txt                  of clusterd and of the programs that it uses
 *     missing.txt                   what could not be collected, and why
 */
#include "base/secret.h"
#include "bundle/bundle.h"
#include "child.h"
#include "node_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COROSYNC_CONF "/etc/corosync/corosync.conf"
#define CLUSTERD_LOG "/var/log/clusterd.log"

enum {
    DAEMON_TIMEOUT_MS = 10000,
    EXPORT_TIMEOUT_MS = 120000,
    PROGRAM_TIMEOUT_MS = 10000,
    TEXT_LIMIT = 2 * 1024 * 1024, /* of a text: only its last part is kept */
    WORDS_MAX = 512
};

static void note(struct bundle *b, const char *name, const char *why) {
    char text[WORDS_MAX + 64];
    snprintf(text, sizeof(text), "%s: %s", name, why);
    json_t *line = json_string(text);
    json_array_append_new(b->missing, line != NULL ? line : json_string(name));
}

/* ---- the daemon ---- */

static json_t *event_arguments(void) {
    return json_pack("{s:i}", "limit", 100000);
}

static const struct question {
    const char *file;
    const char *verb;
    json_t *(*arguments)(void);
} questions[] = {
    {"status.json", "status", NULL},
    {"events.json", "event.list", event_arguments},
    {"operations.json", "operation.list", NULL},
    {"config.json", "config.list", NULL},
};

static const char *why_not(int code) {
    switch (code) {
    case CLI_UNREACHED: return "clusterd is not running on this node, or does not answer";
    case CLI_DEADLINE: return "clusterd did not answer in time";
    default: return "clusterd could not answer this";
    }
}

int bundle_ask_daemon(struct bundle *b) {
    struct cli *cli = b->cli;
    const struct cli before = *cli;
    int code = CLI_DONE;
    /* Bundles are often made because a daemon is dead or hangs: it gets a moment, no more. */
    cli->quiet = true;
    cli->timeout_ms = DAEMON_TIMEOUT_MS;
    cli->deadline_ms = bundle_deadline_ms(b, DAEMON_TIMEOUT_MS);
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        const struct question *q = &questions[i];
        json_t *answer = NULL;
        if (code != CLI_UNREACHED && code != CLI_DEADLINE && !cli->interrupted) {
            code = cli_request(cli, q->verb, q->arguments != NULL ? q->arguments() : NULL, &answer);
        }
        if (answer != NULL) {
            json_object_del(answer, "id");
            json_object_set_new(b->answers, q->file, answer);
        } else {
            note(b, q->file, why_not(code));
        }
    }
    cli->quiet = before.quiet;
    cli->timeout_ms = before.timeout_ms;
    cli->deadline_ms = before.deadline_ms;
    return cli->interrupted ? bundle_fail_stopped(b, -EINTR) : CLI_DONE;
}

/* ---- files ---- */

static int create(const struct bundle *b, const char *name) {
    return openat(b->content, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
}

/* Opens a file in the bundle's directory. CLI_DONE or reported. */
static int write_text(const struct bundle *b, const char *name, const char *text) {
    size_t size = strlen(text);
    int fd = create(b, name);
    int error = fd < 0 ? -errno : 0;
    while (error == 0 && size > 0) {
        ssize_t n = write(fd, text, size);
        error = n < 0 && errno != EINTR ? -errno : 0;
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0 && close(fd) < 0 && error == 0) {
        error = -errno;
    }
    return error < 0 ? bundle_fail_write(b, error) : CLI_DONE;
}

/* The end of the file `fd`, from the beginning of a line; the caller frees it. NULL: see errno. */
static char *read_end(int fd) {
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return NULL;
    }
    off_t from = st.st_size > TEXT_LIMIT ? st.st_size - TEXT_LIMIT : 0;
    char *text = calloc(1, TEXT_LIMIT + 1);
    size_t used = 0;
    ssize_t n = 1;
    while (text != NULL && used < TEXT_LIMIT && n > 0) {
        n = pread(fd, text + used, TEXT_LIMIT - used, from + (off_t)used);
        used += n > 0 ? (size_t)n : 0;
    }
    if (text == NULL || n < 0) {
        free(text);
        return NULL;
    }
    for (size_t i = 0; i < used; i++) {
        text[i] = text[i] == '\0' ? '?' : text[i]; /* a NUL must not end the masking */
    }
    const char *line = from > 0 ? strchr(text, '\n') : NULL;
    if (line != NULL) {
        memmove(text, line + 1, strlen(line));
    }
    return text;
}

/* The content of `fd`, without secrets. */
static int copy_masked(struct bundle *b, int fd, const char *name) {
    text_auto *text = read_end(fd);
    if (text == NULL) {
        note(b, name, strerror(errno));
        return CLI_DONE;
    }
    secret_mask_lines(text);
    return write_text(b, name, text);
}

static int copy_file(struct bundle *b, const char *path, const char *name) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        char why[WORDS_MAX];
        snprintf(why, sizeof(why), "%.400s: %s", path, strerror(errno));
        note(b, name, why);
        return CLI_DONE;
    }
    int code = copy_masked(b, fd, name);
    close(fd);
    return code;
}

/* ---- programs ---- */

static void note_failure(struct bundle *b, const char *name, const char *program, int r,
                         const char *words) {
    char why[WORDS_MAX + 128];
    if (r == -ETIMEDOUT) {
        snprintf(why, sizeof(why), "%s took too long", program);
    } else if (r == CHILD_NOT_FOUND) {
        snprintf(why, sizeof(why), "%s is not installed", program);
    } else {
        snprintf(why, sizeof(why), "%s ended with %d%s%s", program, r, words[0] != '\0' ? ": " : "",
                 words);
    }
    note(b, name, why);
}

/* The program's output goes to `fd`. -1: it succeeded; CLI_DONE: it failed, and that is noted;
 * otherwise reported. */
static int run_into(struct bundle *b, const char *const *argv, int fd, int64_t timeout_ms,
                    const char *name) {
    char words[WORDS_MAX];
    const struct child_call call = {.argv = argv,
                                    .output = fd,
                                    .deadline_ms = bundle_deadline_ms(b, timeout_ms),
                                    .interrupt = b->cli->signal_fd};
    int r = child_run(&call, words, sizeof(words));
    if (bundle_is_stopped(b, r)) {
        return bundle_fail_stopped(b, r);
    }
    if (r < 0 && r != -ETIMEDOUT) {
        return bundle_fail_write(b, r);
    }
    if (r != 0) {
        secret_mask_lines(words);
        note_failure(b, name, argv[0], r, words);
        return CLI_DONE;
    }
    return -1;
}

static int add_program(struct bundle *b, const char *const *argv, const char *name) {
    int fd = memfd_create("clusterctl", MFD_CLOEXEC);
    if (fd < 0) {
        return bundle_fail_write(b, -errno);
    }
    int code = run_into(b, argv, fd, PROGRAM_TIMEOUT_MS, name);
    if (code < 0) {
        code = copy_masked(b, fd, name);
    }
    close(fd);
    return code;
}

static const char *from_environment(const char *variable, const char *usual) {
    const char *given = getenv(variable);
    return given != NULL && given[0] != '\0' ? given : usual;
}

/* Directly into its file: it may be large, and clusterd has removed the secrets. */
static int add_database(struct bundle *b) {
    static const char name[] = "database.jsonl";
    const char *config = getenv("CLUSTERD_CONFIG");
    const char *const argv[] = {"clusterd", "--export", config != NULL ? "--config" : NULL, config,
                                NULL};
    int fd = create(b, name);
    if (fd < 0) {
        return bundle_fail_write(b, -errno);
    }
    int code = run_into(b, argv, fd, EXPORT_TIMEOUT_MS, name);
    if (close(fd) < 0 && code < 0) {
        return bundle_fail_write(b, -errno);
    }
    if (code == CLI_DONE) {
        unlinkat(b->content, name, 0); /* half of it would be taken for all of it */
    }
    return code < 0 ? CLI_DONE : code;
}

/* Programs that only print their version: none of them contacts anything that may hang. */
static int add_versions(struct bundle *b) {
    static const char *const programs[][3] = {
        {"clusterd", "--version", NULL}, {"corosync", "-v", NULL},
        {"libvirtd", "--version", NULL}, {"qemu-system-x86_64", "--version", NULL},
        {"uname", "-a", NULL},           {"cat", "/etc/os-release", NULL},
    };
    static const char own[] = "clusterctl " CLUSTERD_VERSION "\n";
    static const char name[] = "versions.txt";
    int fd = memfd_create("clusterctl", MFD_CLOEXEC);
    int code = fd < 0 || write(fd, own, strlen(own)) < 0 ? bundle_fail_write(b, -errno) : CLI_DONE;
    for (size_t i = 0; code == CLI_DONE && i < sizeof(programs) / sizeof(programs[0]); i++) {
        char what[WORDS_MAX];
        snprintf(what, sizeof(what), "%s: %s %s", name, programs[i][0], programs[i][1]);
        code = run_into(b, programs[i], fd, PROGRAM_TIMEOUT_MS, what);
        code = code < 0 ? CLI_DONE : code;
    }
    if (code == CLI_DONE) {
        code = copy_masked(b, fd, name);
    }
    if (fd >= 0) {
        close(fd);
    }
    return code;
}

static int add_log(struct bundle *b) {
    static const char *const journal[] = {"journalctl", "--unit=clusterd",    "--lines=5000",
                                          "--no-pager", "--output=short-iso", NULL};
    int code = add_program(b, journal, "journal.txt");
    if (code == CLI_DONE && access(CLUSTERD_LOG, F_OK) == 0) {
        code = copy_file(b, CLUSTERD_LOG, "clusterd.log");
    }
    return code;
}

static int add_answers(struct bundle *b) {
    const char *name = NULL;
    json_t *answer = NULL;
    int code = CLI_DONE;
    json_object_foreach (b->answers, name, answer) {
        text_auto *text = json_dumps(answer, JSON_INDENT(2));
        code = code == CLI_DONE && text != NULL ? write_text(b, name, text) : code;
    }
    return code;
}

static int add_missing(struct bundle *b) {
    text_auto *lines = json_join(b->missing, "\n");
    text_auto *text = NULL;
    if (json_array_size(b->missing) == 0) {
        return CLI_DONE;
    }
    return asprintf(&text, "%s\n", lines) < 0 ? bundle_fail_write(b, -ENOMEM)
                                              : write_text(b, "missing.txt", text);
}

static int add_configuration(struct bundle *b) {
    int code = copy_file(b, node_config_path(), "clusterd.conf");
    if (code == CLI_DONE) {
        code = copy_file(b, from_environment("COROSYNC_MAIN_CONFIG_FILE", COROSYNC_CONF),
                         "corosync.conf");
    }
    return code;
}

int bundle_gather(struct bundle *b) {
    static int (*const parts[])(struct bundle * b) = {add_answers,  add_database, add_configuration,
                                                      add_versions, add_log,      add_missing};
    int code = CLI_DONE;
    for (size_t i = 0; code == CLI_DONE && i < sizeof(parts) / sizeof(parts[0]); i++) {
        code = parts[i](b);
    }
    return code;
}
