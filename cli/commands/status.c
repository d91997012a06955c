/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl status: the cluster at a glance, on 80 columns.
 *
 * With --watch, it subscribes first and then asks for the status, and asks again after events. A
 * storm of events costs few requests, because events that arrive in the meantime are handled
 * together, and the screen is redrawn at most every REDRAW_MS.
 */
#include "cli.h"
#include "output/text.h"
#include "verbs.h"
#include "output/lists.h"
#include "output/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REDRAW_MS = 200 };

static void show_styled(const struct screen *out, enum style style, const char *text) {
    fputs(screen_begin(out, style), out->file);
    print_text(out->file, "%s", text);
    fputs(screen_end(out), out->file);
}

static void show_cluster_line(const struct screen *out, const json_t *status) {
    const char *name = json_text(status, "cluster");
    const char *coordinator = json_text(status, "coordinator");
    enum style style = STYLE_GOOD;
    const char *state = "quorum, usable";
    if (!json_flag(status, "quorate")) {
        style = STYLE_BAD;
        state = "NO QUORUM: no VMs are started here, and no changes accepted";
    } else if (!json_flag(status, "usable")) {
        style = STYLE_WARN;
        state = "quorate, but not ready: the members are still forming a view";
    }
    fputs(screen_begin(out, STYLE_BOLD), out->file);
    print_text(out->file, "cluster%s%s", name[0] != '\0' ? " " : "", name);
    fputs(screen_end(out), out->file);
    fputs(": ", out->file);
    show_styled(out, style, state);
    /* Long state names leave no room on the line, and a cluster without quorum has no
     * coordinator. */
    print_text(out->file, "%s", style == STYLE_GOOD ? "; " : "\n");
    print_text(out->file, "coordinator %s; epoch %" PRId64 "\n",
               coordinator[0] != '\0' ? coordinator : "none", json_number(status, "epoch"));
}

/* "TITLE text": the text is broken at the screen's edge and indented under itself. Nothing for an
 * empty text. */
static void show_part(const struct screen *out, const char *title, const char *text) {
    if (text[0] == '\0') {
        return;
    }
    print_text(out->file, "%s", title);
    text_wrap(out->file, text, text_columns(title), out->columns);
}

static void show_problem(const struct screen *out, const json_t *problem) {
    const char *severity = json_text(problem, "severity");
    enum style style = screen_state_style(severity);
    bool is_error = strcmp(severity, "error") == 0;
    fputs(screen_begin(out, style), out->file);
    show_part(out, is_error ? "error: " : "warning: ", json_text(problem, "what"));
    fputs(screen_end(out), out->file);
    show_part(out, "  why: ", json_text(problem, "why"));
    show_part(out, "  to do: ", json_text(problem, "todo"));
}

/* The list of problems shows broken rules. */
static void show_reserve(const struct screen *out, const json_t *reserve) {
    int64_t nodes = json_number(reserve, "nodes");
    if (nodes > 0 && strcmp(json_text(reserve, "state"), "ok") == 0) {
        fputs(screen_begin(out, STYLE_GOOD), out->file);
        print_text(out->file, "reserve: any %" PRId64 " node%s can be lost", nodes,
                   nodes == 1 ? "" : "s");
        fputs(screen_end(out), out->file);
        fputc('\n', out->file);
    }
}

static void show_status(const struct screen *out, const json_t *status) {
    const json_t *nodes = json_object_get(status, "nodes");
    const json_t *volumes = json_object_get(status, "volumes");
    const json_t *operations = json_object_get(status, "operations");
    const json_t *problems = json_object_get(status, "problems");
    size_t i = 0;
    json_t *problem = NULL;
    show_cluster_line(out, status);
    fputc('\n', out->file);
    view_nodes(out, nodes);
    fputc('\n', out->file);
    view_vms(out, json_object_get(status, "vms"));
    if (json_array_size(volumes) > 0) {
        fputc('\n', out->file);
        view_volumes(out, volumes, nodes);
    }
    if (json_array_size(operations) > 0) {
        fputc('\n', out->file);
        view_operations(out, operations);
    }
    fputc('\n', out->file);
    show_reserve(out, json_object_get(status, "reserve"));
    if (json_array_size(problems) == 0 && json_flag(status, "usable")) {
        show_styled(out, STYLE_GOOD, "no problems");
        fputc('\n', out->file);
    }
    json_array_foreach (problems, i, problem) {
        show_problem(out, problem);
    }
}

