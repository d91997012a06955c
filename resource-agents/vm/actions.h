/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actions on one VM: each is a worker for operation_run(). main.c has the table. */
#ifndef AGENTS_VM_ACTIONS_H
#define AGENTS_VM_ACTIONS_H

#include "definition.h"
#include "operation.h"

void action_start(struct operation *operation);
void action_stop(struct operation *operation);
void action_destroy(struct operation *operation);
void action_monitor(struct operation *operation);
void action_state_remove(struct operation *operation);
void action_resume(struct operation *operation);
void action_claim(struct operation *operation);
void action_host_inspect(struct operation *operation);
void action_host_define(struct operation *operation);
void action_host_forget(struct operation *operation);
void action_host_move(struct operation *operation);
void action_migrate_to(struct operation *operation);
void action_migrate_from(struct operation *operation);
void action_predict(struct operation *operation);
void action_save(struct operation *operation);
void action_restore(struct operation *operation);
void action_adopt(struct operation *operation);
void action_release(struct operation *operation);
void action_copy(struct operation *operation);
void action_mirror(struct operation *operation);
void action_mirror_continue(struct operation *operation);
void action_copy_undo(struct operation *operation);
void action_copy_finish(struct operation *operation);
void action_checkpoint(struct operation *operation);
void action_checkpoint_revert(struct operation *operation);
void action_checkpoint_remove(struct operation *operation);
void action_checkpoint_live(struct operation *operation);
void action_checkpoint_remove_live(struct operation *operation);

/* Actions without a VM: they print by themselves and return the exit code. */
int action_validate_all(const struct params *params, const char *xml, size_t xml_len);
int action_copy_plan(const struct params *params, const char *xml, size_t xml_len);
int action_checkpoint_plan(const struct params *params, const char *xml, size_t xml_len);
int action_meta_data(const struct params *params, const char *xml, size_t xml_len);
int action_host_cpu(const struct params *params, const char *xml, size_t xml_len);
int action_watch(const struct params *params, const char *xml, size_t xml_len);

/* For actions that read the definition from standard input: it must describe the VM of the
 * parameters. */
int read_definition(struct operation *operation, struct definition *ret_definition);

/*
 * A VM that should come up is here already: ok if it runs with our generation (the order came
 * twice), else failed, with its state. `wish` names what should be done ("start").
 */
void judge_present(struct operation *operation, const char *wish);

#endif
