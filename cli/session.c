/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Talking to the daemon: see cli.h. Here, errors of the connection become messages that say what to
 * do.
 */
#include "cli.h"
#include "node_config.h"
#include "output/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <unistd.h>

/* Time limits without --timeout. A healthy daemon accepts a connection at once. It answers a change
 * when it is committed, after milliseconds, or says why that is impossible. One that has died is
 * started again by systemd after 100 ms; one that was stopped is not, and who asks for it should
 * learn that soon. */
enum { CONNECT_TIMEOUT_MS = 5000, ABSENT_MS = 500, ANSWER_TIMEOUT_MS = 30000 };

#define SUBSCRIBE "subscribe"

static int64_t sooner(int64_t one_ms, int64_t other_ms) {
    return one_ms < other_ms ? one_ms : other_ms;
}

static int fail_connect(struct cli *cli, int error) {
    char directory[CONFIG_MAX_TEXT];
    switch (error) {
    case -ECONNREFUSED:
        return cli_fail(cli, CLI_UNREACHED,
                        "start it with: systemctl start clusterd; if it does not keep running, "
                        "see: journalctl -u clusterd",
                        "clusterd is not running on this node");
    case -EACCES:
        return cli_fail(cli, CLI_UNREACHED,
                        "run this as root, or as a member of a group that clusterd.conf names "
                        "(admin_group, reader_group)",
                        "permission denied: clusterd does not accept user %u on this node",
                        (unsigned)geteuid());
    case -EPERM:
        return cli_fail(cli, CLI_UNREACHED,
                        "find that process (ss -xlp) and stop it; then start clusterd",
                        "the process that listens in %s on this node runs neither as root nor "
                        "as this user: it is not clusterd, and nothing was sent to it",
                        node_run_dir(directory));
    case -ETIMEDOUT:
        return cli_fail(cli, CLI_UNREACHED,
                        "see what it is doing: journalctl -u clusterd; restart it if it hangs (its "
                        "VMs keep running)",
                        "clusterd is running on this node but does not answer");
    case -EBADMSG:
        return cli_fail(cli, CLI_UNREACHED, "are clusterctl and clusterd of the same version?",
                        "what clusterd on this node answers cannot be read");
    case -EINTR:
        return cli_fail(cli, CLI_INTERRUPTED, NULL,
                        "interrupted before clusterd was reached; nothing was sent to it");
    case -EUSERS:
        return cli_fail(cli, CLI_UNREACHED, "end some of them, such as clusterctl status --watch",
                        "too many clients are connected to clusterd on this node");
    default:
        return cli_fail(cli, CLI_UNREACHED, "see: journalctl -u clusterd",
                        "clusterd on this node cannot be reached: %s", strerror(-error));
    }
}

/* `absent_ms`: so long it waits for a daemon that does not run. */
static int session_connect(struct cli *cli, int64_t until_ms, int64_t absent_ms,
                           struct ipc **ret_ipc) {
    char directory[CONFIG_MAX_TEXT];
    const struct ipc_patience patience = {
        .deadline_ms = until_ms, .absent_ms = absent_ms, .interrupt_fd = cli->signal_fd};
    int r = ipc_connect(node_run_dir(directory), &patience, ret_ipc);
    cli->interrupted = cli->interrupted || r == -EINTR;
    return r;
}

static int session_open(struct cli *cli, struct ipc **ret_ipc) {
    int64_t now = ipc_now_ms();
    return session_connect(cli, sooner(now + CONNECT_TIMEOUT_MS, cli->deadline_ms),
                           sooner(now + ABSENT_MS, cli->deadline_ms), ret_ipc);
}

void cli_disconnect(struct cli *cli) {
    ipc_disconnect(cli->ipc);
    ipc_disconnect(cli->events);
    cli->ipc = NULL;
    cli->events = NULL;
}

int cli_connect(struct cli *cli) {
    if (cli->ipc != NULL) {
        return CLI_DONE;
    }
    int r = session_open(cli, &cli->ipc);
    return r == 0 ? CLI_DONE : fail_connect(cli, r);
}

