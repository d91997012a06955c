/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells systemd how far we are ("READY=1", "STOPPING=1"); nothing if it did not ask. */
#ifndef CLUSTERD_ADAPTERS_NOTIFY_H
#define CLUSTERD_ADAPTERS_NOTIFY_H

void notify_supervisor(const char *state);

#endif
