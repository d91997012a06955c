/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of the list of events: at most MODEL_MAX_EVENTS.
 *
 * What is tried again and again (a start that fails, a fencing, a view that comes and goes) says
 * the same each time, and would wash away what people need to know. So:
 *
 *     the 4th time within an hour   gets no row: the newest of its rows moves to the end and counts
 *                                   (`repeated`). The first times stay rows of their own: in the
 *                                   common case each of them matters
 *     the list is full              a row that was said again within an hour joins the next one
 *                                   that says the same, the oldest first: many VMs that fail at
 *                                   once say many different things, three times each
 *     that was not enough           the oldest rows go, but the newest few of each kind stay: what
 *                                   is rarely said outlives any storm
 *
 * In what clusterd says of its own attempts, numbers may differ: of an attempt, an epoch,
 * milliseconds. In all else, a number may be what somebody has set.
 *
 * An older clusterd would do none of this. So it begins once the log needs a newer one anyway: a
 * loop of failures after an update must not be what makes the update final. Two builds may word a
 * message differently, and then differ in what is the same: the digest that nodes compare leaves
 * events out (model/digest.c).
 */
#include "core/apply/event_rows.h"

#include "base/hash.h"
#include "core/model/needed_protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The next time comes within this time, or it is news. */
#define REPEAT_MS 3600000u
#define ROWS_OF_THEIR_OWN 3u
/* When the list is full, so many rows go at once, so that they rarely move. */
#define ROWS_THAT_GO (MODEL_MAX_EVENTS / 4)
#define ROWS_KEPT_OF_A_KIND 10u
#define KINDS 64u /* that may be; of further ones none is kept */

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

/* Rows that say the same have the same key. */
static uint64_t key_of(const struct model_event *event) {
    bool numbers = numbers_may_differ(event->kind);
    uint64_t key = fnv64_u64(fnv64_u64(FNV64_START, event->severity), event->asker);
    key = fnv64(key, event->kind, strlen(event->kind) + 1);
    key = fnv64(key, event->subject, strlen(event->subject) + 1);
    key = fnv64(key, event->node, strlen(event->node) + 1);
    if (!numbers) {
        return fnv64(key, event->message, strlen(event->message));
    }
    char before = ' ';
    for (const char *text = event->message; *text;) {
        size_t n = number_at(text, before);
        before = n > 0 ? '0' : *text;
        key = fnv64(key, n > 0 ? "" : text, 1);
        text += n > 0 ? n : 1;
    }
    return key;
}

static bool same(const struct model_event *a, const struct model_event *b) {
    return a->severity == b->severity && a->asker == b->asker && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->subject, b->subject) == 0 && strcmp(a->node, b->node) == 0 &&
           says_the_same(a->kind, a->message, b->message);
}

/* Of all rows, in their order. They were kept along, or the rows come from a snapshot. */
static uint64_t *keys_of(struct model *m) {
    struct model_event_keys *keys = &m->event_keys;
    const struct model_event *rows = m->events.rows;
    uint32_t n = m->events.n;
    uint64_t last = n > 0 ? rows[n - 1].seq : 0;
    if (keys->n != n || keys->last != last) {
        for (uint32_t i = 0; i < n; i++) {
            keys->key[i] = key_of(&rows[i]);
        }
        keys->n = n;
        keys->last = last;
    }
    return keys->key;
}

/* The newest row that says the same, if it has been said often enough; else the number of rows. */
static uint32_t find_repeated(struct model *m, const struct model_event *said, uint64_t key) {
    const struct model_event *rows = m->events.rows;
    const uint64_t *keys = keys_of(m);
    uint32_t n = m->events.n, newest = n;
    uint64_t times = 0;
    for (uint32_t i = n; i-- > 0 && times < ROWS_OF_THEIR_OWN;) {
        if (keys[i] != key || !same(&rows[i], said)) {
            continue;
        }
        if (rows[i].time_ms + REPEAT_MS < said->time_ms) {
            break;
        }
        newest = newest == n ? i : newest;
        times += UINT64_C(1) + rows[i].repeated;
    }
    return times >= ROWS_OF_THEIR_OWN ? newest : n;
}

static void to_the_end(struct model *m, uint32_t i) {
    struct model_event *rows = m->events.rows;
    uint64_t *keys = keys_of(m), key = keys[i];
    uint32_t last = m->events.n - 1;
    struct model_event moved = rows[i];
    memmove(&rows[i], &rows[i + 1], (last - i) * sizeof(*rows));
    memmove(&keys[i], &keys[i + 1], (last - i) * sizeof(*keys));
    moved.first_ms = moved.repeated ? moved.first_ms : moved.time_ms;
    moved.repeated += moved.repeated < UINT32_MAX;
    rows[last] = moved;
    keys[last] = key;
}

