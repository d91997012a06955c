/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl plan: from the command line to a request; see plan/solve.h.
 */
#include "plan/solve.h"

#include "output/text.h"
#include "verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    enum option_id option;
    enum plan_question question;
} questions[] = {
    {OPTION_LOSE, PLAN_LOSE},   {OPTION_DRAIN, PLAN_DRAIN}, {OPTION_BALANCE, PLAN_BALANCE},
    {OPTION_ADMIT, PLAN_ADMIT}, {OPTION_VM, PLAN_VM},
};
enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

static int read_question(struct cli *cli, enum plan_question *ret) {
    enum option_id given = OPTION_COUNT;
    *ret = PLAN_OF_FILE;
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (!options_given(&cli->options, questions[i].option)) {
            continue;
        }
        if (given != OPTION_COUNT) {
            return cli_fail_usage(cli, "plan", "plan: --%s and --%s exclude each other",
                                  option_infos[given].name, option_infos[questions[i].option].name);
        }
        given = questions[i].option;
        *ret = questions[i].question;
    }
    return CLI_DONE;
}

/* The cluster of --file, or the current live cluster. */
static int load_cluster(struct cli *cli, struct cluster_file **ret) {
    json_auto *answer = NULL;
    char message[CLUSTER_FILE_MESSAGE_MAX];
    const char *path = options_value(&cli->options, OPTION_FILE);
    int error = 0;
    if (path != NULL) {
        error = cluster_file_read(path, ret, message);
        return error == 0 ? CLI_DONE
                          : cli_fail(cli, error == -ENOMEM ? CLI_FAILED : CLI_USAGE,
                                     "the format is described in: man clusterd-cluster.json",
                                     "plan: %s", message);
    }
    int code = cli_request(cli, "export", NULL, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    error = cluster_file_take(json_incref(json_object_get(answer, "cluster")), "clusterd's answer",
                              ret, message);
    return error == 0
               ? CLI_DONE
               : cli_fail(cli, CLI_FAILED, "are clusterctl and clusterd of the same version?",
                          "plan: %s", message);
}

/* "n1,n2"; all values of a repeated option. */
static int read_names(struct cli *cli, enum option_id option, struct cluster_file *file,
                      const struct cluster_names *names, const char *what,
                      struct placement_set *ret) {
    uint32_t *index = arena_array(&file->arena, (size_t)names->n + 1, sizeof(*index));
    size_t at = 0;
    uint32_t n = 0;
    for (const char *list = NULL; (list = options_next(&cli->options, option, &at)) != NULL;) {
        text_auto *copy = strdup(list);
        char *rest = copy;
        if (index == NULL || copy == NULL) {
            return cli_fail(cli, CLI_FAILED, NULL, "plan: out of memory");
        }
        for (char *name = NULL; (name = strsep(&rest, ",")) != NULL;) {
            uint32_t number = cluster_names_find(names, name);
            if (number == CLUSTER_NAMES_NONE) {
                return cli_fail(cli, CLI_REFUSED, NULL, "plan: --%s %s: there is no %s %s",
                                option_infos[option].name, list, what,
                                name[0] != '\0' ? name : "without a name");
            }
            bool twice = false;
            for (uint32_t i = 0; i < n; i++) {
                twice = twice || index[i] == number;
            }
            if (!twice) {
                index[n++] = number;
            }
        }
    }
    *ret = (struct placement_set){.index = index, .n = n};
    return CLI_DONE;
}

static int read_number(struct cli *cli, enum option_id option, int64_t most, int64_t *ret) {
    const char *text = options_value(&cli->options, option);
    if (text == NULL || text_parse_number(text, 0, most, ret) == 0) {
        return CLI_DONE;
    }
    return cli_fail_usage(cli, "plan", "plan: --%s %s is not a number from 0 to %" PRId64,
                          option_infos[option].name, text, most);
}

static int read_seconds(struct cli *cli, int64_t *ret_us) {
    const char *text = options_value(&cli->options, OPTION_SECONDS);
    char *end = NULL;
    if (text == NULL) {
        return CLI_DONE;
    }
    double seconds = strtod(text, &end);
    bool digits = text[strspn(text, "0123456789.")] == '\0';
    if (end == text || *end != '\0' || !digits || seconds > CLUSTER_FILE_SECONDS_MAX) {
        return cli_fail_usage(cli, "plan",
                              "plan: --seconds %s is not a number of seconds from 0 to %u, such as "
                              "0.5 or 60",
                              text, CLUSTER_FILE_SECONDS_MAX);
    }
    *ret_us = (int64_t)(seconds * 1e6);
    return CLI_DONE;
}

/* Checks that need no cluster come before asking for one. */
static int read_options(struct cli *cli, struct plan_run *run, int64_t *ret_seed) {
    int64_t k = 0;
    int code = read_question(cli, &run->question);
    if (code == CLI_DONE) {
        code = read_number(cli, OPTION_ADMIT, PLACEMENT_NODES_MAX, &k);
    }
    if (code == CLI_DONE) {
        code = read_number(cli, OPTION_SEED, INT64_MAX, ret_seed);
    }
    if (code == CLI_DONE) {
        code = read_seconds(cli, &run->limit_us);
    }
    run->k = (uint32_t)k;
    return code;
}

/* A running VM is moved as in a drain. */
static int read_vms(struct cli *cli, struct plan_run *run) {
    struct placement_request *request = &run->request;
    int code = read_names(cli, OPTION_VM, run->file, &run->file->vms, "VM", &request->vms);
    for (uint32_t i = 0; code == CLI_DONE && i < request->vms.n; i++) {
        if (run->file->problem.vms[request->vms.index[i]].host != PLACEMENT_NONE) {
            request->may_move_others = request->may_move_others && run->file->drain_moves_others;
        }
    }
    return code;
}

static int make_request(struct cli *cli, struct plan_run *run, int64_t seed) {
    struct placement_request *request = &run->request;
    struct cluster_file *file = run->file;
    *request = file->request;
    if (run->limit_us < 0) {
        run->limit_us = (int64_t)file->solve_ms * 1000;
    }
    if (seed >= 0) {
        file->problem.seed = (uint64_t)seed;
    }
    bool empties = request->kind == PLACEMENT_DRAIN || run->question == PLAN_DRAIN;
    request->may_move_others = empties ? file->drain_moves_others : request->may_move_others;
    if (options_given(&cli->options, OPTION_NO_MOVE_OTHERS)) {
        request->may_move_others = false;
    }
    if (run->question == PLAN_LOSE || run->question == PLAN_ADMIT) {
        cluster_file_unbind(file);
    }
    if (run->question == PLAN_OF_FILE) {
        return CLI_DONE;
    }
    request->vms = request->nodes = (struct placement_set){0};
    switch (run->question) {
    case PLAN_OF_FILE:
    case PLAN_ADMIT: break;
    case PLAN_BALANCE: request->kind = PLACEMENT_BALANCE; break;
    case PLAN_LOSE:
        request->kind = PLACEMENT_FAILOVER;
        return read_names(cli, OPTION_LOSE, file, &file->nodes, "node", &request->nodes);
    case PLAN_DRAIN:
        request->kind = PLACEMENT_DRAIN;
        return read_names(cli, OPTION_DRAIN, file, &file->nodes, "node", &request->nodes);
    case PLAN_VM: request->kind = PLACEMENT_PLACE; return read_vms(cli, run);
    }
    return CLI_DONE;
}

/* Puts all members of `json` (stolen) beside "ok", or beside the error that follows. */
static int end_run(struct cli *cli, int code, json_t *json, const char *problem) {
    const char *key = NULL;
    json_t *value = NULL;
    json_auto *document = json;
    if (code != CLI_DONE) {
        json_object_foreach (document, key, value) {
            cli_detail(cli, key, value);
        }
        return cli_fail(cli, (enum cli_exit)code, NULL, "%s", problem);
    }
    if (cli->json) {
        json_object_set_new(document, "ok", json_true());
        cli_print_json(document);
    }
    return code;
}

static int answer_admission(struct cli *cli, struct plan_run *run) {
    char text[PLACEMENT_TEXT_MAX];
    char problem[PLACEMENT_TEXT_MAX + 64];
    int code = plan_admit(cli, run);
    if (code != CLI_DONE && code != CLI_INTERRUPTED) {
        return code;
    }
    if (!cli->json) {
        plan_show_admission(&cli->out, run);
        plan_show_broken(&cli->out, run);
    }
    plan_admission_text(run, text);
    bool yes = run->admission->answer == PLACEMENT_YES;
    snprintf(problem, sizeof(problem), "%s: %s", plan_answer_name(run->admission->answer), text);
    code = code == CLI_DONE && !yes ? CLI_REFUSED : code;
    return end_run(cli, code, plan_json_admission(run), problem);
}

static int answer_plan(struct cli *cli, struct plan_run *run) {
    bool explain = options_given(&cli->options, OPTION_EXPLAIN);
    char reason[PLAN_REASON_MAX];
    char problem[PLAN_REASON_MAX + 160] = "interrupted: this is the best plan so far";
    int code = plan_solve(cli, run);
    if (code != CLI_DONE && code != CLI_INTERRUPTED) {
        return code;
    }
    if (!cli->json) {
        plan_show_run(&cli->out, run, explain);
    }
    if (code == CLI_DONE && run->plan->n_unplaced > 0) {
        uint32_t vm = run->plan->unplaced[0].vm;
        plan_reason(run, vm, reason);
        snprintf(problem, sizeof(problem), "%" PRIu32 " VM%s no place; %.64s: %s",
                 run->plan->n_unplaced, run->plan->n_unplaced == 1 ? " has" : "s have",
                 plan_vm_name(run, vm), reason);
        code = CLI_REFUSED;
    }
    return end_run(cli, code, cli->json ? plan_json(run, explain) : json_object(), problem);
}

int command_plan(struct cli *cli, char **words) {
    struct plan_run run = {.limit_us = -1};
    int64_t seed = -1;
    (void)words;
    int code = read_options(cli, &run, &seed);
    if (code == CLI_DONE) {
        code = load_cluster(cli, &run.file);
    }
    if (code == CLI_DONE) {
        code = make_request(cli, &run, seed);
    }
    if (code == CLI_DONE) {
        run.verdicts = calloc(run.file->problem.n_nodes, sizeof(*run.verdicts));
    }
    if (code == CLI_DONE) {
        code = plan_find_broken(cli, &run);
    }
    if (code == CLI_DONE && (run.verdicts == NULL || placement_solver_create(&run.solver) < 0)) {
        code = cli_fail(cli, CLI_FAILED, NULL, "plan: out of memory");
    }
    if (code == CLI_DONE) {
        code = run.question == PLAN_ADMIT ? answer_admission(cli, &run) : answer_plan(cli, &run);
    }
    placement_solver_destroy(run.solver);
    free(run.verdicts);
    free(run.broken);
    cluster_file_destroy(run.file);
    return code;
}
