/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a resource agent from the command line: see agent.h.
 */
#include "agent.h"
#include "child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1024 * 1024 };

/* The members of all JSON objects among the lines; later lines override earlier ones. NULL if there
 * are none. */
static json_t *parse_lines(char *output) {
    json_t *result = NULL;
    char *rest = NULL;
    for (char *line = strtok_r(output, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *object = json_loads(line, 0, NULL);
        if (!json_is_object(object)) {
            json_decref(object);
        } else if (result == NULL) {
            result = object;
        } else {
            json_object_update(result, object);
            json_decref(object);
        }
    }
    return result;
}

/* The agent's output, up to OUTPUT_MAX; the caller frees it. NULL: see errno. */
static char *read_output(int fd) {
    char *output = calloc(1, OUTPUT_MAX);
    if (output != NULL && pread(fd, output, OUTPUT_MAX - 1, 0) < 0) {
        free(output);
        return NULL;
    }
    return output;
}

int agent_run(const struct agent_call *call, json_t **ret_result, char *ret_words, size_t size) {
    const char *const argv[] = {call->path, call->action, NULL};
    ret_words[0] = '\0';
    if (access(call->path, X_OK) < 0) {
        return -errno;
    }
    int fd = memfd_create("clusterctl", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    const struct child_call run = {.argv = argv,
                                   .environment = call->settings,
                                   .input = call->input,
                                   .output = fd,
                                   .deadline_ms = call->deadline_ms,
                                   .interrupt = -1,
                                   .words = CHILD_LAST_LINE};
    int r = child_run(&run, ret_words, size);
    char *output = r >= 0 ? read_output(fd) : NULL;
    /* The agent's answer counts, not its exit status: "not ok" is an answer, too. */
    r = r >= 0 && output == NULL ? -errno : r >= 0 ? 0 : r;
    close(fd);
    json_t *result = r == 0 ? parse_lines(output) : NULL;
    free(output);
    if (r == 0 && result == NULL) {
        return -EBADMSG;
    }
    if (r == 0) {
        *ret_result = result;
    }
    return r;
}
