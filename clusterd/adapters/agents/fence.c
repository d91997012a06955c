/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence agents; see fence.h.
 *
 *              exit 0                 off
 *     OFF ───────────────► VERIFY ─────────────────────────────► ok
 *      │                   │ ▲ │ no answer: does it know `status`?
 *      │                   │ │ └──► METADATA ── no ────────────► ok, "not verified: no status"
 *      │                on │ │         │ yes, or unreadable
 *      │ exit ≠ 0          ▼ │ timer   ▼
 *      │                  PAUSE ◄──────┘          deadline ────► failed
 *      │               off
 *      └──────► FOUND ─────────────────────────────────────────► ok, "already off"
 *                 └──────── anything else ─────────────────────► failed, with what `off` said
 *
 *     a test of the device:
 *     STATUS ── on, off ────────────────────────────────────────► ok
 *       └── else ──► METADATA ── no status ──► MONITOR ── 0 ────► ok
 *                       └── else ───────────────┴── else ───────► failed
 *
 * An answer is what `status` prints, together with its exit code: "Status: OFF" with 2, or "Status:
 * ON" with 0. A code alone says nothing. 2 is also a shell's code for a script that it cannot read,
 * Python's for one that it cannot find, an agent's for a parameter that it does not like; and 0 is
 * the code of a program that knows no actions at all. For the same reason, an agent counts as
 * having no `status` only if its metadata offers `off` and no `status`.
 *
 * `off` comes first, not `status`: agents check the status themselves before they switch, and one
 * more agent run would delay the recovery of the VMs. A node that is off after a failed `off` is
 * off all the same.
 *
 * The message for people comes from stderr. Every secret value in it is masked before anything else
 * sees it. An agent may have ways to write a secret that are not looked for (a checksum, half of it
 * on each of two lines). Hence of an agent that knows secrets only the last line of each process is
 * masked and shown, which is where the reason stands.
 */
#include "adapters/agents/fence.h"

#include "adapters/clock.h"
#include "adapters/agents/fence_text.h"
#include "adapters/logging.h"
#include "adapters/agents/process.h"
#include "base/buffer.h"
#include "base/list.h"

#include <errno.h>
#include <qb/qbdefs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FENCE_EXIT_OK = 0, FENCE_EXIT_OFF = 2 };
enum stage {
    STAGE_OFF,
    STAGE_VERIFY,
    STAGE_PAUSE,
    STAGE_FOUND,
    STAGE_STATUS,
    STAGE_METADATA,
    STAGE_MONITOR
};

#define DEFAULT_TIMEOUT_MS 60000u
#define PAUSE_MS 250u
#define MESSAGE_BYTES ((int)WIRE_MAX_TEXT + 1)
/* Longer than a message: half a secret at its end is cut off after masking. Not longer than that:
 * masking takes the loop up to 10 ms for each KiB and secret. */
#define HEARD_BYTES ((size_t)4 * 1024)
#define METADATA_MAX_BYTES ((size_t)1 << 20)

struct fence {
    qb_loop_t *loop;
    char *agent_dir;
    struct event_sink sink;
    struct list runs;
};

struct fence_run {
    struct list link;
    struct fence *fence;
    struct arena arena; /* the order's strings, which are secret */
    struct core_fence_order order;
    enum stage stage;
    struct process *process;
    qb_loop_timer_handle timer;
    uint64_t deadline_ms;
    bool knows_status;          /* the agent's metadata has it, or is unreadable */
    enum fence_said said_power; /* by this process */
    struct buffer metadata;
    bool has_secrets;             /* the device; then `heard` may hold some */
    char heard[HEARD_BYTES];      /* last line of stderr of this process, as it came */
    char said[MESSAGE_BYTES];     /* the same, masked, once the process has ended */
    char off_said[MESSAGE_BYTES]; /* of the failed `off`, or of a test's `status` */
    int off_code;
};

static const struct process_handlers handlers;

/* ---- end ---- */

static void run_free(struct fence_run *run) {
    if (run->timer) {
        (void)qb_loop_timer_del(run->fence->loop, run->timer);
    }
    list_remove(&run->link);
    process_destroy(run->process);
    buffer_finish(&run->metadata);
    for (uint32_t i = 0; i < run->order.n_params; i++) {
        explicit_bzero((void *)(uintptr_t)run->order.params[i].value,
                       strlen(run->order.params[i].value));
    }
    arena_finish(&run->arena);
    explicit_bzero(run->heard, sizeof(run->heard));
    free(run);
}

