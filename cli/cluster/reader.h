/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a cluster file, for the files in this folder: reading objects by tables of fields, and
 * reporting what is wrong and where.
 *
 * The reader stores its current place ("nodes[3].mem") instead of passing it to each function: it
 * is needed only if something is wrong.
 */
#ifndef CLI_CLUSTER_READER_H
#define CLI_CLUSTER_READER_H

#include "cluster/file.h"

#define CLUSTER_NAME_MAX 255u
#define CLUSTER_NOWHERE SIZE_MAX

struct cluster_reader {
    struct cluster_file *file;
    const char *path;
    char *message; /* of CLUSTER_FILE_MESSAGE_MAX bytes */

    /* The place: section[index].within.key.sub[element], without parts that are NULL or
     * CLUSTER_NOWHERE. */
    const char *section;
    size_t index;
    const char *within;
    const char *key;
    const char *sub;
    size_t element;

    /* The problem under construction. */
    struct placement_node *nodes;
    struct placement_vm *vms;
    struct placement_rule *rules;
    struct placement_resource *resources;
    uint64_t *capacities;
    uint64_t *needs;
    uint64_t *loads; /* NULL until a VM has one */
    struct cluster_names volumes;
    struct cluster_names cpu_models, machines, networks;
    struct cluster_names resource_names;
    struct cluster_names sites; /* also used for racks */
    bool *failed;               /* per node: nothing runs there, whatever VMs say */
    bool *goes_off;             /* per node: to be emptied and turned off */
    bool *every_volume;         /* per node: the file does not list its volumes */
    bool *every_cpu_model, *every_machine, *every_network;
    bool *waits; /* per VM: it has no host and needs one */
    bool *off;   /* per VM: asleep or to stay off; only events.ready wakes it */
    bool *moves; /* per VM: it runs and must leave its host */
};

/* Fills in the message and returns -EINVAL, the result of a failed check. */
int reader_fail(struct cluster_reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int reader_no_memory(struct cluster_reader *r);
/* Zeroed memory of the file's arena, for at least one element; NULL after reader_no_memory(). */
void *reader_array(struct cluster_reader *r, size_t count, size_t size);
/* Sets the current place: section[index], or only `section`. */
void reader_enter(struct cluster_reader *r, const char *section, size_t index);

enum cluster_field_type {
    FIELD_NAME,         /* const char *: not empty, at most CLUSTER_NAME_MAX bytes */
    FIELD_NAME_OR_NULL, /* the same, or null: NULL */
    FIELD_AMOUNT,       /* uint64_t, up to PLACEMENT_AMOUNT_MAX */
    FIELD_U32,          /* uint32_t, up to `max` */
    FIELD_I32,          /* int32_t */
    FIELD_SEED,         /* uint64_t, any that JSON knows */
    FIELD_BOOL,         /* bool */
    FIELD_WORD,         /* uint32_t: which of `words` */
    FIELD_ARRAY,        /* const json_t *, borrowed */
    FIELD_OBJECT,       /* const json_t *, borrowed */
    FIELD_ANY,          /* ignored */
};

struct cluster_field {
    const char *key;
    enum cluster_field_type type;
    bool required;
    size_t offset; /* in the struct that is filled */
    uint64_t max;
    const char *const *words; /* ends with NULL */
};

/* Fills `target` from the object's members; missing ones stay as they are. */
int reader_object(struct cluster_reader *r, const json_t *object,
                  const struct cluster_field *fields, size_t n_fields, void *target);
/* A number of JSON in [0, max]. */
int reader_amount(struct cluster_reader *r, const json_t *value, uint64_t max, uint64_t *ret);
/* A text that is a valid name. */
int reader_name(struct cluster_reader *r, const json_t *value, const char **ret);
/* The number of an existing name; `what` is "node", "VM". */
int reader_find(struct cluster_reader *r, const struct cluster_names *names, const char *what,
                const char *name, uint32_t *ret);
/* The same for an array of names; NULL is an empty one. `key` for messages. */
int reader_find_set(struct cluster_reader *r, const struct cluster_names *names, const char *what,
                    const char *key, const json_t *array, struct placement_set *ret);
/* An array of names; adds new ones. */
int reader_add_set(struct cluster_reader *r, struct cluster_names *names, const char *key,
                   uint32_t max, const json_t *array, struct placement_set *ret);
/* Amounts of the further resources, {"hugepages":512}, into a row of n_resources; NULL for none. */
int reader_resources(struct cluster_reader *r, const char *key, const json_t *object,
                     uint64_t *row);

/* The parts of a file, in reading order. Each returns 0, or a negative errno with the message. */
int cluster_read_nodes(struct cluster_reader *r, const json_t *nodes);  /* cluster/nodes.c */
int cluster_read_vms(struct cluster_reader *r, const json_t *vms);      /* cluster/vms.c */
int cluster_read_events(struct cluster_reader *r, const json_t *events, /* cluster/events.c */
                        struct placement_set *ret_offline);
int cluster_read_rules(struct cluster_reader *r, const json_t *rules, /* cluster/rules.c */
                       const json_t *groups);
/* A rule of BtrPlace must hold at the end: its VMs that break it must move. What it demands in
 * between (`continuous`) becomes part of it. -ENOMEM. cluster/repair.c */
int cluster_rule_repair(struct cluster_reader *r, struct placement_rule *rule, bool continuous);
/* The same for rules that keep each group in one part, and no two groups in the same part. */
int cluster_groups_repair(struct cluster_reader *r, struct placement_rule *rules, uint32_t n,
                          bool continuous);

#endif
