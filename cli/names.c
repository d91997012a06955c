/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of options that several commands have: lists of names, numbers.
 */
#include "cli.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int cli_names(struct cli *cli, const char *command, enum option_id id, json_t **ret_names) {
    json_auto *names = json_array();
    const char *value = options_value(&cli->options, id);
    text_auto *copy = strdup(value != NULL ? value : "");
    char *rest = copy;
    char *word = NULL;
    /* '' is the empty list. */
    while (value != NULL && value[0] != '\0' && (word = strsep(&rest, ",")) != NULL) {
        if (word[0] == '\0') {
            return cli_fail_usage(cli, command, "--%s %s: a name is empty; write it like a,b",
                                  option_infos[id].name, value);
        }
        json_array_append_new(names, json_string(word));
    }
    *ret_names = json_incref(names);
    return CLI_DONE;
}

int cli_number(struct cli *cli, const char *command, enum option_id id, int64_t max,
               json_t *arguments, const char *member) {
    const char *text = options_value(&cli->options, id);
    int64_t number = 0;
    if (text == NULL) {
        return CLI_DONE;
    }
    if (text_parse_number(text, 0, max, &number) < 0) {
        return cli_fail_usage(cli, command, "--%s %s is not a number from 0 to %" PRId64,
                              option_infos[id].name, text, max);
    }
    json_object_set_new(arguments, member, json_integer(number));
    return CLI_DONE;
}
