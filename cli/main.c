/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl: the command line of clusterd. Finds the verb, checks its words and options, runs it.
 */
#include "base/standard_fds.h"
#include "cli.h"
#include "output/print.h"
#include "output/text.h"
#include "verbs.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_set only_common = {{0}};
static const struct option_set with_version = {{[OPTION_VERSION] = true}};

enum { PROBLEM_MAX = 256, KEEP_GOING = -1 };

/* Options may come before the noun, between noun and verb, and after the verb. Those before the
 * verb are the common ones. On KEEP_GOING *argc and *argv begin with the next word. */
static int take_options(struct cli *cli, const char *command, const struct option_set *allowed,
                        enum options_order order, int *argc, char ***argv) {
    char problem[PROBLEM_MAX];
    int first = 0;
    if (options_parse(&cli->options, *argc, *argv, allowed, order, &first, problem,
                      sizeof(problem)) < 0) {
        return cli_fail_usage(cli, command, "%s", problem);
    }
    *argc -= first;
    *argv += first;
    cli->json = options_given(&cli->options, OPTION_JSON);
    return KEEP_GOING;
}

static int set_deadline(struct cli *cli, const char *command) {
    const char *timeout = options_value(&cli->options, OPTION_TIMEOUT);
    if (timeout == NULL) {
        return KEEP_GOING;
    }
    if (text_parse_duration(timeout, &cli->timeout_ms) < 0) {
        return cli_fail_usage(cli, command,
                              "--timeout %s is not a duration; write it like 500ms, 30s, 5m or 2h",
                              timeout);
    }
    cli->deadline_ms = ipc_now_ms() + cli->timeout_ms;
    return KEEP_GOING;
}

static int run_verb(struct cli *cli, const struct verb *verb, int argc, char **argv) {
    char title[64];
    verb_title(verb, title);
    int code = take_options(cli, title, &verb->options, OPTIONS_ANYWHERE, &argc, &argv);
    if (code != KEEP_GOING) {
        return code;
    }
    if (options_given(&cli->options, OPTION_HELP)) {
        help_verb(stdout, verb);
        return CLI_DONE;
    }
    size_t wanted = verb_word_count(verb);
    bool may_lack = wanted > 0 && verb->words[wanted - 1] == WORD_FILE_OPTIONAL;
    if ((size_t)argc + may_lack < wanted) {
        return cli_fail_usage(cli, title, "%s: the %s is missing", title,
                              word_kind_title(verb->words[argc]));
    }
    if ((size_t)argc > wanted) {
        return cli_fail_usage(cli, title, "%s: unexpected argument '%s'", title, argv[wanted]);
    }
    code = set_deadline(cli, title);
    return code != KEEP_GOING ? code : verb->run(cli, argv);
}

/* `noun` is NULL if the noun itself is unknown. */
static int fail_unknown(struct cli *cli, const char *noun, const char *word) {
    const char *nearest = verb_nearest(noun, word);
    const char *before = noun != NULL ? noun : "";
    const char *space = noun != NULL ? " " : "";
    if (nearest == NULL) {
        return cli_fail_usage(cli, before, "there is no '%s%s%s'", before, space, word);
    }
    return cli_fail_usage(cli, before, "there is no '%s%s%s'; did you mean '%s%s%s'?", before,
                          space, word, before, space, nearest);
}

/* "vm checkpoint list": argv[0] is the first word of the verb. */
static int run_second_word(struct cli *cli, const char *noun, int argc, char **argv) {
    const char *first = argv[0];
    char name[64];
    int code = take_options(cli, noun, &only_common, OPTIONS_UNTIL_WORD, &argc, &argv);
    if (code != KEEP_GOING) {
        return code;
    }
    if (argc == 0 && options_given(&cli->options, OPTION_HELP)) {
        help_noun(stdout, noun);
        return CLI_DONE;
    }
    if (argc == 0) {
        return cli_fail_usage(cli, noun, "%s %s: the verb is missing", noun, first);
    }
    snprintf(name, sizeof(name), "%s %.30s", first, argv[0]);
    const struct verb *verb = verb_find(noun, name);
    return verb != NULL ? run_verb(cli, verb, argc, argv) : fail_unknown(cli, noun, name);
}

