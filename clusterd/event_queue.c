/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A queue of events; see event_queue.h.
 *
 * An event and all that it points to go into one block of memory. pack_event() runs twice: first to
 * count, then to copy.
 */
#include "event_queue.h"

#include "base/check.h"
#include "wire/command.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct packer {
    unsigned char *data; /* NULL: count only */
    size_t used;
};

/* The address of the copy; while counting, of the data itself. */
static const void *pack(struct packer *p, const void *data, size_t size) {
    const size_t align = _Alignof(max_align_t);
    size_t at = p->used;
    p->used += (size + align - 1) / align * align;
    if (!p->data || size == 0) {
        return data;
    }
    memcpy(p->data + at, data, size);
    return p->data + at;
}

static const char *pack_text(struct packer *p, const char *text) {
    return text ? pack(p, text, strlen(text) + 1) : "";
}

static void pack_texts(struct packer *p, struct wire_strs *texts) {
    const char **v = (const char **)(uintptr_t)pack(p, texts->v, texts->n * sizeof(*v));
    for (uint32_t i = 0; i < texts->n; i++) {
        const char *text = pack_text(p, texts->v[i]);
        if (p->data) {
            v[i] = text;
        }
    }
    texts->v = v;
}

static void pack_agent(struct packer *p, struct core_agent *agent) {
    agent->uuid = pack_text(p, agent->uuid);
    agent->name = pack_text(p, agent->name);
    agent->reason = pack_text(p, agent->reason);
    agent->machine = pack_text(p, agent->machine);
    struct core_seen *seen =
        (struct core_seen *)(uintptr_t)pack(p, agent->seen, agent->n_seen * sizeof(*seen));
    for (uint32_t i = 0; i < agent->n_seen; i++) {
        const char *node = pack_text(p, agent->seen[i].node);
        const char *nonce = pack_text(p, agent->seen[i].nonce);
        if (p->data) {
            seen[i].node = node;
            seen[i].nonce = nonce;
        }
    }
    agent->seen = seen;
    pack_texts(p, &agent->models);
    pack_texts(p, &agent->machines);
    pack_texts(p, &agent->networks);
}

static void pack_event(struct packer *p, struct core_event *event) {
    switch (event->type) {
    case CORE_EVENT_VIEW:
        event->view.members.v =
            pack(p, event->view.members.v, event->view.members.n * sizeof(uint32_t));
        event->view.ring.v = pack(p, event->view.ring.v, event->view.ring.n * sizeof(uint32_t));
        break;
    case CORE_EVENT_MESSAGE:
        event->message.data = pack(p, event->message.data, event->message.size);
        break;
    case CORE_EVENT_AGENT: pack_agent(p, &event->agent); break;
    case CORE_EVENT_FENCE: event->fence.message = pack_text(p, event->fence.message); break;
    case CORE_EVENT_REQUEST:
        event->request.device = pack_text(p, event->request.device);
        event->request.node = pack_text(p, event->request.node);
        event->request.user = pack_text(p, event->request.user);
        break;
    case CORE_EVENT_STORED:
    case CORE_EVENT_TIMEOUT:
    case CORE_EVENT_STOP:
    case CORE_EVENT_SOLVED:
    case CORE_EVENT_BOOT: break;
    }
}

static int copy_command(struct queued_event *queued, const struct core_request *request) {
    const struct wire_record *record = command_record(request->command);
    CHECK(record != NULL);
    queued->command = calloc(1, record->size);
    if (!queued->command) {
        return -ENOMEM;
    }
    int error = wire_copy(record, request->value, queued->command);
    if (error < 0) {
        free(queued->command);
        queued->command = NULL;
        return error;
    }
    queued->event.request.value = queued->command;
    return 0;
}

void event_queue_init(struct event_queue *q) {
    *q = (struct event_queue){.last = &q->first};
}

void event_queue_finish(struct event_queue *q) {
    struct queued_event *queued = NULL;
    while ((queued = event_queue_pop(q))) {
        queued_event_free(queued);
    }
}

int event_queue_push(struct event_queue *q, const struct core_event *event) {
    struct core_event counted = *event;
    struct packer packer = {0};
    CHECK(event->type != CORE_EVENT_BOOT);
    pack_event(&packer, &counted);
    struct queued_event *queued = calloc(1, sizeof(*queued) + packer.used);
    if (!queued) {
        return -ENOMEM;
    }
    packer = (struct packer){.data = queued->data};
    queued->event = *event;
    pack_event(&packer, &queued->event);
    bool has_command = event->type == CORE_EVENT_REQUEST && event->request.value != NULL;
    int error = has_command ? copy_command(queued, &event->request) : 0;
    if (error < 0) {
        queued_event_free(queued);
        return error;
    }
    *q->last = queued;
    q->last = &queued->next;
    return 0;
}

struct queued_event *event_queue_pop(struct event_queue *q) {
    struct queued_event *queued = q->first;
    if (queued) {
        q->first = queued->next;
        if (!q->first) {
            q->last = &q->first;
        }
    }
    return queued;
}

void queued_event_free(struct queued_event *queued) {
    if (queued->command) {
        wire_release(command_record(queued->event.request.command), queued->command);
        free(queued->command);
    }
    free(queued);
}