/* Draws over the old screen, without clearing it first: nothing flickers. Lines that do not fit are
 * left out. */
static void redraw(const struct screen *out, const json_t *status) {
    char *text = NULL;
    size_t size = 0;
    struct screen page = *out;
    page.file = open_memstream(&text, &size);
    if (page.file == NULL) {
        return;
    }
    show_status(&page, status);
    fclose(page.file);
    fputs("\033[H", out->file);
    char *line = text;
    for (int row = 0; *line != '\0' && row < out->rows - 1; row++) {
        size_t length = strcspn(line, "\n");
        fwrite(line, 1, length, out->file); /* lint: allow fwrite, because the page is clean */
        fputs("\033[K\n", out->file);
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    fputs("\033[J", out->file);
    fflush(out->file);
    free(text);
}

static void show_again(struct cli *cli, json_t *status, bool first) {
    const struct screen *out = &cli->out;
    if (cli->json) {
        json_object_del(status, "id");
        cli_print_json_line(status);
    } else if (out->terminal) {
        if (first) {
            fputs("\033[2J", out->file);
        }
        redraw(out, status);
    } else {
        print_text(out->file, "%s", first ? "" : "\n");
        show_status(out, status);
        fflush(out->file);
    }
}

/* Waits until something has happened and it is time to draw. Then CLI_DONE, or the exit code. */
static int watch_wait(struct cli *cli, int64_t drawn_ms) {
    int64_t until_ms = cli->deadline_ms;
    while (true) {
        json_auto *event = NULL;
        switch (cli_wait(cli, until_ms, &event)) {
        case CLI_WAIT_EVENT:
            if (until_ms > drawn_ms + REDRAW_MS) {
                until_ms = drawn_ms + REDRAW_MS;
            }
            break;
        case CLI_WAIT_RESIZED: return CLI_DONE;
        case CLI_WAIT_INTERRUPTED: return CLI_INTERRUPTED;
        case CLI_WAIT_BROKEN: return cli_resubscribe(cli, -1);
        case CLI_WAIT_TIME:
            return ipc_left_ms(cli->deadline_ms) == 0 ? cli_fail_watched(cli) : CLI_DONE;
        }
    }
}

static int watch_status(struct cli *cli) {
    bool first = true;
    cli->json_lines = true;
    int code = cli_subscribe(cli, -1);
    cli_catch_signals(cli);
    while (code == CLI_DONE) {
        json_auto *status = NULL;
        int64_t asked_ms = ipc_now_ms();
        int r = cli_try_request(cli, "status", NULL, &status);
        if (r == -EINTR) {
            code = CLI_INTERRUPTED;
        } else if (r < 0) {
            code = cli_resubscribe(cli, -1);
        } else if (!json_flag(status, "ok")) {
            code = cli_fail_answer(cli, json_object_get(status, "error"));
        } else {
            show_again(cli, status, first);
            first = false;
            code = watch_wait(cli, asked_ms);
        }
    }
    /* Ctrl-C is the normal way to end a watch. */
    return code == CLI_INTERRUPTED ? CLI_DONE : code;
}

int command_status(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    (void)words;
    if (options_given(&cli->options, OPTION_WATCH)) {
        return watch_status(cli);
    }
    int code = cli_request(cli, "status", NULL, &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        show_status(&cli->out, answer);
    }
    return code;
}
