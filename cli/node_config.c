/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd.conf of this node: see node_config.h.
 */
#include "node_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

const char *node_config_path(void) {
    const char *given = getenv("CLUSTERD_CONFIG");
    return given != NULL && given[0] != '\0' ? given : CONFIG_DEFAULT_PATH;
}

int node_config_read(struct cli *cli, const char *command, struct config *ret_config) {
    char message[CONFIG_MAX_TEXT];
    config_init(ret_config);
    int r = config_read(ret_config, node_config_path(), message, sizeof(message));
    if (r == 0 || r == -ENOENT || r == -EACCES) {
        return CLI_DONE; /* an unreadable file changed nothing */
    }
    return cli_fail(cli, CLI_FAILED, "correct the file; clusterd would not start with it either",
                    "%s: %s", command, message);
}

const char *node_run_dir(char ret_path[CONFIG_MAX_TEXT]) {
    struct config config;
    char ignored[CONFIG_MAX_TEXT]; /* a clusterd that runs has not read the error yet */
    const char *given = getenv("CLUSTERD_RUN_DIR");
    config_init(&config);
    if (given == NULL || given[0] == '\0') {
        (void)config_read(&config, node_config_path(), ignored, sizeof(ignored));
        given = config.run_dir;
    }
    (void)snprintf(ret_path, CONFIG_MAX_TEXT, "%s", given);
    return ret_path;
}

int node_config_uri(struct cli *cli, const char *command, const char *node,
                    char ret_uri[NODE_URI_MAX]) {
    struct utsname self;
    struct config config;
    int code = node_config_read(cli, command, &config);
    if (code != CLI_DONE) {
        return code;
    }
    node = node != NULL ? node : options_value(&cli->options, OPTION_NODE);
    if (node == NULL && uname(&self) == 0) {
        node = self.nodename;
    }
    const char *place = strstr(config.migrate_uri, "%s");
    (void)snprintf(ret_uri, NODE_URI_MAX, "%.*s%s%s", (int)(place - config.migrate_uri),
                   config.migrate_uri, node, place + 2);
    return CLI_DONE;
}
