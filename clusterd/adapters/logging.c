/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's log; see logging.h.
 *
 * libqb's own messages go to the same targets, but only warnings and errors: its debug lines are
 * about its loop, not about the cluster. The "file name" that clusterd passes tells the two apart.
 *
 * Lines on stderr carry a time, except under systemd's journal, which adds its own.
 */
#include "adapters/logging.h"

#include "base/check.h"
#include "base/clean.h"

#include <qb/qbdefs.h>
#include <qb/qblog.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#define LOG_SOURCE "clusterd"
#define LINE_BYTES 2048
#define CALLSITE_ID 1 /* libqb keeps one record per source and "line" for ever: always the same */

/* The only global of this process besides libqb's: nobody would use a log that must be passed
 * around. */
static bool opened;

void log_open(enum log_target target, enum log_level level) {
    int32_t on = target == LOG_TARGET_SYSLOG ? QB_LOG_SYSLOG : QB_LOG_STDERR;
    int32_t off = target == LOG_TARGET_SYSLOG ? QB_LOG_STDERR : QB_LOG_SYSLOG;
    qb_log_init("clusterd", LOG_DAEMON, LOG_WARNING);
    qb_log_ctl(off, QB_LOG_CONF_ENABLED, QB_FALSE);
    qb_log_filter_ctl(on, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*", LOG_TRACE);
    qb_log_filter_ctl(on, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_WARNING);
    qb_log_filter_ctl(on, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, LOG_SOURCE, (uint8_t)level);
    qb_log_ctl(on, QB_LOG_CONF_MAX_LINE_LEN, LINE_BYTES);
    if (target == LOG_TARGET_STDERR) {
        qb_log_format_set(on, getenv("JOURNAL_STREAM") ? "%p: %b" : "%T %p: %b");
    } else {
        qb_log_format_set(on, "%p: %b");
    }
    qb_log_ctl(on, QB_LOG_CONF_ENABLED, QB_TRUE);
    opened = true;
}

void log_close(void) {
    if (opened) {
        opened = false;
        qb_log_fini();
    }
}

void log_write(enum log_level level, const char *format, ...) {
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    clean_line(line); /* it may hold text from an agent, a fence device or a file */
    if (!opened) {
        (void)fprintf(stderr, "clusterd: %s\n", line);
        return;
    }
    qb_log_from_external_source(__func__, LOG_SOURCE, "%s", (uint8_t)level,
                                CALLSITE_ID + (unsigned)level, 0, line);
}

/* Replaces the handler in base/check.c, which writes to stderr only. */
_Noreturn void check_failed(const char *expression, const char *file, int line) {
    log_error("internal check failed: %s at %s:%d; clusterd stops, the other nodes take over. "
              "Please report this",
              expression, file, line);
    abort();
}
