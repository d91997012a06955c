/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flight recorder's player; see replay.h, and store/flight_record.h for the tape.
 */
#include "sim/replay.h"

#include "base/base64.h"
#include "base/hash.h"
#include "core/replica/log.h"
#include "core/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAPE_FORMAT "clusterd-export"
#define TAPE_VERSION 1
#define TAPE_MEMBER "*/database.jsonl"

struct player {
    const char *path;
    FILE *tape;
    pid_t tar;         /* that unpacks it; 0: it is no bundle */
    uint64_t line;     /* that is being read */
    json_t *json;      /* owned: of that line */
    uint64_t entries;  /* read so far */
    uint64_t expected; /* by the header */
    uint64_t unsure;   /* of these, the last ones: not known there to be committed */
    uint64_t committed_index, committed_digest; /* before them */
    uint64_t last_epoch;
    struct model model;
    struct outbox out;
};

static int refuse(const struct player *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Said once, by whoever finds it. */
static int refuse(const struct player *p, const char *format, ...) {
    va_list args;
    (void)fflush(stdout);
    (void)fprintf(stderr, "sim: %s: ", p->path);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return -EBADMSG;
}

static int refuse_line(const struct player *p, const char *what) {
    return refuse(p, "damaged in line %" PRIu64 " of the log: %s", p->line, what);
}

/* ---- the file ---- */

static _Noreturn void unpack(const char *path, int to) {
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(to, STDOUT_FILENO);
    (void)dup2(nowhere, STDERR_FILENO);
    (void)execlp("tar", "tar", "--force-local", "--wildcards", "-xzOf", path, TAPE_MEMBER,
                 (char *)NULL);
    _exit(127);
}

static int open_bundle(struct player *p) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return refuse(p, "%s", strerror(errno));
    }
    p->tar = fork();
    if (p->tar == 0) {
        unpack(p->path, ends[1]);
    }
    (void)close(ends[1]);
    p->tape = p->tar > 0 ? fdopen(ends[0], "r") : NULL;
    if (!p->tape) {
        (void)close(ends[0]);
    }
    return p->tape ? 0 : refuse(p, "tar cannot be run: %s", strerror(errno));
}

static int open_tape(struct player *p) {
    p->tape = fopen(p->path, "re");
    if (!p->tape) {
        return refuse(p, "%s", strerror(errno));
    }
    int first = fgetc(p->tape);
    int second = fgetc(p->tape);
    if (first == 0x1f && second == 0x8b) { /* gzip */
        (void)fclose(p->tape);
        p->tape = NULL;
        return open_bundle(p);
    }
    rewind(p->tape);
    return 0;
}

/* All has been read, or nothing more is wanted. What tar says counts only if all else was good. */
static int close_tape(struct player *p, int error) {
    int status = 0;
    if (p->tape) {
        (void)fclose(p->tape);
    }
    if (p->tar > 0 && waitpid(p->tar, &status, 0) == p->tar && status != 0 && error == 0) {
        error = refuse(p, "damaged: tar cannot unpack all of it");
    }
    json_decref(p->json);
    model_finish(&p->model);
    outbox_finish(&p->out);
    return error;
}

/* The next line into p->json. 1; 0 at the end. */
static int next_line(struct player *p) {
    char *text = NULL;
    size_t size = 0;
    ssize_t n = getline(&text, &size, p->tape);
    json_decref(p->json);
    p->json = NULL;
    p->line++;
    if (n > 0) {
        p->json = json_loadb(text, (size_t)n, 0, NULL);
    }
    free(text);
    if (n <= 0) {
        return 0;
    }
    if (!json_is_object(p->json)) {
        return p->line == 1 ? refuse(p, "neither a support bundle nor an export of clusterd")
                            : refuse_line(p, "this is no JSON");
    }
    return 1;
}

static uint64_t number(const json_t *json, const char *key) {
    json_int_t n = json_integer_value(json_object_get(json, key));
    return n < 0 ? UINT64_MAX : (uint64_t)n;
}

/* The caller frees it. NULL: they are not what was written; said. */
static uint8_t *bytes(const struct player *p, const json_t *json, size_t *ret_size) {
    const char *text = json_string_value(json_object_get(json, "bytes"));
    uint8_t *data = NULL;
    if (!text || base64_decode(text, &data, ret_size) < 0) {
        (void)refuse_line(p, "its bytes cannot be read");
        return NULL;
    }
    if (crc32c(data, *ret_size) != number(json, "crc") || *ret_size > UINT32_MAX) {
        (void)refuse_line(p, "its bytes have another checksum");
        free(data);
        return NULL;
    }
    return data;
}

/* ---- playing ---- */

static int play_snapshot(struct player *p, const json_t *snapshot) {
    size_t size = 0;
    uint8_t *data = bytes(p, snapshot, &size);
    if (!data) {
        return -EBADMSG;
    }
    int error = model_decode(&p->model, data, size);
    free(data);
    if (error < 0 || p->model.index != number(snapshot, "index")) {
        return refuse_line(p, "the snapshot cannot be read");
    }
    p->last_epoch = number(snapshot, "epoch");
    return 0;
}

