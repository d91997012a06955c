/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is refused at once, on the node that was asked: a VM whose CPU or machine type would tie it
 * to one node.
 */
#include "core/model/needed_protocol.h"
#include "plain_vm.h"
#include "unit/core/cluster.h"

/* n1 has both models, n2 one more than n3, and n4 what nobody else has. */
static struct sim *unlike_nodes(uint64_t seed) {
    static const struct {
        uint32_t node;
        const char *model;
    } offers[] = {{1, "qemu64"}, {2, "qemu64"}, {3, "qemu64"}, {4, "qemu64"},
                  {1, "EPYC"},   {2, "EPYC"},   {4, "POWER9"}};
    struct sim_options options = cluster_options(4, 0, seed);
    struct sim *s = sim_create(&options);
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        sim_offer_cpu(s, offers[i].node, offers[i].model);
    }
    cluster_bring_up(s);
    return s;
}

static int add_vm(struct sim *s, const char *mode, const char *model, const char *possible) {
    static unsigned number;
    const char *names[4];
    char name[16], text[32];
    uint32_t n = 0;
    (void)snprintf(name, sizeof(name), "new%u", number++);
    (void)snprintf(text, sizeof(text), "%s", possible);
    char *rest = text;
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        names[n++] = word;
    }
    struct cmd_vm_add add = plain_vm(name);
    add.cpu_mode = mode;
    add.cpu_model = model;
    add.possible = (struct wire_strs){names, n};
    return cluster_request(s, 3, COMMAND_VM_ADD, &add);
}

/* A model counts where the VM may run, and nowhere else; whoever names one node alone is taken at
 * his word. */
static void cpus_that_no_other_node_has(void **state) {
    static const struct {
        const char *mode, *model, *possible;
        const char *refusal; /* NULL: accepted */
    } cases[] = {
        {"custom", "qemu64", "", NULL},
        {"custom", "EPYC", "", NULL}, /* 2 of 4 */
        {"custom", "POWER9", "",
         "of the 4 nodes that may run the VM, only n4 offers the CPU 'POWER9'"},
        {"custom", "Z80", "", "of the 4 nodes that may run the VM, none offers the CPU 'Z80'"},
        {"custom", "EPYC", "n1,n2", NULL},
        {"custom", "EPYC", "n1,n2,n3", NULL},
        {"custom", "EPYC", "n1,n3,n4", "of the 3 nodes that may run the VM, only n1 offers"},
        {"custom", "EPYC", "n3,n4", "of the 2 nodes that may run the VM, none offers"},
        {"custom", "EPYC", "n3", "of the 1 node that may run the VM, none offers"},
        {"custom", "POWER9", "n4", NULL},
        {"custom", "POWER9", "n3,n4", "only n4 offers"},
        {"custom", "", "", NULL},
        {"host-passthrough", "", "", NULL},
        {"host-model", "POWER9", "", NULL},
    };
    (void)state;
    uint64_t seed = 1;
    struct sim *s = unlike_nodes(seed);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code = add_vm(s, cases[i].mode, cases[i].model, cases[i].possible);
        const char *said = cluster_last_message(s);
        print_message("%s '%s' on '%s': %d %s\n", cases[i].mode, cases[i].model, cases[i].possible,
                      code, said);
        EXPECT(s, code == (cases[i].refusal ? REPLY_REFUSED : REPLY_OK));
        EXPECT(s, !cases[i].refusal || (strstr(said, "/domain/cpu/model: ") == said &&
                                        strstr(said, cases[i].refusal) != NULL));
    }
    cluster_finish(s);
}

/* csv1 is at /srv/csv1. What is refused does not get into the log; the rest does, in one form. */
static void paths_of_volumes(void **state) {
    static const struct {
        const char *path, *refusal; /* NULL: accepted */
    } cases[] = {
        {"/srv/csv1/", "volume 'csv1' is at /srv/csv1 already, which is the same directory"},
        {"//srv/./csv1", "volume 'csv1' is at /srv/csv1 already"},
        {"/srv/..", "has '..'"},
        {"/srv/../x", "has '..'"},
        {"srv", "is not an absolute path"},
        {"/.", "is the root"},
        {"/a:b", "has a ':'"},
        {"/a=b", "has a ':', '='"},
        {"/a,b", "has a ':', '=' or ','"},
        {"/a\302\205b", "cannot be shown"},
        {"/a\342\200\216b", "cannot be shown"},
        {"/srv//csv2/", NULL},
    };
    (void)state;
    uint64_t seed = 1;
    struct sim *s = cluster_ready(3, 0, seed);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t before = cluster_model(s, 3)->needs;
        struct cmd_volume_add add = {.name = "new", .path = cases[i].path};
        int code = cluster_request(s, 3, COMMAND_VOLUME_ADD, &add);
        const char *said = cluster_last_message(s);
        print_message("%s: %d %s\n", cases[i].path, code, said);
        EXPECT(s, code == (cases[i].refusal ? REPLY_REFUSED : REPLY_OK));
        EXPECT(s, !cases[i].refusal || strstr(said, cases[i].refusal));
        EXPECT(s, cluster_model(s, 3)->needs == before);
    }
    EXPECT(s, strcmp(model_volume_by_name(cluster_model(s, 3), "new")->path, "/srv/csv2") == 0);
    cluster_finish(s);
}

