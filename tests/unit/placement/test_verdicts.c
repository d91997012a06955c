/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_verdicts.c - each rule and each verdict, as a table: a situation, one VM, one node, and
 * the line that a person gets to read.
 */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct verdict_case {
    const char *what;
    const char *text;
    const char *vm, *node;
    enum placement_reason reason;
    const char *line;
};

#define ROOM "memory 8192 cpu 8"

static const struct verdict_case verdict_cases[] = {
    {"the freer node is chosen",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 4096 cpu 1 on n1\nvm b memory 1024 cpu 1\n"
     "request place vms b",
     "b", "n2", PLACEMENT_CHOSEN, "chosen: 87.5 % free after placing (memory, 7168 MB of 8192 MB)"},
    {"the other is possible",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 4096 cpu 1 on n1\nvm b memory 1024 cpu 1\n"
     "request place vms b",
     "b", "n1", PLACEMENT_POSSIBLE,
     "possible: 37.5 % free after placing (memory, 3072 MB of 8192 MB)"},
    {"equal nodes: the lowest index",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1024 cpu 1\nrequest place vms b", "b", "n1",
     PLACEMENT_CHOSEN, "chosen: 87.5 % free after placing (memory, 7168 MB of 8192 MB)"},
    {"equal shares: more memory in MB",
     "node n1 memory 8192 cpu 8\nnode n2 memory 16384 cpu 8\nvm b memory 0 cpu 4\n"
     "request place vms b",
     "b", "n2", PLACEMENT_CHOSEN, "chosen: 50.0 % free after placing (cpu, 4 cpu of 8 cpu)"},
    {"memory",
     "node n1 " ROOM "\nvm a memory 7168 cpu 1 on n1\nvm b memory 2048 cpu 1\nrequest place vms b",
     "b", "n1", PLACEMENT_NO_MEMORY, "not enough memory: needs 2048 MB, 1024 MB free of 8192 MB"},
    {"memory to the last MB",
     "node n1 " ROOM "\nvm a memory 7168 cpu 1 on n1\nvm b memory 1024 cpu 1\nrequest place vms b",
     "b", "n1", PLACEMENT_CHOSEN, "chosen: 0.0 % free after placing (memory, 0 MB of 8192 MB)"},
    {"cpu, in fractions",
     "node n1 " ROOM "\nvm a memory 1 cpu 6.5 on n1\nvm b memory 1 cpu 2\nrequest place vms b", "b",
     "n1", PLACEMENT_NO_CPU, "not enough cpu: needs 2 cpu, 1.5 cpu free of 8 cpu"},
    {"cpu overcommitted",
     "node n1 " ROOM " overcommit 2.5\nvm a memory 1 cpu 19 on n1\nvm b memory 1 cpu 2\n"
     "request place vms b",
     "b", "n1", PLACEMENT_NO_CPU,
     "not enough cpu: needs 2 cpu, 1 cpu free of 20 cpu (8 cpu at ratio 2.5)"},
    {"a node over its capacity has nothing left, not a huge number",
     "node n1 memory 1024 cpu 8\nvm a memory 4096 cpu 1 on n1\nvm b memory 1 cpu 1\n"
     "request place vms b",
     "b", "n1", PLACEMENT_NO_MEMORY, "not enough memory: needs 1 MB, 0 MB free of 1024 MB"},
    {"a further resource",
     "resource vgpu\nnode n1 " ROOM " vgpu 2\nvm a memory 1 cpu 1 vgpu 1 on n1\n"
     "vm b memory 1 cpu 1 vgpu 2\nrequest place vms b",
     "b", "n1", PLACEMENT_NO_RESOURCE, "not enough vgpu: needs 2, 1 free of 2"},
    {"a further resource that is used up does not matter to who does not need it",
     "resource vgpu\nnode n1 " ROOM " vgpu 1\nvm a memory 1024 cpu 1 vgpu 1 on n1\n"
     "vm b memory 1024 cpu 1\nrequest place vms b",
     "b", "n1", PLACEMENT_CHOSEN, "chosen: 75.0 % free after placing (memory, 6144 MB of 8192 MB)"},
    {"limit of VMs",
     "node n1 " ROOM " max-vms 2\nvm a memory 1 cpu 1 on n1\nvm a2 memory 1 cpu 1 on n1\n"
     "vm b memory 1 cpu 1\nrequest place vms b",
     "b", "n1", PLACEMENT_LIMIT_VMS, "limit of VMs reached: 2 of 2"},
    {"node state", "node n1 " ROOM " drained\nvm b memory 1 cpu 1\nrequest place vms b", "b", "n1",
     PLACEMENT_NODE_STATE, "the node is drained and accepts no VMs"},
    {"several obstacles: the one that room cannot cure comes first",
     "node n1 memory 1 cpu 1 lost\nvm b memory 2 cpu 2 volumes csv1\nrequest place vms b", "b",
     "n1", PLACEMENT_NODE_STATE,
     "the node is lost and accepts no VMs; also: lacks a volume, not enough cpu, not enough "
     "memory"},
    {"possible owners are law",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1 cpu 1 possible n2\nrequest place vms b",
     "b", "n1", PLACEMENT_NOT_POSSIBLE_OWNER, "not among its possible owners"},
    {"a preferred owner before a freer node",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 4096 cpu 1 on n2\n"
     "vm b memory 1024 cpu 1 preferred n2\nrequest place vms b",
     "b", "n2", PLACEMENT_CHOSEN,
     "chosen: preferred owner 1, 37.5 % free after placing (memory, 3072 MB of 8192 MB)"},
    {"preferred owners in their order",
     "node n1 " ROOM "\nnode n2 " ROOM "\nnode n3 memory 1 cpu 1\nvm b memory 1024 cpu 1 "
     "preferred n3,n2,n1\nrequest place vms b",
     "b", "n2", PLACEMENT_CHOSEN,
     "chosen: preferred owner 2, 87.5 % free after placing (memory, 7168 MB of 8192 MB)"},
    {"a preferred owner named twice counts by its first place",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1024 cpu 1 preferred n2,n1,n2\n"
     "request place vms b",
     "b", "n2", PLACEMENT_CHOSEN,
     "chosen: preferred owner 1, 87.5 % free after placing (memory, 7168 MB of 8192 MB)"},
    {"volume",
     "node n1 " ROOM " volumes csv1\nvm b memory 1 cpu 1 volumes csv1,csv2\nrequest place vms b",
     "b", "n1", PLACEMENT_VOLUME_MISSING, "volume csv2 is not reachable or not healthy there"},
    {"network",
     "node n1 " ROOM " networks br0\nvm b memory 1 cpu 1 networks br0,br1\nrequest place vms b",
     "b", "n1", PLACEMENT_NETWORK_MISSING, "it has no br1"},
    {"cpu model",
     "node n1 " ROOM " cpu-models haswell\nvm b memory 1 cpu 1 cpu-model skylake\n"
     "request place vms b",
     "b", "n1", PLACEMENT_CPU_MODEL, "the node's CPU does not provide the VM's CPU model"},
    {"machine type",
     "node n1 " ROOM " machines pc-9\nnode n2 " ROOM " machines pc-9,pc-10\n"
     "vm b memory 1 cpu 1 machine pc-10\nrequest place vms b",
     "b", "n1", PLACEMENT_MACHINE, "it has no machine type pc-10"},
    {"excluded", "node n1 " ROOM "\nvm b memory 1 cpu 1 excluded n1\nrequest place vms b", "b",
     "n1", PLACEMENT_EXCLUDED, "excluded this time (it failed there before)"},
    {"present host",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1 cpu 1 on n1\nrequest place vms b", "b",
     "n1", PLACEMENT_CURRENT_HOST,
     "its present host: 87.5 % free with it there (cpu, 7 cpu of 8 cpu)"},
    {"the host that is drained",
     "node n1 " ROOM " draining\nnode n2 " ROOM "\nvm b memory 1 cpu 1 on n1\n"
     "request drain nodes n1",
     "b", "n1", PLACEMENT_CURRENT_HOST,
     "its previous host; also: node accepts no VMs, node is drained or lost"},
    {"on its way",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1 cpu 1 on n1 also-on n2\n"
     "request place vms b",
     "b", "n2", PLACEMENT_IN_TRANSIT, "it is on its way there"},
    {"a move in progress counts at both ends",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 6144 cpu 1 on n1 also-on n2\n"
     "vm b memory 4096 cpu 1\nrequest place vms b",
     "b", "n2", PLACEMENT_NO_MEMORY, "not enough memory: needs 4096 MB, 2048 MB free of 8192 MB"},
    {"what a plan moves away still counts where it was",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 6144 cpu 1 on n1 priority 9\n"
     "vm b memory 4096 cpu 1 on n2 priority 1\nrequest place vms a,b",
     "b", "n1", PLACEMENT_NO_MEMORY, "not enough memory: needs 4096 MB, 2048 MB free of 8192 MB"},
    {"hard anti-affinity",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 1 cpu 1 on n1\nvm b memory 1 cpu 1\n"
     "rule web apart hard vms a,b\nrequest place vms b",
     "b", "n1", PLACEMENT_ANTI_AFFINITY, "forbidden by web: a is there"},
    {"hard anti-affinity over racks",
     "node n1 " ROOM " rack r1\nnode n2 " ROOM " rack r1\nnode n3 " ROOM " rack r2\n"
     "vm a memory 1 cpu 1 on n1\nvm b memory 1 cpu 1\nrule web apart hard rack vms a,b\n"
     "request place vms b",
     "b", "n2", PLACEMENT_ANTI_AFFINITY, "forbidden by web: a is in that rack"},
    {"a VM is not in its own way within its rack",
     "node n1 " ROOM " rack r1\nnode n2 " ROOM " rack r1\nvm a memory 1024 cpu 1 on n1\n"
     "vm b memory 1 cpu 1\nrule web apart hard rack vms a,b\nrequest place vms a",
     "a", "n2", PLACEMENT_CHOSEN, "chosen: 87.5 % free after placing (memory, 7168 MB of 8192 MB)"},
    {"hard anti-affinity holds during the moves too",
     "node n1 " ROOM "\nnode n2 " ROOM "\nnode n3 memory 16 cpu 1\nvm a memory 2 cpu 1 on n1\n"
     "vm b memory 1 cpu 1 on n2\nrule web apart hard vms a,b\nrequest place vms a,b",
     "a", "n2", PLACEMENT_ANTI_AFFINITY, "forbidden by web: b is there"},
    {"soft anti-affinity before free room",
     "node n1 " ROOM "\nnode n2 memory 2048 cpu 2\nvm a memory 1 cpu 1 on n1\n"
     "vm b memory 1024 cpu 1\nrule web apart soft vms a,b\nrequest place vms b",
     "b", "n2", PLACEMENT_CHOSEN, "chosen: 50.0 % free after placing (memory, 1024 MB of 2048 MB)"},
    {"soft anti-affinity before preferred owners",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 1 cpu 1 on n1\n"
     "vm b memory 1024 cpu 1 preferred n1\nrule web apart soft vms a,b\nrequest place vms b",
     "b", "n2", PLACEMENT_CHOSEN, "chosen: 87.5 % free after placing (memory, 7168 MB of 8192 MB)"},
    {"soft anti-affinity gives way when nothing else is left",
     "node n1 " ROOM "\nvm a memory 1 cpu 1 on n1\nvm b memory 1024 cpu 1\n"
     "rule web apart soft vms a,b\nrequest place vms b",
     "b", "n1", PLACEMENT_CHOSEN,
     "chosen: 75.0 % free after placing (cpu, 6 cpu of 8 cpu); breaks the soft rule web: a is "
     "there"},
    {"soft rules by weight",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 1 cpu 1 on n1\nvm c memory 1 cpu 1 on n2\n"
     "vm b memory 1024 cpu 1\nrule light apart soft weight 1 vms a,b\n"
     "rule heavy apart soft weight 5 vms c,b\nrequest place vms b",
     "b", "n1", PLACEMENT_CHOSEN,
     "chosen: 75.0 % free after placing (cpu, 6 cpu of 8 cpu); breaks the soft rule light: a is "
     "there"},
    {"soft affinity draws",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 1 cpu 1 on n2\nvm b memory 1 cpu 1\n"
     "rule pair together soft vms a,b\nrequest place vms b",
     "b", "n1", PLACEMENT_POSSIBLE,
     "possible: 87.5 % free after placing (cpu, 7 cpu of 8 cpu); breaks the soft rule pair: its "
     "other VMs are not there"},
    {"on nodes, hard",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1 cpu 1\nrule lic on hard vms b nodes n2\n"
     "request place vms b",
     "b", "n1", PLACEMENT_NODE_RULE, "forbidden by lic: not among its nodes"},
    {"off nodes, hard",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1 cpu 1\nrule lic off hard vms b nodes n1\n"
     "request place vms b",
     "b", "n1", PLACEMENT_NODE_RULE, "forbidden by lic: keeps off this node"},
    {"a drained node is no candidate, whatever its state says",
     "node n1 " ROOM "\nnode n2 memory 1 cpu 1\nvm b memory 2 cpu 1 on n1\nvm c memory 1 cpu 1\n"
     "request drain nodes n1 vms c",
     "c", "n1", PLACEMENT_NODE_LEAVING, "the node is being drained or is lost"},
    {"return: only home",
     "node n1 " ROOM "\nnode n2 " ROOM "\nnode n3 " ROOM
     "\nvm b memory 1 cpu 1 on n2 return-to n1\n"
     "request return nodes n1",
     "b", "n3", PLACEMENT_NOT_RETURN_NODE, "not its return node"},
    {"fixed",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1 cpu 1 on n1 fixed\nrequest drain nodes n1",
     "b", "n2", PLACEMENT_VM_FIXED, "the VM must not be moved"},
    {"fixed, but its host is lost",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1 cpu 1 on n1 fixed\n"
     "request failover nodes n1",
     "b", "n2", PLACEMENT_CHOSEN, "chosen: 87.5 % free after placing (cpu, 7 cpu of 8 cpu)"},
    {"no automatic start",
     "node n1 " ROOM "\nnode n2 " ROOM "\nvm b memory 1 cpu 1 on n1 no-auto-start\n"
     "request failover nodes n1",
     "b", "n2", PLACEMENT_NO_AUTO_START, "a failover does not start the VM"},
};

