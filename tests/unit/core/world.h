/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small cluster of real cores in one process: virtual time, a ring that orders messages, stores
 * that keep what was stored across a crash, and a libvirt that knows what truly runs where. All
 * that can happen in another order on real machines is drawn from the seed.
 *
 * The world checks all the time: no VM runs twice, logs agree on every committed entry.
 */
#ifndef TESTS_CORE_WORLD_H
#define TESTS_CORE_WORLD_H

#include "core/core.h"
#include "core/model/model.h"

#include <stdbool.h>
#include <stdint.h>

#define WORLD_NODES 5

struct world;

struct world *world_create(uint32_t nodes, uint64_t seed);
void world_destroy(struct world *w);

/* Nodes are 1 to n. */
void world_boot(struct world *w, uint32_t node);      /* power on, and clusterd with it */
void world_power_off(struct world *w, uint32_t node); /* all that was not stored is gone */
void world_kill_clusterd(struct world *w, uint32_t node);
void world_start_clusterd(struct world *w, uint32_t node);
/* Which nodes corosync lets talk to each other: a group number per node (index 1 ...). */
void world_partition(struct world *w, const uint32_t *groups);
void world_heal(struct world *w);
/* What fencing does from now on: true: it powers off and says so. */
void world_fence_works(struct world *w, bool works);
/* It powers off, and says that it failed. */
void world_fence_lies(struct world *w, bool lies);
void world_fence_takes(struct world *w, uint64_t ms);
/* What a device that works answers to a test; that a node is on, unless it is said. */
void world_fence_says(struct world *w, enum core_power power);
/* A STORE takes up to that long; what is under way is lost when clusterd ends. */
void world_slow_disks(struct world *w, uint64_t ms);
/* Nodes booted from now on have a watchdog. */
void world_watchdogs(struct world *w, uint64_t ms);
/* clusterd does not run for a while; what comes waits. */
void world_freeze(struct world *w, uint32_t node);
void world_thaw(struct world *w, uint32_t node);
bool world_is_on(const struct world *w, uint32_t node);
/* How the next agent run of that action ends: "failed", "unknown", "hang"; NULL: well. */
void world_next_agent(struct world *w, const char *action, const char *how);
/* QEMU of the VM dies. */
void world_crash_vm(struct world *w, const char *uuid);
void world_shutdown_vm(struct world *w, const char *uuid);
/* What corosync.conf lets be quorate besides a majority; for nodes booted from now on. */
struct world_quorum {
    bool two_node, last_man_standing, quorum_device, wait_for_all;
};
void world_quorum(struct world *w, struct world_quorum quorum);
/* two_node with wait_for_all, as it should be. */
void world_two_node(struct world *w);
/* From now on the node has another storage at the volume's path; the same for the same number, and
 * all have number 0 at first. What it wrote before stays where it is. */
void world_storage(struct world *w, uint32_t node, uint32_t number);
/* All files on a storage, as they are now, are on another one too. */
void world_copy_storage(struct world *w, uint32_t from, uint32_t to);
/* Where a node of ours does not write, a node of another cluster writes under the same name. */
void world_other_cluster(struct world *w);
/* Its volume agents come to no end with what they do. */
void world_hang_storage(struct world *w, uint32_t node, bool hangs);
/* One more CPU model that libvirt of that node offers, before it is booted. Without any it does not
 * tell. The text must be static. */
void world_cpu_model(struct world *w, uint32_t node, const char *model);
void world_machine(struct world *w, uint32_t node, const char *machine); /* "x86_64/pc=pc-7" */
/* Something that the node's clusterd sends to all. */
void world_say(struct world *w, uint32_t sender, const uint8_t *data, uint32_t size);
/* From now on, lines of any clusterd's log with that text in them are counted. */
void world_listen(struct world *w, const char *text);
uint32_t world_heard(const struct world *w);

/* Sends a command as a client of the node would; returns its reply's code when it comes, after
 * running the world; -1: no reply within 20 virtual seconds. */
int world_request(struct world *w, uint32_t node, uint32_t command, const void *value);
/* Sends it and waits for nothing; whether the last one has been answered with OK. */
void world_post(struct world *w, uint32_t node, uint32_t command, const void *value);
bool world_answered(const struct world *w);
uint64_t world_last_operation(const struct world *w);
const char *world_last_message(const struct world *w);

/* Runs until the condition holds; false: it did not within that virtual time. */
bool world_run_until(struct world *w, bool (*done)(struct world *w, const void *arg),
                     const void *arg, uint64_t ms);
void world_run(struct world *w, uint64_t ms);
/* At most that many events, at the same moment: leaves messages under way. */
void world_some(struct world *w, uint64_t steps);

const struct model *world_model(struct world *w, uint32_t node);
struct core_status world_status(struct world *w, uint32_t node);
uint64_t world_now(const struct world *w);
/* The node on which the VM truly runs; 0: none. */
uint32_t world_runs_on(const struct world *w, const char *uuid);
uint32_t world_fence_calls(const struct world *w);
/* When the call was made, the first one being 0. */
uint64_t world_fence_call_ms(const struct world *w, uint32_t call);
uint32_t world_agent_calls(const struct world *w, const char *action);
/* Prints the last events, for a test that fails. */
void world_print(struct world *w);

/* Ready made: nodes booted, a volume, a fence device, and `vms` running VMs ("vm1" ...). */
void world_setup(struct world *w, uint32_t vms);
struct world *world_ready(uint32_t nodes, uint32_t vms, uint64_t seed);

#endif
