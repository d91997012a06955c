/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of events that people read (`clusterctl event list`): the newest MODEL_MAX_EVENTS.
 *
 * What is tried again and again (a start that fails, a fencing, a view that comes and goes) says
 * the same each time, and would wash away what people need to know. So from the fourth time on
 * within an hour, the newest of its rows is moved to the end and counts (`repeated`). The first
 * times stay rows of their own: in the common case each of them matters.
 *
 * In what clusterd says of its own attempts, numbers may differ: of an attempt, an epoch,
 * milliseconds. In all else, a number may be what somebody has set.
 */
#include "core/apply/inside.h"
#include "core/model/needed_protocol.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The next time comes within this time, and among so many events, or it is news. */
#define REPEAT_MS 3600000u
#define REPEAT_ROWS 400u
#define ROWS_OF_THEIR_OWN 3u

static const char *const kinds_that_count[] = {
    "fence-failed", "fencing", "view", "vm-started", "vm-waits",
};

static bool numbers_may_differ(const char *kind) {
    bool may = false;
    for (size_t i = 0; i < sizeof(kinds_that_count) / sizeof(kinds_that_count[0]); i++) {
        may = may || strcmp(kinds_that_count[i], kind) == 0;
    }
    return may;
}

static bool is_in_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || c == '/';
}

/* The digits at `text`; 0: none, or they are part of a name. `before`: what stands in front. */
static size_t number_at(const char *text, char before) {
    size_t n = strspn(text, "0123456789");
    char after = text[n];
    bool ends_sentence = (after == '.' || after == ':') && !is_in_word(text[n + 1]);
    return is_in_word(before) || (is_in_word(after) && !ends_sentence) ? 0 : n;
}

static bool says_the_same(const char *kind, const char *a, const char *b) {
    if (!numbers_may_differ(kind)) {
        return strcmp(a, b) == 0;
    }
    char before = ' ';
    while (*a && *b) {
        size_t of_a = number_at(a, before), of_b = number_at(b, before);
        if (of_a > 0 && of_b > 0) {
            before = '0';
            a += of_a;
            b += of_b;
        } else if (*a != *b) {
            return false;
        } else {
            before = *a++;
            b++;
        }
    }
    return *a == *b;
}

/*
 * The newest row that says the same, if it has been said often enough.
 *
 * An older clusterd would not count. So this begins once the log needs a newer one anyway: a loop
 * of failures after an update must not be what makes the update final. Two builds may word a
 * message differently, and then differ in what is the same: the digest that nodes compare leaves
 * events out (model/digest.c).
 */
static struct model_event *find_repeated(struct apply *a, enum severity severity, const char *kind,
                                         const char *subject, const char *node, const char *text) {
    struct model_event *rows = a->m->events.rows, *newest = NULL;
    uint32_t same = 0, n = a->m->needs >= PROTOCOL_REPEATED ? a->m->events.n : 0;
    for (uint32_t i = 0; i < n && i < REPEAT_ROWS; i++) {
        struct model_event *row = &rows[n - 1 - i];
        if (row->time_ms + REPEAT_MS < a->time_ms) {
            break;
        }
        if (row->severity != (uint8_t)severity || strcmp(row->subject, subject) != 0 ||
            strcmp(row->kind, kind) != 0 || strcmp(row->node, node) != 0 ||
            row->asker != a->asker || !says_the_same(kind, row->message, text)) {
            continue;
        }
        newest = newest ? newest : row;
        same += 1 + row->repeated;
    }
    return same >= ROWS_OF_THEIR_OWN ? newest : NULL;
}

static struct model_event *to_the_end(struct apply *a, struct model_event *row) {
    struct model_event moved = *row, *last = (struct model_event *)a->m->events.rows;
    last += a->m->events.n - 1;
    memmove(row, row + 1, (size_t)(last - row) * sizeof(*row));
    *last = moved;
    last->first_ms = last->repeated ? last->first_ms : last->time_ms;
    last->repeated += last->repeated < UINT32_MAX;
    return last;
}

static struct model_event *add_row(struct apply *a) {
    struct model_table *events = &a->m->events;
    if (events->n >= MODEL_MAX_EVENTS) {
        /* A quarter at once, so that the rows rarely move. */
        for (uint32_t i = 0; i < MODEL_MAX_EVENTS / 4; i++) {
            wire_release(events->record, (struct model_event *)events->rows + i);
        }
        events->n -= MODEL_MAX_EVENTS / 4;
        memmove(events->rows, (struct model_event *)events->rows + MODEL_MAX_EVENTS / 4,
                events->n * sizeof(struct model_event));
    }
    return model_add(events);
}

/* The row may move when more events come in this step, so the action gets its own copy. */
static void tell(struct apply *a, const struct model_event *row) {
    struct model_event *copy = arena_copy(&a->out->arena, row, sizeof(*row));
    if (!copy) {
        a->error = -ENOMEM;
        return;
    }
    copy->kind = arena_strdup(&a->out->arena, row->kind);
    copy->node = arena_strdup(&a->out->arena, row->node);
    copy->subject = arena_strdup(&a->out->arena, row->subject);
    copy->message = arena_strdup(&a->out->arena, row->message);
    copy->user = arena_strdup(&a->out->arena, row->user);
    if (!copy->kind || !copy->node || !copy->subject || !copy->message || !copy->user) {
        a->error = -ENOMEM;
        return;
    }
    outbox_add(a->out, CORE_ACTION_EVENT)->event.row = copy;
}

void apply_for(struct apply *a, uint64_t asker, const char *user) {
    a->asker = asker;
    a->user = asker ? user : "";
}

void apply_event(struct apply *a, enum severity severity, const char *kind, const char *subject,
                 const char *format, ...) {
    char text[WIRE_MAX_TEXT + 1];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const struct model_node *origin = model_node_by_id(a->m, a->origin);
    const char *node = origin ? origin->name : "";
    struct model_event *row = find_repeated(a, severity, kind, subject, node, text);
    row = row ? to_the_end(a, row) : add_row(a);
    if (!row) {
        a->error = -ENOMEM;
        return;
    }
    row->seq = ++a->m->last_event;
    row->index = a->index;
    row->time_ms = a->time_ms;
    row->severity = (uint8_t)severity;
    set_text(a, &row->kind, kind);
    set_text(a, &row->subject, subject);
    set_text(a, &row->message, text);
    set_text(a, &row->node, node);
    row->asker = a->asker;
    set_text(a, &row->user, a->asker ? a->user : "");
    tell(a, row);
}
