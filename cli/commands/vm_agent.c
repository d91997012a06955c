/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM agent of this node: see commands/vm_agent.h.
 */
#include "commands/vm_agent.h"
#include "agent.h"
#include "node_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An agent that works ends by itself when its time is over; it gets a moment more to say so. */
enum { ANSWER_TIMEOUT_MS = 30000, LAST_WORDS_MS = 10000, SETTINGS_MAX = 16 };

/* The path of the VM agent, into `path`. CLI_DONE or reported. */
static int find_agent(struct cli *cli, const char *command, char *path, size_t size) {
    const char *directory = getenv("CLUSTERD_AGENT_DIR");
    struct config config;
    int code = directory == NULL ? node_config_read(cli, command, &config) : CLI_DONE;
    if (code == CLI_DONE) {
        snprintf(path, size, "%s/vm", directory != NULL ? directory : config.agent_dir);
    }
    return code;
}

/* Runs the agent at `path`; returns the result of agent_run(). */
static int run_agent(struct cli *cli, const char *path, const struct vm_question *question,
                     json_t **ret_answer, char *ret_words, size_t size) {
    const char *settings[SETTINGS_MAX][2] = {{"OCF_ROOT", "/usr/lib/ocf"},
                                             {"OCF_RESOURCE_INSTANCE", question->name}};
    size_t used = 2;
    for (size_t i = 0; question->params[i][0] != NULL && used + 1 < SETTINGS_MAX; i++, used++) {
        settings[used][0] = question->params[i][0];
        settings[used][1] = question->params[i][1];
    }
    int64_t limit_ms = ipc_now_ms() + ANSWER_TIMEOUT_MS;
    bool works = question->on_line != NULL;
    bool limited = cli->deadline_ms != IPC_NO_DEADLINE;
    int64_t work_ms = limited ? cli->deadline_ms + LAST_WORDS_MS : IPC_NO_DEADLINE;
    struct agent_call call = {
        .path = path,
        .action = question->action,
        .input = question->xml,
        .settings = (const char *const(*)[2])settings,
        .deadline_ms = works                         ? work_ms
                       : limit_ms < cli->deadline_ms ? limit_ms
                                                     : cli->deadline_ms,
        .on_line = question->on_line,
        .context = question->context,
        .interrupt = cli->signal_fd,
    };
    return agent_run(&call, ret_answer, ret_words, size);
}

bool vm_agent_agrees(const json_t *answer) {
    return strcmp(json_text(answer, "result"), "ok") == 0;
}

int vm_agent_ask(struct cli *cli, const struct vm_question *question, json_t **ret_answer) {
    char path[CONFIG_MAX_TEXT + 8];
    char words[512];
    json_t *answer = NULL;
    const char *command = question->command;
    int code = find_agent(cli, command, path, sizeof(path));
    if (code != CLI_DONE) {
        return code;
    }
    int r = run_agent(cli, path, question, &answer, words, sizeof(words));
    if (r == -ENOENT || r == -EACCES) {
        return cli_fail(cli, CLI_FAILED, "install clusterd and its resource agents on this node",
                        "%s: the agent %s cannot be run: %s", command, path, strerror(-r));
    }
    if (r == -ETIMEDOUT) {
        return cli_fail(cli, CLI_DEADLINE, NULL,
                        "%s: the agent %s did not finish in time; it was killed", command, path);
    }
    if (r < 0) {
        return cli_fail(cli, CLI_FAILED, NULL, "%s: the agent %s failed: %s", command, path,
                        words[0] != '\0' ? words : strerror(-r));
    }
    if (!vm_agent_agrees(answer) && json_text(answer, "reason")[0] == '\0') {
        const char *reason = words[0] != '\0' ? words : "the agent gave no reason";
        if (json_object_set_new(answer, "reason", json_string(reason)) < 0) { /* it is not UTF-8 */
            json_object_set_new(answer, "reason", json_string("the agent gave no reason"));
        }
    }
    *ret_answer = answer;
    return CLI_DONE;
}

char *vm_agent_volumes(const json_t *volumes) {
    char *text = NULL;
    size_t size = 0;
    size_t i = 0;
    json_t *volume = NULL;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    json_array_foreach (volumes, i, volume) {
        /* lint: allow fprintf, because the agent wants the paths as they are */
        fprintf(out, "%s%s=%s", i > 0 ? ":" : "", json_text(volume, "name"),
                json_text(volume, "path"));
    }
    fclose(out);
    return text;
}
