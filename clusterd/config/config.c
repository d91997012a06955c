/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd.conf; see config.h. libinih splits the lines; one table says what each key may hold.
 *
 * libinih has habits that would hide mistakes: it cuts lines at 200 bytes, takes an indented line
 * as more of the value above, says nothing about sections without keys, and ignores the rest of a
 * section line. Therefore the lines are checked for these first.
 */
#include "config/config.h"

#include "base/check.h"
#include "core/timeouts.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 190 /* libinih's buffer holds 200 */
#define FILE_MAX_BYTES ((size_t)256 * 1024)

enum value_type {
    VALUE_PATH,
    VALUE_TEXT,
    VALUE_URI_NODE,
    VALUE_WATCHDOG,
    VALUE_U32,
    VALUE_U64,
    VALUE_TARGET,
    VALUE_LEVEL
};

struct key {
    const char *section;
    const char *name;
    enum value_type type;
    size_t offset;
    uint64_t min, max; /* of a number; of a text: max bytes with the NUL */
};

#define AT(field) offsetof(struct config, field)
#define ROOM(field) sizeof(((struct config *)0)->field)

static const struct key keys[] = {
    {"clusterd", "state_dir", VALUE_PATH, AT(state_dir), 0, ROOM(state_dir)},
    {"clusterd", "run_dir", VALUE_PATH, AT(run_dir), 0, ROOM(run_dir)},
    {"clusterd", "agent_dir", VALUE_PATH, AT(agent_dir), 0, ROOM(agent_dir)},
    {"clusterd", "fence_agent_dir", VALUE_PATH, AT(fence_agent_dir), 0, ROOM(fence_agent_dir)},
    {"clusterd", "admin_group", VALUE_TEXT, AT(admin_group), 0, ROOM(admin_group)},
    {"clusterd", "reader_group", VALUE_TEXT, AT(reader_group), 0, ROOM(reader_group)},
    {"clusterd", "libvirt_uri", VALUE_TEXT, AT(libvirt_uri), 0, ROOM(libvirt_uri)},
    {"clusterd", "migrate_uri", VALUE_URI_NODE, AT(migrate_uri), 0, ROOM(migrate_uri)},
    {"clusterd", "watchdog", VALUE_WATCHDOG, AT(watchdog), 0, ROOM(watchdog)},
    {"clusterd", "watchdog_ms", VALUE_U64, AT(watchdog_ms), TIMEOUT_WATCHDOG_MIN_MS, 600000},
    {"clusterd", "log_target", VALUE_TARGET, AT(log_target), 0, 0},
    {"clusterd", "log_level", VALUE_LEVEL, AT(log_level), 0, 0},
    {"node", "memory_mb", VALUE_U64, AT(memory_mb), 1, UINT64_C(1) << 32},
    {"node", "cpus", VALUE_U32, AT(cpus), 1, 65536},
    {"node", "site", VALUE_TEXT, AT(site), 0, ROOM(site)},
    {"node", "rack", VALUE_TEXT, AT(rack), 0, ROOM(rack)},
};

struct reading {
    struct config *config;
    const char *path;
    bool seen[ARRAY_SIZE(keys)];
    char *message; /* the first error */
    size_t size;
    bool failed;
};

void config_init(struct config *config) {
    *config = (struct config){
        .state_dir = "/var/lib/clusterd",
        .run_dir = "/run/clusterd",
        .agent_dir = "/usr/lib/ocf/resource.d/clusterd",
        .fence_agent_dir = "/usr/sbin",
        .admin_group = "clusterd",
        .reader_group = "clusterd-read",
        .libvirt_uri = "qemu:///system",
        .migrate_uri = "qemu+tls://%s/system",
        .watchdog_ms = TIMEOUT_WATCHDOG_MS,
        .log_target = LOG_TARGET_STDERR,
        .log_level = LOG_LEVEL_INFO,
    };
}