static int fail_request(struct cli *cli, const char *verb, int error) {
    char given[TEXT_MAX];
    switch (error) {
    case -EMSGSIZE:
        return cli_fail(cli, CLI_REFUSED, NULL, "%s: the request is larger than 1 MiB", verb);
    case -ETIMEDOUT:
        if (cli->timeout_ms > 0) {
            return cli_fail(cli, CLI_DEADLINE, "before you repeat it, check: clusterctl status",
                            "%s: no answer from clusterd within %s", verb,
                            text_duration(cli->timeout_ms, given));
        }
        return cli_fail(cli, CLI_DEADLINE, "see: journalctl -u clusterd",
                        "%s: no answer from clusterd within %s", verb,
                        text_duration(ANSWER_TIMEOUT_MS, given));
    case -EINTR:
        return cli_fail(cli, CLI_INTERRUPTED, "before you repeat it, check: clusterctl status",
                        "%s: interrupted before clusterd answered; clusterd may still carry it out",
                        verb);
    case -EBADMSG:
        return cli_fail(cli, CLI_FAILED, "are clusterctl and clusterd of the same version?",
                        "%s: clusterd's answer cannot be read", verb);
    default:
        return cli_fail(
            cli, CLI_UNREACHED,
            "before you repeat it, check: clusterctl status; see: journalctl -u clusterd",
            "%s: the connection to clusterd was lost before its answer; it is not known whether "
            "the command was carried out",
            verb);
    }
}

static int64_t answer_deadline(const struct cli *cli) {
    return cli->timeout_ms == 0 ? ipc_now_ms() + ANSWER_TIMEOUT_MS : cli->deadline_ms;
}

/* After a failure the connections are of no use any more. */
static int session_result(struct cli *cli, int r) {
    if (r < 0) {
        cli->interrupted = cli->interrupted || r == -EINTR;
        cli_disconnect(cli);
    }
    return r;
}

int cli_try_request(struct cli *cli, const char *verb, json_t *arguments, json_t **ret_answer) {
    json_auto *request = arguments;
    return session_result(cli, ipc_call(cli->ipc, verb, request, answer_deadline(cli), ret_answer));
}

int cli_request(struct cli *cli, const char *verb, json_t *arguments, json_t **ret_answer) {
    json_auto *answer = NULL;
    int code = cli_connect(cli);
    if (code != CLI_DONE) {
        json_decref(arguments);
        return code;
    }
    int r = cli_try_request(cli, verb, arguments, &answer);
    if (r < 0) {
        return fail_request(cli, verb, r);
    }
    if (!json_flag(answer, "ok")) {
        return cli_fail_answer(cli, json_object_get(answer, "error"));
    }
    *ret_answer = json_incref(answer);
    return CLI_DONE;
}

/* A connection of its own for events: they would have to wait for answers otherwise, and answers
 * for them. Closes both connections if it fails. */
static int session_subscribe(struct cli *cli, int64_t since, json_t **ret_answer) {
    json_auto *arguments = since >= 0 ? json_pack("{s:I}", "since", (json_int_t)since) : NULL;
    return session_result(cli, ipc_stream(cli->events, SUBSCRIBE, arguments, answer_deadline(cli),
                                          ret_answer));
}

int cli_try_subscribe(struct cli *cli) {
    json_auto *answer = NULL;
    int r = session_result(cli, session_open(cli, &cli->events));
    r = r == 0 ? session_subscribe(cli, -1, &answer) : r;
    return r == 0 && !json_flag(answer, "ok") ? session_result(cli, -EBADMSG) : r;
}

int cli_subscribe(struct cli *cli, int64_t since) {
    json_auto *answer = NULL;
    int code = cli_connect(cli);
    if (code != CLI_DONE) {
        return code;
    }
    ipc_disconnect(cli->events);
    cli->events = NULL;
    int r = session_result(cli, session_open(cli, &cli->events));
    if (r < 0) {
        return r == -EINTR ? CLI_INTERRUPTED : fail_connect(cli, r);
    }
    r = session_subscribe(cli, since, &answer);
    if (r < 0) {
        return r == -EINTR ? CLI_INTERRUPTED : fail_request(cli, SUBSCRIBE, r);
    }
    return json_flag(answer, "ok") ? CLI_DONE
                                   : cli_fail_answer(cli, json_object_get(answer, "error"));
}

