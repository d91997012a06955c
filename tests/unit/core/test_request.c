/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is refused at once, on the node that was asked: a VM whose CPU or machine type would tie it
 * to one node.
 */
#include "unit/core/story.h"

/* n1 has both models, n2 one more than n3, and n4 what nobody else has. */
static struct world *unlike_nodes(uint64_t seed) {
    static const struct {
        uint32_t node;
        const char *model;
    } offers[] = {{1, "qemu64"}, {2, "qemu64"}, {3, "qemu64"}, {4, "qemu64"},
                  {1, "EPYC"},   {2, "EPYC"},   {4, "POWER9"}};
    struct world *w = world_create(4, seed);
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        world_cpu_model(w, offers[i].node, offers[i].model);
    }
    world_setup(w, 0);
    return w;
}

static int add_vm(struct world *w, const char *mode, const char *model, const char *possible) {
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
    const char *const csv = "csv1";
    struct cmd_vm_add add = {.name = name,
                             .uuid = name,
                             .xml = "<domain/>",
                             .memory_mb = 512,
                             .vcpus = 1,
                             .cpu_mode = mode,
                             .cpu_model = model,
                             .volumes = {&csv, 1},
                             .possible = {names, n}};
    return world_request(w, 3, COMMAND_VM_ADD, &add);
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
    struct world *w = unlike_nodes(seed);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code = add_vm(w, cases[i].mode, cases[i].model, cases[i].possible);
        const char *said = world_last_message(w);
        print_message("%s '%s' on '%s': %d %s\n", cases[i].mode, cases[i].model, cases[i].possible,
                      code, said);
        EXPECT(w, code == (cases[i].refusal ? REPLY_REFUSED : REPLY_OK));
        EXPECT(w, !cases[i].refusal || (strstr(said, "/domain/cpu/model: ") == said &&
                                        strstr(said, cases[i].refusal) != NULL));
    }
    world_destroy(w);
}

/* Nodes that do not tell what they offer are no reason to refuse. */
static void cpus_of_unknown_nodes(void **state) {
    (void)state;
    uint64_t seed = 1;
    struct world *w = world_ready(3, 0, seed);
    EXPECT(w, add_vm(w, "custom", "EPYC", "") == REPLY_OK);
    world_destroy(w);
}

static int add_machine(struct world *w, const char *arch, const char *machine) {
    static unsigned number;
    char name[16];
    (void)snprintf(name, sizeof(name), "odd%u", number++);
    struct cmd_vm_add add = {.name = name,
                             .uuid = name,
                             .xml = "<domain/>",
                             .memory_mb = 512,
                             .vcpus = 1,
                             .cpu_mode = "",
                             .cpu_model = "",
                             .machine = machine,
                             .arch = arch};
    return world_request(w, 3, COMMAND_VM_ADD, &add);
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
    struct world *w = world_create(4, seed);
    for (uint32_t node = 1; node <= 4; node++) {
        world_machine(w, node, node == 4 ? "x86_64/pc=pc-10" : "x86_64/pc=pc-7");
        world_machine(w, node, "x86_64/pc-7");
    }
    world_machine(w, 4, "x86_64/pc-10");
    world_setup(w, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code = add_machine(w, cases[i].arch, cases[i].machine);
        const char *said = world_last_message(w);
        EXPECT(w, code == (cases[i].refusal ? REPLY_REFUSED : REPLY_OK));
        EXPECT(w, !cases[i].refusal || (strstr(said, "/domain/os/type: ") == said &&
                                        strstr(said, cases[i].refusal) != NULL));
    }
    world_destroy(w);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus_that_no_other_node_has),
        cmocka_unit_test(cpus_of_unknown_nodes),
        cmocka_unit_test(machines_that_no_other_node_has),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_request", tests, NULL, NULL);
}
