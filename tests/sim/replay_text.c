/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log as a story for people, 100 columns wide:
 *
 *     view of epoch 7: n1 n3; n1 decides                                2026-11-25 10:15:02 UTC
 *     10:15:02.871     214  n1 fences n2 by ilo
 *     10:15:02.871     214    warning: n2 is lost and is being fenced
 */
#include "sim/replay.h"

#include "base/check.h"
#include "core/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COLUMNS 100

static const char *vm_name(const struct model *m, uint32_t id) {
    const struct model_vm *vm = model_vm_by_id(m, id);
    return vm ? vm->name : "a VM that is no more";
}

static const char *word(const char *const *words, size_t n, uint8_t value) {
    return value < n ? words[value] : "?";
}

static void say_order(const struct model *m, const struct cmd_vm_order *o, char *text,
                      size_t size) {
    bool moves = o->kind == ORDER_MIGRATE;
    (void)snprintf(text, size, "order: %s %s on %s%s%s%s%s", order_kind_name(o->kind),
                   vm_name(m, o->vm), model_node_name(m, o->node), moves ? " to " : "",
                   moves ? model_node_name(m, o->target) : "", o->reason[0] ? ": " : "", o->reason);
}

static void say_report(const struct model *m, const struct cmd_vm_report *r, char *text,
                       size_t size) {
    static const char *const results[] = {"no result", "done", "failed", "cancelled", "timed out"};
    static const char *const states[] = {"is not known", "is off", "runs", "is paused",
                                         "is coming in"};
    (void)snprintf(text, size, "%s reports of order %" PRIu64 ": %s, %s %s there%s%s",
                   model_node_name(m, r->node), r->order,
                   word(results, ARRAY_SIZE(results), r->result), vm_name(m, r->vm),
                   word(states, ARRAY_SIZE(states), r->state), r->reason[0] ? ": " : "", r->reason);
}

static void say_event(const struct model *m, const struct cmd_vm_event *e, char *text,
                      size_t size) {
    static const char *const kinds[] = {"do nothing",       "start", "stop",  "crash",
                                        "shut itself down", "pause", "go on", "leave",
                                        "be given up"};
    (void)snprintf(text, size, "%s saw %s %s%s%s", model_node_name(m, e->node), vm_name(m, e->vm),
                   word(kinds, ARRAY_SIZE(kinds), e->kind), e->reason[0] ? ": " : "", e->reason);
}

static void say_fencing(const struct model *m, const struct cmd_fence_result *r, char *text,
                        size_t size) {
    (void)snprintf(text, size, "%s %s (%s)%s%s", model_node_name(m, r->node),
                   r->evidence == EVIDENCE_NONE ? "could not be fenced" : "is known to be off",
                   r->evidence == EVIDENCE_NONE ? r->device : evidence_name(r->evidence),
                   r->message[0] ? ": " : "", r->message);
}

static void say_health(const struct model *m, const struct cmd_volume_health *h, char *text,
                       size_t size) {
    (void)snprintf(text, size, "%s finds volume %s %s%s%s", model_node_name(m, h->node), h->volume,
                   volume_state_name(h->state), h->reason[0] ? ": " : "", h->reason);
}

/* What nodes tell each other and order. False: it is something that a person asked for. */
static bool say_own(const struct model *m, uint32_t type, const void *command, char *text,
                    size_t size) {
    const union {
        const void *any;
        const struct cmd_node_report *report;
        const struct cmd_node_leave *leave;
        const struct cmd_node_libvirt *libvirt;
        const struct cmd_fence_begin *fence;
        const struct cmd_vm_renew *renew;
        const struct cmd_vm_retry *retry;
        const struct cmd_operation_end *end;
    } c = {.any = command};
    switch (type) {
    case COMMAND_NODE_REPORT:
        (void)snprintf(text, size, "%s reports itself: %u VMs run there, clusterd %s",
                       model_node_name(m, c.report->node), c.report->domains.n, c.report->version);
        return true;
    case COMMAND_NODE_LEAVE:
        (void)snprintf(text, size, "%s leaves in good order", model_node_name(m, c.leave->node));
        return true;
    case COMMAND_NODE_LIBVIRT:
        (void)snprintf(text, size, "libvirt on %s %s%s", model_node_name(m, c.libvirt->node),
                       c.libvirt->reason[0] ? "does not answer: " : "answers", c.libvirt->reason);
        return true;
    case COMMAND_FENCE_BEGIN:
        (void)snprintf(text, size, "%s fences %s by %s", model_node_name(m, c.fence->by),
                       model_node_name(m, c.fence->node), c.fence->device);
        return true;
    case COMMAND_VM_RENEW:
        (void)snprintf(text, size, "order %" PRIu64 " for %s stands in this view too",
                       c.renew->order, vm_name(m, c.renew->vm));
        return true;
    case COMMAND_VM_RETRY:
        (void)snprintf(text, size, "%s %s", vm_name(m, c.retry->vm),
                       c.retry->wait ? "has failed wherever it may run, and waits"
                                     : "has waited, and is tried again");
        return true;
    case COMMAND_OPERATION_END:
        (void)snprintf(text, size, "operation %" PRIu64 " ends: %s %s", c.end->operation,
                       operation_state_name(c.end->state), c.end->reason);
        return true;
    case COMMAND_FENCE_RESULT: say_fencing(m, command, text, size); return true;
    case COMMAND_VM_ORDER: say_order(m, command, text, size); return true;
    case COMMAND_VM_REPORT: say_report(m, command, text, size); return true;
    case COMMAND_VM_EVENT: say_event(m, command, text, size); return true;
    case COMMAND_VOLUME_HEALTH: say_health(m, command, text, size); return true;
    default: return false;
    }
}