/* ---- the list is full ---- */

struct gone {
    bool row[MODEL_MAX_EVENTS];
    uint32_t n;
};

static void join(const struct model_event *older, struct model_event *newer) {
    uint64_t times = UINT64_C(1) + older->repeated + newer->repeated;
    newer->repeated = times < UINT32_MAX ? (uint32_t)times : UINT32_MAX;
    newer->first_ms = older->repeated ? older->first_ms : older->time_ms;
}

static void join_repeated(struct model *m, struct gone *gone) {
    struct model_event *rows = m->events.rows;
    const uint64_t *keys = keys_of(m);
    for (uint32_t i = 0; i < m->events.n && gone->n < ROWS_THAT_GO; i++) {
        uint32_t next = i + 1;
        while (next < m->events.n && (keys[next] != keys[i] || !same(&rows[next], &rows[i]))) {
            next++;
        }
        if (next < m->events.n && rows[next].time_ms <= rows[i].time_ms + REPEAT_MS) {
            join(&rows[i], &rows[next]);
            gone->row[i] = true;
            gone->n++;
        }
    }
}

/* The newest few of each kind. */
static void spare(const struct model *m, const struct gone *gone, bool *spared) {
    const struct model_event *rows = m->events.rows;
    struct {
        const char *name;
        uint32_t n;
    } kinds[KINDS];
    uint32_t n_kinds = 0;
    for (uint32_t i = m->events.n; i-- > 0;) {
        uint32_t k = 0;
        while (k < n_kinds && strcmp(kinds[k].name, rows[i].kind) != 0) {
            k++;
        }
        if (gone->row[i] || k == KINDS) {
            continue;
        }
        if (k == n_kinds) {
            kinds[n_kinds].n = 0;
            kinds[n_kinds++].name = rows[i].kind;
        }
        spared[i] = kinds[k].n < ROWS_KEPT_OF_A_KIND;
        kinds[k].n++;
    }
}

static void drop(struct model *m, const struct gone *gone) {
    struct model_event *rows = m->events.rows;
    uint64_t *keys = m->event_keys.key;
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->events.n; i++) {
        if (gone->row[i]) {
            wire_release(m->events.record, &rows[i]);
            continue;
        }
        keys[n] = keys[i];
        rows[n++] = rows[i];
    }
    m->events.n = m->event_keys.n = n;
}

static void make_room(struct model *m, bool counts) {
    struct gone gone = {.n = 0};
    bool spared[MODEL_MAX_EVENTS] = {false};
    (void)keys_of(m);
    if (counts) {
        join_repeated(m, &gone);
        spare(m, &gone, spared);
    }
    for (uint32_t i = 0; i < m->events.n && gone.n < ROWS_THAT_GO; i++) {
        bool goes = !gone.row[i] && !spared[i];
        gone.row[i] = gone.row[i] || goes;
        gone.n += goes;
    }
    drop(m, &gone);
}

/* A snapshot could hold any number of rows. */
static void cut(struct model *m) {
    struct model_event *rows = m->events.rows;
    uint32_t over = m->events.n > MODEL_MAX_EVENTS ? m->events.n - MODEL_MAX_EVENTS : 0;
    if (over == 0) {
        return;
    }
    for (uint32_t i = 0; i < over; i++) {
        wire_release(m->events.record, &rows[i]);
    }
    m->events.n -= over;
    memmove(rows, rows + over, m->events.n * sizeof(*rows));
    m->event_keys.n = 0;
}

struct model_event *event_row_for(struct model *m, const struct model_event *said) {
    cut(m);
    bool counts = m->needs >= PROTOCOL_REPEATED;
    uint64_t key = key_of(said);
    uint32_t found = counts ? find_repeated(m, said, key) : m->events.n;
    struct model_event *row = NULL;
    if (found < m->events.n) {
        to_the_end(m, found);
        row = (struct model_event *)m->events.rows + m->events.n - 1;
    } else {
        if (m->events.n >= MODEL_MAX_EVENTS) {
            make_room(m, counts);
        }
        (void)keys_of(m);
        row = model_add(&m->events);
        if (!row) {
            return NULL;
        }
        m->event_keys.key[m->event_keys.n++] = key;
    }
    row->seq = m->event_keys.last = ++m->last_event;
    return row;
}
