/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs resource agents; see agents.h. resource-agents/README.md says how they are called and what
 * they print.
 *
 * An operation's last line says how it ended. The line is kept until the process has ended: only
 * then is the operation over. A process that ends without such a line has failed, whatever its exit
 * code. Except `monitor`: OCF gives its codes 0 and 7 a meaning of their own.
 */
#include "adapters/agents/agents.h"

#include "adapters/agents/lines.h"
#include "adapters/clock.h"
#include "adapters/logging.h"
#include "adapters/agents/process.h"
#include "base/list.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OCF_SUCCESS = 0, OCF_NOT_RUNNING = 7 };

#define LABEL_BYTES 160
#define LOG_WINDOW_MS 10000u
#define LOG_MAX_LINES 100u

struct agents {
    qb_loop_t *loop;
    char *agent_dir;
    struct event_sink sink;
    struct list runs;
};

struct agent_run {
    struct list link;
    struct agents *agents;
    struct process *process;
    uint64_t run;
    char label[LABEL_BYTES]; /* "vm start web1", for the log */
    bool is_monitor;
    bool outlives_us;
    struct core_agent final; /* of the last line; NONE if there was no line */
    char final_reason[WIRE_MAX_TEXT + 1];
    char final_machine[WIRE_MAX_NAME + 1];
    uint64_t log_window_ms; /* start of the window that `logged` counts in */
    unsigned logged;
};

static void post_agent(struct agents *agents, const struct core_agent *agent) {
    struct core_event event = {.type = CORE_EVENT_AGENT, .agent = *agent};
    if (!event.agent.uuid) {
        event.agent.uuid = "";
    }
    if (!event.agent.name) {
        event.agent.name = "";
    }
    if (!event.agent.reason) {
        event.agent.reason = "";
    }
    sink_post(&agents->sink, &event);
}

/* ---- lines ---- */

static void take_line(struct agent_run *run, struct agent_line *line) {
    line->agent.run = run->run;
    if (line->agent.line == AGENT_DONE) {
        /* The strings outlive the line's JSON: copy them. */
        run->final = line->agent;
        (void)snprintf(run->final_reason, sizeof(run->final_reason), "%s", line->agent.reason);
        (void)snprintf(run->final_machine, sizeof(run->final_machine), "%s", line->agent.machine);
        run->final.reason = run->final_reason;
        run->final.machine = run->final_machine;
        run->final.uuid = "";
        run->final.name = "";
        return;
    }
    if (line->agent.line != AGENT_LINE_NONE) {
        post_agent(run->agents, &line->agent);
    }
}

/* An agent that never stops talking must not fill the disk with log. */
static void log_words(struct agent_run *run, const char *text) {
    uint64_t now_ms = clock_now_ms();
    if (now_ms - run->log_window_ms >= LOG_WINDOW_MS) {
        run->log_window_ms = now_ms;
        run->logged = 0;
    }
    if (run->logged < LOG_MAX_LINES) {
        log_info("agent %s: %s", run->label, text);
    } else if (run->logged == LOG_MAX_LINES) {
        log_warning("agent %s: too many lines; more of them are not logged within these %u s",
                    run->label, LOG_WINDOW_MS / 1000);
    }
    run->logged += run->logged <= LOG_MAX_LINES;
}

static void on_line(void *context, enum process_stream stream, const char *text, size_t size,
                    bool cut) {
    struct agent_run *run = context;
    if (stream == PROCESS_STDERR) {
        if (size > 0) {
            log_words(run, text);
        }
        return;
    }
    if (size == 0) {
        return;
    }
    struct agent_line line;
    const char *why = "longer than 64 KiB";
    int error = cut ? -EMSGSIZE : agent_line_decode(text, size, &line, &why);
    if (error < 0) {
        char words[300];
        (void)snprintf(words, sizeof(words), "ignored a line, %s: %.200s", why, text);
        log_words(run, words);
        return;
    }
    take_line(run, &line);
    agent_line_finish(&line);
}

/* ---- end ---- */

static void judge_end(const struct agent_run *run, const struct process_end *end,
                      struct core_agent *ret_done, char *reason, size_t size) {
    bool has_final = run->final.line == AGENT_DONE;
    *ret_done = run->final;
    ret_done->run = run->run;
    ret_done->line = AGENT_DONE;
    ret_done->reason = reason;
    (void)snprintf(reason, size, "%s", has_final ? run->final_reason : "");
    if (end->timed_out) {
        /* The agent may have reported its result just before the deadline; hanging afterwards does
         * not change the result. */
        if (!has_final || run->final.result != RESULT_OK) {
            ret_done->result = RESULT_TIMEOUT;
            (void)snprintf(reason, size, "agent %s: killed at its deadline%s", run->label,
                           end->undead ? "; it hangs in the kernel (storage?) and does not die"
                                       : "");
        }
        return;
    }
    if (has_final) {
        bool expected =
            end->signal == 0 && (end->exit_code == OCF_SUCCESS ||
                                 (run->is_monitor && end->exit_code == OCF_NOT_RUNNING));
        if (run->final.result == RESULT_OK && end->signal == 0 && !expected) {
            ret_done->result = RESULT_FAILED;
            (void)snprintf(reason, size, "agent %s: reports ok, but exits with code %d", run->label,
                           end->exit_code);
        }
        return;
    }
    ret_done->result = RESULT_FAILED;
    if (end->signal != 0) {
        (void)snprintf(reason, size, "agent %s: ended by signal %d (%s)%s", run->label, end->signal,
                       strsignal(end->signal),
                       end->undead ? "; it hangs in the kernel and does not die" : "");
    } else if (run->is_monitor &&
               (end->exit_code == OCF_SUCCESS || end->exit_code == OCF_NOT_RUNNING)) {
        ret_done->result = RESULT_OK;
        ret_done->state = end->exit_code == OCF_SUCCESS ? VM_STATE_RUNNING : VM_STATE_OFF;
    } else {
        (void)snprintf(reason, size, "agent %s: exited with code %d and reported no result",
                       run->label, end->exit_code);
    }
}