/* A descriptor that reports these signals and keeps them from acting; 0 ends the list. */
static int signals_as_descriptor(const int signals[]) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; signals[i] != 0; i++) {
        sigaddset(&set, signals[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void cli_catch_signals(struct cli *cli) {
    if (cli->signal_fd >= 0) {
        return;
    }
    cli->signal_fd = signals_as_descriptor((const int[]){SIGINT, SIGTERM, SIGHUP, 0});
    cli->resize_fd = signals_as_descriptor((const int[]){SIGWINCH, 0});
    if (cli->ipc != NULL) {
        ipc_set_interrupt(cli->ipc, cli->signal_fd);
    }
}

void cli_renew(struct cli *cli, int64_t limit_ms) {
    struct signalfd_siginfo info;
    cli_disconnect(cli);
    while (cli->signal_fd >= 0 && read(cli->signal_fd, &info, sizeof(info)) > 0) {
    }
    cli->interrupted = false;
    cli->timeout_ms = limit_ms;
    cli->deadline_ms = ipc_now_ms() + limit_ms;
}

static void take_resize(struct cli *cli) {
    struct signalfd_siginfo info;
    while (read(cli->resize_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        screen_resize(&cli->out);
        screen_resize(&cli->err);
    }
}

enum cli_wait cli_wait(struct cli *cli, int64_t until_ms, json_t **ret_event) {
    struct pollfd fds[] = {{.fd = cli->signal_fd, .events = POLLIN},
                           {.fd = cli->resize_fd, .events = POLLIN},
                           {.fd = ipc_fd(cli->events), .events = POLLIN}};
    while (true) {
        /* Signals first: a stream of events must not drown Ctrl-C. Then events that may have
         * arrived before the wait. */
        if (poll(fds, 1, 0) > 0) {
            cli->interrupted = true;
            return CLI_WAIT_INTERRUPTED;
        }
        int r = ipc_event(cli->events, ret_event);
        if (r == 0) {
            return CLI_WAIT_EVENT;
        }
        if (r == -ENOTCONN) {
            cli_disconnect(cli);
            return CLI_WAIT_BROKEN;
        }
        int left = ipc_left_ms(until_ms);
        if (left == 0) {
            return CLI_WAIT_TIME;
        }
        if (poll(fds, 3, left) < 0 && errno != EINTR) {
            cli_disconnect(cli);
            return CLI_WAIT_BROKEN;
        }
        if (fds[1].revents != 0) {
            take_resize(cli);
            return CLI_WAIT_RESIZED;
        }
    }
}

int cli_reconnect(struct cli *cli, int64_t until_ms) {
    cli_disconnect(cli);
    switch (session_connect(cli, until_ms, until_ms, &cli->ipc)) {
    case 0: return CLI_DONE;
    case -EINTR: return CLI_INTERRUPTED;
    default: return CLI_UNREACHED;
    }
}

int cli_fail_watched(struct cli *cli) {
    char given[TEXT_MAX];
    return cli_fail(cli, CLI_DEADLINE, NULL, "watched for %s (--timeout)",
                    text_duration(cli->timeout_ms, given));
}

int cli_resubscribe(struct cli *cli, int64_t since) {
    fputs("clusterctl: the connection to clusterd was lost; reconnecting\n", stderr);
    int code = cli_reconnect(cli, cli->deadline_ms);
    if (code == CLI_UNREACHED) {
        /* Either the time is over, or another try tells what is wrong. */
        return ipc_left_ms(cli->deadline_ms) == 0 ? cli_fail_watched(cli) : cli_connect(cli);
    }
    return code == CLI_DONE ? cli_subscribe(cli, since) : code;
}