static int run_noun(struct cli *cli, int argc, char **argv) {
    const char *noun = argv[0];
    const struct verb *alone = verb_find(noun, NULL);
    if (alone != NULL) {
        return run_verb(cli, alone, argc, argv);
    }
    if (!verb_noun_exists(noun)) {
        return fail_unknown(cli, NULL, noun);
    }
    int code = take_options(cli, noun, &only_common, OPTIONS_UNTIL_WORD, &argc, &argv);
    if (code != KEEP_GOING) {
        return code;
    }
    if (argc == 0 && options_given(&cli->options, OPTION_HELP)) {
        help_noun(stdout, noun);
        return CLI_DONE;
    }
    if (argc == 0) {
        code = cli_fail_usage(cli, noun, "%s: the verb is missing", noun);
        if (!cli->json) {
            help_noun(stderr, noun);
        }
        return code;
    }
    if (verb_has_second_word(noun, argv[0])) {
        return run_second_word(cli, noun, argc, argv);
    }
    const struct verb *verb = verb_find(noun, argv[0]);
    return verb != NULL ? run_verb(cli, verb, argc, argv) : fail_unknown(cli, noun, argv[0]);
}

/* `clusterctl help vm move` is `clusterctl vm move --help`. */
static int run_help(struct cli *cli, int argc, char **argv) {
    cli->options.uses[cli->options.count++] = (struct option_use){OPTION_HELP, NULL};
    if (argc == 0) {
        help_overview(stdout);
        return CLI_DONE;
    }
    return run_noun(cli, argc, argv);
}

static int run(struct cli *cli, int argc, char **argv) {
    int code = take_options(cli, "", &with_version, OPTIONS_UNTIL_WORD, &argc, &argv);
    if (code != KEEP_GOING) {
        return code;
    }
    if (options_given(&cli->options, OPTION_VERSION)) {
        print_text(stdout, "clusterctl %s\n", CLUSTERD_VERSION);
        return CLI_DONE;
    }
    if (argc > 0 && strcmp(argv[0], "help") == 0) {
        return run_help(cli, argc - 1, argv + 1);
    }
    if (argc > 0) {
        return run_noun(cli, argc, argv);
    }
    if (options_given(&cli->options, OPTION_HELP)) {
        help_overview(stdout);
        return CLI_DONE;
    }
    code = cli_fail_usage(cli, "", "no command given");
    if (!cli->json) {
        help_overview(stderr);
    }
    return code;
}

int main(int argc, char **argv) {
    struct cli cli = {.deadline_ms = IPC_NO_DEADLINE, .signal_fd = -1, .resize_fd = -1};
    int code = CLI_DONE;
    if (standard_fds_occupy() < 0) {
        return CLI_FAILED; /* there is nowhere to say why */
    }
    setlocale(LC_ALL, "");
    /* Numbers and times look the same everywhere; only the character set is the user's. */
    setlocale(LC_NUMERIC, "C");
    screen_init(&cli.out, stdout);
    screen_init(&cli.err, stderr);
    if (argc > 1 && strcmp(argv[1], "_complete") == 0) {
        code = command_complete(&cli, argc - 2, argv + 2);
    } else {
        code = run(&cli, argc, argv);
    }
    cli_disconnect(&cli);
    json_decref(cli.details);
    json_decref(cli.steps);
    /* A full disk or a closed pipe shows only now; a program must learn that it got half a
     * document. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("clusterctl: cannot write to standard output\n", stderr);
        code = code == CLI_DONE ? CLI_FAILED : code;
    }
    return code;
}
