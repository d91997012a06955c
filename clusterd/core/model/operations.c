/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of operations; see operations.h.
 */
#include "core/model/operations.h"

#include "base/check.h"
#include "core/model/model.h"

#include <stddef.h>

static const struct {
    const char *word;
    unsigned how;
} kinds[] = {
#define X(NAME, number, word_, how_) [number] = {.word = word_, .how = how_},
    OPERATION_KINDS(X)
#undef X
};

bool operation_has(uint8_t kind, enum operation_trait trait) {
    return kind < ARRAY_SIZE(kinds) && (kinds[kind].how & trait) != 0;
}

const char *operation_kind_name(uint8_t kind) {
    return kind < ARRAY_SIZE(kinds) && kinds[kind].word ? kinds[kind].word : "unknown";
}