/* Nodes that do not tell what they offer are no reason to refuse. */
static void cpus_of_unknown_nodes(void **state) {
    (void)state;
    uint64_t seed = 1;
    struct sim *s = cluster_ready(3, 0, seed);
    EXPECT(s, add_vm(s, "custom", "EPYC", "") == REPLY_OK);
    cluster_finish(s);
}

static int add_machine(struct sim *s, const char *arch, const char *machine) {
    static unsigned number;
    char name[16];
    (void)snprintf(name, sizeof(name), "odd%u", number++);
    struct cmd_vm_add add = plain_vm(name);
    add.machine = machine;
    add.arch = arch;
    return cluster_request(s, 3, COMMAND_VM_ADD, &add);
}

/* n4 has a newer QEMU than the others. */
static void machines_that_no_other_node_has(void **state) {
    static const struct {
        const char *arch, *machine, *refusal; /* NULL: accepted */
    } cases[] = {
        {"x86_64", "pc-7", NULL},
        {"x86_64", "pc", NULL},
        {"", "", NULL},
        {"x86_64", "pc-10",
         "of the 4 nodes that may run the VM, only n4 has the machine type 'pc-10'"},
        {"x86_64", "pc-q35-rhel9.2.0", "none has the machine type 'pc-q35-rhel9.2.0'"},
        {"aarch64", "virt", "none has a QEMU for 'aarch64', so it could not run at all"},
    };
    (void)state;
    uint64_t seed = 1;
    struct sim_options options = cluster_options(4, 0, seed);
    struct sim *s = sim_create(&options);
    for (uint32_t node = 1; node <= 4; node++) {
        sim_offer_machine(s, node, node == 4 ? "x86_64/pc=pc-10" : "x86_64/pc=pc-7");
        sim_offer_machine(s, node, "x86_64/pc-7");
    }
    sim_offer_machine(s, 4, "x86_64/pc-10");
    cluster_bring_up(s);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code = add_machine(s, cases[i].arch, cases[i].machine);
        const char *said = cluster_last_message(s);
        EXPECT(s, code == (cases[i].refusal ? REPLY_REFUSED : REPLY_OK));
        EXPECT(s, !cases[i].refusal || (strstr(said, "/domain/os/type: ") == said &&
                                        strstr(said, cases[i].refusal) != NULL));
    }
    cluster_finish(s);
}

/* Its agent says that it never moves live. The cluster says why not if it is asked for that. */
static void a_tpm_that_is_to_move_live(void **state) {
    (void)state;
    uint64_t seed = 1;
    struct sim *s = cluster_ready(3, 0, seed);
    struct cmd_vm_add add = plain_vm("tpm");
    add.xml = "<domain><devices><tpm model='tpm-crb'/></devices></domain>";
    add.mobility = MOBILITY_QUICK;
    EXPECT(s, cluster_request(s, 3, COMMAND_VM_ADD, &add) == REPLY_OK);
    struct cmd_vm_add plain = plain_vm("slow");
    plain.mobility = MOBILITY_QUICK;
    EXPECT(s, cluster_request(s, 3, COMMAND_VM_ADD, &plain) == REPLY_OK);
    struct cmd_vm_move move = {.vm = "tpm", .to = "n2", .mode = MOVE_LIVE, .reason = ""};
    EXPECT(s, cluster_request(s, 3, COMMAND_VM_MOVE, &move) == REPLY_REFUSED);
    EXPECT(s, strstr(cluster_last_message(s), "it has a TPM") != NULL);
    move.vm = "slow";
    EXPECT(s, cluster_request(s, 3, COMMAND_VM_MOVE, &move) == REPLY_REFUSED);
    EXPECT(s, strcmp(cluster_last_message(s), "slow may not be moved live") == 0);
    move.vm = "tpm";
    move.mode = MOVE_AUTO;
    EXPECT(s, cluster_request(s, 3, COMMAND_VM_MOVE, &move) == REPLY_OK);
    cluster_finish(s);
}

/* Nodes before that have agents that would keep its TPM on their own disks. */
static void a_tpm_needs_new_agents(void **state) {
    struct cmd_vm_add add = plain_vm("tpm");
    (void)state;
    assert_int_equal(version_of_command(COMMAND_VM_ADD, &add), 1);
    add.mobility = MOBILITY_QUICK;
    assert_int_equal(version_of_command(COMMAND_VM_ADD, &add), 5);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus_that_no_other_node_has),
        cmocka_unit_test(cpus_of_unknown_nodes),
        cmocka_unit_test(paths_of_volumes),
        cmocka_unit_test(machines_that_no_other_node_has),
        cmocka_unit_test(a_tpm_that_is_to_move_live),
        cmocka_unit_test(a_tpm_needs_new_agents),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_request", tests, NULL, NULL);
}
