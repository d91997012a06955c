/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Placement rules: added, removed, and shortened when a VM they name is removed. A rule keeps the
 * name of a node that is gone from corosync.conf: the node may come back, and takes no VM until
 * then.
 */
#include "core/apply/inside.h"
#include "core/model/rules.h"

#include <errno.h>
#include <string.h>

static bool no_name_twice(struct apply *a, const struct wire_strs *names) {
    for (uint32_t i = 0; i < names->n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(names->v[i], names->v[k]) == 0) {
                apply_refuse(a, REPLY_REFUSED,
                             outbox_text(a->out, "'%s' is named twice", names->v[i]),
                             "name each VM and each node once");
                return false;
            }
        }
    }
    return true;
}

static bool resolve_vms(struct apply *a, const struct wire_strs *names, uint32_t *ids) {
    for (uint32_t i = 0; i < names->n; i++) {
        const struct model_vm *vm = model_vm_by_name(a->m, names->v[i]);
        if (!vm) {
            apply_refuse(a, REPLY_NOT_FOUND,
                         outbox_text(a->out, "there is no VM '%s'", names->v[i]),
                         "clusterctl vm list shows them");
            return false;
        }
        ids[i] = vm->id;
    }
    return true;
}

/* The rule must make sense by itself. */
static bool shape_is_good(struct apply *a, const struct cmd_rule_add *add) {
    bool of_vms = add->kind == RULE_APART || add->kind == RULE_TOGETHER;
    bool of_nodes = add->kind == RULE_ON || add->kind == RULE_NOT_ON;
    const char *wrong = NULL;
    const char *hint = "see clusterctl rule add --help";
    if (!of_vms && !of_nodes) {
        wrong = "its kind must be apart, together, on or not-on";
    } else if (of_vms && (add->scope < SCOPE_NODE || add->scope > SCOPE_SITE)) {
        wrong = "its scope must be node, rack or site";
    } else if (of_vms && add->vms.n < 2) {
        wrong = "it names fewer than two VMs";
    } else if (of_vms && add->nodes.n > 0) {
        wrong = "apart and together hold on all nodes: it must name none";
    } else if (of_nodes && (add->vms.n == 0 || add->nodes.n == 0)) {
        wrong = "it must name VMs and nodes";
    } else if (of_nodes && add->scope != SCOPE_NONE) {
        wrong = "only apart and together have a scope";
    } else if (add->hard && add->weight > 0) {
        wrong = "a hard rule has no weight: it is never broken for the sake of another";
        hint = "leave out --weight, or make it soft";
    }
    if (wrong) {
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "rule %s: %s", add->name, wrong), hint);
    }
    return !wrong;
}

static bool rule_is_new(struct apply *a, const struct cmd_rule_add *add) {
    if (!apply_good_name(a, "rule", add->name)) {
        return false;
    }
    if (model_rule_by_name(a->m, add->name)) {
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "rule '%s' exists already", add->name),
                     "choose another name, or remove that rule first");
        return false;
    }
    if (a->m->rules.n >= MODEL_MAX_RULES) {
        apply_refuse(a, REPLY_REFUSED, "the cluster has the maximum number of rules",
                     "remove rules that are not needed: clusterctl rule list");
        return false;
    }
    return true;
}

/* The rule is accepted, with a warning. */
static void warn(struct apply *a, const struct model_rule *rule) {
    uint32_t domains = rule->scope ? rule_domains(a->m, rule->scope) : 0;
    uint32_t broken = rule_broken(a->m, rule);
    if (rule->hard && rule->kind == RULE_APART && rule->vms.n > domains) {
        a->warning =
            outbox_text(a->out, "rule %s keeps VMs down: it has %u VMs, and there %s %u %s%s",
                        rule->name, rule->vms.n, domains == 1 ? "is" : "are", domains,
                        rule_scope_name(rule->scope), domains == 1 ? "" : "s");
    } else if (rule->hard && broken > 0) {
        a->warning = outbox_text(a->out,
                                 "rule %s is broken by where VMs run now (%u time%s); they stay "
                                 "where they are until they are moved or restarted",
                                 rule->name, broken, broken == 1 ? "" : "s");
    }
}

void apply_rule_add(struct apply *a, const void *command) {
    const struct cmd_rule_add *add = command;
    uint32_t vms[WIRE_MAX_RULE_VMS], nodes[WIRE_MAX_NODES];
    if (!rule_is_new(a, add) || !shape_is_good(a, add) || !no_name_twice(a, &add->vms) ||
        !no_name_twice(a, &add->nodes) || !resolve_vms(a, &add->vms, vms) ||
        !apply_node_ids(a, &add->nodes, nodes)) {
        return;
    }
    struct model_rule value = {.name = add->name,
                               .kind = add->kind,
                               .scope = add->scope,
                               .hard = add->hard,
                               .weight = add->weight ? add->weight : 1,
                               .vms = {.v = vms, .n = add->vms.n},
                               .nodes = {.v = nodes, .n = add->nodes.n},
                               .index = a->index};
    const struct model_rule *other = rule_contradicts(a->m, &value);
    if (other) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "rules %s and %s cannot both hold for the VMs they share",
                                 add->name, other->name),
                     outbox_text(a->out, "clusterctl rule remove %s first, or make one soft",
                                 other->name));
        return;
    }
    struct model_rule *rule = model_add(&a->m->rules);
    struct model_rule copy;
    if (!rule || wire_copy(&model_rule_record, &value, &copy) < 0) {
        a->error = -ENOMEM;
        return;
    }
    wire_release(&model_rule_record, rule);
    *rule = copy;
    apply_event(a, SEVERITY_INFO, "rule-added", rule->name, "rule %s was added: %u VMs %s, %s",
                rule->name, rule->vms.n, rule_kind_name(rule->kind), rule->hard ? "hard" : "soft");
    warn(a, rule);
}

void apply_rule_remove(struct apply *a, const void *command) {
    const struct cmd_rule_remove *remove = command;
    const struct model_rule *rule = model_rule_by_name(a->m, remove->rule);
    if (!rule) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no rule '%s'", remove->rule),
                     "clusterctl rule list shows them");
        return;
    }
    apply_event(a, SEVERITY_INFO, "rule-removed", rule->name, "rule %s was removed", rule->name);
    model_remove(&a->m->rules, rule);
}

/* One VM less; a rule with too few VMs is removed. */
static bool forget_in(struct apply *a, struct model_rule *rule, const struct model_vm *vm) {
    uint32_t left[WIRE_MAX_RULE_VMS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        if (rule->vms.v[i] != vm->id) {
            left[n++] = rule->vms.v[i];
        }
    }
    uint32_t least = rule->kind == RULE_APART || rule->kind == RULE_TOGETHER ? 2 : 1;
    if (n < least) {
        apply_event(a, SEVERITY_WARNING, "rule-removed", rule->name,
                    "rule %s was removed with %s: it names too few VMs now", rule->name, vm->name);
        return true;
    }
    set_ids(a, &rule->vms, left, n);
    apply_event(a, SEVERITY_INFO, "rule-changed", rule->name, "rule %s no longer names %s",
                rule->name, vm->name);
    return false;
}

void rules_forget_vm(struct apply *a, const struct model_vm *vm) {
    for (uint32_t i = a->m->rules.n; i > 0; i--) {
        struct model_rule *rule = (struct model_rule *)a->m->rules.rows + i - 1;
        if (ids_contain(&rule->vms, vm->id) && forget_in(a, rule, vm)) {
            model_remove(&a->m->rules, rule);
        }
    }
}
