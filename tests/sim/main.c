/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator's command line: runs many seeds on all processors, reports violations, and says how
 * to reproduce them.
 */
#include "sim/mutants.h"
#include "sim/replay.h"
#include "sim/run.h"
#include "sim/shrink.h"
#include "sim/story.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_CLEAN = 0, EXIT_VIOLATION = 1, EXIT_USAGE = 2 };

struct command {
    struct run_options run;
    uint64_t from, seeds;
    uint32_t jobs;
    bool shrink, quiet;
    bool hunt;          /* mutants */
    const char *mutant; /* with it; NULL: all, or none */
    const char *story;  /* NULL: none */
    const char *replay; /* of a support bundle, in place of all that */
};

struct sum {
    uint64_t seeds, violations, virtual_us;
    uint64_t cpu_us;
    struct sim_figures figures;
};

static void usage(FILE *to) {
    (void)fprintf(
        to, "%s",
        "Usage: sim [OPTION ...]\n"
        "Runs clusters of clusterd's own core in virtual time and tries to break them.\n\n"
        "  --from S        the first seed (1)\n"
        "  --seeds K       how many seeds (100); 'time': others each time\n"
        "  --nodes N       2 to 7; without it, by the seed\n"
        "  --vms M         1 to 60; without it, by the seed\n"
        "  --hours H       virtual hours for each seed; without it, one round of faults\n"
        "  --faults SETS   all, or of: power network process freeze disk database libvirt\n"
        "                  guest fence clock volume protocol operator memory list; -SET takes\n"
        "                  one away\n"
        "  --jobs J        seeds at the same time (one for each processor)\n"
        "  --trace         print all that happens, as it happens\n"
        "  --messages      the trace has the messages between the clusterds, too\n"
        "  --shrink        of a seed that fails, find a small part that fails too\n"
        "  --quiet         only the last line\n"
        "  --mutants       each deliberate fault in the core must be found (preset mutants)\n"
        "  --mutant NAME   run with that fault; or hunt only that one\n"
        "  --story FILE    play that scenario (tests/sim/scenarios/NAME.scn)\n"
        "  --replay FILE   replay a real node's log (clusterctl support-bundle)\n\n"
        "Exit status: 0 no property was violated, 1 one was, 2 usage. The last line is\n"
        "JSON. A seed replays exactly: sim --from S --seeds 1 --trace\n");
}

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *ret) {
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || end == text || *end || v < least || v > most || text[0] == '-') {
        return false;
    }
    *ret = v;
    return true;
}

static int refuse(const char *option, const char *text) {
    (void)fprintf(stderr, "sim: --%s: '%s' is not what it takes; see sim --help\n", option, text);
    return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct command *ret) {
    static const struct option options[] = {{"from", required_argument, NULL, 'f'},
                                            {"seeds", required_argument, NULL, 's'},
                                            {"nodes", required_argument, NULL, 'n'},
                                            {"vms", required_argument, NULL, 'v'},
                                            {"hours", required_argument, NULL, 'h'},
                                            {"faults", required_argument, NULL, 'a'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"messages", no_argument, NULL, 'e'},
                                            {"shrink", no_argument, NULL, 'k'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"mutants", no_argument, NULL, 'm'},
                                            {"mutant", required_argument, NULL, 'M'},
                                            {"story", required_argument, NULL, 'y'},
                                            {"replay", required_argument, NULL, 'R'},
                                            {"help", no_argument, NULL, '?'},
                                            {NULL, 0, NULL, 0}};
    int index = 0, c;
    uint64_t v = 0;
    while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
        bool ok = true;
        switch (c) {
        case 'f':
            ok = strcmp(optarg, "time") == 0 || number(optarg, 0, UINT64_MAX / 2, &ret->from);
            ret->from = strcmp(optarg, "time") == 0 ? (uint64_t)time(NULL) * 100000 : ret->from;
            break;
        case 's': ok = number(optarg, 1, UINT64_MAX / 2, &ret->seeds); break;
        case 'n':
            ok = number(optarg, 2, SIM_NODES - 1, &v);
            ret->run.nodes = (uint32_t)v;
            break;
        case 'v':
            ok = number(optarg, 1, 60, &v);
            ret->run.vms = (uint32_t)v;
            break;
        case 'h': ok = number(optarg, 1, 1000000, &ret->run.hours); break;
        case 'a':
            ret->run.kinds = faults_parse(optarg);
            ok = ret->run.kinds != 0;
            break;
        case 'j':
            ok = number(optarg, 1, 256, &v);
            ret->jobs = (uint32_t)v;
            break;
        case 't': ret->run.trace = true; break;
        case 'e': ret->run.messages = true; break;
        case 'k': ret->shrink = true; break;
        case 'q': ret->quiet = true; break;
        case 'y': ret->story = optarg; break;
        case 'm':
            ok = mutants_are_there();
            ret->hunt = true;
            break;
        case 'M':
            ok = mutant_choose(optarg);
            ret->mutant = optarg;
            break;
        case 'R': ret->replay = optarg; break;
        default: usage(optopt ? stderr : stdout); return optopt ? EXIT_USAGE : -1;
        }
        if (!ok) {
            return refuse(options[index].name, optarg ? optarg : "in this build");
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "sim: '%s' is not an option; see sim --help\n", argv[optind]);
        return EXIT_USAGE;
    }
    return EXIT_CLEAN;
}

