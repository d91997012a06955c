/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reporting errors, and writing JSON documents: see cli.h.
 *
 * Messages always go to standard error, so that a pipe reads only the requested output. With
 * --json, a failure also writes a document to standard output: a program has to read only one
 * stream.
 */
#include "base/check.h"
#include "base/clean.h"
#include "cli.h"
#include "output/print.h"
#include "output/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The error codes of the IPC, and their exit codes. */
static const struct {
    const char *code;
    enum cli_exit exit;
} answer_codes[] = {
    {"failed", CLI_FAILED},     {"usage", CLI_USAGE},        {"refused", CLI_REFUSED},
    {"not-found", CLI_REFUSED}, {"permission", CLI_REFUSED}, {"no-quorum", CLI_UNREACHED},
    {"timeout", CLI_DEADLINE},
};

static const char *exit_name(enum cli_exit code) {
    switch (code) {
    case CLI_DONE: return "done";
    case CLI_FAILED: return "failed";
    case CLI_USAGE: return "usage";
    case CLI_REFUSED: return "refused";
    case CLI_UNREACHED: return "not-reached";
    case CLI_DEADLINE: return "timeout";
    case CLI_INTERRUPTED: return "interrupted";
    }
    return "failed";
}

static void print_document(const json_t *document, size_t flags) {
    if (print_json(stdout, document, flags) < 0) {
        fputs("clusterctl: cannot write the JSON document to standard output\n", stderr);
        exit(CLI_FAILED);
    }
    fflush(stdout);
}

static void report(struct cli *cli, enum cli_exit code, const char *code_name, const char *message,
                   const char *hint) {
    if (cli->quiet) {
        return;
    }
    const struct screen *screen = &cli->err;
    int columns = screen->terminal ? screen->columns - 1 : 0;
    fflush(stdout);
    fputs(screen_begin(screen, STYLE_BAD), stderr);
    fputs("clusterctl:", stderr);
    fputs(screen_end(screen), stderr);
    fputc(' ', stderr);
    text_wrap(stderr, message, (int)strlen("clusterctl: "), columns);
    if (hint != NULL && hint[0] != '\0') {
        fputs("  to do: ", stderr);
        text_wrap(stderr, hint, (int)strlen("  to do: "), columns);
    }
    /* What fails afterwards, when something is taken back, is no second answer. */
    bool second = cli->reported && !cli->json_lines;
    cli->reported = true;
    if (!cli->json || second) {
        return;
    }
    json_auto *document =
        json_pack("{s:b, s:i, s:{s:s, s:s, s:s}}", "ok", 0, "exit", (int)code, "error", "code",
                  code_name, "message", message, "hint", hint != NULL ? hint : "");
    if (cli->details != NULL) {
        json_object_update(document, cli->details);
    }
    if (cli->steps != NULL) {
        json_object_update(document, cli->steps);
    }
    print_document(document, cli->json_lines ? JSON_COMPACT : JSON_INDENT(2));
}

void cli_detail(struct cli *cli, const char *key, json_t *value) {
    if (cli->details == NULL) {
        cli->details = json_object();
    }
    if (value != NULL) {
        json_object_set(cli->details, key, value);
    }
}

int cli_fail(struct cli *cli, enum cli_exit code, const char *hint, const char *format, ...) {
    text_auto *message = NULL;
    va_list arguments;
    CHECK(code != CLI_DONE); /* a script would take the failure for a success */
    va_start(arguments, format);
    if (vasprintf(&message, format, arguments) < 0) {
        message = strdup("out of memory");
    }
    va_end(arguments);
    clean_line(message);
    report(cli, code, exit_name(code), message, hint);
    return (int)code;
}

int cli_fail_usage(struct cli *cli, const char *command, const char *format, ...) {
    text_auto *message = NULL;
    text_auto *hint = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&message, format, arguments) < 0 ||
        asprintf(&hint, "see: clusterctl %s%s--help", command, command[0] != '\0' ? " " : "") < 0) {
        abort();
    }
    va_end(arguments);
    clean_line(message);
    report(cli, CLI_USAGE, "usage", message, hint);
    return CLI_USAGE;
}

int cli_fail_answer(struct cli *cli, const json_t *error) {
    const char *code_name = json_text(error, "code");
    enum cli_exit code = CLI_FAILED;
    for (size_t i = 0; i < sizeof(answer_codes) / sizeof(answer_codes[0]); i++) {
        if (strcmp(code_name, answer_codes[i].code) == 0) {
            code = answer_codes[i].exit;
        }
    }
    text_auto *message = strdup(json_text(error, "message"));
    text_auto *hint = strdup(json_text(error, "hint"));
    if (message == NULL || hint == NULL) {
        abort();
    }
    clean_line(message);
    clean_line(hint);
    report(cli, code, code_name[0] != '\0' ? code_name : "failed",
           message[0] != '\0' ? message : "clusterd reported an error without a message", hint);
    return (int)code;
}

void cli_print_json(const json_t *document) {
    print_document(document, JSON_INDENT(2));
}

void cli_print_json_line(const json_t *document) {
    print_document(document, JSON_COMPACT);
}

void cli_begin_step(struct cli *cli, const char *name) {
    CHECK(cli->step == NULL);
    cli->step = name;
}

void cli_end_step(struct cli *cli) {
    cli->step = NULL;
}

void cli_print_document(struct cli *cli, json_t *document) {
    if (cli->step == NULL) {
        if (cli->steps != NULL) {
            json_object_update(document, cli->steps);
        }
        cli_print_json(document);
        return;
    }
    if (cli->steps == NULL) {
        cli->steps = json_object();
    }
    json_object_del(document, "ok");
    json_object_set(cli->steps, cli->step, document);
}

bool cli_print_answer(struct cli *cli, json_t *answer) {
    if (!cli->json) {
        return false;
    }
    json_object_del(answer, "id");
    cli_print_document(cli, answer);
    return true;
}
