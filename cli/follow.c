/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing something and waiting for its end: see cli.h.
 *
 *     change ─► answer with "operation" ─► FOLLOWING ─ {"operation": ended} ─► exit code 0, 1
 *                                           │    ▲
 *                        connection breaks  │    │ connected again: subscribe, operation.show
 *                                           ▼    │
 *                                        RECONNECTING ─ nobody there in time ─► exit code 4, 5
 *
 * The operation belongs to the cluster: it continues whatever happens to this program, its
 * connection or the daemon of this node. So whatever ends the waiting early says so, and how to
 * watch the operation.
 */
#include "cli.h"
#include "output/print.h"
#include "output/progress.h"
#include "output/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RECONNECT_WINDOW_MS = 60000, FOLLOWING = -1 };

struct follow {
    struct cli *cli;
    int64_t id;
    struct progress progress;
    json_t *last;     /* owned; the last seen state of the operation */
    int64_t limit_ms; /* it must be seen before this; IPC_NO_DEADLINE once it was */
};

/* "operation 12 (drain n1)" */
static const char *follow_title(const struct follow *follow, char text[160]) {
    const char *kind = json_text(follow->last, "kind");
    const char *subject = json_text(follow->last, "subject");
    if (kind[0] == '\0') {
        snprintf(text, 160, "operation %" PRId64, follow->id);
    } else {
        snprintf(text, 160, "operation %" PRId64 " (%s %s)", follow->id, kind, subject);
    }
    return text;
}

static int follow_leave(struct follow *follow, enum cli_exit code, const char *why) {
    char title[160];
    char hint[200];
    progress_erase(&follow->progress);
    snprintf(hint, sizeof(hint),
             "watch it with: clusterctl operation show %" PRId64
             " --follow\ncancel it with: clusterctl operation cancel %" PRId64,
             follow->id, follow->id);
    cli_detail(follow->cli, "operation", follow->last);
    return cli_fail(follow->cli, code, hint, "%s; %s continues in the cluster", why,
                    follow_title(follow, title));
}

static int follow_deadline(struct follow *follow) {
    char why[TEXT_MAX + 32];
    char given[TEXT_MAX];
    snprintf(why, sizeof(why), "the deadline of %s has passed",
             text_duration(follow->cli->timeout_ms, given));
    return follow_leave(follow, CLI_DEADLINE, why);
}

static bool deadline_passed(const struct follow *follow) {
    return ipc_left_ms(follow->cli->deadline_ms) == 0;
}

static void follow_take(struct follow *follow, json_t *operation) {
    if (!json_is_object(operation) || json_number(operation, "id") != follow->id) {
        return;
    }
    json_decref(follow->last);
    follow->last = json_incref(operation);
    follow->limit_ms = IPC_NO_DEADLINE;
    progress_operation(&follow->progress, operation);
}

static bool follow_ended(const struct follow *follow) {
    const char *state = json_text(follow->last, "state");
    return follow->last != NULL && strcmp(state, "running") != 0;
}

/* Asks for the operation's current state. FOLLOWING, or the exit code. If the connection broke,
 * cli->ipc is NULL. */
static int follow_show(struct follow *follow) {
    struct cli *cli = follow->cli;
    json_auto *answer = NULL;
    int r = cli_try_request(cli, "operation.show",
                            json_pack("{s:I}", "operation", (json_int_t)follow->id), &answer);
    if (r == -EINTR) {
        return follow_leave(follow, CLI_INTERRUPTED, "interrupted");
    }
    if (r < 0) {
        return deadline_passed(follow) ? follow_deadline(follow) : FOLLOWING;
    }
    json_t *error = json_object_get(answer, "error");
    if (json_flag(answer, "ok")) {
        follow_take(follow, json_object_get(answer, "operation"));
    } else if (strcmp(json_text(error, "code"), "not-found") != 0 ||
               follow->limit_ms == IPC_NO_DEADLINE || ipc_left_ms(follow->limit_ms) == 0) {
        /* A daemon that has just started may not have caught up with the others yet: then it
         * reports the operation later, but not after the limit. Any other error is final. */
        return cli_fail_answer(cli, error);
    }
    return FOLLOWING;
}

static int follow_reconnect(struct follow *follow) {
    struct cli *cli = follow->cli;
    int64_t window_ms = ipc_now_ms() + RECONNECT_WINDOW_MS;
    int64_t until_ms = cli->timeout_ms > 0 ? cli->deadline_ms : window_ms;
    progress_erase(&follow->progress);
    if (!cli->json) {
        print_text(stderr, "clusterctl: the connection to clusterd was lost; reconnecting (the "
                           "operation continues in the cluster)\n");
    }
    while (true) {
        switch (cli_reconnect(cli, until_ms)) {
        case CLI_DONE: break;
        case CLI_INTERRUPTED: return follow_leave(follow, CLI_INTERRUPTED, "interrupted");
        default:
            return deadline_passed(follow)
                       ? follow_deadline(follow)
                       : follow_leave(follow, CLI_UNREACHED,
                                      "clusterd on this node did not come back within a minute");
        }
        follow->limit_ms = until_ms;
        if (cli_try_subscribe(cli) == 0) {
            return follow_show(follow);
        }
    }
}