/* ---- one seed ---- */

static void report(const struct command *command, const struct run_options *run,
                   const struct run_result *r) {
    (void)printf("seed %llu: %s\n  after %llu.%03llu virtual s, %u nodes, %u VMs; again: "
                 "tests/run sim --from %llu --seeds 1",
                 (unsigned long long)run->seed, r->violation,
                 (unsigned long long)(r->at_us / SIM_SECOND),
                 (unsigned long long)(r->at_us / 1000 % 1000), r->nodes, r->vms,
                 (unsigned long long)run->seed);
    if (command->run.nodes) {
        (void)printf(" --nodes %u", command->run.nodes);
    }
    if (command->run.vms) {
        (void)printf(" --vms %u", command->run.vms);
    }
    const char *commit = getenv("CLUSTERD_COMMIT");
    (void)printf(" --trace%s%s%s\n", commit ? " (commit " : "", commit ? commit : "",
                 commit ? ")" : "");
    (void)fflush(stdout);
}

static void one_seed(const struct command *command, uint64_t seed, struct sum *sum) {
    struct run_options run = command->run;
    struct run_result r;
    run.seed = seed;
    run_once(&run, !command->quiet && !run.trace, &r);
    sum->seeds++;
    sum->virtual_us += r.virtual_us;
    sum->figures.steps += r.figures.steps;
    sum->figures.messages += r.figures.messages;
    sum->figures.committed += r.figures.committed;
    sum->figures.events += r.figures.events;
    if (r.violation[0]) {
        sum->violations++;
        report(command, &run, &r);
        if (command->shrink) {
            shrink(&run, r.violation);
        }
    }
}

/* ---- many, in several processes ---- */

static uint64_t cpu_us(void) {
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void work(const struct command *command, uint32_t job, int to) {
    struct sum sum = {0};
    for (uint64_t i = job; i < command->seeds; i += command->jobs) {
        one_seed(command, command->from + i, &sum);
    }
    sum.cpu_us = cpu_us();
    ssize_t n = write(to, &sum, sizeof(sum));
    exit(n == (ssize_t)sizeof(sum) ? 0 : 3);
}

static void add(struct sum *to, const struct sum *from) {
    to->seeds += from->seeds;
    to->violations += from->violations;
    to->virtual_us += from->virtual_us;
    to->cpu_us += from->cpu_us;
    to->figures.steps += from->figures.steps;
    to->figures.messages += from->figures.messages;
    to->figures.committed += from->figures.committed;
}

/* A worker that dies (a failed check aborts it) is a violation too. */
static int run_all(const struct command *command, struct sum *ret) {
    int pipes[256];
    for (uint32_t i = 0; i < command->jobs; i++) {
        int ends[2];
        (void)fflush(stdout);
        if (pipe(ends) < 0) {
            perror("sim: pipe");
            return -1;
        }
        pid_t pid = fork();
        if (pid < 0) {
            perror("sim: fork");
            return -1;
        }
        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void)close(ends[0]);
            work(command, i, ends[1]);
        }
        (void)close(ends[1]);
        pipes[i] = ends[0];
    }
    for (uint32_t i = 0; i < command->jobs; i++) {
        struct sum sum;
        if (read(pipes[i], &sum, sizeof(sum)) == (ssize_t)sizeof(sum)) {
            add(ret, &sum);
        } else {
            ret->violations++;
        }
        (void)close(pipes[i]);
    }
    while (wait(NULL) > 0) {
    }
    return 0;
}

int main(int argc, char **argv) {
    struct command command = {.from = 1, .seeds = 100, .run = {.kinds = faults_parse("all")}};
    struct sum sum = {0};
    struct timespec begin, end;
    int code = parse(argc, argv, &command);
    if (code != EXIT_CLEAN) {
        return code < 0 ? EXIT_CLEAN : code;
    }
    if (command.story) {
        return story_main(command.story, command.run.trace);
    }
    if (command.replay) {
        return replay_file(command.replay);
    }
    if (command.jobs == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        command.jobs = command.run.trace || n < 1 ? 1 : (uint32_t)(n > 64 ? 64 : n);
    }
    command.jobs = command.jobs > command.seeds ? (uint32_t)command.seeds : command.jobs;
    if (command.hunt) {
        command.run.seed = command.from;
        uint32_t missed = mutants_hunt(&command.run, command.mutant, command.seeds, command.jobs);
        (void)printf("{\"mutants_not_found\":%u}\n", missed);
        return missed ? EXIT_VIOLATION : EXIT_CLEAN;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    if (run_all(&command, &sum) < 0) {
        return EXIT_VIOLATION;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    double hours = (double)sum.virtual_us / 3.6e9;
    (void)printf("{\"seeds\":%llu,\"virtual_hours\":%.2f,\"seconds\":%.1f,\"violations\":%llu,"
                 "\"virtual_hours_per_core_second\":%.3f,\"steps\":%llu,\"committed\":%llu}\n",
                 (unsigned long long)sum.seeds, hours, seconds, (unsigned long long)sum.violations,
                 sum.cpu_us ? hours * 1e6 / (double)sum.cpu_us : 0.0,
                 (unsigned long long)sum.figures.steps, (unsigned long long)sum.figures.committed);
    return sum.violations ? EXIT_VIOLATION : EXIT_CLEAN;
}
