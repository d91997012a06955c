/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports a state to systemd ("READY=1", "STOPPING=1"); does nothing if systemd did not ask. */
#ifndef CLUSTERD_ADAPTERS_NOTIFY_H
#define CLUSTERD_ADAPTERS_NOTIFY_H

void notify_supervisor(const char *state);

#endif