static void follow_event(struct follow *follow, json_t *event) {
    json_t *sample = json_object_get(event, "progress");
    if (json_is_object(sample) && json_number(sample, "operation") == follow->id) {
        progress_sample(&follow->progress, sample);
    }
    follow_take(follow, json_object_get(event, "operation"));
}

/* One step: FOLLOWING or the exit code. */
static int follow_step(struct follow *follow) {
    struct cli *cli = follow->cli;
    json_auto *event = NULL;
    if (cli->ipc == NULL) {
        return follow_reconnect(follow);
    }
    int64_t redraw_ms = progress_draw(&follow->progress);
    int64_t until_ms = cli->deadline_ms < follow->limit_ms ? cli->deadline_ms : follow->limit_ms;
    switch (cli_wait(cli, redraw_ms < until_ms ? redraw_ms : until_ms, &event)) {
    case CLI_WAIT_EVENT: follow_event(follow, event); break;
    case CLI_WAIT_INTERRUPTED: return follow_leave(follow, CLI_INTERRUPTED, "interrupted");
    case CLI_WAIT_RESIZED: follow->progress.pending = true; break;
    case CLI_WAIT_BROKEN: break;
    case CLI_WAIT_TIME:
        if (deadline_passed(follow)) {
            return follow_deadline(follow);
        }
        if (ipc_left_ms(follow->limit_ms) == 0) {
            return follow_show(follow);
        }
        break;
    }
    return FOLLOWING;
}

static int follow_result(struct follow *follow) {
    struct cli *cli = follow->cli;
    const char *state = json_text(follow->last, "state");
    const char *reason = json_text(follow->last, "reason");
    size_t vms = json_array_size(json_object_get(follow->last, "vms"));
    int64_t total_ms =
        json_number(follow->last, "ended_ms") - json_number(follow->last, "started_ms");
    char title[160];
    char took[TEXT_MAX];
    if (strcmp(state, "done") != 0) {
        cli_detail(cli, "operation", follow->last);
        return cli_fail(cli, CLI_FAILED,
                        "see what happened: clusterctl event list; see where a VM can run: "
                        "clusterctl vm explain VM",
                        "%s %s%s%s", follow_title(follow, title), state,
                        reason[0] != '\0' ? ": " : "", reason);
    }
    if (cli->json) {
        json_auto *document = json_pack("{s:b, s:O}", "ok", 1, "operation", follow->last);
        cli_print_document(cli, document);
        return CLI_DONE;
    }
    print_text(stdout, "%s %s done", json_text(follow->last, "kind"),
               json_text(follow->last, "subject"));
    if (vms > 1) {
        print_text(stdout, ", %zu VMs", vms);
    }
    print_text(stdout, " in %s%s%s\n", text_duration(total_ms, took), reason[0] != '\0' ? ": " : "",
               reason);
    return CLI_DONE;
}

int cli_follow(struct cli *cli, int64_t operation) {
    struct follow follow = {.cli = cli, .id = operation, .limit_ms = IPC_NO_DEADLINE};
    progress_init(&follow.progress, cli->json ? &cli->err : &cli->out);
    cli_catch_signals(cli);
    int code = follow_show(&follow);
    while (code == FOLLOWING && !follow_ended(&follow)) {
        code = follow_step(&follow);
    }
    progress_erase(&follow.progress);
    if (code == FOLLOWING) {
        code = follow_result(&follow);
    }
    progress_finish(&follow.progress);
    json_decref(follow.last);
    return code;
}

/* It is done, or has begun; but it has made something worse. */
static void show_warning(const json_t *answer) {
    const char *warning = json_text(answer, "warning");
    if (warning[0] != '\0') {
        print_text(stderr, "clusterctl: warning: %s\n", warning);
    }
}

int cli_change(struct cli *cli, const char *verb, json_t *arguments, const char *done) {
    json_auto *request = arguments;
    json_auto *answer = NULL;
    bool wait = !options_given(&cli->options, OPTION_NO_WAIT);
    if (wait) {
        /* Subscribe before the request: a quick operation could end before anybody listens. */
        int code = cli_subscribe(cli, -1);
        if (code != CLI_DONE) {
            return code;
        }
        cli_catch_signals(cli);
    }
    int code = cli_request(cli, verb, json_incref(request), &answer);
    if (code != CLI_DONE) {
        return code;
    }
    int64_t operation = json_number(answer, "operation");
    show_warning(answer);
    if (operation > 0 && wait) {
        return cli_follow(cli, operation);
    }
    if (cli_print_answer(cli, answer)) {
        return CLI_DONE;
    }
    const char *message = json_text(answer, "message");
    if (operation > 0) {
        print_text(stdout,
                   "operation %" PRId64
                   " has started; watch it with: clusterctl operation show %" PRId64 " --follow\n",
                   operation, operation);
    } else {
        print_text(stdout, "%s\n", message[0] != '\0' ? message : done);
    }
    return CLI_DONE;
}
