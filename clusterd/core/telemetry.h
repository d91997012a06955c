/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nodes broadcast about themselves without committing it: how busy they are, whether their
 * moves are encrypted, and how far a move has come.
 */
#ifndef CLUSTERD_CORE_TELEMETRY_H
#define CLUSTERD_CORE_TELEMETRY_H

#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

struct core;

void usage_note(struct core *c, uint32_t node, const struct msg_heartbeat *h);
void moves_note(struct core *c, uint32_t node, const struct msg_heartbeat *h);
/* For this node's clients. unsent: the other nodes are still to hear of it. -ENOMEM */
int progress_note(struct core *c, const struct msg_progress *p, bool unsent);
/*
 * Broadcasts the newest progress of each move here. It goes with a heartbeat: after each message
 * corosync passes its token round 30 times before it rests (totem's seqno_unchanged_const), which
 * with a message of its own for each line cost a drain of two VMs a tenth of its time.
 */
void progress_send(struct core *c);

#endif
