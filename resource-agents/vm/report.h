/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An operation's reports to clusterd: progress lines, and one final line with the truth about the
 * VM. */
#ifndef AGENTS_VM_REPORT_H
#define AGENTS_VM_REPORT_H

#include "wire/move_figures.h"
#include "wire/prediction.h"
#include "wire/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

enum vm_result { VM_OK, VM_FAILED, VM_CANCELLED };

/* libvirt's view of the domain on this node. Unknown: libvirt could not be asked. */
enum agent_vm_state { AGENT_VM_UNKNOWN, AGENT_VM_RUNNING, AGENT_VM_PAUSED, AGENT_VM_OFF };

/* The detail of an operation that ended before it changed anything. */
#define REPORT_NOT_BEGUN "not-begun"

/* Of a live move. */
struct figures {
#define X(S, TYPE, field, LIMIT) uint64_t field;
    MOVE_FIGURES(X, )
#undef X
};

/* Of a live move that has not been made. */
struct prediction {
#define X(S, TYPE, field, LIMIT) uint64_t field;
    PREDICTION_FIELDS(X, )
#undef X
};

struct report {
    enum vm_result result;
    enum agent_vm_state state;
    char reason[768];    /* one line: what, where, why, what to do; "" if there is nothing to say */
    const char *detail;  /* a word of clusterd's for the state ("incoming", "io-error"), or NULL */
    uint64_t generation; /* of the domain found; 0: none found */
    char machine[64];    /* the machine type that it runs with; "": not known */
    int64_t blackout_ms; /* how long the guest was paused; -1: not measured */
    uint64_t total_ms;
    struct figures figures; /* no passes: there are none */
    struct prediction prediction;
    bool predicts; /* there is a prediction */
    bool refused;  /* the node can never take the VM, however often it is tried */
    int exit_code; /* set with the result; monitor has one of its own */
};

struct progress {
#define X(S, TYPE, field, LIMIT) uint64_t field;
    PROGRESS_FIELDS(X, )
#undef X
};

const char *vm_result_name(enum vm_result result);
const char *agent_vm_state_name(enum agent_vm_state state);

/* Sets result, exit code and reason together. The reason becomes one line. */
void report_set(struct report *report, enum vm_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The final line. It waits for a slow reader, but not for ever. */
void report_send(const struct report *report);

/*
 * The final line of an action that only checks a definition (validate-all, copy-plan): ok for a
 * NULL reason, else why not, and the element at fault. Takes over the references to problems and
 * warnings; both may be NULL. Returns the exit code.
 */
int report_validation(const char *element, const char *reason, json_t *problems, json_t *warnings);

/* A progress line; dropped if the reader does not keep up. */
void report_progress(const struct progress *progress);

#endif
