/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mutants; see mutants.h. Each mutant is hunted in a separate process: a faulty core may also fail
 * one of its own checks, which ends the process, and counts as found.
 */
#include "sim/mutants.h"

#include "base/check.h"
#include "base/mutant.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef CLUSTERD_MUTANTS

enum mutant mutant_active;

static const struct {
    const char *name, *text;
} mutants[N_MUTANTS] = {[MUTANT_none] = {"none", "nothing is wrong"},
#define X(name, text) [MUTANT_##name] = {#name, text},
                        MUTANTS(X)
#undef X
};

struct hunt {
    bool found, done;
    uint64_t seed;
    struct run_result result;
};

bool mutants_are_there(void) {
    return true;
}

bool mutant_choose(const char *name) {
    for (uint32_t i = 1; i < N_MUTANTS; i++) {
        if (strcmp(mutants[i].name, name) == 0) {
            mutant_active = (enum mutant)i;
            return true;
        }
    }
    return false;
}

static void hunt_one(struct run_options run, enum mutant mutant, uint64_t seeds,
                     struct hunt *hunt) {
    mutant_active = mutant;
    uint64_t first = run.seed;
    for (uint64_t i = 0; i < seeds && !hunt->found; i++) {
        run.seed = first + i;
        hunt->seed = run.seed; /* should a check end this process */
        run_once(&run, false, &hunt->result);
        hunt->found = hunt->result.violation[0] != '\0';
    }
    hunt->done = true;
}

static pid_t begin(const struct run_options *run, enum mutant mutant, uint64_t seeds,
                   struct hunt *hunt) {
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stderr)) {
            _exit(3);
        }
        hunt_one(*run, mutant, seeds, hunt);
        _exit(0);
    }
    return pid;
}

static void end(struct hunt *hunt, int status) {
    if (!hunt->done && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
        hunt->found = true;
        (void)snprintf(hunt->result.violation, sizeof(hunt->result.violation),
                       "the core fails a check of its own");
    }
}

static void print(const struct hunt *hunts, const char *only) {
    (void)printf("%-24s %7s %9s  %s\n", "mutant", "seed", "virtual", "property violated");
    for (uint32_t i = 1; i < N_MUTANTS; i++) {
        const struct hunt *h = &hunts[i];
        if (only && strcmp(only, mutants[i].name) != 0) {
            continue;
        }
        if (!h->found) {
            (void)printf("%-24s %7s %9s  NOT FOUND: %s\n", mutants[i].name, "-", "-",
                         mutants[i].text);
            continue;
        }
        (void)printf("%-24s %7llu %7.1f s  %s\n", mutants[i].name, (unsigned long long)h->seed,
                     (double)h->result.at_us / 1e6, h->result.violation);
    }
}

uint32_t mutants_hunt(const struct run_options *options, const char *only, uint64_t seeds,
                      uint32_t jobs) {
    struct hunt *hunts = mmap(NULL, N_MUTANTS * sizeof(*hunts), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(hunts != MAP_FAILED);
    pid_t pids[N_MUTANTS] = {0};
    uint32_t next = 1, running = 0, missed = 0;
    while (next < N_MUTANTS || running > 0) {
        if (next < N_MUTANTS && running < jobs) {
            if (!only || strcmp(only, mutants[next].name) == 0) {
                pids[next] = begin(options, (enum mutant)next, seeds, &hunts[next]);
                running++;
            }
            next++;
            continue;
        }
        int status = 0;
        pid_t pid = running > 0 ? wait(&status) : -1;
        for (uint32_t i = 1; pid > 0 && i < N_MUTANTS; i++) {
            if (pids[i] == pid) {
                end(&hunts[i], status);
                missed += !hunts[i].found;
                running--;
            }
        }
    }
    print(hunts, only);
    (void)munmap(hunts, N_MUTANTS * sizeof(*hunts));
    return missed;
}

#else

bool mutants_are_there(void) {
    return false;
}

bool mutant_choose(const char *name) {
    (void)name;
    return false;
}

uint32_t mutants_hunt(const struct run_options *options, const char *only, uint64_t seeds,
                      uint32_t jobs) {
    (void)options;
    (void)only;
    (void)seeds;
    (void)jobs;
    return 0;
}

#endif
