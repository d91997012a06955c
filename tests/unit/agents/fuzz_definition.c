/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a definition: parsed, checked, marked with a generation, printed, and read again as
 * the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "resource-agents/vm/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct volumes volumes;
    struct definition definition;
    struct check check;
    const xmlNode *element = NULL;
    json_t *needs = NULL;
    char reason[256];
    char *printed = NULL;

    if (size > DEFINITION_SIZE_MAX ||
        definition_parse((const char *)data, size, &definition, reason, sizeof(reason)) < 0) {
        return 0;
    }
    if (volumes_parse("csv1=/srv/csv1", &volumes) < 0) {
        abort();
    }
    if (check_definition(&definition, &volumes, false, &check) == 0) {
        (void)definition_needs(&definition, check.volumes, check.disks, &needs, &element, reason,
                               sizeof(reason));
        json_decref(needs);
        check_finish(&check);
    }
    if (definition_set_mark(&definition, 5, DISKS_OF_DEFINITION) == 0 &&
        definition_print(&definition, &printed) == 0) {
        struct definition again;
        if (definition_parse(printed, strlen(printed), &again, reason, sizeof(reason)) < 0 ||
            definition_generation(&again) != 5) {
            abort();
        }
        definition_changed_disks(&again, reason, sizeof(reason));
        definition_finish(&again);
        free(printed);
    }
    definition_finish(&definition);
    volumes_finish(&volumes);
    return 0;
}