static int set_text(const struct key *key, char *out, const char *value, const char **ret_why) {
    if (strlen(value) >= key->max) {
        *ret_why = "is too long";
        return -EINVAL;
    }
    if (key->type == VALUE_PATH && value[0] != '/') {
        *ret_why = "must be an absolute path";
        return -EINVAL;
    }
    if (key->type == VALUE_URI_NODE) {
        const char *percent = strchr(value, '%');
        if (!percent || percent[1] != 's' || strchr(percent + 1, '%')) {
            *ret_why = "must hold %s, the target node's name, exactly once and no other %";
            return -EINVAL;
        }
    }
    if (key->type == VALUE_WATCHDOG) {
        if (strcmp(value, "none") == 0) {
            value = "";
        } else if (value[0] != '/') {
            *ret_why = "must be the path of a device or socket, or none";
            return -EINVAL;
        }
    }
    memcpy(out, value, strlen(value) + 1);
    return 0;
}

static int parse_number(const struct key *key, const char *value, uint64_t *ret_number) {
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end != '\0' || errno != 0 || n < key->min ||
        n > key->max) {
        return -EINVAL;
    }
    *ret_number = n;
    return 0;
}

static int set_word(const struct key *key, struct config *config, const char *value,
                    const char **ret_why) {
    static const struct {
        enum value_type type;
        const char *word;
        int number;
    } words[] = {
        {VALUE_TARGET, "stderr", LOG_TARGET_STDERR}, {VALUE_TARGET, "syslog", LOG_TARGET_SYSLOG},
        {VALUE_LEVEL, "error", LOG_LEVEL_ERROR},     {VALUE_LEVEL, "warning", LOG_LEVEL_WARNING},
        {VALUE_LEVEL, "info", LOG_LEVEL_INFO},       {VALUE_LEVEL, "debug", LOG_LEVEL_DEBUG},
    };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (words[i].type == key->type && strcmp(words[i].word, value) == 0) {
            if (key->type == VALUE_TARGET) {
                config->log_target = (enum log_target)words[i].number;
            } else {
                config->log_level = (enum log_level)words[i].number;
            }
            return 0;
        }
    }
    *ret_why = key->type == VALUE_TARGET ? "must be stderr or syslog"
                                         : "must be error, warning, info or debug";
    return -EINVAL;
}

static int set_value(const struct key *key, struct config *config, const char *value,
                     const char **ret_why) {
    uint8_t *at = (uint8_t *)config + key->offset;
    uint64_t number = 0;
    switch (key->type) {
    case VALUE_PATH:
    case VALUE_TEXT:
    case VALUE_URI_NODE:
    case VALUE_WATCHDOG: return set_text(key, (char *)at, value, ret_why);
    case VALUE_TARGET:
    case VALUE_LEVEL: return set_word(key, config, value, ret_why);
    case VALUE_U32:
    case VALUE_U64: break;
    }
    if (parse_number(key, value, &number) < 0) {
        *ret_why = "must be a number";
        return -ERANGE;
    }
    if (key->type == VALUE_U32) {
        uint32_t small = (uint32_t)number;
        memcpy(at, &small, sizeof(small));
    } else {
        memcpy(at, &number, sizeof(number));
    }
    return 0;
}

/* libinih's handler: 1 is success. ini_parse_string() returns the line of the first failure. */
static int handle_pair(void *user, const char *section, const char *name, const char *value) {
    struct reading *r = user;
    for (size_t i = 0; i < ARRAY_SIZE(keys) && !r->failed; i++) {
        if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, name) != 0) {
            continue;
        }
        const char *why = "is given twice";
        int error = r->seen[i] ? -EEXIST : set_value(&keys[i], r->config, value, &why);
        r->seen[i] = true;
        if (error == -ERANGE) {
            (void)snprintf(r->message, r->size, "%s must be a number from %llu to %llu, not '%s'",
                           name, (unsigned long long)keys[i].min, (unsigned long long)keys[i].max,
                           value);
        } else if (error != 0) {
            (void)snprintf(r->message, r->size, "%s %s", name, why);
        }
        r->failed = error != 0;
        return error == 0;
    }
    if (!r->failed) {
        (void)snprintf(r->message, r->size,
                       "unknown key '%s' in section [%s]; see clusterd.conf(5)", name, section);
        r->failed = true;
    }
    return 0;
}

