/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One model to which commands are applied by hand: three nodes (incarnations 11, 12, 13), a volume.
 */
#ifndef TESTS_CORE_ONE_MODEL_H
#define TESTS_CORE_ONE_MODEL_H

#include "base/check.h"
#include "core/apply/apply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bench {
    struct model m;
    struct outbox out;
    struct apply last; /* how the last command was taken */
    uint64_t epoch;
    uint64_t asker; /* of the commands that follow, as in log_command */
    const char *user;
    bool unanswered; /* nobody says whether a VM that is added runs already; else all say no */
};

/* Applies the command; how it was taken is in `last`, too. */
enum core_reply_code bench_give(struct bench *b, uint32_t type, const void *command);

#define X(NAME, number, command, since, flags) typedef struct cmd_##command bench_##NAME;
WIRE_COMMANDS(X)
#undef X
/* As above:  GIVE(&b, VM_STOP, .vm = "vm1", .force = 1) */
#define GIVE(b, NAME, ...) bench_give(b, COMMAND_##NAME, &(bench_##NAME){__VA_ARGS__})

/* A view of nodes 1 to n of three; of those above, corosync sees up to `ring`. */
void bench_view(struct bench *b, uint32_t n, uint32_t ring);
void bench_begin(struct bench *b);
void bench_end(struct bench *b);
/* All three nodes say that the volume is there. */
void bench_volume_ok(struct bench *b, const char *name);
/* Rows to be written to, where a test needs what no command gives. */
struct model_vm *bench_vm(struct bench *b, const char *name);
struct model_node *bench_node(struct bench *b, uint32_t id);
struct model_vm *bench_add_vm(struct bench *b, const char *name, bool start);
/* A node says what libvirt has of the VM there. */
enum core_reply_code bench_claim(struct bench *b, const struct model_vm *vm, uint32_t node,
                                 enum agent_result result, enum agent_vm_state state,
                                 const char *reason);
struct model_vm *bench_running_vm(struct bench *b, const char *name, uint32_t node);
enum core_reply_code bench_order(struct bench *b, const struct model_vm *vm, enum order_kind kind,
                                 uint32_t node, uint32_t target);
enum core_reply_code bench_report(struct bench *b, const struct model_vm *vm,
                                  enum agent_result result, enum agent_vm_state state);

#endif
