/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Being there in time on a loaded machine: guests may take every cpu and all memory, and clusterd
 * must still feed the watchdog and answer the ring.
 */
#ifndef CLUSTERD_ADAPTERS_REALTIME_H
#define CLUSTERD_ADAPTERS_REALTIME_H

/* Memory stays in RAM, the OOM killer looks elsewhere, as many files as allowed. What is not
 * permitted is logged. */
void realtime_process(void);
/* Scheduling of the calling thread; what it starts is scheduled as usual. */
void realtime_thread(void);

#endif
