/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The progress of an operation as people see it: see progress.h.
 */
#include "output/progress.h"
#include "ipc.h"
#include "json.h"
#include "output/print.h"
#include "output/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without a terminal, a VM without progress still shows a line this often. */
enum { PLAIN_LINE_MS = 10000, NAME_MOST = 16, ROUTE_MOST = 16, BAR_LEAST = 8, BAR_MOST = 40 };

struct progress_row {
    json_t *vm;     /* owned: {"vm","state","from","to","mode",...} */
    json_t *sample; /* owned; NULL before the first */
    bool closed;    /* its closing line has been written */
    int64_t shown_tenth;
    int64_t shown_ms;
};

void progress_init(struct progress *progress, const struct screen *screen) {
    *progress = (struct progress){.screen = screen};
}

void progress_finish(struct progress *progress) {
    for (size_t i = 0; i < progress->count; i++) {
        json_decref(progress->rows[i].vm);
        json_decref(progress->rows[i].sample);
    }
    free(progress->rows);
    progress->rows = NULL;
    progress->count = 0;
}

static struct progress_row *progress_row_for(struct progress *progress, const char *name) {
    for (size_t i = 0; i < progress->count; i++) {
        if (strcmp(json_text(progress->rows[i].vm, "vm"), name) == 0) {
            return &progress->rows[i];
        }
    }
    struct progress_row *rows =
        reallocarray(progress->rows, progress->count + 1, sizeof(progress->rows[0]));
    if (rows == NULL) {
        fputs("clusterctl: out of memory\n", stderr);
        exit(1);
    }
    progress->rows = rows;
    struct progress_row *row = &rows[progress->count++];
    *row = (struct progress_row){.vm = json_pack("{s:s}", "vm", name)};
    return row;
}

