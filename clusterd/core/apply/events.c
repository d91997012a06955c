/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of events that people read (`clusterctl event list`), and who is told of a new one.
 * Which row it gets: event_rows.c.
 */
#include "core/apply/event_rows.h"
#include "core/apply/inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
    const struct model_event said = {.time_ms = a->time_ms,
                                     .severity = (uint8_t)severity,
                                     .kind = kind,
                                     .node = node,
                                     .subject = subject,
                                     .message = text,
                                     .asker = a->asker};
    struct model_event *row = event_row_for(a->m, &said);
    if (!row) {
        a->error = -ENOMEM;
        return;
    }
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
