/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of orders; see orders.h.
 */
#include "core/model/orders.h"

#include "base/check.h"
#include "core/model/model.h"
#include "core/model/settings.h"

#include <stddef.h>

static const struct order_spec specs[] = {
#define X(NAME, name, word_, action_, deadline_, from_, then_, copy_, unbegun_, lost_, mode_, \
          how_)                                                                               \
    [ORDER_##NAME] = {.word = word_,                                                          \
                      .action = action_,                                                      \
                      .deadline = SETTING_##deadline_,                                        \
                      .from = VM_##from_,                                                     \
                      .then = VM_##then_,                                                     \
                      .copy = COPY_##copy_,                                                   \
                      .unbegun = VM_STATE_##unbegun_,                                         \
                      .lost = LOST_##lost_,                                                   \
                      .mode = MOVE_##mode_,                                                   \
                      .how = how_},
    ORDER_KINDS(X)
#undef X
};

const struct order_spec *order_spec(uint8_t kind) {
    return kind != ORDER_NONE && kind < ARRAY_SIZE(specs) ? &specs[kind] : NULL;
}

bool order_makes_copy(uint8_t kind) {
    const struct order_spec *spec = order_spec(kind);
    return spec && spec->copy == COPY_ON_NODE;
}

static bool has(uint8_t kind, unsigned how) {
    const struct order_spec *spec = order_spec(kind);
    return spec && (spec->how & how) != 0;
}

bool order_cancels(uint8_t kind) {
    return has(kind, ORDER_CANCELS);
}

bool order_outlives(uint8_t kind) {
    return has(kind, ORDER_OUTLIVES);
}

bool order_on_files(uint8_t kind) {
    return has(kind, ORDER_ON_FILES);
}

bool order_by_owner(uint8_t kind) {
    return has(kind, ORDER_BY_OWNER);
}

const char *order_kind_name(uint8_t kind) {
    const struct order_spec *spec = order_spec(kind);
    return spec ? spec->word : kind == ORDER_NONE ? "none" : "unknown";
}
