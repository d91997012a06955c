/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in clusterd's run_dir.
 */
#ifndef CLUSTERD_WIRE_RUN_DIR_H
#define CLUSTERD_WIRE_RUN_DIR_H

#define RUN_DIR_SOCKET "io.clusterd"           /* for administrators */
#define RUN_DIR_READ_SOCKET "io.clusterd.read" /* for readers */
#define RUN_DIR_PID_FILE "clusterd.pid"        /* empty after a clean stop */
#define RUN_DIR_FULL "clusterd.full"           /* the last end was for lack of room; bytes */

#endif
