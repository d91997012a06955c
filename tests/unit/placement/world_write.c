/* SPDX-License-Identifier: GPL-2.0-or-later */
/* world_write.c - a world as world.h's text, so that a random one can be looked at and kept. */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void name(FILE *out, const char *given, char letter, uint32_t index) {
    if (given != NULL) {
        fprintf(out, "%s", given);
    } else {
        fprintf(out, "%c%u", letter, index);
    }
}

static void node_name(FILE *out, const struct world *w, uint32_t i) {
    name(out, w->nodes[i].name, 'n', i);
}

static void vm_name(FILE *out, const struct world *w, uint32_t i) {
    name(out, w->vms[i].name, 'v', i);
}

/* letter: n nodes, v VMs, else names made of it. */
static void list(FILE *out, const struct world *w, const char *key, char letter,
                 const struct placement_set *set) {
    for (uint32_t i = 0; i < set->n; i++) {
        fprintf(out, i == 0 ? " %s " : ",", key);
        if (letter == 'n') {
            node_name(out, w, set->index[i]);
        } else if (letter == 'v') {
            vm_name(out, w, set->index[i]);
        } else {
            fprintf(out, "%c%u", letter, set->index[i]);
        }
    }
}

/* Neighbours of one group with commas, groups with slashes: the numbers ascend. */
static void groups(FILE *out, const struct world *w, const struct placement_rule *rule) {
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const bool same = i > 0 && rule->group_of[i] == rule->group_of[i - 1];
        fprintf(out, i == 0 ? " vms " : same ? "," : "/");
        vm_name(out, w, rule->vms.index[i]);
    }
    /* One group alone: the slash says that it is one. */
    fprintf(out, rule->vms.n > 0 && rule->group_of[rule->vms.n - 1] == 0 ? "/" : "");
}

static void amount(FILE *out, const struct world *w, const char *prefix, uint32_t r,
                   uint64_t value) {
    uint32_t per_unit = w->resources[r].per_unit > 0 ? w->resources[r].per_unit : 1;
    if (value == 0) {
        return;
    }
    fprintf(out, " %s%s %" PRIu64, prefix, w->resources[r].name, value / per_unit);
    if (value % per_unit != 0) { /* only cpu has parts, thousandths */
        fprintf(out, ".%03" PRIu64, value % per_unit);
    }
}

static void one_node(FILE *out, const struct world *w, uint32_t i) {
    static const char *const states[PLACEMENT_NODE_STATE_COUNT] = {
        "accepts", "joining", "draining", "drained",       "lost",
        "fencing", "fenced",  "offline",  "no-hypervisor", "no-watchdog"};
    const struct placement_node *n = &w->nodes[i];
    fprintf(out, "node ");
    node_name(out, w, i);
    for (uint32_t r = 0; r < w->problem.n_resources; r++) {
        amount(out, w, "", r, w->capacities[i * w->problem.n_resources + r]);
    }
    if (n->state != PLACEMENT_NODE_ACCEPTS) {
        fprintf(out, " %s", states[n->state]);
    }
    fprintf(out, " site s%u rack r%u", n->site, n->rack);
    if (n->cpu_overcommit_permille > 0) {
        fprintf(out, " overcommit %u.%03u", n->cpu_overcommit_permille / 1000,
                n->cpu_overcommit_permille % 1000);
    }
    if (n->vms_max > 0) {
        fprintf(out, " max-vms %u", n->vms_max);
    }
    if (n->threshold_permille > 0) {
        fprintf(out, " threshold %u.%03u", n->threshold_permille / 1000,
                n->threshold_permille % 1000);
    }
    if (n->bandwidth_mb_s > 0) {
        fprintf(out, " bandwidth %u", n->bandwidth_mb_s);
    }
    list(out, w, "volumes", 'c', &n->volumes);
    list(out, w, "cpu-models", 'm', &n->cpu_models);
    list(out, w, "machines", 'p', &n->machines);
    list(out, w, "networks", 'b', &n->networks);
    fprintf(out, "\n");
}

static void place(FILE *out, const struct world *w, const char *key, uint32_t node) {
    if (node != PLACEMENT_NONE) {
        fprintf(out, " %s ", key);
        node_name(out, w, node);
    }
}

