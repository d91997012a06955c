/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of verbs: everything that clusterctl can do, with its arguments and options.
 *
 * Dispatch, usage errors, help and completion all use this table.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli.h"
#include "options.h"

#include <stddef.h>

enum { VERB_WORDS_MAX = 2 };

struct verb {
    const char *noun;
    const char *name; /* NULL: the noun alone is the command ("status"); or of two words */
    enum word_kind words[VERB_WORDS_MAX];
    struct option_set options; /* besides those of every verb */
    const char *usage;         /* replaces "[OPTION]..." after the words, or NULL */
    const char *summary;       /* after the name in lists */
    const char *details;       /* paragraphs of help, or NULL */
    /* Runs it with exactly as many words as the table says. Returns the exit code. */
    int (*run)(struct cli *cli, char **words);
};

struct noun {
    const char *name;
    const char *summary;
};

extern const struct verb verbs[];
extern const size_t verb_count;
extern const struct noun nouns[];
extern const size_t noun_count;

/* `name` may be NULL. NULL if there is no such verb. */
const struct verb *verb_find(const char *noun, const char *name);
bool verb_noun_exists(const char *noun);
/* Whether a verb has two words, and this is the first: "checkpoint". Whether the noun has such a
 * verb. */
bool verb_begins_with(const struct verb *verb, const char *word);
bool verb_has_second_word(const char *noun, const char *word);
/* "vm move": for messages and help. */
const char *verb_title(const struct verb *verb, char title[64]);
size_t verb_word_count(const struct verb *verb);
/* The most similar noun, or verb of the noun; NULL if none is similar. */
const char *verb_nearest(const char *noun, const char *word);

/* ---- help (help.c) ---- */

void help_overview(FILE *out);
void help_noun(FILE *out, const char *noun);
void help_verb(FILE *out, const struct verb *verb);

/* ---- the commands, one file for each noun ---- */

int command_status(struct cli *cli, char **words);
int command_node_list(struct cli *cli, char **words);
int command_node_show(struct cli *cli, char **words);
int command_node_drain(struct cli *cli, char **words);
int command_node_resume(struct cli *cli, char **words);
int command_node_fence(struct cli *cli, char **words);
int command_node_confirm_off(struct cli *cli, char **words);
int command_host_inspect(struct cli *cli, char **words);
int command_vm_export(struct cli *cli, char **words);
int command_vm_import(struct cli *cli, char **words);
int command_vm_list(struct cli *cli, char **words);
int command_vm_show(struct cli *cli, char **words);
int command_vm_history(struct cli *cli, char **words);
int command_checkpoint_create(struct cli *cli, char **words);
int command_checkpoint_list(struct cli *cli, char **words);
int command_checkpoint_revert(struct cli *cli, char **words);
int command_checkpoint_remove(struct cli *cli, char **words);
int command_vm_add(struct cli *cli, char **words);
int command_vm_remove(struct cli *cli, char **words);
int command_vm_adopt(struct cli *cli, char **words);
int command_vm_start(struct cli *cli, char **words);
int command_vm_stop(struct cli *cli, char **words);
int command_vm_move(struct cli *cli, char **words);
int command_vm_explain(struct cli *cli, char **words);
int command_volume_list(struct cli *cli, char **words);
int command_volume_add(struct cli *cli, char **words);
int command_volume_show(struct cli *cli, char **words);
int command_volume_remove(struct cli *cli, char **words);
int command_device_list(struct cli *cli, char **words);
int command_device_add(struct cli *cli, char **words);
int command_device_remove(struct cli *cli, char **words);
int command_device_test(struct cli *cli, char **words);
int command_operation_list(struct cli *cli, char **words);
int command_operation_show(struct cli *cli, char **words);
int command_operation_cancel(struct cli *cli, char **words);
int command_plan(struct cli *cli, char **words);
int command_export(struct cli *cli, char **words);
int command_event_list(struct cli *cli, char **words);
int command_config_list(struct cli *cli, char **words);
int command_config_get(struct cli *cli, char **words);
int command_config_set(struct cli *cli, char **words);
int command_rule_list(struct cli *cli, char **words);
int command_rule_show(struct cli *cli, char **words);
int command_rule_add(struct cli *cli, char **words);
int command_rule_remove(struct cli *cli, char **words);
int command_vm_set(struct cli *cli, char **words);
int command_node_set(struct cli *cli, char **words);
int command_support_bundle(struct cli *cli, char **words);

/* `clusterctl _complete -- WORD...`: prints the completions of the last word; never fails. Not in
 * the table. */
int command_complete(struct cli *cli, int argc, char **argv);

#endif
