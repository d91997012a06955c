/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of options that several commands have: lists of names, numbers, amounts of resources.
 */
#include "cli.h"
#include "output/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define AMOUNT_MAX (INT64_C(1) << 40) /* in the cluster's form */

int cli_names(struct cli *cli, const char *command, enum option_id id, json_t **ret_names) {
    json_auto *names = json_array();
    const char *value = options_value(&cli->options, id);
    text_auto *copy = strdup(value != NULL ? value : "");
    char *rest = copy;
    char *word = NULL;
    /* '' is the empty list. */
    while (value != NULL && value[0] != '\0' && (word = strsep(&rest, ",")) != NULL) {
        if (word[0] == '\0') {
            return cli_fail_usage(cli, command, "--%s %s: a name is empty; write a list as a,b",
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

/* The cluster decides which names are valid: it knows them. */
static int add_amount(struct cli *cli, const char *command, char *word, json_t *amounts) {
    char *equals = strchr(word, '=');
    int64_t amount = 0;
    if (equals == NULL || equals == word ||
        text_parse_number(equals + 1, 0, AMOUNT_MAX, &amount) < 0) {
        return cli_fail_usage(cli, command,
                              "--resource %s: write it as vgpu=2, with a number from 0 to %" PRId64,
                              word, AMOUNT_MAX);
    }
    *equals = '\0';
    if (json_object_get(amounts, word) != NULL) {
        return cli_fail_usage(cli, command, "--resource %s is given twice", word);
    }
    if (json_object_set_new(amounts, word, json_integer(amount)) < 0) {
        return cli_fail_usage(cli, command, "--resource: the name is not UTF-8 text");
    }
    return CLI_DONE;
}

int cli_resources(struct cli *cli, const char *command, json_t *arguments) {
    json_auto *amounts = json_object();
    size_t at = 0;
    for (const char *value = NULL;
         (value = options_next(&cli->options, OPTION_RESOURCE, &at)) != NULL;) {
        text_auto *copy = strdup(value);
        char *rest = copy;
        for (char *word = NULL; (word = strsep(&rest, ",")) != NULL;) {
            int code = add_amount(cli, command, word, amounts);
            if (code != CLI_DONE) {
                return code;
            }
        }
    }
    if (json_object_size(amounts) > 0) {
        json_object_set(arguments, "resources", amounts);
    }
    return CLI_DONE;
}
