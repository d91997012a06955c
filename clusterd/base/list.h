/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A doubly linked list whose links lie in what is listed. The head is a link too: an empty list
 * points to itself.
 */
#ifndef CLUSTERD_BASE_LIST_H
#define CLUSTERD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *list) {
    list->next = list;
    list->prev = list;
}

static inline bool list_empty(const struct list *list) {
    return list->next == list;
}

static inline void list_append(struct list *list, struct list *link) {
    link->next = list;
    link->prev = list->prev;
    list->prev->next = link;
    list->prev = link;
}

/* Taking out what is in no list (any more) does nothing, once it was initialised. */
static inline void list_remove(struct list *link) {
    link->next->prev = link->prev;
    link->prev->next = link->next;
    list_init(link);
}

/* What the link lies in. */
#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#define list_for_each(at, head) for (struct list *at = (head)->next; at != (head); at = at->next)
/* The body may take out `at`. */
#define list_for_each_safe(at, head)                                          \
    for (struct list *at = (head)->next, *at##_next = at->next; at != (head); \
         at = at##_next, at##_next = at->next)

#endif
