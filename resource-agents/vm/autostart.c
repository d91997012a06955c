/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch: definitions that libvirt starts by itself when the node boots. libvirt sends an event when
 * a definition is created or changed, but none for `virsh autostart`. So the list is also checked
 * with each report of usage. What has autostart then is told each time: between two looks clusterd
 * may have disabled it, and somebody may have enabled it again.
 */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "../shared/jsonl.h"

static void tell(const struct autostarted *item, bool autostart) {
    watch_tell(json_pack("{ss so ss sb}", "event", "autostart", "name", jsonl_text(item->name),
                         "uuid", item->uuid, "autostart", (int)autostart));
}

static bool contains(const struct autostarts *list, const char *uuid) {
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].uuid, uuid) == 0) {
            return true;
        }
    }
    return false;
}

void autostarts_clear(struct autostarts *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
    }
    free(list->items);
    *list = (struct autostarts){0};
}

/* The current list of libvirt. False: libvirt cannot be asked, or memory has run out. */
static bool read_now(virConnectPtr conn, struct autostarts *ret_list) {
    virDomainPtr *domains = NULL;
    struct autostarts now = {0};
    int n = virConnectListAllDomains(
        conn, &domains, VIR_CONNECT_LIST_DOMAINS_PERSISTENT | VIR_CONNECT_LIST_DOMAINS_AUTOSTART);

    if (n < 0) {
        return false;
    }
    now.items = calloc((size_t)n + 1, sizeof(*now.items));
    for (int i = 0; i < n; i++) {
        const char *name = virDomainGetName(domains[i]);
        struct autostarted *item = now.items != NULL ? &now.items[now.count] : NULL;
        if (item != NULL && virDomainGetUUIDString(domains[i], item->uuid) == 0) {
            item->name = strdup(name != NULL ? name : "");
            now.count += item->name != NULL;
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    *ret_list = now;
    return now.items != NULL;
}

void autostarts_tell(struct autostarts *list, virConnectPtr conn) {
    struct autostarts now;

    if (!read_now(conn, &now)) {
        return; /* a lost connection is reported elsewhere; otherwise the next check finds it */
    }
    for (size_t i = 0; i < now.count; i++) {
        tell(&now.items[i], true);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!contains(&now, list->items[i].uuid)) {
            tell(&list->items[i], false);
        }
    }
    autostarts_clear(list);
    *list = now;
}
