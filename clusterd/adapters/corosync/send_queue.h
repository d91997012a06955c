/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages that corosync could not take yet, in order.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_SEND_QUEUE_H
#define CLUSTERD_ADAPTERS_COROSYNC_SEND_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct send_item {
    struct send_item *next;
    size_t size;
    uint8_t data[];
};

struct send_queue {
    struct send_item *first, **last;
    size_t bytes;
};

void send_queue_init(struct send_queue *q);
/* Drops all messages. */
void send_queue_clear(struct send_queue *q);
/* Copies. -ENOMEM. */
int send_queue_push(struct send_queue *q, const uint8_t *data, size_t size);
/* The oldest, NULL if there is none. */
const struct send_item *send_queue_peek(const struct send_queue *q);
void send_queue_pop(struct send_queue *q);

#endif
