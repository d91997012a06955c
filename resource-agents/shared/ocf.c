/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OCF protocol, the agent's side. See ocf.h. */
#include "ocf.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/clean.h"

int ocf_process_setup(enum ocf_parent parent) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    /* Without clusterd most operations have no purpose any more; libvirt still knows the truth
     * about the VM. */
    if (prctl(PR_SET_PDEATHSIG, parent == OCF_DIES_WITH_PARENT ? SIGKILL : 0) < 0) {
        return -errno;
    }
    if (sigaction(SIGPIPE, &ignore, NULL) < 0) {
        return -errno;
    }
    return 0;
}

const char *ocf_param(const char *name, const char *fallback) {
    char key[64];
    int n = snprintf(key, sizeof(key), "OCF_RESKEY_%s", name);
    if (n < 0 || (size_t)n >= sizeof(key)) {
        return fallback;
    }
    const char *value = getenv(key);
    return value != NULL && value[0] != '\0' ? value : fallback;
}

int ocf_param_u64(const char *name, uint64_t fallback, uint64_t max, uint64_t *ret_value) {
    const char *text = ocf_param(name, NULL);
    uint64_t value = 0;

    if (text == NULL) {
        *ret_value = fallback;
        return 0;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') {
            return -EINVAL;
        }
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return -ERANGE;
        }
        value = value * 10 + digit;
    }
    if (value > max) {
        return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

int ocf_read_input(size_t limit, char **ret_text, size_t *ret_len) {
    size_t size = 16384;
    size_t len = 0;
    char *text = malloc(size);

    if (text == NULL) {
        return -ENOMEM;
    }
    for (;;) {
        if (len + 1 == size) {
            char *larger = realloc(text, size * 2);
            if (larger == NULL) {
                free(text);
                return -ENOMEM;
            }
            text = larger;
            size *= 2;
        }
        ssize_t n = read(STDIN_FILENO, text + len, size - len - 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int error = -errno;
            free(text);
            return error;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
        if (len > limit) {
            free(text);
            return -EFBIG;
        }
    }
    text[len] = '\0';
    *ret_text = text;
    *ret_len = len;
    return 0;
}

uint64_t ocf_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const char *ocf_node(void) {
    static struct utsname name;
    if (name.nodename[0] == '\0' && uname(&name) < 0) {
        return "this node";
    }
    return name.nodename;
}

void ocf_log(const char *format, ...) {
    char line[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ocf_one_line(line);
    dprintf(STDERR_FILENO, "%s\n", line);
}

void ocf_one_line(char *text) {
    char *out = text;
    bool space = true; /* leading white space goes, too */

    clean_line(text);
    for (const char *in = text; *in != '\0'; in++) {
        if (*in != ' ' || !space) {
            *out++ = *in;
        }
        space = *in == ' ';
    }
    if (space && out > text) {
        out--;
    }
    *out = '\0';
}