static int play_header(struct player *p) {
    int error = next_line(p);
    if (error < 0) {
        return error;
    }
    if (error == 0) {
        return p->tar
                   ? refuse(p, "no support bundle, or one without a database: see its missing.txt")
                   : refuse(p, "empty");
    }
    const char *format = json_string_value(json_object_get(p->json, "format"));
    const json_t *snapshot = json_object_get(p->json, "snapshot");
    const char *name = json_string_value(json_object_get(p->json, "name"));
    const char *clusterd = json_string_value(json_object_get(p->json, "clusterd"));
    if (!format || strcmp(format, TAPE_FORMAT) != 0) {
        return refuse(p, "neither a support bundle nor an export of clusterd");
    }
    if (number(p->json, "version") != TAPE_VERSION) {
        return refuse(p, "version %" PRIu64 " of the format, and this sim reads %d",
                      number(p->json, "version"), TAPE_VERSION);
    }
    p->expected = number(p->json, "entries");
    (void)printf("recorded by %s (clusterd %s): a snapshot at %" PRIu64 ", %" PRIu64
                 " entries after it\n",
                 name ? name : "a node", clusterd ? clusterd : "of unknown version",
                 json_is_object(snapshot) ? number(snapshot, "index") : 0, p->expected);
    return json_is_object(snapshot) ? play_snapshot(p, snapshot) : 0;
}

/* What the command says, before it is applied. */
static int tell_command(struct player *p, const uint8_t *data, size_t size, char *text,
                        size_t text_size) {
    struct arena arena;
    struct log_command entry;
    arena_init(&arena);
    int error = wire_decode(&log_command_record, data, size, &arena, &entry, NULL);
    const struct wire_record *record = error == 0 ? command_record(entry.type) : NULL;
    void *command = record ? arena_alloc(&arena, record->size) : NULL;
    if (command) {
        error = wire_decode(record, entry.body.data, entry.body.size, &arena, command, NULL);
    }
    if (error == 0) {
        replay_command_text(&p->model, entry.type, command, text, text_size);
    }
    arena_finish(&arena);
    return error;
}

static int apply_bytes(struct player *p, const uint8_t *data, size_t size, uint64_t epoch) {
    char text[2048] = "";
    struct apply applied;
    outbox_reset(&p->out);
    int error = tell_command(p, data, size, text, sizeof(text));
    if (error == 0) {
        error = apply_entry(&p->model, p->model.index + 1, epoch, data, (uint32_t)size, &p->out,
                            &applied);
    }
    if (error < 0) {
        return refuse_line(p, "it cannot be applied");
    }
    replay_tell(&applied, text);
    return 0;
}

static int play_entry(struct player *p) {
    uint64_t epoch = number(p->json, "epoch");
    bool committed = json_is_true(json_object_get(p->json, "committed"));
    if (number(p->json, "index") != p->model.index + 1 || epoch < p->last_epoch ||
        (committed && p->unsure)) {
        return refuse_line(p, "it is not the one that must follow");
    }
    size_t size = 0;
    uint8_t *data = bytes(p, p->json, &size);
    if (!data) {
        return -EBADMSG;
    }
    p->last_epoch = epoch;
    p->entries++;
    if (!committed && p->unsure++ == 0) {
        p->committed_index = p->model.index;
        p->committed_digest = model_digest(&p->model);
        (void)puts("\nnot known there to be committed:");
    }
    int error = apply_bytes(p, data, size, epoch);
    free(data);
    return error;
}

/* What the end line calls `which`, and what it was here. */
static int compare_digest(const struct player *p, const char *which, uint64_t index,
                          uint64_t digest) {
    char text[17];
    const char *recorded = json_string_value(json_object_get(p->json, which));
    (void)snprintf(text, sizeof(text), "%016" PRIx64, digest);
    if (!recorded || strcmp(text, recorded) != 0) {
        return refuse(p, "at index %" PRIu64 " the digest is %s here, and was %s on the node",
                      index, text, recorded ? recorded : "not told");
    }
    (void)printf("at index %" PRIu64 " the digest is %s, as it was on the node\n", index, text);
    return 0;
}

static int compare(struct player *p) {
    if (p->unsure == 0) {
        p->committed_index = p->model.index;
        p->committed_digest = model_digest(&p->model);
    }
    if (p->entries != p->expected || number(p->json, "index") != p->committed_index ||
        number(p->json, "tail_index") != p->model.index) {
        return refuse_line(p, "entries are missing");
    }
    (void)putchar('\n');
    int error = compare_digest(p, "digest", p->committed_index, p->committed_digest);
    if (error == 0 && p->unsure > 0) {
        error = compare_digest(p, "tail_digest", p->model.index, model_digest(&p->model));
    }
    return error;
}

static int play(struct player *p) {
    int error = play_header(p);
    while (error == 0) {
        int got = next_line(p);
        if (got <= 0) {
            return got < 0 ? got : refuse(p, "damaged: it ends after line %" PRIu64, p->line - 1);
        }
        if (json_is_true(json_object_get(p->json, "end"))) {
            return compare(p);
        }
        error = play_entry(p);
    }
    return error;
}

int replay_file(const char *path) {
    struct player p = {.path = path};
    model_init(&p.model);
    outbox_init(&p.out);
    int error = open_tape(&p);
    if (error == 0) {
        error = play(&p);
    }
    return close_tape(&p, error) < 0 ? 1 : 0;
}
