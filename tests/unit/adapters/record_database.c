/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record_database DIRECTORY [snapshot | tail]: writes the database of a small cluster in which a VM
 * starts and its node is then lost and fenced. For tests of support bundles, which are processes.
 */
#include "recording.h"

#include <stdio.h>
#include <string.h>

/* n1 and n3 go on without n2. */
static void lose_n2(struct recording *r) {
    struct view_member members[] = {{1, 101}, {3, 103}};
    struct view_node nodes[] = {{1, "n1", 1}, {2, "n2", 1}, {3, "n3", 1}};
    const uint32_t ring[] = {1, 3};
    const struct cmd_view view = {.epoch = r->model.epoch + 1,
                                  .members = {members, 2},
                                  .ring = {ring, 2},
                                  .nodes = {nodes, 3}};
    recording_add(r, COMMAND_VIEW, &view);
    const struct cmd_fence_begin begin = {2, 102, "ilo", 1};
    recording_add(r, COMMAND_FENCE_BEGIN, &begin);
    const struct cmd_fence_result result = {.node = 2,
                                            .incarnation = 102,
                                            .order = r->model.index,
                                            .evidence = EVIDENCE_AGENT,
                                            .device = "ilo",
                                            .message = "off",
                                            .then = ""};
    recording_add(r, COMMAND_FENCE_RESULT, &result);
}

static void start_web_on_n2(struct recording *r) {
    for (uint32_t node = 1; node <= 3; node++) {
        const struct cmd_node_report report = {.node = node,
                                               .incarnation = 100 + node,
                                               .memory_mb = 4096,
                                               .cpus = 4,
                                               .site = "",
                                               .rack = "",
                                               .version = "0.1.0"};
        recording_add(r, COMMAND_NODE_REPORT, &report);
    }
    const struct model_vm *vm = model_vm_by_name(&r->model, "web");
    const struct cmd_vm_order order = {.vm = vm->id,
                                       .generation = vm->generation,
                                       .serial = vm->serial,
                                       .kind = ORDER_START,
                                       .node = 2,
                                       .operation = vm->operation,
                                       .reason = "best place"};
    recording_add(r, COMMAND_VM_ORDER, &order);
    const struct cmd_vm_report report = {.vm = order.vm,
                                         .order = r->model.index,
                                         .node = 2,
                                         .incarnation = 102,
                                         .result = RESULT_OK,
                                         .state = VM_STATE_RUNNING,
                                         .reason = ""};
    recording_add(r, COMMAND_VM_REPORT, &report);
}

int main(int argc, char **argv) {
    struct recording r;
    if (argc < 2) {
        (void)fputs("Usage: record_database DIRECTORY [snapshot | tail]\n", stderr);
        return 2;
    }
    recording_init(&r, argv[1]);
    recording_view(&r);
    recording_secrets(&r);
    start_web_on_n2(&r);
    if (argc > 2 && strcmp(argv[2], "snapshot") == 0) {
        recording_snapshot(&r);
    }
    lose_n2(&r);
    if (argc > 2 && strcmp(argv[2], "tail") == 0) {
        recording_append(&r, COMMAND_CONFIG_SET, &(struct cmd_config_set){"self_fence_ms", "9999"});
    }
    (void)printf("%016llx\n", (unsigned long long)model_digest(&r.model));
    recording_finish(&r);
    return 0;
}
