/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps clusterd responsive; see realtime.h.
 *
 * MCL_ONFAULT locks a page at its first use: used pages stay in RAM; unused ones (most of the
 * mapped libraries, most of each stack) cost no memory. The lowest real-time priority is enough to
 * run before all guests; corosync has the highest and runs before clusterd. SCHED_RESET_ON_FORK
 * keeps the priority from agents.
 */
#include "adapters/realtime.h"

#include "adapters/logging.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void avoid_oom_killer(void) {
    static const char score[] = "-900";
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, score, sizeof(score) - 1) < 0) {
        log_debug("clusterd is not protected from the OOM killer (oom_score_adj): %s",
                  strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        /* clusterd never needs more, and some programs close all descriptors up to the limit one by
         * one. */
        rlim_t wanted = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        limit.rlim_cur = limit.rlim_cur > wanted ? limit.rlim_cur : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void realtime_process(void) {
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0) {
        log_warning("memory cannot be locked: %s; under memory pressure clusterd may be too slow "
                    "for its watchdog",
                    strerror(errno));
    }
    avoid_oom_killer();
    raise_file_limit();
}

void realtime_thread(void) {
    const struct sched_param param = {.sched_priority = sched_get_priority_min(SCHED_RR)};
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) < 0) {
        log_debug(
            "no real-time scheduling: %s; under load clusterd may be too slow for its watchdog",
            strerror(errno));
    }
}
