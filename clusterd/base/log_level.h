/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The targets and levels of the daemon's log: words of clusterd.conf.
 */
#ifndef CLUSTERD_BASE_LOG_LEVEL_H
#define CLUSTERD_BASE_LOG_LEVEL_H

/* As syslog's. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

enum log_target { LOG_TARGET_STDERR = 1, LOG_TARGET_SYSLOG };

#endif