static void run_free(struct agent_run *run) {
    list_remove(&run->link);
    process_destroy(run->process);
    free(run);
}

static void on_ended(void *context, const struct process_end *end) {
    struct agent_run *run = context;
    char reason[WIRE_MAX_TEXT + 1];
    struct core_agent done;
    judge_end(run, end, &done, reason, sizeof(reason));
    if (done.result != RESULT_OK && reason[0]) {
        log_info("agent %s: %s", run->label, reason);
    }
    post_agent(run->agents, &done);
    run_free(run);
}

static const struct process_handlers handlers = {.line = on_line, .ended = on_ended};

/* ---- start ---- */

/* The agent's parameters as variables, in the arena. NULL when memory has run out. */
static char **make_parameters(const struct core_run_agent *order, struct arena *arena) {
    const char *const fixed[][2] = {
        {"OCF_ROOT", "/usr/lib/ocf"},        {"OCF_RA_VERSION_MAJOR", "1"},
        {"OCF_RA_VERSION_MINOR", "1"},       {"OCF_RESOURCE_PROVIDER", "clusterd"},
        {"OCF_RESOURCE_TYPE", order->agent}, {"OCF_RESOURCE_INSTANCE", order->instance},
    };
    const size_t n_fixed = sizeof(fixed) / sizeof(fixed[0]);
    size_t used = 0;
    char **env = arena_array(arena, n_fixed + order->n_params + 1, sizeof(*env));
    if (!env) {
        return NULL;
    }
    for (size_t i = 0; i < n_fixed; i++) {
        env[used++] = arena_printf(arena, "%s=%s", fixed[i][0], fixed[i][1] ? fixed[i][1] : "");
    }
    for (uint32_t i = 0; i < order->n_params; i++) {
        env[used++] =
            arena_printf(arena, "OCF_RESKEY_%s=%s", order->params[i].key, order->params[i].value);
    }
    for (size_t i = 0; i < used; i++) {
        if (!env[i]) {
            return NULL;
        }
    }
    return env;
}

static int start(struct agents *agents, struct agent_run *run, const struct core_run_agent *order) {
    struct arena arena;
    arena_init(&arena);
    char *path = arena_printf(&arena, "%s/%s", agents->agent_dir, order->agent);
    char *argv[] = {path, arena_strdup(&arena, order->action), NULL};
    char **env = make_parameters(order, &arena);
    struct process_spec spec = {
        .path = path,
        .argv = argv,
        .extra = env,
        .input = order->input,
        .input_size = order->input ? strlen(order->input) : 0,
        .timeout_ms = order->timeout_ms,
        .blocks_sigterm = order->hears_end != 0,
    };
    int error = path && argv[1] && env
                    ? process_start(agents->loop, &spec, &handlers, run, &run->process)
                    : -ENOMEM;
    arena_finish(&arena);
    return error;
}

void agents_run(struct agents *agents, const struct core_run_agent *order) {
    struct agent_run *run = calloc(1, sizeof(*run));
    char reason[WIRE_MAX_TEXT + 1] = "out of memory";
    int error = -ENOMEM;
    if (run) {
        run->agents = agents;
        run->run = order->run;
        run->is_monitor = strcmp(order->action, "monitor") == 0;
        run->outlives_us = order->outlives != 0;
        (void)snprintf(run->label, sizeof(run->label), "%s %s %s", order->agent, order->action,
                       order->instance ? order->instance : "");
        list_append(&agents->runs, &run->link);
        error = start(agents, run, order);
    }
    if (error == 0) {
        return;
    }
    (void)snprintf(reason, sizeof(reason), "agent %s/%s cannot be run: %s", agents->agent_dir,
                   order->agent, strerror(-error));
    log_error("%s", reason);
    const struct core_agent done = {
        .run = order->run, .line = AGENT_DONE, .result = RESULT_FAILED, .reason = reason};
    post_agent(agents, &done);
    if (run) {
        run_free(run);
    }
}

void agents_kill(struct agents *agents, const struct core_kill_agent *order) {
    list_for_each (at, &agents->runs) {
        struct agent_run *run = list_entry(at, struct agent_run, link);
        if (run->run == order->run) {
            process_kill(run->process, order->force ? SIGKILL : SIGTERM);
            return;
        }
    }
}

int agents_create(qb_loop_t *loop, const char *agent_dir, struct event_sink sink,
                  struct agents **ret_agents) {
    struct agents *agents = calloc(1, sizeof(*agents));
    if (!agents) {
        return -ENOMEM;
    }
    agents->loop = loop;
    agents->sink = sink;
    list_init(&agents->runs);
    agents->agent_dir = strdup(agent_dir);
    if (!agents->agent_dir) {
        free(agents);
        return -ENOMEM;
    }
    *ret_agents = agents;
    return 0;
}

void agents_destroy(struct agents *agents) {
    if (!agents) {
        return;
    }
    while (!list_empty(&agents->runs)) {
        struct agent_run *run = list_entry(agents->runs.next, struct agent_run, link);
        if (run->outlives_us) {
            process_leave(run->process);
            run->process = NULL;
        }
        run_free(run);
    }
    free(agents->agent_dir);
    free(agents);
}