static bool vm_is_through(const json_t *vm) {
    static const char *const ends[] = {"done", "failed", "cancelled", "skipped"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (strcmp(json_text(vm, "state"), ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* How it moves; "" if that says nothing: a start, or an open choice. */
static const char *mode_of(const json_t *vm) {
    const char *mode = json_text(vm, "mode");
    return strcmp(mode, "auto") == 0 ? "" : mode;
}

static void route(const json_t *vm, char *text, size_t size) {
    const char *from = json_text(vm, "from");
    const char *to = json_text(vm, "to");
    if (from[0] != '\0' && to[0] != '\0' && strcmp(from, to) != 0) {
        snprintf(text, size, "%s -> %s", from, to);
    } else if (from[0] != '\0' || to[0] != '\0') {
        snprintf(text, size, "on %s", to[0] != '\0' ? to : from);
    } else {
        text[0] = '\0';
    }
}

char *progress_closing_line(const json_t *vm) {
    char where[160];
    char number[TEXT_MAX];
    char *text = NULL;
    size_t size = 0;
    const char *mode = mode_of(vm);
    const char *reason = json_text(vm, "reason");
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        fputs("clusterctl: out of memory\n", stderr);
        exit(1);
    }
    route(vm, where, sizeof(where));
    print_text(out, "%s:%s%s", json_text(vm, "vm"), where[0] != '\0' ? " " : "", where);
    if (mode[0] != '\0') {
        print_text(out, ", %s", mode);
    }
    print_text(out, ", %s", json_text(vm, "state"));
    if (json_number(vm, "total_ms") > 0) {
        print_text(out, " in %s", text_duration(json_number(vm, "total_ms"), number));
    }
    if (mode[0] != '\0' && json_number(vm, "blackout_ms") > 0) {
        print_text(out, ", blackout %s", text_duration(json_number(vm, "blackout_ms"), number));
    }
    if (reason[0] != '\0') {
        print_text(out, ": %s", reason);
    } else if (strcmp(mode, "quick") == 0 && json_text(vm, "live_failure")[0] != '\0') {
        print_text(out, ", because the live move failed: %s", json_text(vm, "live_failure"));
    }
    fclose(out);
    return text;
}

static void write_closing_line(struct progress *progress, struct progress_row *row) {
    const struct screen *screen = progress->screen;
    text_auto *line = progress_closing_line(row->vm);
    enum style style = screen_state_style(json_text(row->vm, "state"));
    progress_erase(progress);
    fputs(screen_begin(screen, style), screen->file);
    text_wrap(screen->file, line, 2, screen->terminal ? screen->columns - 1 : 0);
    fputs(screen_end(screen), screen->file);
    fflush(screen->file);
    row->closed = true;
}

static int wider(int columns, const char *text, int most) {
    int length = (int)strlen(text);
    columns = length > columns ? length : columns;
    return columns > most ? most : columns;
}

void progress_operation(struct progress *progress, const json_t *operation) {
    size_t i = 0;
    json_t *vm = NULL;
    json_array_foreach (json_object_get(operation, "vms"), i, vm) {
        struct progress_row *row = progress_row_for(progress, json_text(vm, "vm"));
        json_decref(row->vm);
        row->vm = json_incref(vm);
        char where[160];
        route(vm, where, sizeof(where));
        progress->name_columns = wider(progress->name_columns, json_text(vm, "vm"), NAME_MOST);
        progress->route_columns = wider(progress->route_columns, where, ROUTE_MOST);
        if (!vm_is_through(vm)) {
            row->closed = false;
        } else if (!row->closed) {
            write_closing_line(progress, row);
        }
    }
    progress->pending = true;
}

/* Only a guest that runs makes its memory dirty again; files are copied once. */
static bool copies_memory(const json_t *sample) {
    return json_number(sample, "iteration") > 0 || json_number(sample, "dirty_bps") > 0;
}

/* Until it is through, if nothing changes; "" as long as that cannot be said. */
static const char *time_left(const json_t *sample, char text[TEXT_MAX]) {
    int64_t net_bps = json_number(sample, "rate_bps") - json_number(sample, "dirty_bps");
    int64_t kib_per_s = net_bps / 1024;
    int64_t left_ms =
        kib_per_s > 0 ? json_number(sample, "remaining_bytes") / 1024 * 1000 / kib_per_s : 0;
    return left_ms >= 1000 ? text_duration(left_ms, text) : "";
}

static void write_plain_line(struct progress *progress, struct progress_row *row) {
    int64_t percent = json_number(row->sample, "percent");
    int64_t now_ms = ipc_now_ms();
    char where[160];
    char rate[TEXT_MAX];
    char dirty[TEXT_MAX];
    char left[TEXT_MAX];
    if (percent / 10 <= row->shown_tenth && now_ms - row->shown_ms < PLAIN_LINE_MS) {
        return;
    }
    row->shown_tenth = percent / 10;
    row->shown_ms = now_ms;
    route(row->vm, where, sizeof(where));
    print_text(progress->screen->file, "%s:%s%s, %d %%", json_text(row->vm, "vm"),
               where[0] != '\0' ? " " : "", where, (int)percent);
    if (json_number(row->sample, "rate_bps") > 0) {
        print_text(progress->screen->file, ", %s",
                   text_rate(json_number(row->sample, "rate_bps"), rate));
    }
    if (copies_memory(row->sample)) {
        print_text(progress->screen->file, ", dirty %s, pass %d",
                   text_rate(json_number(row->sample, "dirty_bps"), dirty),
                   (int)json_number(row->sample, "iteration"));
    }
    if (json_number(row->sample, "throttle_percent") > 0) {
        print_text(progress->screen->file, ", guest slowed down by %d %%",
                   (int)json_number(row->sample, "throttle_percent"));
    }
    print_text(progress->screen->file, ", %s left",
               text_megabytes(json_number(row->sample, "remaining_bytes") / 1048576, left));
    if (time_left(row->sample, left)[0] != '\0') {
        print_text(progress->screen->file, ", about %s", time_left(row->sample, left));
    }
    fputc('\n', progress->screen->file);
    fflush(progress->screen->file);
}

void progress_sample(struct progress *progress, const json_t *sample) {
    struct progress_row *row = progress_row_for(progress, json_text(sample, "vm"));
    if (row->closed) {
        return; /* a late sample: the VM had already finished */
    }
    bool first = row->sample == NULL;
    json_decref(row->sample);
    row->sample = json_incref((json_t *)(uintptr_t)sample);
    progress->pending = true;
    if (!progress->screen->terminal) {
        if (first) {
            row->shown_ms = ipc_now_ms();
        }
        write_plain_line(progress, row);
    }
}

static void write_figures(const json_t *sample, char *text, size_t size) {
    char number[TEXT_MAX];
    int64_t percent = json_number(sample, "percent");
    percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    size_t used = (size_t)snprintf(text, size, "%3d%%", (int)percent);
    if (json_number(sample, "rate_bps") > 0) {
        used += (size_t)snprintf(text + used, size - used, " %6s",
                                 text_rate(json_number(sample, "rate_bps"), number));
    }
    if (copies_memory(sample)) {
        used += (size_t)snprintf(text + used, size - used, " dirty %6s pass %d",
                                 text_rate(json_number(sample, "dirty_bps"), number),
                                 (int)json_number(sample, "iteration"));
    }
    if (json_number(sample, "throttle_percent") > 0) {
        used += (size_t)snprintf(text + used, size - used, " slowed %d%%",
                                 (int)json_number(sample, "throttle_percent"));
    }
    if (time_left(sample, number)[0] != '\0') {
        (void)snprintf(text + used, size - used, " ETA %s", time_left(sample, number));
    }
}

/* "web1 n1 -> n2 [======>     ]  45%  812M/s dirty  120M/s pass 2 ETA 3 s": never wider than
 * the screen. */
static void draw_bar(const struct progress *progress, const struct progress_row *row) {
    const struct screen *screen = progress->screen;
    char where[160];
    char figures[5 * TEXT_MAX];
    int64_t percent = json_number(row->sample, "percent");
    percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    route(row->vm, where, sizeof(where));
    if (row->sample == NULL) {
        snprintf(figures, sizeof(figures), "%s", json_text(row->vm, "state"));
    } else {
        write_figures(row->sample, figures, sizeof(figures));
    }
    int names = progress->name_columns + 1 + progress->route_columns + 1;
    int bar = screen->columns - 1 - names - (int)strlen(figures) - 3;
    print_text(screen->file, "%-*.*s %-*.*s ", progress->name_columns, progress->name_columns,
               json_text(row->vm, "vm"), progress->route_columns, progress->route_columns, where);
    if (row->sample != NULL && bar >= BAR_LEAST) {
        bar = bar > BAR_MOST ? BAR_MOST : bar;
        int full = (int)(percent * bar / 100);
        fputs(screen_begin(screen, STYLE_BUSY), screen->file);
        fputc('[', screen->file);
        for (int i = 0; i < bar; i++) {
            fputc(i < full ? '=' : i == full ? '>' : ' ', screen->file);
        }
        fputc(']', screen->file);
        fputs(screen_end(screen), screen->file);
        fputc(' ', screen->file);
    }
    int room = screen->columns - 1 - names;
    print_text(screen->file, "%.*s\n", room, figures);
}

void progress_erase(struct progress *progress) {
    if (progress->drawn > 0) {
        /* up to the first bar, and clear from there to the end of the screen */
        /* lint: allow fprintf, because it is a sequence of our own */
        fprintf(progress->screen->file, "\033[%dA\r\033[J", progress->drawn);
    }
    progress->drawn = 0;
}

int64_t progress_draw(struct progress *progress) {
    const struct screen *screen = progress->screen;
    int64_t now_ms = ipc_now_ms();
    if (!screen->terminal || !progress->pending) {
        return IPC_NO_DEADLINE;
    }
    if (progress->drawn > 0 && now_ms - progress->drawn_ms < PROGRESS_REDRAW_MS) {
        return progress->drawn_ms + PROGRESS_REDRAW_MS;
    }
    progress_erase(progress);
    size_t hidden = 0;
    for (size_t i = 0; i < progress->count; i++) {
        if (progress->rows[i].closed) {
            continue;
        }
        /* Lines that have scrolled off cannot be redrawn: all bars must stay on the screen. */
        if (progress->drawn >= screen->rows - 2) {
            hidden++;
            continue;
        }
        draw_bar(progress, &progress->rows[i]);
        progress->drawn++;
    }
    if (hidden > 0) {
        print_text(screen->file, "and %zu more\n", hidden);
        progress->drawn++;
    }
    fflush(screen->file);
    progress->drawn_ms = now_ms;
    progress->pending = false;
    return IPC_NO_DEADLINE;
}
