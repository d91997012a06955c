/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl _complete -- WORD...: the candidates for the last WORD, one a line. For the completion
 * of shells.
 *
 * It uses the same tables as everything else, and asks the daemon for names. If the daemon does not
 * answer quickly, there are no names. It never writes to standard error and never fails, because
 * the user is typing there.
 */
#include "output/print.h"
#include "verbs.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { COMPLETE_TIMEOUT_MS = 1000 };

static void candidate(const char *prefix, const char *before, const char *word) {
    if (strncmp(word, prefix, strlen(prefix)) == 0) {
        print_text(stdout, "%s%s\n", before, word);
    }
}

/* Names from the daemon: the request, and their place in the answer. */
static const struct name_source {
    enum word_kind kind;
    const char *verb;
    const char *list;
    const char *member;
} name_sources[] = {
    {WORD_NODE, "node.list", "nodes", "name"},
    {WORD_NODES, "node.list", "nodes", "name"},
    {WORD_VM, "vm.list", "vms", "name"},
    {WORD_VMS, "vm.list", "vms", "name"},
    {WORD_RULE, "rule.list", "rules", "name"},
    {WORD_VOLUME, "volume.list", "volumes", "name"},
    {WORD_STORAGE, "volume.list", "volumes", "name"},
    {WORD_DEVICE, "fence-device.list", "devices", "name"},
    {WORD_OPERATION, "operation.list", "operations", "id"},
    {WORD_KEY, "config.list", "config", "key"},
};

static const struct {
    enum word_kind kind;
    const char *word;
} fixed_words[] = {
    {WORD_SCOPE, "node"},
    {WORD_SCOPE, "rack"},
    {WORD_SCOPE, "site"},
    {WORD_SWITCH, "yes"},
    {WORD_SWITCH, "no"},
    {WORD_MOBILITY, "live"},
    {WORD_MOBILITY, "quick"},
    {WORD_MOBILITY, "fixed"},
    {WORD_CONVERGENCE, "abort"},
    {WORD_CONVERGENCE, "suspend"},
    {WORD_MOVE_POLICY, "live-or-quick"},
    {WORD_MOVE_POLICY, "live"},
    {WORD_MOVE_POLICY, "restart"},
    {WORD_MOVE_POLICY, "shut-down"},
    {WORD_MOVE_POLICY, "stay"},
    {WORD_FAILBACK, "no"},
    {WORD_FAILBACK, "now"},
    {WORD_FAILBACK, "policy"},
};

static void complete_names(struct cli *cli, const struct name_source *source, const char *prefix,
                           const char *before) {
    json_auto *answer = NULL;
    size_t i = 0;
    json_t *object = NULL;
    if (cli_request(cli, source->verb, NULL, &answer) != CLI_DONE) {
        return;
    }
    json_array_foreach (json_object_get(answer, source->list), i, object) {
        const json_t *name = json_object_get(object, source->member);
        char number[32];
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(name));
        candidate(prefix, before, json_is_string(name) ? json_string_value(name) : number);
    }
}

static void complete_agents(const char *prefix) {
    DIR *directory = opendir("/usr/sbin");
    if (directory == NULL) {
        return;
    }
    for (struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        if (strncmp(entry->d_name, "fence_", 6) == 0) {
            candidate(prefix, "", entry->d_name);
        }
    }
    closedir(directory);
}

static void complete_kind(struct cli *cli, enum word_kind kind, const char *word) {
    char before[512] = "";
    if (kind == WORD_AGENT) {
        complete_agents(word);
        return;
    }
    for (size_t i = 0; i < sizeof(fixed_words) / sizeof(fixed_words[0]); i++) {
        if (fixed_words[i].kind == kind) {
            candidate(word, "", fixed_words[i].word);
        }
    }
    const char *comma = kind == WORD_NODES || kind == WORD_VMS ? strrchr(word, ',') : NULL;
    if (comma != NULL && (size_t)(comma + 1 - word) < sizeof(before)) {
        snprintf(before, sizeof(before), "%.*s", (int)(comma + 1 - word), word);
        word = comma + 1;
    }
    for (size_t i = 0; i < sizeof(name_sources) / sizeof(name_sources[0]); i++) {
        if (name_sources[i].kind == kind) {
            complete_names(cli, &name_sources[i], word, before);
        }
    }
}

static void complete_checkpoints(struct cli *cli, const char *vm, const char *prefix) {
    json_auto *answer = NULL;
    size_t i = 0;
    json_t *checkpoint = NULL;
    if (cli_request(cli, "vm.show", json_pack("{s:s}", "vm", vm), &answer) != CLI_DONE) {
        return;
    }
    json_array_foreach (json_object_get(json_object_get(answer, "vm"), "checkpoints"), i,
                        checkpoint) {
        candidate(prefix, "", json_text(checkpoint, "name"));
    }
}

