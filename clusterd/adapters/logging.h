/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's log: one line per message, to stderr or syslog.
 *
 * Only the driver and the adapters log. A message names its node, VM, agent or file, and what to
 * do. Any thread may call log_write(), which never waits: a log that nobody reads loses lines, and
 * says how many.
 */
#ifndef CLUSTERD_ADAPTERS_LOGGING_H
#define CLUSTERD_ADAPTERS_LOGGING_H

#include "base/log_level.h"

/* Before log_open() and after log_close(), lines go to stderr as they are, and log_write() may
 * wait. -ENOMEM; -EAGAIN: no thread. */
int log_open(enum log_target target, enum log_level level);
void log_close(void); /* waits a second for a log that is read slowly */

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
