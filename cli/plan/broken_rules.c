/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hard rules that are broken now, shown with each plan: see plan/solve.h.
 */
#include "output/print.h"
#include "plan/solve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MOST 320u
#define HINT_MOST 400u

int plan_find_broken(struct cli *cli, struct plan_run *run) {
    const struct placement_problem *problem = &run->file->problem;
    run->broken = calloc((size_t)problem->n_rules + 1, sizeof(*run->broken));
    int error =
        run->broken == NULL ? -1 : placement_broken_rules(problem, run->broken, &run->n_broken);
    return error == 0 ? CLI_DONE : cli_fail(cli, CLI_FAILED, NULL, "plan: out of memory");
}

static const char *host_name(const struct plan_run *run, uint32_t vm) {
    return plan_node_name(run, run->file->problem.vms[vm].host);
}

static void put_broken(const struct plan_run *run, const struct placement_broken *broken,
                       char text[TEXT_MOST]) {
    const struct placement_rule *rule = &run->file->problem.rules[broken->rule];
    const char *vm = plan_vm_name(run, broken->vm), *other = plan_vm_name(run, broken->other);
    switch (rule->kind) {
    case PLACEMENT_APART:
    case PLACEMENT_TOGETHER:
        snprintf(text, TEXT_MOST, "%.64s (on %.64s) and %.64s (on %.64s) are not %s", other,
                 host_name(run, broken->other), vm, host_name(run, broken->vm),
                 rule->kind == PLACEMENT_APART ? "apart" : "together");
        break;
    case PLACEMENT_ON_NODES:
    case PLACEMENT_NOT_ON_NODES:
        snprintf(text, TEXT_MOST, "%.64s is on %.64s, which is %s its nodes", vm,
                 host_name(run, broken->vm),
                 rule->kind == PLACEMENT_ON_NODES ? "not among" : "one of");
        break;
    case PLACEMENT_AT_MOST:
    case PLACEMENT_RULE_KIND_COUNT:
        snprintf(text, TEXT_MOST, "its nodes hold more than its limit");
        break;
    }
}

/* The VMs that could repair a rule by a move; each once. */
static bool named_before(const struct plan_run *run, uint32_t i) {
    for (uint32_t k = 0; k < i; k++) {
        if (run->broken[k].vm == run->broken[i].vm) {
            return true;
        }
    }
    return false;
}

static void show_hint(const struct screen *screen, const struct plan_run *run) {
    char vms[HINT_MOST];
    size_t used = 0;
    for (uint32_t i = 0; i < run->n_broken && used + 70 < sizeof(vms); i++) {
        const uint32_t vm = run->broken[i].vm;
        if (vm != PLACEMENT_NONE && !named_before(run, i)) {
            used += (size_t)snprintf(vms + used, sizeof(vms) - used, "%s%.64s", used > 0 ? "," : "",
                                     plan_vm_name(run, vm));
        }
    }
    if (used > 0) {
        print_text(screen->file, "see where they could go: clusterctl plan --vm %s\n", vms);
    }
}

void plan_show_broken(const struct screen *screen, const struct plan_run *run) {
    char text[TEXT_MOST];
    if (run->n_broken == 0) {
        return;
    }
    print_text(screen->file,
               "hard rules that are broken now (a plan breaks no more): %" PRIu32 "\n",
               run->n_broken);
    for (uint32_t i = 0; i < run->n_broken; i++) {
        put_broken(run, &run->broken[i], text);
        print_text(screen->file, "  %s: %s\n", run->file->problem.rules[run->broken[i].rule].name,
                   text);
    }
    show_hint(screen, run);
}

json_t *plan_json_broken(const struct plan_run *run) {
    json_t *list = json_array();
    char text[TEXT_MOST];
    for (uint32_t i = 0; i < run->n_broken; i++) {
        const struct placement_broken *broken = &run->broken[i];
        json_t *vms = json_array();
        const uint32_t both[] = {broken->other, broken->vm};
        for (size_t k = 0; k < sizeof(both) / sizeof(both[0]); k++) {
            if (both[k] != PLACEMENT_NONE) {
                json_array_append_new(vms, json_string(plan_vm_name(run, both[k])));
            }
        }
        put_broken(run, broken, text);
        json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "rule",
                                              run->file->problem.rules[broken->rule].name, "vms",
                                              vms, "reason", text));
    }
    return list;
}