static const struct option_set only_common = {{0}};

static void complete_options(const struct option_set *options, const char *word) {
    char text[64];
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (option_is_allowed(options, (enum option_id)i)) {
            snprintf(text, sizeof(text), "--%s", option_infos[i].name);
            candidate(word, "", text);
        }
    }
}

/* The option that takes `word` as its value; OPTION_COUNT if there is none. */
static enum option_id option_with_value(const char *word) {
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_info *info = &option_infos[i];
        bool is_long = strncmp(word, "--", 2) == 0 && strcmp(word + 2, info->name) == 0;
        bool is_short =
            info->letter != 0 && word[0] == '-' && word[1] == info->letter && word[2] == '\0';
        if ((is_long || is_short) && info->argument != WORD_NONE) {
            return (enum option_id)i;
        }
    }
    return OPTION_COUNT;
}

/* The words before the last one, without options and their values. Returns how many, at most
 * `max`. */
static size_t plain_words(int argc, char **argv, const char **ret_words, size_t max) {
    size_t count = 0;
    for (int i = 0; i + 1 < argc && count < max; i++) {
        bool value = i > 0 && option_with_value(argv[i - 1]) != OPTION_COUNT;
        if (argv[i][0] != '-' && !value) {
            ret_words[count++] = argv[i];
        }
    }
    return count;
}

/* Of verbs with two words the first one, once; with `first` given, the second ones. */
static void complete_verbs(const char *noun, const char *first, const char *word) {
    char last[32] = "";
    for (size_t i = 0; i < verb_count; i++) {
        const char *name = verbs[i].name;
        char part[32];
        if (name == NULL || strcmp(verbs[i].noun, noun) != 0 ||
            (first != NULL && !verb_begins_with(&verbs[i], first))) {
            continue;
        }
        name += first != NULL ? strlen(first) + 1 : 0;
        snprintf(part, sizeof(part), "%.*s", (int)strcspn(name, " "), name);
        if (strcmp(part, last) != 0) {
            candidate(word, "", part);
        }
        memcpy(last, part, sizeof(last));
    }
}

static void complete_nouns(const char *word) {
    for (size_t i = 0; i < noun_count; i++) {
        candidate(word, "", nouns[i].name);
    }
    candidate(word, "", "help");
}

int command_complete(struct cli *cli, int argc, char **argv) {
    const char *words[4] = {NULL};
    cli->quiet = true;
    cli->timeout_ms = COMPLETE_TIMEOUT_MS;
    cli->deadline_ms = ipc_now_ms() + COMPLETE_TIMEOUT_MS;
    if (argc > 0 && strcmp(argv[0], "--") == 0) {
        argc--;
        argv++;
    }
    if (argc == 0) {
        return CLI_DONE;
    }
    const char *word = argv[argc - 1];
    size_t count = plain_words(argc, argv, words, sizeof(words) / sizeof(words[0]));
    enum option_id before = argc > 1 ? option_with_value(argv[argc - 2]) : OPTION_COUNT;
    if (before != OPTION_COUNT) {
        complete_kind(cli, option_infos[before].argument, word);
        return CLI_DONE;
    }
    const struct verb *verb = count > 0 ? verb_find(words[0], NULL) : NULL;
    size_t used = verb != NULL ? 1 : 2;
    if (verb == NULL && count > 1) {
        verb = verb_find(words[0], words[1]);
    }
    bool second = verb == NULL && count > 1 && verb_has_second_word(words[0], words[1]);
    if (second && count > 2) {
        char name[64];
        snprintf(name, sizeof(name), "%.30s %.30s", words[1], words[2]);
        verb = verb_find(words[0], name);
        used = 3;
    }
    if (word[0] == '-') {
        complete_options(verb != NULL ? &verb->options : &only_common, word);
    } else if (count == 0) {
        complete_nouns(word);
    } else if (verb == NULL && (count == 1 || (second && count == 2))) {
        complete_verbs(words[0], second ? words[1] : NULL, word);
    } else if (verb != NULL && count - used < verb_word_count(verb) &&
               verb->words[count - used] == WORD_CHECKPOINT) {
        complete_checkpoints(cli, words[used], word);
    } else if (verb != NULL && count - used < verb_word_count(verb)) {
        complete_kind(cli, verb->words[count - used], word);
    }
    return CLI_DONE;
}
