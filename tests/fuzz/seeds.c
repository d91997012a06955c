/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the first inputs of those targets whose input is not text, so that their corpus can be
 * made anew when a format has changed:
 *
 *     cmake --build --preset fuzz --target make_seeds && build/fuzz/tests/fuzz/make_seeds DIR
 *     build/fuzz/tests/fuzz/fuzz_model -merge=1 tests/fuzz/corpus/model DIR/model
 */
#include "base/check.h"
#include "core/replica/log.h"
#include "fuzz/bytes.h"
#include "sim/sim.h"
#include "wire/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *root;

static void put(const char *target, uint32_t number, const struct buffer *bytes) {
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", root, target);
    CHECK(mkdir(path, 0777) == 0 || errno == EEXIST);
    (void)snprintf(path, sizeof(path), "%s/%s/seed-%u", root, target, number);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL && fwrite(bytes->data, 1, bytes->size, file) == bytes->size);
    CHECK(fclose(file) == 0);
}

/* What a maker makes of numbers that look random. */
static struct bytes noise(uint8_t *room, size_t size, uint32_t seed) {
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < size; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        room[i] = (uint8_t)(state >> 56);
    }
    return (struct bytes){.data = room, .left = size};
}

static void messages(void) {
    uint32_t number = 0;
#define X(NAME, type_number, msg)                                                     \
    for (uint32_t seed = 0; seed < 3; seed++) {                                       \
        uint8_t room[96];                                                             \
        struct bytes b = noise(room, sizeof(room), seed * 100 + type_number);         \
        struct message m = {.type = MESSAGE_##NAME, .incarnation = 7, .epoch = seed}; \
        struct arena arena;                                                           \
        struct buffer out;                                                            \
        arena_init(&arena);                                                           \
        buffer_init(&out);                                                            \
        buffer_append_u8(&out, 0);                                                    \
        make_record(&msg##_record, &m.body, &b, &arena, 9);                           \
        message_encode(&m, &out);                                                     \
        put("message", number++, &out);                                               \
        buffer_finish(&out);                                                          \
        arena_finish(&arena);                                                         \
    }
    WIRE_MESSAGES(X)
#undef X
}

static void one_command(uint32_t index, uint32_t type, uint32_t seed) {
    uint8_t room[96];
    struct bytes b = noise(room, sizeof(room), seed * 100 + type);
    struct arena arena;
    struct buffer body, out;
    arena_init(&arena);
    buffer_init(&body);
    buffer_init(&out);
    void *command = arena_alloc(&arena, command_record(type)->size);
    CHECK(command != NULL);
    make_record(command_record(type), command, &b, &arena, 9);
    wire_encode(command_record(type), command, &body);
    buffer_append_u8(&out, (uint8_t)(seed % 2));
    buffer_append_u8(&out, (uint8_t)index);
    if (seed % 2 == 0) {
        struct log_command entry = {
            .type = type, .origin = 1, .body = {.data = body.data, .size = (uint32_t)body.size}};
        wire_encode(&log_command_record, &entry, &out);
    } else {
        buffer_append(&out, body.data, body.size);
    }
    put("command", type * 10 + seed, &out);
    buffer_finish(&body);
    buffer_finish(&out);
    arena_finish(&arena);
}

static void commands(void) {
    static const uint32_t types[] = {
#define X(NAME, number, ...) number,
        WIRE_COMMANDS(X)
#undef X
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(types); i++) {
        one_command(i, types[i], 0);
        one_command(i, types[i], 1);
    }
}

/* Histories of random commands, and models as they come about in a cluster that is operated. */
static void histories(void) {
    for (uint32_t seed = 0; seed < 40; seed++) {
        uint8_t room[1200];
        struct buffer out;
        (void)noise(room, sizeof(room), seed);
        buffer_init(&out);
        buffer_append(&out, room, sizeof(room));
        put("apply", seed, &out);
        put("core", seed, &out);
        buffer_finish(&out);
    }
}

static void models(void) {
    for (uint32_t seed = 0; seed < 12; seed++) {
        struct sim_options options = {.seed = seed + 1, .nodes = 2 + seed % 2, .vms = 2};
        uint8_t room[300];
        struct buffer model, out;
        struct sim *s = sim_create(&options);
        CHECK(sim_set_up(s));
        for (uint32_t i = 0; i < seed; i++) {
            sim_operate(s);
            sim_run(s, 200000);
        }
        buffer_init(&model);
        buffer_init(&out);
        model_encode(sim_model(s), &model);
        (void)noise(room, sizeof(room), seed);
        buffer_append_u8(&out, (uint8_t)model.size);
        buffer_append_u8(&out, (uint8_t)(model.size >> 8));
        buffer_append(&out, model.data, model.size);
        buffer_append(&out, room, sizeof(room));
        put("model", seed, &out);
        buffer_finish(&model);
        buffer_finish(&out);
        sim_destroy(s);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        (void)fprintf(stderr, "Usage: make_seeds DIRECTORY\n");
        return EXIT_FAILURE;
    }
    root = argv[1];
    messages();
    commands();
    histories();
    models();
    return EXIT_SUCCESS;
}
