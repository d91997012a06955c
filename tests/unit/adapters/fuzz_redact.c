/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as a domain definition, a log entry and a snapshot whose secrets are to be taken out. What
 * is left has none that would be taken out again; and it still decodes.
 */
#include "adapters/store/redact.h"

#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_xml(const uint8_t *data, size_t size) {
    char *xml = strndup((const char *)data, size);
    char *once = redact_xml(xml);
    char *twice = redact_xml(once);
    if (strcmp(once, twice) != 0 && strcmp(once, "(a definition that cannot be read)") != 0) {
        abort();
    }
    free(twice);
    free(once);
    free(xml);
}

static void try_entry(const uint8_t *data, size_t size) {
    const struct core_entry entry = {.data = data, .size = (uint32_t)size};
    struct buffer once, twice;
    buffer_init(&once);
    buffer_init(&twice);
    if (redact_entry(&entry, &once) == 0) {
        const struct core_entry again = {.data = once.data, .size = (uint32_t)once.size};
        if (redact_entry(&again, &twice) < 0 || once.size != twice.size ||
            memcmp(once.data, twice.data, once.size) != 0) {
            abort();
        }
    }
    buffer_finish(&once);
    buffer_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer out;
    if (size == 0 || size > UINT32_MAX) {
        return 0;
    }
    buffer_init(&out);
    switch (data[0] % 3) {
    case 0: try_xml(data + 1, size - 1); break;
    case 1: try_entry(data + 1, size - 1); break;
    default: (void)redact_snapshot(data + 1, size - 1, &out); break;
    }
    buffer_finish(&out);
    return 0;
}