static void one_vm(FILE *out, const struct world *w, uint32_t i) {
    const struct placement_vm *vm = &w->vms[i];
    const uint32_t n_resources = w->problem.n_resources;
    fprintf(out, "vm ");
    vm_name(out, w, i);
    for (uint32_t r = 0; r < n_resources; r++) {
        amount(out, w, "", r, w->needs[i * n_resources + r]);
    }
    for (uint32_t r = 0; w->problem.loads != NULL && r < n_resources; r++) {
        amount(out, w, "load-", r, w->problem.loads[i * n_resources + r]);
    }
    if (vm->priority != 0) {
        fprintf(out, " priority %d", vm->priority);
    }
    place(out, w, "on", vm->host);
    place(out, w, "also-on", vm->also_on);
    place(out, w, "return-to", vm->return_to);
    list(out, w, "possible", 'n', &vm->possible);
    list(out, w, "preferred", 'n', &vm->preferred);
    list(out, w, "excluded", 'n', &vm->excluded);
    list(out, w, "volumes", 'c', &vm->volumes);
    list(out, w, "networks", 'b', &vm->networks);
    if (vm->cpu_model != PLACEMENT_NONE) {
        fprintf(out, " cpu-model m%u", vm->cpu_model);
    }
    if (vm->machine != PLACEMENT_NONE) {
        fprintf(out, " machine p%u", vm->machine);
    }
    if (vm->start_ms > 0) {
        fprintf(out, " start-ms %u", vm->start_ms);
    }
    fprintf(out, "%s%s%s\n", vm->mobility == PLACEMENT_MOVABLE_COLD ? " cold" : "",
            vm->mobility == PLACEMENT_FIXED ? " fixed" : "",
            vm->no_auto_start ? " no-auto-start" : "");
}

static void parts(FILE *out, const struct world *w, const struct placement_rule *rule) {
    const char *before = " parts ";
    for (uint32_t part = 0; part < w->problem.n_nodes; part++) {
        for (uint32_t node = 0; node < w->problem.n_nodes; node++) {
            if (rule->part_of[node] == part) {
                fprintf(out, "%s", before);
                node_name(out, w, node);
                before = ",";
            }
        }
        before = before[0] == ',' ? "/" : before;
    }
    fprintf(out, "%s", before[0] == ' ' ? " parts -" : "");
}

static void one_rule(FILE *out, const struct world *w, uint32_t i) {
    static const char *const kinds[] = {"apart", "together", "on", "off", "at-most"};
    static const char *const scopes[] = {"node", "rack", "site"};
    const struct placement_rule *rule = &w->rules[i];
    fprintf(out, "rule ");
    name(out, rule->name, 'r', i);
    fprintf(out, " %s %s", kinds[rule->kind], rule->strength == PLACEMENT_HARD ? "hard" : "soft");
    if (rule->scope == PLACEMENT_PART) {
        parts(out, w, rule);
    } else if (rule->scope != PLACEMENT_NODE) {
        fprintf(out, " %s", scopes[rule->scope]);
    }
    if (rule->weight > 0) {
        fprintf(out, " weight %u", rule->weight);
    }
    if (rule->group_of != NULL) {
        groups(out, w, rule);
    } else {
        list(out, w, "vms", 'v', &rule->vms);
    }
    list(out, w, "nodes", 'n', &rule->nodes);
    if (rule->kind == PLACEMENT_AT_MOST) {
        fprintf(out, " amount %llu", (unsigned long long)rule->amount);
        if (rule->resource != PLACEMENT_NONE) {
            fprintf(out, " of %s",
                    rule->resource == PLACEMENT_MEMORY ? "memory"
                    : rule->resource == PLACEMENT_CPU  ? "cpu"
                                                       : w->resources[rule->resource].name);
        }
    }
    fprintf(out, "\n");
}

static void write_request(FILE *out, const struct world *w) {
    static const char *const kinds[PLACEMENT_KIND_COUNT] = {"place", "failover", "drain", "return",
                                                            "balance"};
    const struct placement_request *q = &w->request;
    if (w->admits) {
        fprintf(out, "request admit %u%s\n", w->admit.k,
                w->admit.may_move_others ? " may-move-others" : "");
        return;
    }
    fprintf(out, "request %s", kinds[q->kind]);
    list(out, w, "vms", 'v', &q->vms);
    list(out, w, "nodes", 'n', &q->nodes);
    fprintf(out, "%s", q->may_move_others ? " may-move-others" : "");
    if (q->moves_max > 0) {
        fprintf(out, " moves-max %u", q->moves_max);
    }
    fprintf(out, "\n");
}

char *world_write(const struct world *w) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        abort();
    }
    for (uint32_t r = 2; r < w->problem.n_resources; r++) {
        fprintf(out, "resource %s\n", w->resources[r].name);
    }
    for (uint32_t i = 0; i < w->problem.n_nodes; i++) {
        one_node(out, w, i);
    }
    for (uint32_t i = 0; i < w->problem.n_vms; i++) {
        one_vm(out, w, i);
    }
    for (uint32_t i = 0; i < w->problem.n_rules; i++) {
        one_rule(out, w, i);
    }
    if (w->problem.seed > 0) {
        fprintf(out, "seed %llu\n", (unsigned long long)w->problem.seed);
    }
    write_request(out, w);
    fclose(out);
    return text;
}