static void finish_test(struct fence_run *run, bool ok, enum core_power power, const char *what,
                        const char *said) {
    char message[MESSAGE_BYTES];
    (void)snprintf(message, sizeof(message), "%s: %s%s%s", run->order.agent, what,
                   said[0] ? ": " : "", said);
    if (ok) {
        log_info("fence %s: %s", run->order.node, message);
    } else {
        log_warning("fence %s: %s", run->order.node, message);
    }
    const struct core_event event = {
        .type = CORE_EVENT_FENCE,
        .fence = {.run = run->order.run, .ok = ok, .power = (uint8_t)power, .message = message}};
    sink_post(&run->fence->sink, &event);
    run_free(run);
}

static void finish(struct fence_run *run, bool ok, const char *what, const char *said) {
    finish_test(run, ok, POWER_UNKNOWN, what, said);
}

/* ---- start ---- */

static void agent_path(const struct fence *fence, const char *agent, char path[FENCE_MAX_PATH]) {
    (void)snprintf(path, FENCE_MAX_PATH, "%s/%s", fence->agent_dir, agent);
}

static int stage_start(struct fence_run *run, enum stage stage) {
    static const char *const actions[] = {
        [STAGE_OFF] = "off",        [STAGE_VERIFY] = "status", [STAGE_PAUSE] = NULL,
        [STAGE_FOUND] = "status",   [STAGE_STATUS] = "status", [STAGE_METADATA] = "metadata",
        [STAGE_MONITOR] = "monitor"};
    uint64_t now_ms = clock_now_ms();
    struct buffer input;
    const char *why = strerror(ENOMEM);
    char path[FENCE_MAX_PATH];
    buffer_init(&input);
    run->stage = stage;
    run->heard[0] = '\0';
    run->said[0] = '\0';
    run->said_power = SAID_NOTHING;
    agent_path(run->fence, run->order.agent, path);
    int error = fence_input(&run->order, actions[stage], &input, &why);
    if (error == 0) {
        char *argv[] = {path, NULL};
        const struct process_spec spec = {
            .path = path,
            .argv = argv,
            .input = (const char *)input.data,
            .input_size = input.size,
            .timeout_ms = run->deadline_ms > now_ms ? run->deadline_ms - now_ms : 1,
        };
        error = process_start(run->fence->loop, &spec, &handlers, run, &run->process);
        why = strerror(-error);
    }
    if (input.data) {
        explicit_bzero(input.data, input.size);
    }
    buffer_finish(&input);
    if (error < 0) {
        finish(run, false, path, why);
    }
    return error;
}

static void on_pause(void *data) {
    struct fence_run *run = data;
    run->timer = 0;
    (void)stage_start(run, STAGE_VERIFY);
}

static void pause_then_verify(struct fence_run *run) {
    run->stage = STAGE_PAUSE;
    if (clock_now_ms() + PAUSE_MS >= run->deadline_ms) {
        finish(run, false, "off was sent, but the status did not confirm it before the deadline",
               run->said);
        return;
    }
    int error =
        qb_loop_timer_add(run->fence->loop, QB_LOOP_MED, (uint64_t)PAUSE_MS * QB_TIME_NS_IN_MSEC,
                          run, on_pause, &run->timer);
    if (error < 0) {
        finish(run, false, "no timer", strerror(-error));
    }
}

/* ---- the steps of the drawing ---- */

/* The answer of `status`: its words, if its exit code agrees. */
static enum core_power answer(const struct fence_run *run, int code) {
    if (run->said_power == SAID_OFF && code == FENCE_EXIT_OFF) {
        return POWER_OFF;
    }
    return run->said_power == SAID_ON && code == FENCE_EXIT_OK ? POWER_ON : POWER_UNKNOWN;
}

static void after_off(struct fence_run *run, int code) {
    if (code == FENCE_EXIT_OK) {
        (void)stage_start(run, STAGE_VERIFY);
        return;
    }
    run->off_code = code;
    memcpy(run->off_said, run->said, sizeof(run->off_said));
    (void)stage_start(run, STAGE_FOUND);
}

