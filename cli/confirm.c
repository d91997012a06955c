/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking for confirmation before something that cannot be undone: see cli.h.
 */
#include "cli.h"
#include "output/print.h"
#include "output/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cli_confirm(struct cli *cli, const char *explanation, const char *question, const char *word) {
    text_auto *line = NULL;
    size_t size = 0;
    if (options_given(&cli->options, OPTION_YES)) {
        return CLI_DONE;
    }
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
        return cli_fail(cli, CLI_USAGE, "if you are sure, add --yes",
                        "this needs confirmation, and there is no terminal to ask on: %s",
                        explanation);
    }
    text_wrap(stderr, explanation, 0, cli->err.columns - 1);
    print_text(stderr, "%s ", question);
    fflush(stderr);
    ssize_t length = getline(&line, &size, stdin);
    if (length > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (word != NULL ? strcmp(line, word) == 0
                         : strcmp(line, "y") == 0 || strcmp(line, "yes") == 0) {
            return CLI_DONE;
        }
    } else {
        fputc('\n', stderr);
    }
    return cli_fail(cli, CLI_FAILED, NULL, "not confirmed; nothing was done");
}
