/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every command of clusterctl uses: the options, the screens, the connection, and the
 * functions with which a command talks to the daemon and to the user.
 *
 * A command is a function that returns the exit code. An error is reported once, where it is found,
 * by cli_fail(), which returns the exit code; callers pass it on.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "ipc.h"
#include "json.h"
#include "options.h"
#include "output/screen.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1,        /* it was tried and failed */
    CLI_USAGE = 2,         /* the command line is wrong; nothing was sent */
    CLI_REFUSED = 3,       /* the cluster refused; nothing was changed */
    CLI_UNREACHED = 4,     /* no quorum, or clusterd is unreachable */
    CLI_DEADLINE = 5,      /* --timeout passed; the operation continues in the cluster */
    CLI_INTERRUPTED = 130, /* Ctrl-C while waiting; the operation continues in the cluster */
};

struct cli {
    struct options options;
    struct screen out;   /* standard output */
    struct screen err;   /* standard error */
    struct ipc *ipc;     /* owned; for requests; NULL when not connected */
    struct ipc *events;  /* owned; of a subscription, which ends with `ipc`; or NULL */
    int64_t deadline_ms; /* of the whole command; IPC_NO_DEADLINE without --timeout */
    int64_t timeout_ms;  /* as given, for messages; 0 without --timeout */
    int signal_fd;       /* readable after Ctrl-C and its like; -1 before cli_catch_signals() */
    int resize_fd;       /* readable after a resize of the window; -1 likewise */
    json_t *details;  /* owned; its members go into the JSON document of a failure; may be NULL */
    const char *step; /* what the command does now is a step of it with that name; or NULL */
    json_t *steps;    /* owned; results of such steps, which go into its document; may be NULL */
    bool interrupted;
    bool reported; /* a failure, once at least */
    bool json;
    bool json_lines; /* documents follow each other, one a line: --watch, --follow */
    bool quiet;      /* reports nothing: completion must not write into a command line */
};

/* ---- saying what went wrong (report.c) ---- */

/* Reports one line (what, where, why) and, if `hint` is not NULL, one of what to do; with --json
 * also a document on standard output, of a command's first failure only. `code` is the exit code,
 * which is returned. */
int cli_fail(struct cli *cli, enum cli_exit code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for an error answer of the daemon, {"code","message","hint"}. */
int cli_fail_answer(struct cli *cli, const json_t *error);
/* A usage error that names the command to ask for help. */
int cli_fail_usage(struct cli *cli, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts `value` (borrowed; may be NULL) into the JSON document of a failure that is reported later.
 */
void cli_detail(struct cli *cli, const char *key, json_t *value);
/* Between these two calls a part of a larger command is done. Its JSON document is not printed, but
 * becomes the member `name` (borrowed) of the command's, also if that fails. */
void cli_begin_step(struct cli *cli, const char *name);
void cli_end_step(struct cli *cli);
/* Ends a command, or a step of one, that succeeded: prints its JSON document, or keeps it. */
void cli_print_document(struct cli *cli, json_t *document);
/* Writes `document` to standard output: indented, or as one line where several follow each other.
 */
void cli_print_json(const json_t *document);
void cli_print_json_line(const json_t *document);
/* Ends a command that succeeded: with --json prints the answer without its "id" and returns true;
 * otherwise false, and the caller shows it in words. */
bool cli_print_answer(struct cli *cli, json_t *answer);

/* ---- options that several commands share (option_values.c) ---- */

/* The option's value "n1,n2" as an array; empty without the option. CLI_DONE or reported. */
int cli_names(struct cli *cli, const char *command, enum option_id id, json_t **ret_names);
/* The option's value as a number into `arguments`; nothing without the option. */
int cli_number(struct cli *cli, const char *command, enum option_id id, int64_t max,
               json_t *arguments, const char *member);
/* --resource NAME=AMOUNT,... into `arguments`, all of them; nothing without the option. */
int cli_resources(struct cli *cli, const char *command, json_t *arguments);

/* ---- talking to the daemon (session.c) ---- */

/* Connects if there is no connection yet. CLI_DONE or reported. */
int cli_connect(struct cli *cli);
/* Sends `verb` with the members of `arguments` (stolen; NULL for none) and waits for the answer. On
 * CLI_DONE the answer is {"ok":true,...} and the caller's; anything else has been reported. */
int cli_request(struct cli *cli, const char *verb, json_t *arguments, json_t **ret_answer);
/* The same on an open connection, silently. 0: an answer, which may be {"ok":false}. Or the
 * negative errno of ipc_request(); then the connection is closed. */
int cli_try_request(struct cli *cli, const char *verb, json_t *arguments, json_t **ret_answer);
/* Subscribes to events; `since` not negative: those after it are sent again. CLI_DONE,
 * CLI_INTERRUPTED (once signals are caught), or reported. */
int cli_subscribe(struct cli *cli, int64_t since);
/* The same on an open connection that has no subscription, silently. 0, or a negative errno; then
 * the connection is closed. */
int cli_try_subscribe(struct cli *cli);
/* Closes both connections. */
void cli_disconnect(struct cli *cli);
/* From now on Ctrl-C, SIGTERM and SIGHUP no longer end the program; cli_wait() reports them. */
void cli_catch_signals(struct cli *cli);

/* For what must still be done after the command was interrupted, or its time was over: neither
 * concerns what follows, on a new connection, within that time. */
void cli_renew(struct cli *cli, int64_t limit_ms);

enum cli_wait {
    CLI_WAIT_EVENT,
    CLI_WAIT_TIME,
    CLI_WAIT_RESIZED,
    CLI_WAIT_INTERRUPTED,
    CLI_WAIT_BROKEN
};
/* Waits for the next event until `until_ms`. With CLI_WAIT_EVENT the caller owns *ret_event. Ctrl-C
 * also sets cli->interrupted. A broken connection is closed. */
enum cli_wait cli_wait(struct cli *cli, int64_t until_ms, json_t **ret_event);
/* After CLI_WAIT_BROKEN: tries to reconnect until `until_ms`, silently. CLI_DONE; CLI_INTERRUPTED;
 * CLI_UNREACHED when the time is over or the daemon refuses us now. */
int cli_reconnect(struct cli *cli, int64_t until_ms);

/* For commands that watch until they are stopped: reports the broken connection, reconnects however
 * long that takes, and subscribes. CLI_DONE, CLI_INTERRUPTED, or reported. */
int cli_resubscribe(struct cli *cli, int64_t since);
/* Reports that --timeout has ended the watch. */
int cli_fail_watched(struct cli *cli);

/* ---- changing something and waiting for the result (follow.c) ---- */

/* Sends a change. If the answer names an operation, shows its progress and waits for the end,
 * unless --no-wait. Without an operation, prints `done` (a sentence without the full stop). Returns
 * the exit code. */
int cli_change(struct cli *cli, const char *verb, json_t *arguments, const char *done);
/* Shows the progress of a running operation, until its end. */
int cli_follow(struct cli *cli, int64_t operation);

/* ---- asking the user (confirm.c) ---- */

/* Explains what is about to happen and asks. With `word` the user must type it; otherwise y or n.
 * CLI_DONE if confirmed (or --yes was given). */
int cli_confirm(struct cli *cli, const char *explanation, const char *question, const char *word);

#endif
