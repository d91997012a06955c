/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine types as nodes tell them; see machine.h.
 */
#include "core/model/machine.h"

#include <string.h>

/* The name behind "ARCH/", if it is of that architecture; NULL: it is not. */
static const char *behind_arch(const char *entry, const char *arch) {
    const char *slash = strchr(entry, '/');
    size_t length = slash ? (size_t)(slash - entry) : 0;
    bool fits =
        slash && (arch[0] == '\0' || (strlen(arch) == length && strncmp(entry, arch, length) == 0));
    return fits ? slash + 1 : NULL;
}

const char *machine_find(const struct wire_strs *machines, const char *arch, const char *name) {
    size_t length = strlen(name);
    for (uint32_t i = 0; i < machines->n; i++) {
        const char *found = behind_arch(machines->v[i], arch);
        if (found && strncmp(found, name, length) == 0 &&
            (found[length] == '\0' || found[length] == '=')) {
            return found[length] == '=' ? found + length + 1 : found;
        }
    }
    return NULL;
}

bool machine_arch_is_there(const struct wire_strs *machines, const char *arch) {
    for (uint32_t i = 0; i < machines->n; i++) {
        if (behind_arch(machines->v[i], arch)) {
            return true;
        }
    }
    return false;
}

bool cpu_is_by_name(const char *mode, const char *model) {
    return strcmp(mode, "custom") == 0 && model[0] != '\0';
}

bool cpu_is_offered(const struct model_node *node, const char *model) {
    for (uint32_t i = 0; i < node->cpu_models.n; i++) {
        if (strcmp(node->cpu_models.v[i], model) == 0) {
            return true;
        }
    }
    return node->cpu_models.n == 0;
}
