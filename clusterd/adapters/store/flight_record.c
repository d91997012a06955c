/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The database as JSON lines; see flight_record.h.
 */
#include "adapters/store/flight_record.h"

#include "adapters/json_value.h"
#include "adapters/store/redact.h"
#include "adapters/store/schema.h"
#include "adapters/store/store.h"
#include "base/base64.h"
#include "base/hash.h"
#include "core/apply/apply.h"
#include "core/replica/log.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct export {
    FILE *out;
    struct core_stored_state state;
    uint64_t node;
    struct model model;     /* after the last entry */
    uint64_t index, digest; /* after the last entry known to be committed */
    struct buffer scratch;
    char *message;
};

static int fail(struct export *e, int error, const char *what, uint64_t index) {
    (void)snprintf(e->message, STORE_MAX_MESSAGE, "cluster.db: %s %" PRIu64 ": %s", what, index,
                   strerror(-error));
    return error;
}

static json_t *hex(uint64_t number) {
    char text[17];
    (void)snprintf(text, sizeof(text), "%016" PRIx64, number);
    return json_string(text);
}

/* ---- the model that the log leads to ---- */

static int replay_log(struct export *e) {
    const struct core_stored_state *s = &e->state;
    struct outbox out;
    struct apply applied;
    int error = 0;
    outbox_init(&out);
    for (uint32_t i = 0; error == 0 && i < s->n_entries; i++) {
        const struct core_entry *entry = &s->entries[i];
        outbox_reset(&out);
        error = apply_entry(&e->model, entry->index, entry->epoch, entry->data, entry->size, &out,
                            &applied);
        if (error < 0) {
            error = fail(e, error, "log entry", entry->index);
        } else if (entry->index <= s->commit_index) {
            e->index = entry->index;
            e->digest = entry->index == s->commit_index ? model_digest(&e->model) : 0;
        }
    }
    outbox_finish(&out);
    return error;
}

/* From the snapshot on, with all secrets. */
static int replay(struct export *e) {
    const struct core_stored_state *s = &e->state;
    int error = s->snapshot ? model_decode(&e->model, s->snapshot, s->snapshot_size) : 0;
    if (error == 0 && e->model.index != s->snapshot_index) {
        error = -EBADMSG;
    }
    if (error < 0) {
        return fail(e, error, "the snapshot at index", s->snapshot_index);
    }
    e->index = e->model.index;
    e->digest = model_digest(&e->model);
    return replay_log(e);
}

/* ---- lines ---- */

static int write_line(struct export *e, json_t *line) {
    int error = line ? 0 : -ENOMEM;
    errno = 0;
    if (error == 0 && (json_dumpf(line, e->out, JSON_COMPACT) < 0 || fputc('\n', e->out) == EOF)) {
        error = errno ? -errno : -EIO;
    }
    json_decref(line);
    if (error < 0) {
        (void)snprintf(e->message, STORE_MAX_MESSAGE, "the export cannot be written: %s",
                       strerror(-error));
    }
    return error;
}

/* Adds the redacted bytes from the scratch buffer to `line`. */
static json_t *with_bytes(struct export *e, json_t *line) {
    char *text = base64_encode(e->scratch.data, e->scratch.size);
    bool good = text && line &&
                json_object_set_new(
                    line, "crc", json_of_number(crc32c(e->scratch.data, e->scratch.size))) == 0 &&
                json_object_set_new(line, "bytes", json_string(text)) == 0;
    free(text);
    if (!good) {
        json_decref(line);
        return NULL;
    }
    return line;
}

