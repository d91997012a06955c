/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridges and networks of nodes; see network.h. */
#include "core/model/network.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

bool network_is_there(const struct wire_strs *networks, const char *network) {
    bool found = networks->n == 0;
    for (uint32_t i = 0; i < networks->n && !found; i++) {
        found = strcmp(networks->v[i], network) == 0;
    }
    return found;
}

void network_words(const char *network, char *ret_text, size_t size) {
    static const struct {
        const char *kind, *words;
    } kinds[] = {
        {"bridge/", "bridge"}, {"network/", "active network"}, {"device/", "network device"}};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t len = strlen(kinds[i].kind);
        if (strncmp(network, kinds[i].kind, len) == 0) {
            (void)snprintf(ret_text, size, "%s %s", kinds[i].words, network + len);
            return;
        }
    }
    (void)snprintf(ret_text, size, "%s", network);
}
