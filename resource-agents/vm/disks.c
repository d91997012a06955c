/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch: disks that differ from those with which a VM was started.
 *
 * An external snapshot puts a new image over a disk, but libvirt sends no event for it. So the
 * disks are checked with each report of usage, and at once on events that come with a snapshot or
 * after it: the guest is paused and resumed, or a block job (the commit of the snapshot) ends.
 */
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "definition.h"
#include "host.h"

/* False: libvirt does not tell. */
static bool read_changed(virDomainPtr domain, char *text, size_t size) {
    struct definition definition;
    char reason[128];
    bool read = host_read_definition(domain, 0, &definition, reason, sizeof(reason)) == 0;

    if (read) {
        definition_changed_disks(&definition, text, size);
        definition_finish(&definition);
    }
    return read;
}

void watched_tell_disks(struct watched *vm, virDomainPtr domain) {
    char text[sizeof(vm->disks)];

    if (vm->generation == 0 || vm->incoming || !read_changed(domain, text, sizeof(text)) ||
        (vm->disks_told && strcmp(text, vm->disks) == 0)) {
        return;
    }
    memcpy(vm->disks, text, sizeof(vm->disks));
    vm->disks_told = true;
    watch_tell(json_pack("{ss so ss sI so}", "event", "disks", "name", jsonl_text(vm->name), "uuid",
                         vm->uuid, "generation", (json_int_t)vm->generation, "reason",
                         jsonl_text(vm->disks)));
}

void watched_tell_all_disks(struct watched_list *list, virConnectPtr conn) {
    virDomainPtr *domains = NULL;
    int n = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

    for (int i = 0; i < n; i++) {
        struct watched *vm = watched_find(list, domains[i]);
        if (vm != NULL) {
            watched_tell_disks(vm, domains[i]);
        }
        virDomainFree(domains[i]);
    }
    free(domains);
}
