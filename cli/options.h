/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All options of all verbs, in one table: an option means the same wherever it is allowed.
 *
 * A verb lists its options as a set; parsing, help and completion use the table.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* The meaning of a word, for help and completion. */
enum word_kind {
    WORD_NONE,
    WORD_NODE,
    WORD_NODES, /* several, with commas between them */
    WORD_VM,
    WORD_VMS, /* likewise */
    WORD_VOLUME,
    WORD_STORAGE, /* a volume or a directory */
    WORD_DEVICE,
    WORD_OPERATION,
    WORD_KEY,
    WORD_AGENT,
    WORD_FILE,
    WORD_FILE_OPTIONAL, /* as the last word of a verb; NULL if absent */
    WORD_PATH,
    WORD_NAME,
    WORD_VALUE,
    WORD_PARAM,
    WORD_NUMBER,
    WORD_DURATION,
    WORD_SECONDS,
    WORD_RULE,
    WORD_SCOPE,
    WORD_SWITCH,
    WORD_AMOUNTS,
    WORD_MOBILITY,
    WORD_MOVE_POLICY,
    WORD_FAILBACK,
    WORD_CONVERGENCE,
    WORD_DISK,
    WORD_CHECKPOINT,
    WORD_URI
};

enum option_id {
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_JSON,
    OPTION_TIMEOUT,
    OPTION_WATCH,
    OPTION_FOLLOW,
    OPTION_LIMIT,
    OPTION_USER,
    OPTION_YES,
    OPTION_NO_WAIT,
    OPTION_DRY_RUN,
    OPTION_DEADLINE,
    OPTION_FAILBACK,
    OPTION_BEST_NODE,
    OPTION_TO,
    OPTION_LIVE,
    OPTION_QUICK,
    OPTION_STORAGE,
    OPTION_DISK,
    OPTION_DISKS_ONLY,
    OPTION_FORCE,
    OPTION_NAME,
    OPTION_PRIORITY,
    OPTION_POSSIBLE,
    OPTION_PREFERRED,
    OPTION_START,
    OPTION_AGENT,
    OPTION_NODE,
    OPTION_PARAM,
    OPTION_PARAM_FILE,
    OPTION_OUTPUT,
    OPTION_LOSE,
    OPTION_DRAIN,
    OPTION_BALANCE,
    OPTION_ADMIT,
    OPTION_VM,
    OPTION_FILE,
    OPTION_NO_MOVE_OTHERS,
    OPTION_SECONDS,
    OPTION_SEED,
    OPTION_EXPLAIN,
    OPTION_APART,
    OPTION_TOGETHER,
    OPTION_ON,
    OPTION_NOT_ON,
    OPTION_VMS,
    OPTION_NODES,
    OPTION_HARD,
    OPTION_SOFT,
    OPTION_SCOPE,
    OPTION_WEIGHT,
    OPTION_AUTO_START,
    OPTION_MOBILITY,
    OPTION_MOVE_POLICY,
    OPTION_VMS_MAX,
    OPTION_RESOURCE,
    OPTION_ACCEPT_DISKS,
    OPTION_MAX_DOWNTIME,
    OPTION_BANDWIDTH,
    OPTION_IF_NOT_CONVERGING,
    OPTION_FROM,
    OPTION_SHARED,
    OPTION_REMOVE_SOURCE,
    OPTION_STOP,
    OPTION_ADOPT,
    OPTION_COUNT
};

/* Of a verb: {{[OPTION_WATCH] = true, ...}}. */
struct option_set {
    bool has[OPTION_COUNT];
};

struct option_info {
    const char *name;        /* without the dashes */
    char letter;             /* the short form, 0 for none */
    enum word_kind argument; /* WORD_NONE: takes none */
    const char *help;
};

extern const struct option_info option_infos[OPTION_COUNT];

enum { OPTION_USES_MAX = 256 };

/* The options given, in their order; values point into argv. */
struct options {
    size_t count;
    struct option_use {
        enum option_id id;
        const char *value;
    } uses[OPTION_USES_MAX];
};

/* "NODE", "VM", "DURATION": the word in help texts. */
const char *word_kind_title(enum word_kind kind);

/* Allowed with every verb. */
bool option_is_common(enum option_id id);
/* In the set, or common. */
bool option_is_allowed(const struct option_set *allowed, enum option_id id);

bool options_given(const struct options *options, enum option_id id);
/* The last given value; NULL if there is none. */
const char *options_value(const struct options *options, enum option_id id);
/* The values of a repeatable option: begin with *at 0; NULL after the last. */
const char *options_next(const struct options *options, enum option_id id, size_t *at);

enum options_order {
    OPTIONS_UNTIL_WORD, /* stop at the first word: the rest belongs to a verb */
    OPTIONS_ANYWHERE    /* words and options may be mixed; the words move to the end of argv */
};

/* Parses argv[1]... for the options in `allowed` and the common ones, and adds them to `options`.
 * On success *ret_first is the index of the first word. -EINVAL: `ret_problem` (of `size` bytes)
 * names the bad word and the most similar valid one. */
int options_parse(struct options *options, int argc, char **argv, const struct option_set *allowed,
                  enum options_order order, int *ret_first, char *ret_problem, size_t size);

#endif
