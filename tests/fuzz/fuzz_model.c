/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as a snapshot of the model, as it comes from another node or from the disk; and then made
 * commands applied to what it holds, and the planner asked about it. What was decoded and encoded
 * is the same model as before, so both go the same way for ever after.
 *
 * The input: two bytes that say how long the snapshot is, the snapshot, and what commands are made
 * of.
 */
#include "base/check.h"
#include "fuzz/world.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes b = {.data = data, .left = size};
    size_t snapshot_size = bytes_number(&b, 2);
    struct fuzz_world w;
    struct model again;
    struct wire_bytes snapshot = bytes_part(&b, snapshot_size);
    fuzz_world_init(&w);
    model_init(&again);
    int err = model_decode(&w.model, snapshot.data, snapshot.size);
    CHECK(err == 0 || err == -EBADMSG);
    CHECK(err == 0 || (w.model.nodes.n == 0 && w.model.vms.n == 0 && w.model.index == 0));
    /* Nobody counts so far: a snapshot's index is that of the log that it belongs to. */
    if (err == 0 && w.model.index < UINT64_MAX / 2) {
        w.epoch = w.model.epoch;
        fuzz_world_renew(&w, &again);
        for (uint32_t n = 0; n < FUZZ_MAX_COMMANDS && b.left > 0; n++) {
            fuzz_world_command(&w, &again, &b);
        }
        fuzz_world_ask(&w, false);
        fuzz_world_same(&w, &again);
    }
    model_finish(&again);
    fuzz_world_finish(&w);
    return 0;
}