/* The first field of all that people ask for is the name of what they ask it for, or a number. */
static void say_asked(uint32_t type, const void *command, char *text, size_t size) {
    const struct wire_record *record = command_record(type);
    const char *first = "";
    char number[24];
    const void *at = (const uint8_t *)command + record->fields[0].offset;
    if (record->fields[0].type == WIRE_STR) {
        first = *(const char *const *)at;
    } else if (record->fields[0].type == WIRE_U64) {
        (void)snprintf(number, sizeof(number), "%" PRIu64, *(const uint64_t *)at);
        first = number;
    }
    if (type == COMMAND_CONFIG_SET) {
        (void)snprintf(text, size, "asked: CONFIG_SET %s = %s", first,
                       ((const struct cmd_config_set *)command)->value);
    } else if (type == COMMAND_VM_MOVE) {
        const char *to = ((const struct cmd_vm_move *)command)->to;
        (void)snprintf(text, size, "asked: VM_MOVE %s to %s", first, to[0] ? to : "the best node");
    } else {
        (void)snprintf(text, size, "asked: %s %s", command_name(type), first);
    }
}

void replay_command_text(const struct model *m, uint32_t type, const void *command, char *ret_text,
                         size_t size) {
    if (!command) {
        (void)snprintf(ret_text, size, "a command (%u) that this clusterd does not know", type);
    } else if (type != COMMAND_VIEW && !say_own(m, type, command, ret_text, size)) {
        say_asked(type, command, ret_text, size);
    }
}

/* ---- lines ---- */

#define CLOCK_BYTES 32

/* "2026-11-25 10:15:02 UTC"; the time of day begins at CLOCK_TIME. */
#define CLOCK_TIME 11
static void clock_text(uint64_t time_ms, char text[CLOCK_BYTES]) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) ||
        strftime(text, CLOCK_BYTES, "%Y-%m-%d %H:%M:%S UTC", &tm) != CLOCK_TIME + 12) {
        (void)snprintf(text, CLOCK_BYTES, "---------- --:--:-- UTC");
    }
}

/* Cut at the edge, between characters; what would move a cursor becomes a '?'. */
static void print_cut(char *line) {
    size_t columns = 0;
    char *last = line; /* where the last column but two begins */
    for (char *at = line; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            *at = '?';
        }
        if (((unsigned char)*at & 0xc0) != 0x80) {
            columns++;
            last = columns == COLUMNS - 2 ? at : last;
        }
    }
    if (columns > COLUMNS) {
        (void)memcpy(last, "...", 4);
    }
    (void)puts(line);
}

static void tell_line(const struct apply *a, const char *indent, const char *what,
                      const char *text) {
    char line[WIRE_MAX_TEXT + 128];
    char at[CLOCK_BYTES];
    clock_text(a->time_ms, at);
    (void)snprintf(line, sizeof(line), "%.8s.%03u %7" PRIu64 "  %s%s%s", at + CLOCK_TIME,
                   (unsigned)(a->time_ms % 1000), a->index, indent, what, text);
    print_cut(line);
}

static void tell_view(const struct apply *a) {
    char members[WIRE_MAX_NODES * (WIRE_MAX_NAME + 2)] = "";
    char line[sizeof(members) + 256];
    char at[CLOCK_BYTES];
    size_t used = 0;
    for (uint32_t i = 0; i < a->m->members.n; i++) {
        int n = snprintf(members + used, sizeof(members) - used, " %s",
                         model_node_name(a->m, a->m->members.v[i]));
        used += n > 0 ? (size_t)n : 0;
    }
    clock_text(a->time_ms, at);
    (void)snprintf(line, sizeof(line), "view of epoch %" PRIu64 ":%s; %s decides", a->m->epoch,
                   members, model_node_name(a->m, model_coordinator(a->m)));
    size_t room = COLUMNS - strlen(at);
    if (strlen(line) + 2 < room) {
        (void)memset(line + strlen(line), ' ', room);
        (void)snprintf(line + room, sizeof(line) - room, "%s", at);
    }
    (void)putchar('\n');
    print_cut(line);
}

void replay_tell(const struct apply *a, const char *command_text) {
    char text[2 * WIRE_MAX_TEXT];
    if (a->type == COMMAND_VIEW && a->code == REPLY_OK) {
        tell_view(a);
    } else {
        (void)snprintf(text, sizeof(text), "%s%s%s", command_text,
                       a->code == REPLY_OK ? "" : " -- refused: ", a->message);
        tell_line(a, "", "", text);
    }
    for (uint32_t i = 0; i < a->out->n; i++) {
        if (a->out->v[i].type == CORE_ACTION_EVENT) {
            const struct model_event *event = a->out->v[i].event.row;
            tell_line(a, "  ",
                      event->severity == SEVERITY_ERROR     ? "error: "
                      : event->severity == SEVERITY_WARNING ? "warning: "
                                                            : "",
                      event->message);
        }
    }
}
