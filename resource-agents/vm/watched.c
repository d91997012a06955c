/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: the list of domains. See watch.h. */
#include "watch.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct watched *watched_find(struct watched_list *list, virDomainPtr domain) {
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (virDomainGetUUIDString(domain, uuid) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].uuid, uuid) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

void watched_forget(struct watched_list *list, struct watched *vm) {
    CHECK(vm >= list->items && vm < list->items + list->count);
    free(vm->name);
    *vm = list->items[--list->count];
}

void watched_clear(struct watched_list *list) {
    while (list->count > 0) {
        watched_forget(list, &list->items[list->count - 1]);
    }
}

struct watched *watched_remember(struct watched_list *list, virDomainPtr domain) {
    struct watched *vm = watched_find(list, domain);
    const char *name = virDomainGetName(domain);

    if (vm != NULL) {
        return vm;
    }
    if (list->count == list->size) {
        size_t size = list->size == 0 ? 16 : list->size * 2;
        struct watched *items = reallocarray(list->items, size, sizeof(*items));
        if (items == NULL) {
            return NULL;
        }
        list->items = items;
        list->size = size;
    }
    vm = &list->items[list->count];
    *vm = (struct watched){.name = strdup(name != NULL ? name : ""), .shutdown = -1};
    if (vm->name == NULL || virDomainGetUUIDString(domain, vm->uuid) < 0) {
        free(vm->name);
        return NULL;
    }
    list->count++;
    return vm;
}