/* Checks a line of n bytes that begins with '['. NULL: it is a known section. */
static const char *wrong_section(const char *line, size_t n) {
    static const char *const sections[] = {"[clusterd]", "[node]"};
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        size_t at = strlen(sections[i]);
        if (n >= at && strncmp(line, sections[i], at) == 0) {
            at += strspn(line + at, " \t\r");
            bool rest = at < n && line[at] != ';' && line[at] != '#';
            return rest ? "a section must stand alone on its line" : NULL;
        }
    }
    return "unknown section; the sections are [clusterd] and [node]";
}

/* Finds what libinih would ignore; see the top of this file. `text` is changed and restored. */
static int check_lines(const char *text, struct reading *r, int *ret_line) {
    int line = 1;
    for (const char *at = text; *at; line++) {
        size_t n = strcspn(at, "\n");
        const char *why = NULL;
        size_t blank = strspn(at, " \t\r");
        bool empty = blank >= n || at[blank] == ';' || at[blank] == '#';
        if (n > LINE_MAX_BYTES) {
            why = "the line is too long";
        } else if (!empty && blank > 0) {
            why = "the line begins with white space";
        } else if (at[0] == '[') {
            why = wrong_section(at, n);
        }
        if (why) {
            (void)snprintf(r->message, r->size, "%s", why);
            *ret_line = line;
            return -EINVAL;
        }
        at += n + (at[n] == '\n');
    }
    return 0;
}

static int read_file(const char *path, char **ret_text) {
    FILE *file = fopen(path, "re");
    if (!file) {
        return -errno;
    }
    char *text = calloc(1, FILE_MAX_BYTES + 1);
    size_t n = text ? fread(text, 1, FILE_MAX_BYTES, file) : 0;
    int error = !text               ? -ENOMEM
                : ferror(file)      ? -EIO
                : !feof(file)       ? -EFBIG
                : strlen(text) != n ? -EBADMSG
                                    : 0;
    (void)fclose(file);
    if (error != 0) {
        free(text);
        return error;
    }
    *ret_text = text;
    return 0;
}

int config_read(struct config *config, const char *path, char *ret_message, size_t size) {
    char *text = NULL;
    int error = read_file(path, &text);
    if (error != 0 || !text) {
        (void)snprintf(ret_message, size, "%s: %s", path, strerror(-error));
        return error;
    }
    char why[256] = "expected: key = value, or [section]";
    struct reading r = {.config = config, .path = path, .message = why, .size = sizeof(why)};
    int line = 0;
    error = check_lines(text, &r, &line);
    if (error == 0) {
        line = ini_parse_string(text, handle_pair, &r);
        error = line == 0 ? 0 : line < 0 ? -ENOMEM : -EINVAL;
    }
    free(text);
    if (error != 0) {
        (void)snprintf(ret_message, size, "%s:%d: %s", path, line, why);
    }
    return error;
}

void config_default_capacity(struct config *config) {
    const uint64_t host_mb = 1024;
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (config->memory_mb == 0 && pages > 0 && page_bytes > 0) {
        uint64_t total_mb = (uint64_t)pages * (uint64_t)page_bytes / (1024 * 1024);
        config->memory_mb = total_mb > 2 * host_mb ? total_mb - host_mb : total_mb / 2;
    }
    if (config->cpus == 0) {
        config->cpus = cpus > 0 ? (uint32_t)cpus : 1;
    }
}
