/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of apply/ share, from the bottom up. Each section is one file, and a file calls
 * only what is above its own section. apply.c calls all of them and is not listed.
 */
#ifndef CLUSTERD_CORE_APPLY_INSIDE_H
#define CLUSTERD_CORE_APPLY_INSIDE_H

#include "core/apply/apply.h"
#include "core/apply/order.h"
#include "core/apply/resolve.h"

typedef void (*apply_fn)(struct apply *a, const void *command);

/* The functions of all commands, named as in WIRE_COMMANDS. Each is in the file of its subject. */
#define X(NAME, number, command, since, flags) \
    void apply_##command(struct apply *a, const void *cmd);
WIRE_COMMANDS(X)
#undef X

/* -------------------------------------------------------------------------------- rows.c ---- */

/* Like MODEL_EACH, but the rows may be written. The look-ups of model.h return const rows: only
 * apply/ changes rows. */
#define APPLY_EACH(type, row, table)                                                  \
    for (struct type *row = (table)->rows, *row##_end = row ? row + (table)->n : row; \
         row != row##_end; row++)

struct model_node *apply_node_by_id(struct apply *a, uint32_t id);
struct model_vm *apply_vm_by_id(struct apply *a, uint32_t id);
struct model_operation *apply_operation_by_id(struct apply *a, uint64_t id);
/* The same row, writable; NULL stays NULL. */
struct model_node *apply_node_row(struct apply *a, const struct model_node *node);
struct model_vm *apply_vm_row(struct apply *a, const struct model_vm *vm);
struct model_health *apply_health_row(struct apply *a, const struct model_health *health);
struct model_operation *apply_operation_row(struct apply *a, const struct model_operation *op);

void apply_refuse(struct apply *a, enum core_reply_code code, const char *message,
                  const char *hint);
/* Whether the view's members all know what `since` brought. If so, it is about to be used, and the
 * log needs that version from now on: ask only where it makes a difference. */
bool apply_by_version(struct apply *a, uint32_t since);
/* false: refused already. */
bool apply_good_name(struct apply *a, const char *what, const char *name);
bool apply_good_volumes(struct apply *a, const struct wire_strs *names);
/* Names to ids. false: one is not a node, and the command is refused already. */
bool apply_node_ids(struct apply *a, const struct wire_strs *names, uint32_t *ids);
/* NULL: there is none, and the command is refused already. */
struct model_node *find_node(struct apply *a, const char *name);
struct model_vm *find_vm(struct apply *a, const char *name);

/* Rows own their strings and arrays; these functions replace them. */
void set_text(struct apply *a, const char **field, const char *text);
void set_ids(struct apply *a, struct wire_ids *field, const uint32_t *v, uint32_t n);
void add_id(struct apply *a, struct wire_ids *field, uint32_t id);
void remove_id(struct apply *a, struct wire_ids *field, uint32_t id);

/* ------------------------------------------------------------------------------ events.c ---- */

/* The events that follow are of what this user asked for; see log_command. `user` must live as long
 * as that. */
void apply_for(struct apply *a, uint64_t asker, const char *user);
void apply_event(struct apply *a, enum severity severity, const char *kind, const char *subject,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Every change of a VM's row goes through a function of vm_state.c, or calls this. */
void vm_touch(struct apply *a, struct model_vm *vm);
void node_set_state(struct apply *a, struct model_node *node, enum node_state state,
                    const char *reason);

/* --------------------------------------------------------------------------- resources.c ---- */

/* Whether the given amounts fit into the row's list; false: refused already. */
bool apply_good_resources(struct apply *a, const struct wire_list *field,
                          const struct wire_list *given);
void set_resources(struct apply *a, struct wire_list *field, const struct wire_list *given);
/* "vgpu 2, sriov 4" */
const char *apply_resources_text(struct apply *a, const struct wire_list *list);
/* Warns if the node's VMs need more than the node now has. */
void apply_warn_of_resources(struct apply *a, const struct model_node *node,
                             const struct wire_list *given);

/* --------------------------------------------------------------------------- operation.c ---- */

struct model_operation *operation_add(struct apply *a, enum operation_kind kind,
                                      const char *subject);
/* What clusterd does now is part of that operation: the events name the user who asked for it. 0:
 * of none. */
void operation_goes_on(struct apply *a, uint64_t id);
struct operation_vm *operation_vm_add(struct apply *a, struct model_operation *op,
                                      const struct model_vm *vm);
struct operation_vm *operation_vm_find(struct model_operation *op, uint32_t vm);
void operation_changed(struct apply *a, const struct model_operation *op);
void operation_end(struct apply *a, struct model_operation *op, enum operation_state state,
                   const char *reason);
/* The VM has finished its part of the operation. */
void operation_vm_end(struct apply *a, struct model_vm *vm, enum operation_state state,
                      const char *reason);
/* As operation_vm_end(), but a stop continues: it does not wait for that. */
void operation_vm_step(struct apply *a, struct model_vm *vm, enum operation_state state,
                       const char *reason);
/* The story of a storage move or checkpoint. The VM may be in another one by now, such as a drain's
 * that has moved it, or a stop's. */
void operation_end_story(struct apply *a, struct model_vm *vm, const struct model_journal *row,
                         enum operation_state state, const char *reason);
/* Adds for how long the guest stood still, and how long the agent took. */
void operation_note_blackout(struct apply *a, const struct model_vm *vm,
                             const struct cmd_vm_report *r);
/* false: refused already, because an operation is in progress for the VM. */
bool operation_allows(struct apply *a, const struct model_vm *vm);
/* An operation requested by a client whose only VM this is. */
void begin_vm_operation(struct apply *a, struct model_vm *vm, enum operation_kind kind);

/* ------------------------------------------------------------------------------- retry.c ---- */

/* The VM has failed on that node. */
void vm_count_failure(struct apply *a, struct model_vm *vm, uint32_t node);
/* The situation has changed, or somebody has intervened: the VM may be tried everywhere, and its
 * pauses start over. */
void vm_forget_failures(struct apply *a, struct model_vm *vm);
/* The same for all VMs that do not run. */
void vms_forget_failures(struct apply *a);

/* ------------------------------------------------------------------------------- disks.c ---- */

/* Which of its disks differ from its definition. */
void vm_set_disks(struct apply *a, struct model_vm *vm, const char *text);
/* The VM is OFF and wanted, but such disks keep it down: says so. */
void vm_hold_by_disks(struct apply *a, struct model_vm *vm);
/* false: refused already, because the definition has older disks. */
bool disks_may_be_accepted(struct apply *a, const char *name);
bool disks_allow(struct apply *a, const struct model_vm *vm);

/* ---------------------------------------------------------------------------- leftover.c ---- */

/* All members know leftovers. To rely on it is final: no older clusterd becomes a member again. */
bool leftovers_are_known(struct apply *a);
/* No restore will read the VM's saved memory any more: its file is to be removed. */
void vm_drop_state_file(struct apply *a, struct model_vm *vm);
/* The volume is no longer one of the cluster: what is to be removed there is left to people. */
void leftovers_leave_volume(struct apply *a, const char *volume);

/* -------------------------------------------------------------------------------- stay.c ---- */

/* The VM has just left state `was`: its history is continued. */
void vm_note_stay(struct apply *a, struct model_vm *vm, enum vm_state was);

/* ---------------------------------------------------------------------------- vm_state.c ---- */

void vm_set_state(struct apply *a, struct model_vm *vm, enum vm_state state);
/* The standing order is gone. */
void vm_clear_order(struct apply *a, struct model_vm *vm);
/* It is known that the VM runs nowhere. */
void vm_set_off(struct apply *a, struct model_vm *vm, const char *reason);
/* The same, because its node failed: a VM without auto start stays down. */
void vm_set_lost(struct apply *a, struct model_vm *vm, const char *reason);
/* The VM is OFF since its node was lost: without auto start it stays down and says so. */
void vm_leave_down(struct apply *a, struct model_vm *vm, uint32_t node);
/* The VM runs on `owner`. */
void vm_set_running(struct apply *a, struct model_vm *vm, uint32_t owner);
/* The state of the VM is unclear: ask. */
void vm_set_resolving(struct apply *a, struct model_vm *vm);
/* The same for the standing order, which ended without a result. */
void vm_set_unclear(struct apply *a, struct model_vm *vm, const char *reason);
/* The order ended without a result, the VM runs nowhere, and its saved memory may still exist:
 * SAVED. */
void vm_set_saved(struct apply *a, struct model_vm *vm);
/* The VM is about to leave its owner. A drained VM remembers the first node it was drained from. */
void vm_remember_return(struct apply *a, struct model_vm *vm);

/* --------------------------------------------------------------------------- shut_down.c ---- */

/* What a drain has shut down is to run again. */
void vm_wanted_again(struct apply *a, struct model_vm *vm);
/* All that the drain of that node has. */
void vms_wanted_again(struct apply *a, uint32_t node);

/* ----------------------------------------------------------------------------- resolve.c ---- */

/* Probes have been answered, or nodes have been fenced: decide. */
void vm_resolve(struct apply *a, struct model_vm *vm);
/* The node is known to run nothing any more. */
void vms_node_off(struct apply *a, uint32_t node);

/* -------------------------------------------------------------------------------- rule.c ---- */

/* A VM is about to be removed: removes it from all rules. */
void rules_forget_vm(struct apply *a, const struct model_vm *vm);

/* ------------------------------------------------------------------------------- claim.c ---- */

/* A new VM: asks the nodes about it. If there are none, the VM is added at once. */
void claims_ask(struct apply *a, struct model_vm *vm);
/* Nodes that were asked have left the view. */
void claims_view(struct apply *a);
/* A node runs nothing any more, so nothing foreign either. */
void claims_node_off(struct apply *a, uint32_t node);
/* false: refused already, because the VM is still being added, or runs under libvirt somewhere. */
bool claims_allow(struct apply *a, const struct model_vm *vm);

/* ------------------------------------------------------------------------------- adopt.c ---- */

/* It runs under libvirt on one node, and nothing stands in the way. */
void adoption_begin(struct apply *a, struct model_vm *vm);
/* Whether the order to adopt it there fits. */
bool adoption_fits(const struct model *m, const struct model_vm *vm, uint32_t node);
/* Why a VM that runs under libvirt somewhere cannot be adopted, and what to do; NULL: it can. */
const char *adoption_obstacle(struct apply *a, const struct model_vm *vm, const char **ret_hint);
/* The node on which it runs is off. */
void adoption_node_off(struct apply *a, struct model_vm *vm, uint32_t node);
/* It will not be adopted: it runs on by itself, and whoever has it do so decides anew. Or it is
 * `gone`: then the cluster starts it, for it was to run. */
void adoption_give_up(struct apply *a, struct model_vm *vm, const char *reason, bool gone);

/* ----------------------------------------------------------------------------- release.c ---- */

/* Refuses, or begins: it runs on that node, and is to go on there by itself. */
void release_begin(struct apply *a, struct model_vm *vm, const char *from);
bool release_fits(const struct model_vm *vm);
/* The order's end, which is clear. The row may be gone afterwards. */
void release_end(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r,
                 enum agent_vm_state found);
/* Its row is removed. Its files are not touched. */
void vm_forget(struct apply *a, struct model_vm *vm);

/* -------------------------------------------------------------------- checkpoint_phase.c ---- */

void checkpoint_enter_phase(struct apply *a, struct model_journal *row,
                            enum checkpoint_phase phase);
/* The VM's row; NULL if it has none, or is in another phase. */
struct model_journal *checkpoint_row_of(struct apply *a, const struct model_vm *vm,
                                        enum checkpoint_phase phase);
/* It is not made: what is left is to remove what there is of it. */
void checkpoint_give_up(struct apply *a, struct model_vm *vm, struct model_journal *row,
                        const char *reason);
/* The VM runs nowhere any more. */
void checkpoint_vm_off(struct apply *a, struct model_vm *vm, const char *reason);
/* The VM has got an order on its files. */
void checkpoint_ordered(struct apply *a, const struct model_vm *vm, const struct cmd_vm_order *o);
/* Whether that node may get an order on the VM's disks: no other may still write to them. */
bool checkpoint_may_be_with(const struct model *m, const struct model_vm *vm, uint32_t node);
/* How an order ended: does its node know that nothing of it writes any more? */
void checkpoint_answered(struct apply *a, const struct model_vm *vm, const struct cmd_vm_report *r);
/* Nothing on that node writes any more. */
void checkpoints_node_off(struct apply *a, uint32_t node);

/* ----------------------------------------------------------------------- storage_phase.c ---- */

/* The VM's row; NULL if its files are not moved. */
struct model_journal *storage_row_of(struct apply *a, const struct model_vm *vm);
void storage_enter_phase(struct apply *a, struct model_journal *row, enum storage_phase phase);
/* The copies are the VM's files, and it may run: what is left is to remove the originals. */
void storage_begin_finish(struct apply *a, struct model_vm *vm, struct model_journal *row);
/* The originals are the VM's files: what is left is to remove the copies. */
void storage_give_up(struct apply *a, struct model_vm *vm, struct model_journal *row,
                     bool cancelled, const char *reason);
/* The VM runs nowhere any more. */
void storage_vm_off(struct apply *a, struct model_vm *vm, const char *reason);

/* ----------------------------------------------------------------------------- storage.c ---- */

/* false: refused already, because the VM's files are being moved, or cleaned up afterwards. */
bool storage_allows(struct apply *a, const struct model_vm *vm);
/* The same, but a VM may start while it is cleaned up. */
bool storage_allows_start(struct apply *a, const struct model_vm *vm);
/* Another VM whose definition names the file; NULL: there is none. */
const struct model_vm *storage_other_user(const struct model *m, uint32_t vm, const char *path);
/* How the orders on files end; see vm_report.c. */
void copy_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
void mirror_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
void continue_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
void undo_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
void finish_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);

/* -------------------------------------------------------------------------- checkpoint.c ---- */

void checkpoint_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
void checkpoint_live_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
void revert_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
void forget_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
void forget_live_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r);
/* A VM is about to be removed, with its checkpoints. */
void checkpoints_forget_vm(struct apply *a, const struct model_vm *vm);

/* ----------------------------------------------------------------------------- fencing.c ---- */

/* Ends the operations that fence the node. */
void fencing_end(struct apply *a, const struct model_node *node, enum operation_state state,
                 const char *reason);

#endif
