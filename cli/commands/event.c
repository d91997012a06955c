/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl event ...
 */
#include "cli.h"
#include "output/text.h"
#include "verbs.h"
#include "output/lists.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS_DEFAULT = 50, EVENTS_MAX = 100000 };

static void show_event(struct cli *cli, const json_t *event) {
    if (cli->json) {
        cli_print_json_line(event);
    } else {
        view_event(&cli->out, event);
        fflush(cli->out.file);
    }
}

/* Whether --user, if given, names who asked for it. clusterd looks at it in a list only. */
static bool is_by_user(const struct cli *cli, const json_t *event) {
    const char *user = options_value(&cli->options, OPTION_USER);
    char uid[TEXT_MAX];
    const json_t *number = json_object_get(event, "uid");
    if (user == NULL) {
        return true;
    }
    snprintf(uid, sizeof(uid), "%lld", (long long)json_integer_value(number));
    return number != NULL &&
           (strcmp(user, json_text(event, "user")) == 0 || strcmp(user, uid) == 0);
}

/* Shows events after *last, and advances *last: after a reconnection events come again. */
static void show_later(struct cli *cli, const json_t *event, int64_t *last) {
    if (json_is_object(event) && json_number(event, "seq") > *last) {
        *last = json_number(event, "seq");
        if (is_by_user(cli, event)) {
            show_event(cli, event);
        }
    }
}

static int follow_events(struct cli *cli, int64_t last) {
    cli->json_lines = true;
    cli_catch_signals(cli);
    int code = cli_subscribe(cli, last);
    while (code == CLI_DONE) {
        json_auto *message = NULL;
        switch (cli_wait(cli, cli->deadline_ms, &message)) {
        case CLI_WAIT_EVENT: show_later(cli, json_object_get(message, "event"), &last); break;
        case CLI_WAIT_RESIZED: break;
        case CLI_WAIT_INTERRUPTED: code = CLI_INTERRUPTED; break;
        case CLI_WAIT_TIME: return cli_fail_watched(cli);
        case CLI_WAIT_BROKEN: code = cli_resubscribe(cli, last); break;
        }
    }
    return code == CLI_INTERRUPTED ? CLI_DONE : code; /* following ends like that */
}

int command_event_list(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    const char *limit_text = options_value(&cli->options, OPTION_LIMIT);
    bool follow = options_given(&cli->options, OPTION_FOLLOW);
    int64_t limit = EVENTS_DEFAULT;
    int64_t last = -1;
    size_t i = 0;
    json_t *event = NULL;
    (void)words;
    int64_t least = follow ? 0 : 1; /* --follow --limit 0: from now on */
    if (limit_text != NULL && text_parse_number(limit_text, least, EVENTS_MAX, &limit) < 0) {
        return cli_fail_usage(cli, "event list", "--limit %s is not a number from %d to %d",
                              limit_text, (int)least, EVENTS_MAX);
    }
    if (limit > 0) {
        const char *user = options_value(&cli->options, OPTION_USER);
        json_t *arguments = json_pack("{s:I s:s*}", "limit", (json_int_t)limit, "user", user);
        int code = cli_request(cli, "event.list", arguments, &answer);
        if (code != CLI_DONE || (!follow && cli_print_answer(cli, answer))) {
            return code;
        }
        last = 0; /* if there is none yet: miss none from here on */
    }
    json_array_foreach (json_object_get(answer, "events"), i, event) {
        show_later(cli, event, &last);
    }
    return follow ? follow_events(cli, last) : CLI_DONE;
}