static int write_header(struct export *e) {
    const struct core_stored_state *s = &e->state;
    json_t *snapshot = json_null();
    if (s->snapshot) {
        buffer_clear(&e->scratch);
        int error = redact_snapshot(s->snapshot, s->snapshot_size, &e->scratch);
        if (error < 0) {
            return fail(e, error, "the snapshot at index", s->snapshot_index);
        }
        snapshot = with_bytes(e, json_pack("{so so}", "index", json_of_number(s->snapshot_index),
                                           "epoch", json_of_number(s->snapshot_epoch)));
    }
    const struct model_node *node = model_node_by_id(&e->model, (uint32_t)e->node);
    return write_line(
        e, json_pack("{ss si so so ss si so so so so}", "format", EXPORT_FORMAT, "version",
                     EXPORT_VERSION, "node", json_of_number(e->node), "name",
                     node ? json_of_text(node->name) : json_null(), "clusterd", CLUSTERD_VERSION,
                     "schema", s->needs ? (int)s->needs : SCHEMA_VERSION_FIRST, "promised",
                     json_of_number(s->promised), "commit_index", json_of_number(s->commit_index),
                     "entries", json_of_number(s->n_entries), "snapshot", snapshot));
}

static json_t *time_text(uint64_t time_ms) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm;
    char day[32];
    char text[48];
    if (!gmtime_r(&seconds, &tm) || strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        return json_null();
    }
    (void)snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned)(time_ms % 1000));
    return json_string(text);
}

static json_t *origin_name(const struct export *e, uint32_t origin) {
    const struct model_node *node = model_node_by_id(&e->model, origin);
    return node ? json_of_text(node->name) : json_null();
}

/* The readable part comes from the redacted entry, not from the one in the database. */
static int write_entry(struct export *e, const struct core_entry *entry) {
    struct arena arena;
    struct log_command command;
    buffer_clear(&e->scratch);
    int error = redact_entry(entry, &e->scratch);
    if (error < 0) {
        return fail(e, error, "log entry", entry->index);
    }
    arena_init(&arena);
    error =
        wire_decode(&log_command_record, e->scratch.data, e->scratch.size, &arena, &command, NULL);
    if (error < 0) {
        arena_finish(&arena);
        return fail(e, error, "log entry", entry->index);
    }
    const char *name = command_record(command.type) ? command_name(command.type) : NULL;
    json_t *line = json_pack("{so so ss? so so so so so sb}", "index", json_of_number(entry->index),
                             "epoch", json_of_number(entry->epoch), "command", name, "type",
                             json_of_number(command.type), "time", time_text(command.time_ms),
                             "origin", origin_name(e, command.origin), "incarnation",
                             hex(command.incarnation), "request", json_of_number(command.request),
                             "committed", entry->index <= e->state.commit_index);
    arena_finish(&arena);
    return write_line(e, with_bytes(e, line));
}

static int write_all(struct export *e) {
    int error = write_header(e);
    for (uint32_t i = 0; error == 0 && i < e->state.n_entries; i++) {
        error = write_entry(e, &e->state.entries[i]);
    }
    if (error == 0) {
        error = write_line(e, json_pack("{sb so so so so}", "end", 1, "index",
                                        json_of_number(e->index), "digest", hex(e->digest),
                                        "tail_index", json_of_number(e->model.index), "tail_digest",
                                        hex(model_digest(&e->model))));
    }
    if (error == 0 && fflush(e->out) != 0) {
        error = -errno;
        (void)snprintf(e->message, STORE_MAX_MESSAGE, "the export cannot be written: %s",
                       strerror(-error));
    }
    return error;
}

int export_write(const char *state_dir, FILE *out, char *ret_message) {
    struct export e = {.out = out, .message = ret_message};
    struct database db;
    struct arena arena;
    int error = database_open_readonly(state_dir, &db, ret_message);
    if (error < 0) {
        return error;
    }
    arena_init(&arena);
    model_init(&e.model);
    buffer_init(&e.scratch);
    error = database_load(&db, &arena, &e.state, &e.node, ret_message);
    /* Close at once: while somebody reads, clusterd cannot shorten its write-ahead log. */
    database_close(&db);
    if (error == 0) {
        error = replay(&e);
    }
    if (error == 0) {
        error = write_all(&e);
    }
    buffer_finish(&e.scratch);
    model_finish(&e.model);
    arena_finish(&arena);
    return error;
}
