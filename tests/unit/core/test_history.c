/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a VM ran, and why it came and went (apply/stay.c).
 */
#include "unit/core/cluster.h"

static bool operation_ended(struct sim *s, const void *arg) {
    const struct model *m = cluster_model(s, *(const uint32_t *)arg);
    const struct model_operation *op = model_operation_by_id(m, cluster_last_operation(s));
    return op && op->state != OPERATION_RUNNING;
}

/* The n-th last stay of vm1: 0 is the last. */
static const struct vm_stay *stay_of_vm1(struct sim *s, uint32_t reader, uint32_t n) {
    const struct model_vm *vm = model_vm_by_name(cluster_model(s, reader), "vm1");
    return vm->stays.n > n ? (const struct vm_stay *)vm->stays.items + (vm->stays.n - 1 - n) : NULL;
}

static bool stay_says(const struct vm_stay *stay, uint32_t node, const char *began,
                      const char *ended) {
    static const char *const names[] = {"", "n1", "n2", "n3"};
    print_message("%s: %s; %s\n", stay ? stay->node : "-", stay ? stay->began : "-",
                  stay ? stay->ended : "-");
    return stay && strcmp(stay->node, names[node]) == 0 && strcmp(stay->began, began) == 0 &&
           strcmp(stay->ended, ended) == 0 && (stay->until_ms == 0) == (ended[0] == '\0');
}

static void history_begins(struct sim *s, uint64_t seed) {
    const struct cmd_config_set set = {.key = "vm_history", .value = "1"};
    EXPECT(s, cluster_request(s, 1, COMMAND_CONFIG_SET, &set) == REPLY_OK);
}

/* Where it ran, and why it came and went; the same on each node. */
static void history_is_told(void **state) {
    const uint64_t seed = 7;
    struct sim *s = cluster_ready(3, 2, seed);
    uint32_t first, reader = 1;
    struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
    (void)state;
    /* Recording it would keep an update from being taken back. */
    EXPECT(s, stay_of_vm1(s, 1, 0) == NULL && cluster_model(s, 1)->needs == 0);
    history_begins(s, seed);
    EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
    EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
    first = cluster_runs_on(s, "vm1");
    EXPECT(s, stay_of_vm1(s, 1, 1) == NULL);
    EXPECT(s, stay_says(stay_of_vm1(s, 1, 0), first, "live move, asked for", ""));
    EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
    EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
    uint32_t second = cluster_runs_on(s, "vm1");
    EXPECT(s, stay_says(stay_of_vm1(s, 1, 1), first, "live move, asked for", "moved"));
    EXPECT(s, stay_says(stay_of_vm1(s, 1, 0), second, "live move, asked for", ""));
    EXPECT(s, stay_of_vm1(s, 1, 0)->operation == cluster_last_operation(s));
    EXPECT(s, stay_of_vm1(s, 1, 0)->from_ms == stay_of_vm1(s, 1, 1)->until_ms);
    move.mode = MOVE_QUICK;
    EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
    EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
    uint32_t third = cluster_runs_on(s, "vm1");
    EXPECT(s, stay_says(stay_of_vm1(s, 1, 1), second, "live move, asked for",
                        "saved for a quick move"));
    EXPECT(s, stay_says(stay_of_vm1(s, 1, 0), third, "quick move, asked for", ""));
    reader = third == 1 ? 2 : 1;
    cluster_power_off(s, third);
    struct want want = {.vms = 2, .not_on = third, .reader = reader};
    EXPECT(s, cluster_run_until(s, vms_run, &want, 20000));
    char lost[40], was[40];
    snprintf(lost, sizeof(lost), "it was lost with n%u", third);
    snprintf(was, sizeof(was), "start, n%u was lost", third);
    EXPECT(s, stay_says(stay_of_vm1(s, reader, 1), third, "quick move, asked for", lost));
    EXPECT(s, stay_says(stay_of_vm1(s, reader, 0), cluster_runs_on(s, "vm1"), was, ""));
    cluster_finish(s);
}

/* At most so many, and each begins where the one before it ended. */
static void history_forgets_the_oldest(void **state) {
    const uint64_t seed = 7;
    struct sim *s = cluster_ready(2, 1, seed);
    struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
    uint32_t reader = 1;
    (void)state;
    history_begins(s, seed);
    for (uint32_t i = 0; i < MODEL_MAX_STAYS + 3; i++) {
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
    }
    EXPECT(s, model_vm_by_name(cluster_model(s, 1), "vm1")->stays.n == MODEL_MAX_STAYS);
    for (uint32_t i = 0; i + 1 < MODEL_MAX_STAYS; i++) {
        const struct vm_stay *stay = stay_of_vm1(s, 2, i), *before = stay_of_vm1(s, 2, i + 1);
        EXPECT(s, stay->from_ms == before->until_ms && strcmp(stay->node, before->node) != 0);
    }
    cluster_finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_is_told),
        cmocka_unit_test(history_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