static void test_verdict_table(void **state) {
    (void)state;
    unsigned n_wrong = 0;
    for (size_t i = 0; i < sizeof(verdict_cases) / sizeof(verdict_cases[0]); i++) {
        const struct verdict_case *c = &verdict_cases[i];
        struct world *w = world_create();
        struct placement_solver *solver = NULL;
        const struct placement_plan *plan = NULL;
        struct placement_verdict verdicts[WORLD_NODES];
        char line[PLACEMENT_TEXT_MAX];

        if (world_parse(w, c->text) < 0) {
            fail_msg("%s: %s", c->what, w->error);
        }
        assert_int_equal(placement_solver_create(&solver), 0);
        assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
        uint32_t vm = world_find_vm(w, c->vm), node = world_find_node(w, c->node);
        assert_int_equal(placement_explain(solver, vm, verdicts, NULL), 0);
        size_t length =
            placement_verdict_text(&w->problem, vm, node, &verdicts[node], line, sizeof(line));
        assert_int_equal(length, strlen(line));
        if (verdicts[node].reason != c->reason || strcmp(line, c->line) != 0) {
            n_wrong++;
            print_error("%s:\n  is      %s: %s\n  should  %s: %s\n", c->what,
                        placement_reason_name(verdicts[node].reason), line,
                        placement_reason_name(c->reason), c->line);
        }
        placement_solver_destroy(solver);
        world_destroy(w);
    }
    assert_int_equal(n_wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_verdict_table)};
    return cmocka_run_group_tests_name("placement: rules and verdicts", tests, NULL, NULL);
}
