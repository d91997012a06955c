/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A doubly linked list with the links inside the elements. The head is a link too: an empty list
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

/* Removing an element that is in no list does nothing, provided that its link was initialised. */
static inline void list_remove(struct list *link) {
    link->next->prev = link->prev;
    link->prev->next = link->next;
    list_init(link);
}

/* The element around a link. */
#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#define list_for_each(at, head) for (struct list *at = (head)->next; at != (head); at = at->next)
/* The body may remove `at`. */
#define list_for_each_safe(at, head)                                          \
    for (struct list *at = (head)->next, *at##_next = at->next; at != (head); \
         at = at##_next, at##_next = at->next)

#endif
