/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nodes broadcast about themselves without committing it: how busy they are, whether their
 * moves are encrypted, and how far a move has come.
 */
#ifndef CLUSTERD_CORE_TELEMETRY_H
#define CLUSTERD_CORE_TELEMETRY_H

#include "wire/message.h"

#include <stdint.h>

struct core;

void usage_note(struct core *c, uint32_t node, const struct msg_heartbeat *h);
void moves_note(struct core *c, uint32_t node, const struct msg_heartbeat *h);
/* -ENOMEM */
int progress_note(struct core *c, const struct msg_progress *p);

#endif
