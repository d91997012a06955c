/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the stories: lines, their patterns, and their reports.
 */
#ifndef TESTS_SIM_STORY_INNER_H
#define TESTS_SIM_STORY_INNER_H

#include "sim/story.h"
#include "sim/world.h"

#define STORY_LINES 200u
#define STORY_VMS 24u
#define STORY_TEXT 200u

/* What a line says, in the order in which its pattern asks for it. */
struct words {
    uint64_t v[6]; /* NODE: id, NODES: bit by id, VM: its number, TIME: us, a|b|c: which */
    uint32_t n;
    char text[STORY_TEXT]; /* TEXT, to the end of the line; WORD; NAME */
};

struct story;
typedef void story_fn(struct story *t, const struct words *w);
typedef bool story_condition(struct story *t, const struct words *w);

/*
 * A pattern is what a line looks like: small words stand for themselves, "a|b|c" for one of them,
 * and NODE, NODES (n1,n2), VM, TIME (300ms, 2s, 50us), NUMBER, WORD, NAME, TEXT (the rest) for what
 * they say. A condition's is used three times: "wait ... within TIME", "expect ...", "keep ... for
 * TIME".
 */
struct pattern {
    const char *text;
    story_fn *fn;
    story_condition *condition; /* instead of fn */
};

enum line_how { LINE_ACTION = 0, LINE_WAIT, LINE_EXPECT, LINE_KEEP };

struct story_line {
    uint32_t number; /* in the file */
    char text[STORY_TEXT];
    const struct pattern *pattern;
    enum line_how how;
    struct words words;
};

struct story_vm {
    char name[24];
    uint32_t prefers; /* a node; 0: any */
    uint32_t only;    /* nodes, bit by id; 0: all */
    uint32_t memory_mb;
    bool off;
    bool unknown; /* to the cluster: libvirt has it, perhaps */
};

#define STORY_OFFERS 8u
struct story_offer {
    uint32_t nodes; /* bit by id */
    bool machine;   /* else a CPU model */
    char text[40];
};

struct story {
    const char *path;
    char shows[STORY_TEXT];
    struct sim_options options;
    struct story_vm vms[STORY_VMS];
    uint32_t n_vms;
    struct story_offer offers[STORY_OFFERS];
    uint32_t n_offers;
    struct story_line lines[STORY_LINES];
    uint32_t n_lines;

    struct sim *sim;
    const struct story_line *line; /* being played, or read */
    uint32_t asked;                /* node that the administrator uses; 0: any that answers */
    uint64_t request, operation;   /* the last */
    bool refused;                  /* and the story has not said so yet */
    bool hurry;                    /* the next command's answer is not waited for */
    uint32_t fencings_before, calls_before[24];

    bool telling;
    char *told; /* owned */
    size_t told_size, told_capacity;
    char wrong[800]; /* "": nothing */
};

/* The first thing that is wrong is kept, with its place. */
void story_wrong(struct story *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* story_words.c: whether a line looks like that, after `before` and followed by `behind` ("":
 * none). */
bool words_fit(const struct story *t, const char *before, const char *pattern, const char *behind,
               const char *line, struct words *ret);

/* story_actions.c, story_conditions.c: tables that end with a text of NULL. */
extern const struct pattern story_actions[], story_conditions[], story_findings[];
/* A command of the administrator, and a moment for its answer. */
void story_command(struct story *t, uint32_t command, const void *value);

/* story_rules.c */
story_fn story_rule_of_vms, story_rule_of_nodes, story_remove_rule, story_down_by, story_node_has,
    story_priority, story_vm_needs, story_move_policy, story_mobility;

/* story_hosts.c */
story_fn story_network, story_add_with_network;
story_fn story_cpu, story_machine, story_add_with_cpu, story_add_with_machine, story_storage,
    story_quorum, story_hasty_quorum;
story_condition story_volume_is;
void story_offers(struct story *t); /* what the head says of them, to the simulator */

/* story_trace.c */
void trace_line(struct story *t); /* the story's own */
void trace_tell(void *story, const char *line);
/* Whether the cluster, not the story, has said that. */
bool trace_has(const struct story *t, const char *text);
enum story_end trace_compare(struct story *t, FILE *out);

#endif
