/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An operation's reports to clusterd. See report.h. */
#include "report.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"

const char *vm_result_name(enum vm_result result) {
    switch (result) {
    case VM_OK: return "ok";
    case VM_FAILED: return "failed";
    case VM_CANCELLED: return "cancelled";
    }
    return "failed";
}

const char *agent_vm_state_name(enum agent_vm_state state) {
    switch (state) {
    case AGENT_VM_UNKNOWN: return "unknown";
    case AGENT_VM_RUNNING: return "running";
    case AGENT_VM_PAUSED: return "paused";
    case AGENT_VM_OFF: return "off";
    }
    return "unknown";
}

void report_set(struct report *report, enum vm_result result, const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void)vsnprintf(report->reason, sizeof(report->reason), format, args);
    va_end(args);
    ocf_one_line(report->reason);
    report->result = result;
    report->exit_code = result == VM_OK ? OCF_SUCCESS : OCF_ERR_GENERIC;
}

void report_send(const struct report *report) {
    /* A manager that reads only the exit code would believe that it was done. */
    CHECK(report->result == VM_OK || report->exit_code != OCF_SUCCESS);
    json_t *line = json_pack("{ss ss so sI}", "result", vm_result_name(report->result), "state",
                             agent_vm_state_name(report->state), "reason",
                             jsonl_text(report->reason), "total_ms", (json_int_t)report->total_ms);
    if (line == NULL) {
        return;
    }
    if (report->blackout_ms >= 0) {
        json_object_set_new(line, "blackout_ms", json_integer((json_int_t)report->blackout_ms));
    }
#define X(S, TYPE, field, LIMIT) \
    json_object_set_new(line, #field, json_integer((json_int_t)(S)->field));
    if (report->figures.passes > 0) {
        MOVE_FIGURES(X, &report->figures)
    }
    if (report->predicts) {
        PREDICTION_FIELDS(X, &report->prediction)
    }
#undef X
    if (report->generation != 0) {
        json_object_set_new(line, "generation", json_integer((json_int_t)report->generation));
    }
    if (report->detail != NULL) {
        json_object_set_new(line, "detail", json_string(report->detail));
    }
    if (report->machine[0] != '\0' && report->state == AGENT_VM_RUNNING) {
        json_object_set_new(line, "machine", jsonl_text(report->machine));
    }
    if (report->refused && report->result == VM_FAILED) {
        json_object_set_new(line, "refused", json_true());
    }
    jsonl_send(line, JSONL_IMPORTANT_MS);
}

int report_validation(const char *element, const char *reason, json_t *problems, json_t *warnings) {
    bool ok = reason == NULL;
    json_t *line =
        json_pack("{ss ss so so so*so*}", "result", ok ? "ok" : "failed", "state", "unknown",
                  "element", jsonl_text(ok ? "" : element), "reason", jsonl_text(ok ? "" : reason),
                  "problems", problems, "warnings", warnings);
    bool sent = line != NULL && jsonl_send(line, JSONL_IMPORTANT_MS) == 0;
    return ok && sent ? OCF_SUCCESS : OCF_ERR_CONFIGURED;
}

void report_progress(const struct progress *progress) {
    json_t *numbers = json_object();
#define X(S, TYPE, field, LIMIT) \
    json_object_set_new(numbers, #field, json_integer((json_int_t)(S)->field));
    PROGRESS_FIELDS(X, progress)
#undef X
    jsonl_send(json_pack("{so}", "progress", numbers), JSONL_DROPPABLE_MS);
}
