/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps clusterd responsive on a loaded machine: guests may take every CPU and all memory, and
 * clusterd must still feed the watchdog and answer the ring.
 */
#ifndef CLUSTERD_ADAPTERS_REALTIME_H
#define CLUSTERD_ADAPTERS_REALTIME_H

/* Locks memory in RAM, protects from the OOM killer, raises the limit of open files. Logs what is
 * not permitted. */
void realtime_process(void);
/* Scheduling of the calling thread; its child processes are scheduled as usual. */
void realtime_thread(void);

#endif
