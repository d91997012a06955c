/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's log; see logging.h.
 *
 * A thread writes it (log_writer.h): neither the loop nor another thread waits for who reads it.
 *
 * libqb's own messages go there, too, but only warnings and errors: its debug lines are about its
 * loop, not about the cluster.
 *
 * Lines on stderr carry a time, except under systemd's journal, which adds its own.
 */
#include "adapters/logging.h"

#include "adapters/log_writer.h"
#include "base/check.h"
#include "base/clean.h"

#include <errno.h>
#include <poll.h>
#include <qb/qbdefs.h>
#include <qb/qblog.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_BYTES 2048
#define PREFIX_BYTES 64    /* the time and the level */
#define CLOSE_WAIT_MS 1000 /* at the end of the process, for a reader that is slow */
#define CRASH_WAIT_MS 200  /* the same before abort(): others wait for this node's end */

/* The only global of this process besides libqb's: nobody would use a log that must be passed
 * around. */
static struct {
    struct log_writer *writer; /* NULL: not open */
    enum log_level level;
    enum log_target target;
    bool with_time;
} log_state;

/* ---- one line ---- */

static const char *word_of(enum log_level level) {
    switch (level) {
    case LOG_LEVEL_ERROR: return "error";
    case LOG_LEVEL_WARNING: return "warning";
    case LOG_LEVEL_INFO: return "info";
    case LOG_LEVEL_DEBUG: return "debug";
    }
    return "error";
}

/* "Nov 29 10:12:13.456 ", or nothing. */
static void time_text(const struct timespec *when, char *ret_text, size_t size) {
    struct tm local;
    char text[PREFIX_BYTES / 2];
    if (!log_state.with_time || !localtime_r(&when->tv_sec, &local) ||
        strftime(text, sizeof(text), "%b %d %T", &local) == 0) {
        ret_text[0] = '\0';
        return;
    }
    (void)snprintf(ret_text, size, "%s.%03u ", text, (unsigned)(when->tv_nsec / 1000000));
}

/* stderr may have been made non-blocking by somebody who shares it. */
static void write_all(const char *text, size_t n) {
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, text, n);
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        if (done >= 0) {
            text += done;
            n -= (size_t)done;
        } else if (errno == EAGAIN) {
            (void)poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return; /* there is nowhere to say it */
        }
    }
}

/* Returns its length, the newline included. */
static size_t line_text(const struct log_line *line, char *ret_text, size_t size) {
    char when[PREFIX_BYTES / 2 + 8];
    time_text(&line->when, when, sizeof(when));
    int n = snprintf(ret_text, size, "%s%s: %s\n", when, word_of(line->level), line->text);
    return (size_t)n < size ? (size_t)n : size - 1;
}

/* In the writer's thread. */
static void write_line(void *context, const struct log_line *line) {
    char text[LINE_BYTES + PREFIX_BYTES];
    (void)context;
    if (log_state.target == LOG_TARGET_SYSLOG) {
        syslog((int)line->level, "%s: %s", word_of(line->level), line->text);
    } else {
        write_all(text, line_text(line, text, sizeof(text)));
    }
}

/* ---- open and close ---- */

static void on_libqb_line(int32_t target, struct qb_log_callsite *site, struct timespec *when,
                          const char *text) {
    (void)target;
    (void)when;
    log_write(site->priority <= LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s", text);
}

static void take_libqb_lines(void) {
    qb_log_init("clusterd", LOG_DAEMON, LOG_WARNING);
    qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
    int32_t target = qb_log_custom_open(on_libqb_line, NULL, NULL, NULL);
    if (target >= 0) {
        qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_WARNING);
        qb_log_ctl(target, QB_LOG_CONF_ENABLED, QB_TRUE);
    }
}

int log_open(enum log_target target, enum log_level level) {
    log_state.target = target;
    log_state.level = level;
    log_state.with_time = !getenv("JOURNAL_STREAM");
    if (target == LOG_TARGET_SYSLOG) {
        openlog("clusterd", LOG_PID, LOG_DAEMON);
    }
    int error = log_writer_create(write_line, NULL, &log_state.writer);
    if (error == 0) {
        take_libqb_lines();
    }
    return error;
}

void log_close(void) {
    struct log_writer *writer = log_state.writer;
    if (writer) {
        qb_log_fini();
        log_state.writer = NULL;
        log_writer_destroy(writer, CLOSE_WAIT_MS);
    }
}

void log_write(enum log_level level, const char *format, ...) {
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    clean_line(line); /* it may hold text from an agent, a fence device or a file */
    if (!log_state.writer) {
        (void)fprintf(stderr, "clusterd: %s\n", line);
    } else if (level <= log_state.level) {
        log_writer_put(log_state.writer, level, line);
    }
}

/* ---- a crash ---- */

/* A pipe or socket that says POLLOUT takes a line without a wait. */
static void write_at_once(const char *text, size_t n) {
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&p, 1, CRASH_WAIT_MS) == 1) {
        (void)!write(STDERR_FILENO, text, n);
    }
}

/* Replaces the handler in base/check.c, which knows of no queue. What led to this is in the queue:
 * it comes first. This line does not rely on the thread. */
_Noreturn void check_failed(const char *expression, const char *file, int line) {
    char message[LINE_BYTES], text[LINE_BYTES + PREFIX_BYTES];
    struct log_line last = {.level = LOG_LEVEL_ERROR, .text = message};
    (void)snprintf(message, sizeof(message),
                   "internal check failed: %s at %s:%d; clusterd stops, the other nodes take over. "
                   "Please report this",
                   expression, file, line);
    if (log_state.writer && log_state.target == LOG_TARGET_SYSLOG) {
        log_writer_put(log_state.writer, LOG_LEVEL_ERROR, message);
    }
    if (log_state.writer) {
        (void)log_writer_flush(log_state.writer, CRASH_WAIT_MS);
    }
    (void)clock_gettime(CLOCK_REALTIME, &last.when);
    write_at_once(text, line_text(&last, text, sizeof(text)));
    abort();
}
