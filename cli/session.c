/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Talking to the daemon: see cli.h. Here, errors of the connection become messages that say what to
 * do.
 */
#include "cli.h"
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
 * when it is committed, after milliseconds, or says why that is impossible. */
enum {
    CONNECT_TIMEOUT_MS = 5000,
    ANSWER_TIMEOUT_MS = 30000,
    RECONNECT_FIRST_MS = 50,
    RECONNECT_MOST_MS = 1000
};

/* The daemon spends a multiple of this in memory for a connection: ask for it only if an answer
 * needs it. */
#define LARGE_SIZE ((size_t)32 * 1024 * 1024)

static int64_t sooner(int64_t one_ms, int64_t other_ms) {
    return one_ms < other_ms ? one_ms : other_ms;
}

static int fail_connect(struct cli *cli, int error) {
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
                        "the process that listens as \"%s\" on this node runs neither as root nor "
                        "as this user: it is not clusterd, and nothing was sent to it",
                        cli->service);
    case -ETIMEDOUT:
        return cli_fail(cli, CLI_UNREACHED,
                        "see what it is doing: journalctl -u clusterd; restart it if it hangs (its "
                        "VMs keep running)",
                        "clusterd is running on this node but does not answer");
    case -ENOSPC:
        return cli_fail(cli, CLI_UNREACHED, "free space in /dev/shm (df /dev/shm)",
                        "no space in /dev/shm for the connection to clusterd");
    case -EMFILE:
        return cli_fail(cli, CLI_UNREACHED, "end some of them, such as clusterctl status --watch",
                        "too many clients are connected to clusterd on this node");
    default:
        return cli_fail(cli, CLI_UNREACHED, "see: journalctl -u clusterd",
                        "clusterd on this node cannot be reached: %s", strerror(-error));
    }
}

static int session_open(struct cli *cli, int64_t until_ms) {
    int64_t limit = ipc_now_ms() + CONNECT_TIMEOUT_MS;
    int r = ipc_connect(cli->service, cli->ipc_size, sooner(limit, until_ms), &cli->ipc);
    if (r == 0) {
        ipc_set_interrupt(cli->ipc, cli->signal_fd);
    }
    return r;
}

static void session_close(struct cli *cli) {
    ipc_disconnect(cli->ipc);
    cli->ipc = NULL;
    cli->subscribed = false;
}

int cli_connect(struct cli *cli) {
    if (cli->ipc != NULL) {
        return CLI_DONE;
    }
    int r = session_open(cli, cli->deadline_ms);
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

/* One request on the open connection; closes the connection after a failure. */
static int session_ask(struct cli *cli, json_t *request, json_t **ret_answer) {
    int64_t until_ms = cli->deadline_ms;
    if (cli->timeout_ms == 0) {
        until_ms = ipc_now_ms() + ANSWER_TIMEOUT_MS;
    }
    int r = ipc_request(cli->ipc, request, until_ms, ret_answer);
    if (r < 0) {
        cli->interrupted = cli->interrupted || r == -EINTR;
        session_close(cli);
    }
    return r;
}

static bool answer_is_too_large(const json_t *answer) {
    return strcmp(json_text(json_object_get(answer, "error"), "code"), "too-large") == 0;
}

/* The same connection again, with a larger buffer; subscribes again if it was subscribed. */
static int session_grow(struct cli *cli) {
    json_auto *answer = NULL;
    json_auto *subscribe = json_pack("{s:s}", "verb", "subscribe");
    bool subscribed = cli->subscribed;
    session_close(cli);
    cli->ipc_size = LARGE_SIZE;
    int r = session_open(cli, cli->deadline_ms);
    if (r == 0 && subscribed) {
        r = session_ask(cli, subscribe, &answer);
        cli->subscribed = r == 0;
    }
    return r;
}

int cli_try_request(struct cli *cli, const char *verb, json_t *arguments, json_t **ret_answer) {
    json_auto *request = arguments != NULL ? arguments : json_object();
    json_object_set_new(request, "verb", json_string(verb));
    int r = session_ask(cli, request, ret_answer);
    /* Only answers to questions are ever so large, and a question can be asked twice. */
    if (r == 0 && answer_is_too_large(*ret_answer) && cli->ipc_size < LARGE_SIZE) {
        json_decref(*ret_answer);
        *ret_answer = NULL;
        r = session_grow(cli);
        r = r == 0 ? session_ask(cli, request, ret_answer) : r;
    }
    if (r == 0 && strcmp(verb, "subscribe") == 0) {
        cli->subscribed = json_flag(*ret_answer, "ok");
    }
    return r;
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

int cli_subscribe(struct cli *cli, int64_t since) {
    json_auto *answer = NULL;
    json_t *arguments = json_object();
    if (since >= 0) {
        json_object_set_new(arguments, "since", json_integer(since));
    }
    return cli_request(cli, "subscribe", arguments, &answer);
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
    session_close(cli);
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
                           {.fd = ipc_fd(cli->ipc), .events = POLLIN}};
    while (true) {
        /* Signals first: a stream of events must not drown Ctrl-C. Then events that may have
         * arrived before the wait. */
        if (poll(fds, 1, 0) > 0) {
            cli->interrupted = true;
            return CLI_WAIT_INTERRUPTED;
        }
        int r = ipc_event(cli->ipc, ret_event);
        if (r == 0) {
            return CLI_WAIT_EVENT;
        }
        if (r == -ENOTCONN) {
            session_close(cli);
            return CLI_WAIT_BROKEN;
        }
        int left = ipc_left_ms(until_ms);
        if (left == 0) {
            return CLI_WAIT_TIME;
        }
        if (poll(fds, 3, left) < 0 && errno != EINTR) {
            session_close(cli);
            return CLI_WAIT_BROKEN;
        }
        if (fds[1].revents != 0) {
            take_resize(cli);
            return CLI_WAIT_RESIZED;
        }
    }
}

/* No event reports that an abstract socket has been bound again. Therefore try, less and less
 * often. */
int cli_reconnect(struct cli *cli, int64_t until_ms) {
    int pause_ms = RECONNECT_FIRST_MS;
    session_close(cli);
    while (true) {
        int r = session_open(cli, until_ms);
        if (r == 0) {
            return CLI_DONE;
        }
        int left = ipc_left_ms(until_ms);
        if (left == 0 || r == -EACCES || r == -EPERM) {
            return CLI_UNREACHED;
        }
        struct pollfd poll_fd = {.fd = cli->signal_fd, .events = POLLIN};
        if (poll(&poll_fd, 1, left >= 0 && left < pause_ms ? left : pause_ms) > 0) {
            cli->interrupted = true;
            return CLI_INTERRUPTED;
        }
        pause_ms = pause_ms * 2 < RECONNECT_MOST_MS ? pause_ms * 2 : RECONNECT_MOST_MS;
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
