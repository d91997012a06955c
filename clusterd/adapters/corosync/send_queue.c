/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A queue of messages; see send_queue.h.
 */
#include "adapters/corosync/send_queue.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void send_queue_init(struct send_queue *q) {
    *q = (struct send_queue){.last = &q->first};
}

void send_queue_clear(struct send_queue *q) {
    while (q->first) {
        send_queue_pop(q);
    }
}

int send_queue_push(struct send_queue *q, const uint8_t *data, size_t size) {
    struct send_item *item = malloc(sizeof(*item) + size);
    if (!item) {
        return -ENOMEM;
    }
    item->next = NULL;
    item->size = size;
    memcpy(item->data, data, size);
    *q->last = item;
    q->last = &item->next;
    q->bytes += size;
    return 0;
}

const struct send_item *send_queue_peek(const struct send_queue *q) {
    return q->first;
}

void send_queue_pop(struct send_queue *q) {
    struct send_item *item = q->first;
    CHECK(item != NULL);
    q->first = item->next;
    if (!q->first) {
        q->last = &q->first;
    }
    q->bytes -= item->size;
    free(item);
}