static void after_verify(struct fence_run *run, int code) {
    enum core_power power = answer(run, code);
    if (power == POWER_OFF) {
        finish(run, true, "off, verified by its status", "");
    } else if (power == POWER_ON || run->knows_status) {
        pause_then_verify(run);
    } else {
        (void)stage_start(run, STAGE_METADATA);
    }
}

static void after_found(struct fence_run *run, int code) {
    char what[64];
    if (answer(run, code) == POWER_OFF) {
        finish(run, true, "already off", run->off_said);
        return;
    }
    (void)snprintf(what, sizeof(what), "off failed with code %d", run->off_code);
    finish(run, false, what, run->off_said[0] ? run->off_said : run->said);
}

/* A test: the agent knows `status`, but gave no answer. */
static void no_answer(struct fence_run *run) {
    char what[128];
    if (run->off_code != FENCE_EXIT_OK && run->off_code != FENCE_EXIT_OFF) {
        finish(run, false, "status failed", run->off_said);
        return;
    }
    (void)snprintf(what, sizeof(what),
                   "status exited with code %d and did not print \"Status: %s\"", run->off_code,
                   run->off_code == FENCE_EXIT_OFF ? "OFF" : "ON");
    finish(run, false, what, run->off_said);
}

static void after_metadata(struct fence_run *run, int code) {
    buffer_append_u8(&run->metadata, 0);
    const char *text = (const char *)run->metadata.data;
    bool read =
        code == FENCE_EXIT_OK && !run->metadata.failed && fence_metadata_offers(text, "off");
    bool offers = !read || fence_metadata_offers(text, "status");
    bool testing = run->order.action == FENCE_STATUS;
    run->knows_status = offers;
    if (!testing && !offers) {
        finish(run, true, "off, according to the agent; it has no status action to verify it", "");
    } else if (!testing) {
        pause_then_verify(run);
    } else if (!offers) {
        (void)stage_start(run, STAGE_MONITOR);
    } else {
        no_answer(run);
    }
}

static void after_status(struct fence_run *run, int code) {
    enum core_power power = answer(run, code);
    char what[128];
    if (power != POWER_UNKNOWN) {
        (void)snprintf(what, sizeof(what), "the device answers: %s is %s", run->order.node,
                       power == POWER_OFF ? "off" : "on");
        finish_test(run, true, power, what, "");
        return;
    }
    run->off_code = code;
    memcpy(run->off_said, run->said, sizeof(run->off_said));
    (void)stage_start(run, STAGE_METADATA);
}

/* Makes what was heard fit to be shown. */
static void take_words(struct fence_run *run) {
    if (run->has_secrets) {
        fence_mask(&run->order, run->heard);
    }
    (void)snprintf(run->said, sizeof(run->said), "%.*s", MESSAGE_BYTES - 1, run->heard);
    explicit_bzero(run->heard, sizeof(run->heard));
    if (run->has_secrets && run->said[0]) {
        log_info("fence %s: %s: %s", run->order.node, run->order.agent, run->said);
    }
}

static void on_ended(void *context, const struct process_end *end) {
    struct fence_run *run = context;
    int code = end->exit_code;
    process_destroy(run->process);
    run->process = NULL;
    take_words(run);
    if (end->timed_out) {
        finish(run, false, "killed at its deadline", run->said);
        return;
    }
    switch (run->stage) {
    case STAGE_OFF: after_off(run, code); break;
    case STAGE_VERIFY: after_verify(run, code); break;
    case STAGE_FOUND: after_found(run, code); break;
    case STAGE_STATUS: after_status(run, code); break;
    case STAGE_METADATA: after_metadata(run, code); break;
    case STAGE_MONITOR:
        finish(run, code == FENCE_EXIT_OK,
               code == FENCE_EXIT_OK ? "the device answers; it cannot report a node's status"
                                     : "monitor failed",
               run->said);
        break;
    case STAGE_PAUSE: break; /* no process runs in this stage */
    }
}

/* ---- lines ---- */

