/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as clusterd.conf. What is taken holds what the manual promises; and written down again, key
 * by key, it is the same configuration: no mistake becomes a default.
 */
#include "config/config.h"
#include "base/check.h"
#include "fuzz/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int read_bytes(const void *data, size_t size, struct config *ret, char *ret_message,
                      size_t message_size) {
    char path[64];
    int fd = memfd_create("clusterd.conf", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    config_init(ret);
    int err = config_read(ret, path, ret_message, message_size);
    (void)close(fd);
    return err;
}

static size_t print(const struct config *c, char *ret_text, size_t size) {
    static const char *const levels[] = {[LOG_LEVEL_ERROR] = "error",
                                         [LOG_LEVEL_WARNING] = "warning",
                                         [LOG_LEVEL_INFO] = "info",
                                         [LOG_LEVEL_DEBUG] = "debug"};
    int n =
        snprintf(ret_text, size,
                 "[clusterd]\nstate_dir=%s\nrun_dir=%s\nagent_dir=%s\nfence_agent_dir=%s\n"
                 "admin_group=%s\nreader_group=%s\nlibvirt_uri=%s\nmigrate_uri=%s\n"
                 "watchdog=%s\nwatchdog_ms=%llu\nlog_target=%s\nlog_level=%s\n[node]\n",
                 c->state_dir, c->run_dir, c->agent_dir, c->fence_agent_dir, c->admin_group,
                 c->reader_group, c->libvirt_uri, c->migrate_uri,
                 c->watchdog[0] ? c->watchdog : "none", (unsigned long long)c->watchdog_ms,
                 c->log_target == LOG_TARGET_STDERR ? "stderr" : "syslog", levels[c->log_level]);
    CHECK(n > 0 && (size_t)n < size);
    size_t at = (size_t)n;
    if (c->memory_mb) {
        at += (size_t)snprintf(ret_text + at, size - at, "memory_mb=%llu\n",
                               (unsigned long long)c->memory_mb);
    }
    if (c->cpus) {
        at += (size_t)snprintf(ret_text + at, size - at, "cpus=%u\n", c->cpus);
    }
    at += (size_t)snprintf(ret_text + at, size - at, "site=%s\nrack=%s\n", c->site, c->rack);
    CHECK(at < size);
    return at;
}

static void check_taken(const struct config *c) {
    struct config again;
    char message[512] = "", text[16384];
    CHECK(c->state_dir[0] == '/' && c->run_dir[0] == '/' && c->agent_dir[0] == '/');
    CHECK(c->watchdog[0] == '/' || c->watchdog[0] == '\0');
    CHECK(c->watchdog_ms >= 3000 && c->watchdog_ms <= 600000 && c->cpus <= 65536);
    const char *percent = strchr(c->migrate_uri, '%');
    CHECK(percent && percent[1] == 's' && !strchr(percent + 1, '%'));
    size_t size = print(c, text, sizeof(text));
    int err = read_bytes(text, size, &again, message, sizeof(message));
    if (err < 0) {
        (void)fprintf(stderr, "%s\n%s", message, text);
    }
    CHECK(err == 0);
    char third[sizeof(text)];
    CHECK(print(&again, third, sizeof(third)) == size && memcmp(text, third, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config config;
    char message[512] = "";
    int err = read_bytes(data, size, &config, message, sizeof(message));
    if (err == 0) {
        check_taken(&config);
    } else {
        CHECK(err == -EINVAL || err == -EFBIG || err == -EBADMSG);
        CHECK(message[0] != '\0');
    }
    return 0;
}
