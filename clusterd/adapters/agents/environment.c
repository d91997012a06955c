/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The environment of programs that clusterd starts. See agents/environment.h. */
#include "adapters/agents/environment.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* The supervisor's sockets: what such a program says on them would be taken for clusterd's word.
 * And the parameters of agents, which only clusterd may set. */
static bool is_inherited(const char *variable) {
    static const char *const dropped[] = {"OCF_", "NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_",
                                          "MAINPID="};
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (strncmp(variable, dropped[i], strlen(dropped[i])) == 0) {
            return false;
        }
    }
    return true;
}

static size_t count(char *const *variables) {
    size_t n = 0;
    while (variables && variables[n]) {
        n++;
    }
    return n;
}

char **environment_make(struct arena *arena, char *const *extra) {
    size_t used = 0;
    char **env = arena_array(arena, count(environ) + count(extra) + 1, sizeof(*env));
    for (size_t i = 0; env && environ[i]; i++) {
        if (is_inherited(environ[i])) {
            env[used++] = environ[i];
        }
    }
    for (size_t i = 0; env && extra && extra[i]; i++) {
        env[used++] = extra[i];
    }
    return env;
}