static void on_line(void *context, enum process_stream stream, const char *text, size_t size,
                    bool cut) {
    struct fence_run *run = context;
    (void)cut;
    if (stream == PROCESS_STDOUT) {
        run->said_power = fence_status_line(run->said_power, text);
        if (run->stage == STAGE_METADATA && run->metadata.size + size < METADATA_MAX_BYTES) {
            buffer_append(&run->metadata, text, size);
            buffer_append_u8(&run->metadata, '\n');
        }
    }
    /* Some agents print their reason on stdout; a reason on stderr takes precedence. */
    bool wanted = stream == PROCESS_STDERR || (run->stage != STAGE_METADATA && !run->heard[0]);
    /* ClusterLabs' library prints this after the actual error. */
    bool hint = strstr(text, "Please use '-h' for usage") != NULL;
    if (size == 0 || !wanted || hint) {
        return;
    }
    (void)snprintf(run->heard, sizeof(run->heard), "%s", text);
    if (!run->has_secrets) {
        log_info("fence %s: %s: %.*s", run->order.node, run->order.agent, MESSAGE_BYTES - 1, text);
    }
}

static const struct process_handlers handlers = {.line = on_line, .ended = on_ended};

/* ---- order ---- */

static int copy_order(struct fence_run *run, const struct core_fence_order *order) {
    run->order = *order;
    run->order.agent = arena_strdup(&run->arena, order->agent);
    run->order.node = arena_strdup(&run->arena, order->node);
    struct core_param *params = arena_array(&run->arena, order->n_params, sizeof(*params));
    run->order.params = params;
    run->order.n_params = 0;
    if (!run->order.agent || !run->order.node || !params) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < order->n_params; i++) {
        params[i].key = arena_strdup(&run->arena, order->params[i].key);
        params[i].value = arena_strdup(&run->arena, order->params[i].value);
        if (!params[i].key || !params[i].value) {
            return -ENOMEM;
        }
        run->order.n_params++;
    }
    run->has_secrets = fence_has_secrets(&run->order);
    return 0;
}

static void refuse(struct fence *fence, const struct core_fence_order *order, const char *message) {
    log_error("fence %s: %s", order->node, message);
    const struct core_event event = {.type = CORE_EVENT_FENCE,
                                     .fence = {.run = order->run, .ok = 0, .message = message}};
    sink_post(&fence->sink, &event);
}

/* The loop waits for the directory's disk, as it does when it starts an agent from there. */
int fence_find_agent(const struct fence *fence, const char *agent, char *ret_path) {
    agent_path(fence, agent, ret_path);
    return access(ret_path, X_OK) < 0 ? -errno : 0;
}

void fence_run(struct fence *fence, const struct core_fence_order *order) {
    if (!fence_agent_name_valid(order->agent)) {
        refuse(fence, order, "the device's agent is not the name of a fence agent (fence_NAME)");
        return;
    }
    struct fence_run *run = calloc(1, sizeof(*run));
    if (!run) {
        refuse(fence, order, "out of memory");
        return;
    }
    run->fence = fence;
    arena_init(&run->arena);
    buffer_init(&run->metadata);
    list_append(&fence->runs, &run->link);
    run->deadline_ms =
        clock_now_ms() + (order->timeout_ms ? order->timeout_ms : DEFAULT_TIMEOUT_MS);
    if (copy_order(run, order) < 0) {
        refuse(fence, order, "out of memory");
        run_free(run);
        return;
    }
    (void)stage_start(run, order->action == FENCE_STATUS ? STAGE_STATUS : STAGE_OFF);
}

int fence_create(qb_loop_t *loop, const char *agent_dir, struct event_sink sink,
                 struct fence **ret_fence) {
    struct fence *fence = calloc(1, sizeof(*fence));
    if (!fence) {
        return -ENOMEM;
    }
    fence->loop = loop;
    fence->sink = sink;
    list_init(&fence->runs);
    fence->agent_dir = strdup(agent_dir);
    if (!fence->agent_dir) {
        free(fence);
        return -ENOMEM;
    }
    *ret_fence = fence;
    return 0;
}

void fence_destroy(struct fence *fence) {
    if (!fence) {
        return;
    }
    while (!list_empty(&fence->runs)) {
        run_free(list_entry(fence->runs.next, struct fence_run, link));
    }
    free(fence->agent_dir);
    free(fence);
}
