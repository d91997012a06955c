/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transitions of a VM's state: those of the drawing in model.h are taken, every other one stops
 * the node at once.
 */
#include "one_model.h"

#include "base/check.h"
#include "core/apply/inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static jmp_buf stopped;

_Noreturn void check_failed(const char *expression, const char *file, int line) {
    (void)expression;
    (void)file;
    (void)line;
    longjmp(stopped, 1);
}

/* From, and all that may follow; in the order of enum vm_state. */
static const char *const drawing[] = {
    [VM_OFF] = "off starting",
    [VM_STARTING] = "off running unknown",
    [VM_RUNNING] = "off stopping migrating saving unknown",
    [VM_STOPPING] = "off running unknown",
    [VM_MIGRATING] = "running unknown",
    [VM_SAVING] = "off running saved unknown",
    [VM_SAVED] = "off restoring",
    [VM_RESTORING] = "off running saved unknown",
    [VM_RESOLVING] = "off starting running saved unknown",
};

static bool names(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n) {
        bool begins = at == list || at[-1] == ' ';
        if (begins && (at[n] == ' ' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool is_taken(struct model_vm *vm, struct apply *a, enum vm_state state) {
    if (setjmp(stopped)) {
        return false;
    }
    vm_set_state(a, vm, state);
    return true;
}

static void test_transitions(void **state) {
    struct bench b;
    (void)state;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    struct apply a = {.m = &b.m, .out = &b.out};
    for (unsigned from = 0; from < ARRAY_SIZE(drawing); from++) {
        for (unsigned to = 0; to < ARRAY_SIZE(drawing); to++) {
            vm->state = (uint8_t)from;
            bool wanted = names(drawing[from], vm_state_name((uint8_t)to));
            if (is_taken(vm, &a, (enum vm_state)to) != wanted) {
                fail_msg("from %s to %s: %s", vm_state_name((uint8_t)from),
                         vm_state_name((uint8_t)to), wanted ? "it stopped" : "it was taken");
            }
            assert_int_equal(vm->state, wanted ? to : from);
        }
    }
    bench_end(&b);
}

static void test_a_copy_has_a_place(void **state) {
    struct bench b;
    (void)state;
    bench_begin(&b);
    struct model_vm *vm = bench_add_vm(&b, "vm1", true);
    struct apply a = {.m = &b.m, .out = &b.out};
    assert_int_equal(vm->owner, 0);
    assert_false(is_taken(vm, &a, VM_STARTING));
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transitions),
        cmocka_unit_test(test_a_copy_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
