/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Help, generated from the tables of verbs and options.
 */
#include "output/print.h"
#include "output/text.h"
#include "verbs.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { HELP_COLUMNS = 80, HELP_INDENT = 26 };

static void help_item(FILE *out, const char *name, const char *text) {
    print_text(out, "  %-*s", HELP_INDENT - 2, name);
    if (strlen(name) > HELP_INDENT - 4) {
        print_text(out, "\n%*s", HELP_INDENT, "");
    }
    text_wrap(out, text, HELP_INDENT, HELP_COLUMNS);
}

/* Options that mean something else in one command than in most. */
static const struct {
    const char *noun, *name;
    enum option_id option;
    enum word_kind argument;
    const char *help;
} special[] = {
    {"vm", "import", OPTION_NODE, WORD_NODE, "to libvirt on this node first (default: here)"},
    {"vm", "export", OPTION_NODE, WORD_NODE, "through libvirt on this node (default: here)"},
    {"vm", "export", OPTION_TO, WORD_URI, "to this libvirt host"},
    {"vm", "export", OPTION_STORAGE, WORD_STORAGE, "copy its files to this directory of the host"},
    {"host", "inspect", OPTION_TO, WORD_URI, "and what keeps its VMs from moving to this host"},
};

/* `verb` may be NULL. */
static struct option_info info_of(const struct verb *verb, enum option_id id) {
    struct option_info info = option_infos[id];
    for (size_t i = 0; verb != NULL && i < sizeof(special) / sizeof(special[0]); i++) {
        if (special[i].option == id && strcmp(special[i].noun, verb->noun) == 0 &&
            verb->name != NULL && strcmp(special[i].name, verb->name) == 0) {
            info.argument = special[i].argument;
            info.help = special[i].help;
        }
    }
    return info;
}

static void help_option(FILE *out, const struct verb *verb, enum option_id id) {
    struct option_info info = info_of(verb, id);
    char name[TEXT_MAX];
    char letter[5] = "";
    if (info.letter != 0) {
        snprintf(letter, sizeof(letter), "-%c, ", info.letter);
    }
    snprintf(name, sizeof(name), "%s--%s%s%s", letter, info.name,
             info.argument != WORD_NONE ? " " : "", word_kind_title(info.argument));
    help_item(out, name, info.help);
}

/* The verb's own options first: users look for these. `verb` may be NULL. */
static void help_options(FILE *out, const struct verb *verb, const struct option_set *options) {
    fputs("\nOptions:\n", out);
    for (int common = 0; common < 2; common++) {
        for (int i = 0; i < OPTION_COUNT; i++) {
            bool is_common = option_is_common((enum option_id)i);
            if (option_is_allowed(options, (enum option_id)i) && is_common == (common == 1)) {
                help_option(out, verb, (enum option_id)i);
            }
        }
    }
}

static void help_verbs_of(FILE *out, const char *noun) {
    for (size_t i = 0; i < verb_count; i++) {
        if (strcmp(verbs[i].noun, noun) != 0) {
            continue;
        }
        char name[TEXT_MAX];
        size_t used = (size_t)snprintf(name, sizeof(name), "%s",
                                       verbs[i].name != NULL ? verbs[i].name : verbs[i].noun);
        for (size_t w = 0; w < verb_word_count(&verbs[i]); w++) {
            used += (size_t)snprintf(name + used, sizeof(name) - used, " %s",
                                     word_kind_title(verbs[i].words[w]));
        }
        help_item(out, name, verbs[i].summary);
    }
}

void help_overview(FILE *out) {
    fputs("Usage: clusterctl NOUN VERB [WORD]... [OPTION]...\n\nManages a cluster of nodes that "
          "run virtual machines.\n\n",
          out);
    for (size_t i = 0; i < noun_count; i++) {
        char name[200];
        size_t used = 0;
        for (size_t v = 0; v < verb_count; v++) {
            if (verbs[v].name == NULL || strcmp(verbs[v].noun, nouns[i].name) != 0) {
                continue;
            }
            size_t first = strcspn(verbs[v].name, " "); /* of verbs with two words, once */
            bool again = v > 0 && verbs[v - 1].name != NULL && verbs[v].name[first] == ' ' &&
                         strncmp(verbs[v - 1].name, verbs[v].name, first + 1) == 0;
            if (!again) {
                used += (size_t)snprintf(name + used, sizeof(name) - used, "%s%.*s",
                                         used > 0 ? ", " : "", (int)first, verbs[v].name);
            }
        }
        print_text(out, "  %-16s%s\n", nouns[i].name, nouns[i].summary);
        if (used > 0) {
            print_text(out, "%18s", "");
            text_wrap(out, name, 18, HELP_COLUMNS);
        }
    }
    help_options(out, NULL, &(struct option_set){{[OPTION_VERSION] = true}});
    fputs("\nExit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 no quorum or clusterd not\n"
          "reached, 5 deadline passed.\n"
          "More: clusterctl NOUN --help, clusterctl NOUN VERB --help, man clusterctl.\n",
          out);
}

void help_noun(FILE *out, const char *noun) {
    for (size_t i = 0; i < noun_count; i++) {
        if (strcmp(nouns[i].name, noun) == 0) {
            print_text(out, "Usage: clusterctl %s VERB [WORD]... [OPTION]...\n\n%s: %s\n\n", noun,
                       noun, nouns[i].summary);
        }
    }
    help_verbs_of(out, noun);
    print_text(out, "\n`clusterctl %s VERB --help` shows more.\n", noun);
}

static void help_usage(FILE *out, const struct verb *verb) {
    char title[64];
    char usage[600]; /* tests/unit/cli/test_usage.py knows if one is longer */
    size_t used = (size_t)snprintf(usage, sizeof(usage), "clusterctl %s", verb_title(verb, title));
    for (size_t w = 0; w < verb_word_count(verb); w++) {
        used += (size_t)snprintf(usage + used, sizeof(usage) - used, " %s",
                                 word_kind_title(verb->words[w]));
    }
    snprintf(usage + used, sizeof(usage) - used, "%s%s [OPTION]...", verb->usage != NULL ? " " : "",
             verb->usage != NULL ? verb->usage : "");
    fputs("Usage: ", out);
    text_wrap(out, usage, 7, HELP_COLUMNS);
}

void help_verb(FILE *out, const struct verb *verb) {
    help_usage(out, verb);
    /* The summary as a sentence: with a capital letter and a full stop. */
    print_text(out, "\n%c%s.\n", toupper((unsigned char)verb->summary[0]), verb->summary + 1);
    if (verb->details != NULL) {
        fputc('\n', out);
        text_wrap(out, verb->details, 0, HELP_COLUMNS);
    }
    help_options(out, verb, &verb->options);
}
