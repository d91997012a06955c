/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as a history: commands of all types, made from the bytes, are applied to an empty model,
 * one after the other. After each the model can be encoded, which holds all limits; and a node that
 * takes the state over in the middle, as a snapshot, has the same state in the end.
 */
#include "base/check.h"
#include "fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes b = {.data = data, .left = size};
    struct fuzz_world w;
    struct model again;
    fuzz_world_init(&w);
    model_init(&again);
    uint32_t renew = bytes_below(&b, FUZZ_MAX_COMMANDS);
    fuzz_world_begin(&w, &again);
    for (uint32_t n = 0; n < FUZZ_MAX_COMMANDS && b.left > 0; n++) {
        fuzz_world_command(&w, &again, &b);
        if (n == renew) {
            fuzz_world_renew(&w, &again);
        }
    }
    fuzz_world_ask(&w, true);
    fuzz_world_same(&w, &again);
    model_finish(&again);
    fuzz_world_finish(&w);
    return 0;
}
