/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a resource agent from the command line: see agent.h.
 */
#include "agent.h"
#include "child.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_MAX_SIZE = 1024 * 1024 };

/* The agent's output: the members of all JSON objects among its lines, of which later ones override
 * earlier ones. Lines that are no objects are dropped. */
struct reader {
    const struct agent_call *call;
    json_t *result; /* owned; NULL: no object yet */
    size_t used;
    char *line; /* of LINE_MAX_SIZE bytes, owned */
    bool too_long;
};

static void take_line(struct reader *reader) {
    json_t *object = reader->too_long ? NULL : json_loadb(reader->line, reader->used, 0, NULL);
    reader->used = 0;
    reader->too_long = false;
    if (!json_is_object(object)) {
        json_decref(object);
        return;
    }
    if (reader->call->on_line != NULL) {
        reader->call->on_line(reader->call->context, object);
    }
    if (reader->result == NULL) {
        reader->result = object;
    } else {
        json_object_update(reader->result, object);
        json_decref(object);
    }
}

static void take_output(void *context, const char *data, size_t size) {
    struct reader *reader = context;
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n') {
            take_line(reader);
        } else if (reader->used < LINE_MAX_SIZE) {
            reader->line[reader->used++] = data[i];
        } else {
            reader->too_long = true;
        }
    }
}

int agent_run(const struct agent_call *call, json_t **ret_result, char *ret_words, size_t size) {
    const char *const argv[] = {call->path, call->action, NULL};
    struct reader reader = {.call = call};
    ret_words[0] = '\0';
    if (access(call->path, X_OK) < 0) {
        return -errno;
    }
    reader.line = malloc(LINE_MAX_SIZE);
    if (reader.line == NULL) {
        return -ENOMEM;
    }
    const struct child_call run = {.argv = argv,
                                   .environment = call->settings,
                                   .input = call->input,
                                   .output = -1,
                                   .take = take_output,
                                   .context = &reader,
                                   .deadline_ms = call->deadline_ms,
                                   .interrupt = call->on_line != NULL ? call->interrupt : -1,
                                   .gently = true,
                                   .words = CHILD_LAST_LINE};
    /* The agent's answer counts, not its exit status: "not ok" is an answer, too. */
    int r = child_run(&run, ret_words, size);
    if (reader.used > 0) {
        take_line(&reader);
    }
    free(reader.line);
    if (r >= 0 && reader.result == NULL) {
        return -EBADMSG;
    }
    if (r < 0) {
        json_decref(reader.result);
        return r;
    }
    *ret_result = reader.result;
    return 0;
}
