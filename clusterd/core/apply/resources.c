/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Further resources: which names are taken, and how the given amounts become part of a row.
 */
#include "core/apply/inside.h"
#include "core/model/resources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row has at most this many, and as many may be given. */
#define MERGED_MAX (2 * WIRE_MAX_RESOURCES)

static bool name_is_good(struct apply *a, const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (strcmp(name, "memory") == 0 || strcmp(name, "mem") == 0 || strcmp(name, "cpu") == 0) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out,
                                 "'%s' is not a further resource: the cluster already knows the "
                                 "memory and cpus of nodes and VMs",
                                 name),
                     "a VM's definition says what it needs of them");
        return false;
    }
    if (name[0] != '\0' && strchr(letters, name[0]) && name[strspn(name, plain)] == '\0') {
        return true;
    }
    apply_refuse(a, REPLY_REFUSED,
                 outbox_text(a->out, "'%s' is not a valid name for a resource", name),
                 "use up to 63 lower case letters, digits and '-', a letter first");
    return false;
}

/* The field's list after the given amounts are put in: ascending, without amounts of 0. The texts
 * belong to the field and the command. */
static uint32_t merge(const struct wire_list *field, const struct wire_list *given,
                      struct resource_amount ret[MERGED_MAX]) {
    const struct resource_amount *old = field->items, *more = given->items;
    uint32_t n = 0;
    for (uint32_t i = 0; i < field->n && n < WIRE_MAX_RESOURCES; i++) {
        ret[n++] = old[i];
    }
    for (uint32_t i = 0; i < given->n; i++) {
        uint32_t at = 0;
        while (at < n && strcmp(ret[at].name, more[i].name) < 0) {
            at++;
        }
        bool there = at < n && strcmp(ret[at].name, more[i].name) == 0;
        if (there && more[i].amount == 0) {
            n--;
            memmove(&ret[at], &ret[at + 1], (n - at) * sizeof(ret[0]));
        } else if (there) {
            ret[at].amount = more[i].amount;
        } else if (more[i].amount > 0) {
            memmove(&ret[at + 1], &ret[at], (n - at) * sizeof(ret[0]));
            ret[at] = more[i];
            n++;
        }
    }
    return n;
}

bool apply_good_resources(struct apply *a, const struct wire_list *field,
                          const struct wire_list *given) {
    const struct resource_amount *items = given->items;
    struct resource_amount merged[MERGED_MAX];
    struct resource_names names;
    bool fits = given->n <= WIRE_MAX_RESOURCES;
    for (uint32_t i = 0; fits && i < given->n; i++) {
        if (!name_is_good(a, items[i].name)) {
            return false;
        }
    }
    uint32_t n = fits ? merge(field, given, merged) : 0;
    resource_names_in_use(a->m, field, &names);
    const char *one_more = "";
    for (uint32_t i = 0; fits && i < n; i++) {
        one_more = merged[i].name;
        fits = resource_names_add(&names, one_more);
    }
    if (!fits) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "the cluster can have %u further resources, and %s%s%s",
                                 WIRE_MAX_RESOURCES, one_more[0] ? "'" : "",
                                 one_more[0] ? one_more : "more are given",
                                 one_more[0] ? "' would be one more" : ""),
                     "set what is no longer used to 0 on all nodes and VMs that name it "
                     "(clusterctl node show, vm show)");
    }
    return fits;
}

static void release_items(struct resource_amount *items, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        wire_release(&resource_amount_record, &items[i]);
    }
    free(items);
}

void set_resources(struct apply *a, struct wire_list *field, const struct wire_list *given) {
    struct resource_amount merged[MERGED_MAX];
    uint32_t n = merge(field, given, merged);
    struct resource_amount *items = calloc(n ? n : 1, sizeof(*items));
    int err = items ? 0 : -ENOMEM;
    for (uint32_t i = 0; err == 0 && i < n; i++) {
        err = wire_copy(&resource_amount_record, &merged[i], &items[i]);
    }
    if (err < 0) {
        release_items(items, items ? n : 0);
        a->error = err;
        return;
    }
    release_items(field->items, field->n);
    *field = (struct wire_list){.items = items, .n = n};
}

const char *apply_resources_text(struct apply *a, const struct wire_list *list) {
    const struct resource_amount *items = list->items;
    char text[400];
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < list->n; i++) {
        int size = snprintf(text + used, sizeof(text) - used, "%s%s %llu", i ? ", " : "",
                            items[i].name, (unsigned long long)items[i].amount);
        if (size < 0 || (size_t)size >= sizeof(text) - used) {
            text[used] = '\0';
            return outbox_text(a->out, "%s and %u more", text, list->n - i);
        }
        used += (size_t)size;
    }
    return outbox_text(a->out, "%s", text);
}

void apply_warn_of_resources(struct apply *a, const struct model_node *node,
                             const struct wire_list *given) {
    const struct resource_amount *items = given->items;
    struct resource_names names = {.n = 0};
    uint64_t used[WIRE_MAX_RESOURCES];
    for (uint32_t i = 0; i < given->n; i++) {
        (void)resource_names_add(&names, items[i].name);
    }
    resources_used(a->m, node->id, &names, used);
    for (uint32_t i = 0; i < names.n && a->warning[0] == '\0'; i++) {
        uint64_t has = resources_amount(&node->resources, names.v[i]);
        if (used[i] > has) {
            a->warning = outbox_text(a->out,
                                     "%s has %s %llu, and its VMs need %llu now: they stay there "
                                     "until they are moved or restarted",
                                     node->name, names.v[i], (unsigned long long)has,
                                     (unsigned long long)used[i]);
        }
    }
}
