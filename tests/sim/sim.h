/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator: a whole cluster in one process, in virtual time, from a seed.
 *
 * The nodes' clusterd is the core that the daemon links (core, wire, placement), and the pure part
 * of its corosync adapter (ring_view.c), object code for object code. The world simulates
 * everything around it: corosync, disks, libvirt and its guests, fencing, watchdogs, the
 * administrator, time. The world knows what really runs where. After every step it checks that
 * nothing is lost and nothing runs twice (check.c); after healing, that everything runs again
 * (healing.c).
 *
 * A seed replays exactly: every choice is drawn from one stream, which a fuzzer may supply.
 * (Models: TigerBeetle's VOPR, FoundationDB's simulation, cowsql/raft's test cluster.)
 *
 * Outside the contract, and not simulated: a fence device that says "off" about a running node that
 * corosync does not hear (about one that corosync hears, see FENCE_CROSSED); an administrator who
 * confirms something false.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "core/core.h"
#include "core/model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NODES 8u /* ids 1 to 7 */
#define SIM_VMS 96u
#define SIM_SECOND UINT64_C(1000000) /* virtual time is counted in microseconds */

struct sim;

/* How votequorum is configured: a set. wait_for_all comes with all but a majority, unless it is
 * left out, which clusterd must notice. */
enum sim_quorum {
    SIM_MAJORITY = 0,
    SIM_TWO_NODE = 1,
    SIM_LAST_MAN_STANDING = 2,
    SIM_QUORUM_DEVICE = 4,
    SIM_NO_WAIT_FOR_ALL = 8
};

struct sim_options {
    uint64_t seed;
    uint32_t nodes;
    uint32_t vms;
    uint32_t at_first;        /* nodes that belong to the cluster, bit by id; 0: all */
    uint32_t quorum;          /* enum sim_quorum */
    uint64_t watchdog_ms;     /* 0: the nodes have none */
    uint64_t ring_us;         /* from a loss to a new ring: token and consensus; 0: 0.2 to 2.5 s */
    uint64_t boot_us;         /* from power to corosync and clusterd; 0: 0.2 to 3.2 s */
    uint32_t compact_entries; /* a snapshot after so many; 0: as in the daemon */
    uint32_t protocol;        /* that all nodes speak at first; 0: the newest */
    uint32_t solve_in_loop;   /* nodes times VMs; 0: as in the daemon */
    uint64_t solve_us;        /* how long a solve beside the loop usually takes; 0: 80 ms */
    bool no_fencing;   /* the fence device never works: watchdogs and people are all there is */
    bool plain;        /* settings as they are by default, and no VM is large */
    bool no_restart;   /* a clusterd that has ended stays off; so does a node after its watchdog */
    bool digests;      /* the nodes' models are compared at each index, not at some */
    bool calm;         /* clocks alike, disks and networks at their usual speed: for stories */
    bool steady;       /* nothing takes many times as long as usual */
    bool messages;     /* the trace has all messages, too */
    bool trace;        /* every line to standard output, as it comes */
    bool memory_fails; /* a core may end with -ENOMEM: a test makes it so (test_memory.c) */
    bool stop_dead;    /* a violation ends the process (for a fuzzer) */
    void (*on_line)(void *arg, const char *line); /* each line, without its time; NULL: nobody */
    void *on_line_arg;
    const uint8_t *choices; /* drawn from first; not owned */
    size_t n_choices;
};

struct sim *sim_create(const struct sim_options *options);
void sim_destroy(struct sim *s);

/* The property that was violated first, in words; NULL: none so far. */
const char *sim_violation(const struct sim *s);
/* The last lines of what happened. */
void sim_print_trace(const struct sim *s);

/* ---- time ---- */

uint64_t sim_now(const struct sim *s);
/* Until then, or until a property is violated. */
void sim_run(struct sim *s, uint64_t us);
/* Until the condition holds; false: it did not within that time, or a property was violated. */
bool sim_run_until(struct sim *s, bool (*done)(struct sim *s, const void *arg), const void *arg,
                   uint64_t us);
/* Some events, at the same moment or not: leaves the rest under way. */
void sim_run_events(struct sim *s, uint64_t n);
uint64_t sim_random(struct sim *s, uint64_t n); /* 0 to n - 1; n > 0 */

/* ---- what can be done to the world; nodes are 1 to n ---- */

void sim_power_on(struct sim *s, uint32_t node);
void sim_power_off(struct sim *s, uint32_t node, const char *why);
void sim_kill_clusterd(struct sim *s, uint32_t node);
/* Between two of its actions: those of the step that are left are not carried out. */
void sim_kill_clusterd_soon(struct sim *s, uint32_t node, uint32_t actions);
void sim_start_clusterd(struct sim *s, uint32_t node);
void sim_stop_clusterd(struct sim *s, uint32_t node); /* systemctl stop */
void sim_freeze_clusterd(struct sim *s, uint32_t node, uint64_t us);
void sim_thaw_clusterd(struct sim *s, uint32_t node); /* before its time */
/* It gets the processor so seldom that each event takes that long, for a while. */
void sim_starve_clusterd(struct sim *s, uint32_t node, uint64_t event_us, uint64_t us);
void sim_freeze_node(struct sim *s, uint32_t node, uint64_t us); /* all of it stands still */
void sim_kill_corosync(struct sim *s, uint32_t node, uint64_t back_us);
void sim_kill_libvirtd(struct sim *s, uint32_t node, uint64_t back_us);
/* It takes connections, and answers nobody for so long; then it goes on with all that it was asked.
 */
void sim_hang_libvirtd(struct sim *s, uint32_t node, uint64_t us);
/* Which nodes the network lets talk to each other: a group number per node. */
void sim_partition(struct sim *s, const uint32_t *groups);
void sim_heal_network(struct sim *s);
/* The token is lost without a node: a new ring of the same members, or of some for a moment. */
void sim_lose_token(struct sim *s);
/* corosync keeps a dead clusterd of that node in its group for so long. */
void sim_ghost(struct sim *s, uint32_t node, uint64_t us);
/* Sends of that node wait (TRY_AGAIN). */
void sim_try_again(struct sim *s, uint32_t node, uint64_t us);
/* corosync's list of nodes there, bit by id, from now on; clusterd reads it when it starts. */
void sim_node_list(struct sim *s, uint32_t node, uint32_t list);
/* corosync.conf says so from now on; corosync and clusterd read it when they start. */
void sim_set_quorum(struct sim *s, uint32_t quorum);
/* It is taken out of the machine room. */
void sim_node_gone(struct sim *s, uint32_t node);
void sim_speak_newer(struct sim *s, uint32_t node, bool newer); /* protocol version */
/* Its clusterd is replaced by one that speaks that version at most; 0: by the newest. Builds from
 * before version 5 did not tell their versions. */
void sim_install(struct sim *s, uint32_t node, uint32_t protocol, bool tells_versions);
/* So much of what its clusterd sends is damaged, with a right checksum; see garble.c. */
void sim_garble(struct sim *s, uint32_t node, uint32_t percent, uint64_t us);
/* What it says about its log names wrong votes, in a round that its clusterd does not take for the
 * present one. */
void sim_garble_votes(struct sim *s, uint32_t node, uint64_t us);
/* How many messages have been sent damaged. */
uint64_t sim_garbled(const struct sim *s);
void sim_jump_wall_clock(struct sim *s, uint32_t node, int64_t ms);

enum sim_fence { FENCE_WORKS, FENCE_FAILS, FENCE_HANGS, FENCE_OFF_UNCONFIRMED, FENCE_CROSSED };
void sim_fence_mode(struct sim *s, uint32_t node, enum sim_fence mode, uint64_t us);
/* Its plug is another one's: that of `other`, or of a machine that is no node (0). */
void sim_fence_crossed(struct sim *s, uint32_t node, uint32_t other);
/* The device of that name is dead, whatever node it is asked for; "": none is. */
void sim_device_dead(struct sim *s, const char *device);
void sim_confirm_off(struct sim *s, uint32_t by, uint32_t node); /* only if it is true */

enum sim_disk { DISK_FINE, DISK_SLOW, DISK_HANGS, DISK_FULL, DISK_BROKEN };
void sim_disk_mode(struct sim *s, uint32_t node, enum sim_disk mode);
void sim_disk_remember(struct sim *s, uint32_t node); /* a copy of the database is put away */
void sim_disk_replace(struct sim *s, uint32_t node);  /* and is put back, clusterd being off */
void sim_disk_wipe(struct sim *s, uint32_t node);
/* Whether the text is anywhere in the node's database. */
bool sim_disk_holds(const struct sim *s, uint32_t node, const char *text);

enum sim_volume { VOLUME_FINE, VOLUME_HANGS, VOLUME_GONE };
void sim_volume_mode(struct sim *s, uint32_t node, enum sim_volume mode);
/* From now on the node has another storage at the volume's path; all have number 0 at first. What
 * was written stays where it is. */
#define SIM_STORAGES 4u
void sim_storage(struct sim *s, uint32_t node, uint32_t storage);
/* All files on one, as they are now, are on the other one too. */
void sim_copy_storage(struct sim *s, uint32_t from, uint32_t to);
/* On each storage where a node does not write, one of another cluster writes under its name. */
void sim_other_cluster(struct sim *s);

/* One more CPU model, or machine type ("x86_64/pc-7", or "x86_64/pc=pc-7" of an alias), that the
 * node's libvirt offers; clusterd asks when it starts. Without any it tells of none. The text is
 * not copied. */
void sim_offer_cpu(struct sim *s, uint32_t node, const char *model);
void sim_offer_machine(struct sim *s, uint32_t node, const char *machine);
/* A bridge or network ("bridge/br0") comes or goes on the node; and a VM that needs one, whether
 * the cluster knows that or not. */
void sim_network(struct sim *s, uint32_t node, const char *network, bool there);
void sim_needs_network(struct sim *s, uint32_t vm, const char *network);

/* The guest of the VM, wherever it runs. */
void sim_crash_guest(struct sim *s, uint32_t vm);
void sim_shut_guest_down(struct sim *s, uint32_t vm);
void sim_undying(struct sim *s, uint32_t vm, uint64_t us);    /* its QEMU cannot be killed */
void sim_stubborn(struct sim *s, uint32_t vm, bool stubborn); /* ignores the power button */
/* That node can never take the VM as it runs, live or saved (its QEMU has not the machine type); it
 * could start it anew. Its libvirt says so, or gives a reason that might pass. */
enum sim_refusal { REFUSE_NOT, REFUSE_FOR_GOOD, REFUSE_UNTOLD };
void sim_refuse(struct sim *s, uint32_t vm, uint32_t node, enum sim_refusal how);
/* Under libvirt, by somebody who does not ask the cluster: started there, shut down there, to be
 * started there whenever the node boots. */
/* An external snapshot of its disk, made or committed; it is seen within so long. */
void sim_snapshot(struct sim *s, uint32_t vm, bool made);
void sim_virsh_start(struct sim *s, uint32_t vm, uint32_t node);
void sim_virsh_shutdown(struct sim *s, uint32_t vm, uint32_t node);
void sim_virsh_autostart(struct sim *s, uint32_t vm, uint32_t node);
/* No agent can be run on that node for so long (its programs are being replaced). */
void sim_agents_missing(struct sim *s, uint32_t node, uint64_t us);
/* The agent that watches libvirt is killed, by nobody's wish. */
void sim_kill_watch(struct sim *s, uint32_t node);
/* The process of that action on the VM, if there is one; what libvirt has begun goes on. */
void sim_kill_agent(struct sim *s, uint32_t vm, const char *action);
/* What libvirt tells from now on comes so late, in its order. */
void sim_events_late(struct sim *s, uint32_t node, uint64_t us);
/* SILENT: ends without a word, having done nothing (it crashed, or the OOM killer took it). */
enum sim_agent { AGENT_AS_USUAL, AGENT_FAILS, AGENT_HANGS, AGENT_DOES_NOT_KNOW, AGENT_SILENT };
/* The next agent of that action, on any node. */
void sim_next_agent(struct sim *s, const char *action, enum sim_agent how);
/* All agents of that action on that node, until all is mended. */
void sim_agents_of(struct sim *s, uint32_t node, const char *action, enum sim_agent how);

/* Everything that was broken is mended, everything that was off is on. */
void sim_mend(struct sim *s);
/* A bit of the model of its clusterd turns over, in the row of that VM: the log is right, and what
 * the node has come to is not. Nothing but its own model is wrong until its database is wiped. */
void sim_flip(struct sim *s, uint32_t node, uint32_t vm);
bool sim_has_flipped(const struct sim *s, uint32_t node);
/* Whether its clusterd has left; or, where nobody can tell who is right, begins nothing and says
 * so. */
bool sim_flip_is_noticed(const struct sim *s, uint32_t node);

/* ---- the administrator ---- */

/* A command on that node; returns the number of the request, 0 if nobody answers there. */
uint64_t sim_command(struct sim *s, uint32_t node, uint32_t command, const void *value);
/* Asks that node to have a fence device say whether the other node is on; as sim_command(). */
/* What a live move would take. */
uint64_t sim_predict(struct sim *s, uint32_t node, const struct cmd_vm_move *move);
uint64_t sim_test_device(struct sim *s, uint32_t node, const char *device, const char *of);
/* The answer to the last request of that number: -1: none yet. */
/* A client there reads what is planned, as `status` does. 0: nobody takes requests. */
uint64_t sim_look(struct sim *s, uint32_t node);
int sim_answer(const struct sim *s, uint64_t request);
const char *sim_answer_text(const struct sim *s, uint64_t request);
uint64_t sim_answer_operation(const struct sim *s, uint64_t request);

/* Powers all nodes on, makes a volume and a fence device, and adds and starts the VMs. False: that
 * did not work within two minutes. */
bool sim_set_up(struct sim *s);
/* One random command, on any node. */
void sim_operate(struct sim *s);
/* The files of the VM are to be moved to that place (0 to 3); the id of the request, 0: none. */
uint64_t sim_move_files(struct sim *s, uint32_t node, uint32_t vm, uint32_t place);

/* A checkpoint of the VM is to be made, gone back to or removed, by the command that is named; the
 * id of the request, 0: none. */
uint64_t sim_checkpoint(struct sim *s, uint32_t node, uint32_t vm, enum command_type type,
                        const char *name);

/* ---- what there is to see ---- */

uint32_t sim_nodes(const struct sim *s);
const char *sim_node_name(const struct sim *s, uint32_t node);
const char *sim_vm_name(const struct sim *s, uint32_t vm); /* 1 ... */
const char *sim_vm_uuid(const struct sim *s, uint32_t vm);
bool sim_is_on(const struct sim *s, uint32_t node);
bool sim_clusterd_runs(const struct sim *s, uint32_t node);
/* The model of the node that has applied most; NULL before anything was committed. */
const struct model *sim_model(const struct sim *s);
const struct model *sim_model_of(const struct sim *s, uint32_t node); /* NULL: no clusterd */
bool sim_status(const struct sim *s, uint32_t node, struct core_status *ret_status);
bool sim_outlook(const struct sim *s, uint32_t node, struct core_outlook *ret_outlook);
/* The node on which the VM truly runs; 0: none. */
uint32_t sim_runs_on(const struct sim *s, uint32_t vm);
uint32_t sim_agent_calls(const struct sim *s, const char *action);
/* "KEY=VALUE KEY=VALUE " of the last call of the action; "": there was none. */
const char *sim_agent_params(const struct sim *s, const char *action);
uint32_t sim_fence_calls(const struct sim *s);
/* When the call was made, the first one being 0; of the first SIM_FENCE_CALLS only. */
#define SIM_FENCE_CALLS 64u
uint64_t sim_fence_call_us(const struct sim *s, uint32_t call);

/* All is as it should be: see healing.c. "": it is; else what is not, in words. */
const char *sim_unrest(struct sim *s);
/* Mends everything and waits for rest; what is missing after that is a violation. */
void sim_heal_and_wait(struct sim *s);

struct sim_figures {
    uint64_t steps, messages, committed, events;
};
struct sim_figures sim_figures(const struct sim *s);

#endif
