/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame of applying a command: decode the log entry and call the function for its type.
 */
#include "core/apply/inside.h"

#include "base/check.h"
#include "base/mutant.h"
#include "core/model/needed_protocol.h"
#include "core/replica/log.h"

#include <errno.h>

static const apply_fn apply_table[] = {
#define X(NAME, number, command, since, flags) [number] = apply_##command,
    WIRE_COMMANDS(X)
#undef X
};

static apply_fn find_apply(uint32_t type) {
    return type < ARRAY_SIZE(apply_table) ? apply_table[type] : NULL;
}

/*
 * Such an entry dates from a time when nothing checked entries before they got their place in the
 * log. All nodes read it and conclude the same: the entry changes nothing but the event, whose time
 * is that of the last one.
 */
static void refuse_unreadable(struct apply *a) {
    const struct model_table *events = &a->m->events;
    if (a->type != 0 && !command_record(a->type)) {
        apply_refuse(a, REPLY_FAILED, "this version of clusterd does not know the command",
                     "update clusterd on all nodes");
        return;
    }
    if (a->time_ms == 0 && events->n > 0) {
        a->time_ms = ((const struct model_event *)events->rows)[events->n - 1].time_ms;
    }
    apply_refuse(a, REPLY_FAILED, "the change could not be read", "try again");
    apply_event(a, SEVERITY_ERROR, "log-damaged", "",
                "entry %llu of the log, of %s, cannot be read: it has no effect",
                (unsigned long long)a->index, model_node_name(a->m, a->origin));
}

int apply_entry(struct model *m, uint64_t index, uint64_t epoch, const uint8_t *data, uint32_t size,
                struct outbox *out, struct apply *ret) {
    CHECK(index == m->index + 1);
    struct arena arena;
    arena_init(&arena);
    struct log_command entry;
    struct apply a = {.m = m,
                      .out = out,
                      .index = index,
                      .epoch = epoch,
                      .message = "",
                      .hint = "",
                      .warning = "",
                      .user = ""};
    void *command = NULL;
    int err = wire_decode(&log_command_record, data, size, &arena, &entry, NULL);
    if (err == 0) {
        a.time_ms = entry.time_ms;
        a.origin = entry.origin;
        a.type = entry.type;
        a.incarnation = entry.incarnation;
        a.request = entry.request;
        apply_for(&a, entry.asker, entry.user);
        err = log_read_entry(data, size, &arena, &entry, &command);
    }
    apply_fn fn = err == 0 ? find_apply(entry.type) : NULL;
    uint32_t since = fn ? version_of_command(entry.type, command) : 0;
    if (since > version_of_view(m) && !MUTANT(newer_in_old_view)) {
        apply_refuse(&a, REPLY_REFUSED, "not every node of the view knew the command",
                     "update clusterd on all nodes, then try again");
    } else if (fn) {
        m->needs = since > PROTOCOL_LOWEST && since > m->needs ? since : m->needs;
        fn(&a, command);
    } else if (err == 0 || err == -EBADMSG) {
        refuse_unreadable(&a);
    }
    if (err != -ENOMEM) {
        err = a.error ? a.error : out->error;
    }
    arena_finish(&arena);
    if (err < 0) {
        return err;
    }
    m->index = index;
    apply_for(&a, 0, ""); /* the name was in the entry */
    *ret = a;
    return 0;
}
