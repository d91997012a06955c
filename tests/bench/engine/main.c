/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement_bench - measures the placement engine. The harness (tests/bench/placement, vbp, peers)
 * calls it and shows what it says: one JSON object.
 *
 *     placement_bench speed NODES VMS FILL_PERMILLE SEED RUNS [KIND...]
 *     placement_bench plan FILE.json [RUNS]
 *     placement_bench vbp FILE.vbp SECONDS
 */
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void) {
    fprintf(stderr, "usage: placement_bench speed NODES VMS FILL_PERMILLE SEED RUNS [KIND...]\n"
                    "       placement_bench plan FILE.json [RUNS]\n"
                    "       placement_bench vbp FILE.vbp SECONDS\n"
                    "KIND: failover drain balance admit1 admit2 (default: failover)\n");
    return 2;
}

static bool number(const char *word, uint64_t least, uint64_t most, uint64_t *ret_number) {
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(word, &end, 10);
    if (errno != 0 || end == word || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "placement_bench: '%s' is not a number from %llu to %llu\n", word,
                (unsigned long long)least, (unsigned long long)most);
        return false;
    }
    *ret_number = value;
    return true;
}

static int finish(int error, json_t *answer) {
    if (error == 0) {
        json_dumpf(answer, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        printf("\n");
    }
    json_decref(answer);
    return error == 0 ? 0 : 1;
}

static int speed(int argc, char **argv) {
    uint64_t nodes, vms, fill, seed, runs;
    if (argc < 7 || !number(argv[2], 2, PLACEMENT_NODES_MAX, &nodes) ||
        !number(argv[3], 1, PLACEMENT_VMS_MAX, &vms) || !number(argv[4], 1, 1000, &fill) ||
        !number(argv[5], 0, UINT32_MAX, &seed) || !number(argv[6], 1, 1000, &runs)) {
        return usage();
    }
    json_t *answer = json_object();
    int error = 0;
    for (int i = 7; error == 0 && i < (argc > 7 ? argc : 8); i++) {
        const char *kind = argc > 7 ? argv[i] : "failover";
        error = bench_measure_kind(kind, (uint32_t)nodes, (uint32_t)vms, (uint32_t)fill, seed,
                                   (uint32_t)runs, answer);
        if (error < 0) {
            fprintf(stderr, "placement_bench: %s of %s nodes with %s VMs: %s\n", kind, argv[2],
                    argv[3], error == -EINVAL ? "no such measurement" : strerror(-error));
        }
    }
    return finish(error, answer);
}

static int plan(int argc, char **argv) {
    char text[BENCH_ERROR_MAX];
    struct bench_cluster cluster;
    uint64_t runs = 1;
    if (argc < 3 || argc > 4 || (argc == 4 && !number(argv[3], 1, 1000, &runs))) {
        return usage();
    }
    int error = bench_json_read(&cluster, argv[2], text);
    if (error < 0) {
        fprintf(stderr, "placement_bench: %s: %s\n", argv[2], text);
        return 1;
    }
    json_t *answer = json_object();
    error = bench_measure_plan(&cluster, (uint32_t)runs, answer);
    if (error < 0) {
        fprintf(stderr, "placement_bench: %s: the engine says: %s\n", argv[2], strerror(-error));
    }
    bench_cluster_finish(&cluster);
    return finish(error, answer);
}

static int vbp(int argc, char **argv) {
    char text[BENCH_ERROR_MAX];
    struct bench_vbp instance;
    uint64_t seconds;
    if (argc != 4 || !number(argv[3], 1, 86400, &seconds)) {
        return usage();
    }
    int error = bench_vbp_read(&instance, argv[2], text);
    if (error < 0) {
        fprintf(stderr, "placement_bench: %s: %s\n", argv[2], text);
        return 1;
    }
    json_t *answer = json_object();
    error = bench_measure_vbp(&instance, (double)seconds, answer);
    if (error < 0) {
        fprintf(stderr, "placement_bench: %s: the engine says: %s\n", argv[2], strerror(-error));
    }
    bench_vbp_finish(&instance);
    return finish(error, answer);
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "speed") == 0) {
        return speed(argc, argv);
    }
    if (argc >= 2 && strcmp(argv[1], "plan") == 0) {
        return plan(argc, argv);
    }
    if (argc >= 2 && strcmp(argv[1], "vbp") == 0) {
        return vbp(argc, argv);
    }
    return usage();
}
