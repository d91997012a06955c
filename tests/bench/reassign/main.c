/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * roadef_bench - machine reassignment for tests/run bench roadef.
 *
 *     roadef_bench solve MODEL ASSIGNMENT SECONDS OUT [SEED [STEPS,STEPS...]]
 *     roadef_bench check MODEL ASSIGNMENT SOLUTION
 *
 * OUT is there from the beginning on, always whole and feasible: each better answer replaces it at
 * once or not at all. SIGTERM, SIGINT and SIGHUP end the search early with the best so far. Says
 * one JSON object.
 */
#include "search.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct run {
    struct reassign_model model;
    uint32_t *initial, *machines;
    const char *out;
    double began;
};

static volatile sig_atomic_t stopped;

static void stop(int number) {
    stopped = number;
}

static double now_s(void *data) {
    (void)data;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return stopped != 0 ? 1e300 : (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int complain(const char *path, const char *text) {
    fprintf(stderr, "roadef_bench: %s: %s\n", path, text);
    return 1;
}

static char *slurp(const char *path) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL || getdelim(&text, &size, '\0', file) < 0) {
        complain(path, file == NULL ? strerror(errno) : "it is empty");
        free(text);
        text = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return text;
}

static uint32_t *read_assignment(const struct reassign_model *model, const char *path) {
    char error[REASSIGN_ERROR_MAX], *text = slurp(path);
    uint32_t *machines =
        text != NULL ? calloc((size_t)model->n_processes + 1, sizeof(uint32_t)) : NULL;
    if (machines != NULL && reassign_assignment_parse(model, text, machines, error) < 0) {
        complain(path, error);
        free(machines);
        machines = NULL;
    }
    free(text);
    return machines;
}

/* The model and the initial assignment, which has to be feasible. */
static bool begin(struct run *run, const char *model_path, const char *assignment_path) {
    char error[REASSIGN_ERROR_MAX], *text = slurp(model_path);
    int status = text != NULL ? reassign_model_parse(&run->model, text, error) : -ENOENT;
    free(text);
    if (status < 0) {
        if (status != -ENOENT) {
            complain(model_path, error);
        }
        return false;
    }
    run->initial = read_assignment(&run->model, assignment_path);
    if (run->initial == NULL) {
        return false;
    }
    if (!reassign_check(&run->model, run->initial, run->initial, error)) {
        complain(assignment_path, error);
        return false;
    }
    return true;
}

static bool write_text(FILE *file, const struct run *run, const uint32_t *machines) {
    for (uint32_t p = 0; p < run->model.n_processes; p++) {
        if (fprintf(file, "%s%" PRIu32, p > 0 ? " " : "", machines[p]) < 0) {
            return false;
        }
    }
    return fputc('\n', file) != EOF && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

/* The whole answer in place of the one before, or an error and the one before stays. */
static bool write_answer(const struct run *run, const uint32_t *machines) {
    char path[4096];
    if (snprintf(path, sizeof(path), "%s.tmp", run->out) >= (int)sizeof(path)) {
        complain(run->out, "the name is too long");
        return false;
    }
    FILE *file = fopen(path, "we");
    bool good = file != NULL && write_text(file, run, machines);
    const int error = errno;
    if (file != NULL) {
        good = fclose(file) == 0 && good;
    }
    good = good && rename(path, run->out) == 0;
    if (!good) {
        unlink(path);
        complain(run->out, strerror(error));
    }
    return good;
}

static bool tell(void *data, const uint32_t *machines, int64_t cost) {
    (void)cost;
    return write_answer(data, machines);
}

static void print_cost(const char *name, const struct reassign_cost *c) {
    printf("\"%s\":{\"total\":%" PRId64 ",\"load\":%" PRId64 ",\"balance\":%" PRId64
           ",\"process\":%" PRId64 ",\"service\":%" PRId64 ",\"machine\":%" PRId64 "}",
           name, c->total, c->load, c->balance, c->process, c->service, c->machine);
}

static void report(struct run *run, const struct reassign_search *search, bool feasible,
                   const char *error) {
    const struct reassign_model *m = &run->model;
    const struct reassign_cost before = reassign_cost_of(m, run->initial, run->initial);
    const struct reassign_cost after = reassign_cost_of(m, run->initial, run->machines);
    printf("{\"processes\":%" PRIu32 ",\"machines\":%" PRIu32 ",\"feasible\":%s,", m->n_processes,
           m->n_machines, feasible ? "true" : "false");
    if (!feasible) {
        printf("\"error\":\"%s\",", error);
    }
    print_cost("before", &before);
    printf(",");
    print_cost("after", &after);
    if (search != NULL) {
        stopped = 0;
        printf(",\"seconds\":%.3f,\"seed\":%" PRIu64 ",\"steps\":%" PRIu64
               ",\"cut\":%s,\"rounds\":[",
               now_s(NULL) - run->began, search->seed, search->steps,
               search->cut ? "true" : "false");
        for (uint32_t i = 0; i < search->n_rounds; i++) {
            printf("%s%" PRIu64, i > 0 ? "," : "", search->rounds[i]);
        }
        printf("]");
    }
    printf("}\n");
}

static bool number(const char *word, char end_with, char **ret_end, uint64_t *ret_number) {
    errno = 0;
    *ret_number = strtoull(word, ret_end, 10);
    const bool good = errno == 0 && *ret_end != word && *word != '-' &&
                      (**ret_end == '\0' || **ret_end == end_with);
    if (!good) {
        complain(word, "this is no number");
    }
    return good;
}

static bool options(int argc, char **argv, double *ret_seconds, struct reassign_search *search) {
    char *end;
    uint64_t seconds;
    if (!number(argv[4], '\0', &end, &seconds) ||
        (argc > 6 && !number(argv[6], '\0', &end, &search->seed))) {
        return false;
    }
    for (char *word = argc > 7 ? argv[7] : NULL; word != NULL;) {
        if (search->n_rounds == REASSIGN_ROUNDS_MAX ||
            !number(word, ',', &end, &search->rounds[search->n_rounds++])) {
            return false;
        }
        word = *end == ',' ? end + 1 : NULL;
    }
    *ret_seconds = (double)seconds;
    return true;
}

static int solve(struct run *run, int argc, char **argv) {
    struct reassign_search search = {.seed = 1, .now = now_s, .tell = tell, .data = run};
    char error[REASSIGN_ERROR_MAX] = "";
    double seconds;
    run->out = argv[5];
    if (!options(argc, argv, &seconds, &search) || !begin(run, argv[2], argv[3])) {
        return 1;
    }
    const size_t size = ((size_t)run->model.n_processes + 1) * sizeof(*run->machines);
    run->machines = malloc(size);
    if (run->machines == NULL || !write_answer(run, run->initial)) {
        return 1;
    }
    memcpy(run->machines, run->initial, size);
    /* What comes after the search: a check and a file. */
    search.deadline = run->began + seconds - 0.05 - 1e-6 * run->model.n_processes - seconds / 200;
    const int status = reassign_search(&run->model, run->initial, run->machines, &search);
    const bool feasible =
        status == 0 && reassign_check(&run->model, run->initial, run->machines, error);
    if (status < 0) {
        return complain("the search", strerror(-status));
    }
    if (feasible && !write_answer(run, run->machines)) {
        return 1;
    }
    report(run, &search, feasible, error);
    return feasible ? 0 : 1;
}

static int check(struct run *run, char **argv) {
    char error[REASSIGN_ERROR_MAX] = "";
    if (!begin(run, argv[2], argv[3])) {
        return 1;
    }
    run->machines = read_assignment(&run->model, argv[4]);
    if (run->machines == NULL) {
        return 1;
    }
    const bool feasible = reassign_check(&run->model, run->initial, run->machines, error);
    report(run, NULL, feasible, error);
    return feasible ? 0 : 1;
}

int main(int argc, char **argv) {
    struct run run = {.began = now_s(NULL)};
    int status = 2;
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    if (argc >= 6 && argc <= 8 && strcmp(argv[1], "solve") == 0) {
        status = solve(&run, argc, argv);
    } else if (argc == 5 && strcmp(argv[1], "check") == 0) {
        status = check(&run, argv);
    } else {
        fprintf(stderr,
                "usage: roadef_bench solve MODEL ASSIGNMENT SECONDS OUT [SEED [STEPS,STEPS...]]\n"
                "       roadef_bench check MODEL ASSIGNMENT SOLUTION\n");
    }
    reassign_model_finish(&run.model);
    free(run.initial);
    free(run.machines);
    return status;
}
