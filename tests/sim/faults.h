/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults: the list of what a seed does to its cluster. The list is drawn beforehand, so a run can
 * be repeated with a part of it (shrink.c) or written down as a story.
 */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "sim/sim.h"

/* name | its set, in --faults | weight | what it does */
#define FAULTS(X)                                                                              \
    X(power_off, power, 3, "power off")                                                        \
    X(power_on, power, 5, "all nodes are powered on")                                          \
    X(blackout, power, 1, "all nodes lose their power at once")                                \
    X(cut, network, 3, "one node is cut off")                                                  \
    X(split, network, 2, "the network breaks into two parts")                                  \
    X(heal, network, 5, "the network is whole again")                                          \
    X(token, network, 2, "corosync loses its token")                                           \
    X(try_again, network, 2, "a node's messages wait")                                         \
    X(kill_clusterd, process, 3, "clusterd is killed, and restarted")                          \
    X(kill_between, process, 2, "clusterd is killed between two actions")                      \
    X(stop_clusterd, process, 1, "clusterd is stopped in good order")                          \
    X(start_clusterd, process, 2, "... and started")                                           \
    X(kill_corosync, process, 2, "corosync is killed, and restarted")                          \
    X(ghost, process, 2, "corosync does not notice that clusterd died")                        \
    X(freeze_clusterd, freeze, 2, "clusterd does not run for a while")                         \
    X(starve, freeze, 2, "clusterd gets little of the processor")                              \
    X(freeze_node, freeze, 2, "a whole node stands still for a while")                         \
    X(freeze_and_cut, freeze, 2, "clusterd sleeps while its node is cut off")                  \
    X(starve_and_cut, freeze, 5, "clusterd lags behind when its node is cut off")              \
    X(disk, disk, 3, "a disk is slow, full or broken, or is fine again")                       \
    X(remember, database, 1, "a copy of a database is put away")                               \
    X(replace, database, 1, "... and is put back")                                             \
    X(wipe, database, 1, "a database is lost")                                                 \
    X(libvirtd, libvirt, 2, "libvirtd is killed, and restarted")                               \
    X(agent, libvirt, 2, "an agent fails, hangs, does not know, or is silent")                 \
    X(hang_libvirtd, libvirt, 1, "libvirtd hangs for a while")                                 \
    X(habit, libvirt, 1, "an agent never works on a node")                                     \
    X(agents_missing, libvirt, 1, "no agent can be run on a node for a while")                 \
    X(undying, libvirt, 1, "a QEMU that does not die")                                         \
    X(crash, guest, 3, "a QEMU crashes")                                                       \
    X(shutdown, guest, 1, "a guest shuts itself down")                                         \
    X(stubborn, guest, 1, "a guest ignores the power button")                                  \
    X(fence, fence, 3, "a fence device fails, hangs, is slow, is silent")                      \
    X(clock, clock, 1, "a wall clock jumps")                                                   \
    X(volume, volume, 2, "a node's volume hangs, is gone, is back")                            \
    X(protocol, protocol, 2, "a clusterd of another version comes or goes")                    \
    X(operate, operator, 14, "the administrator does something")                               \
    X(move_and_break, operator, 5, "a VM is moved, and something breaks")                      \
    X(move_files, operator, 4, "the files of a VM are moved, and something breaks")            \
    X(mirror_files, operator, 3, "the same while it runs")                                     \
    X(revert_and_break, operator, 4, "a VM is set back to a checkpoint, and something breaks") \
    X(start_hangs, volume, 1, "a start hangs, and its clusterd ends")                          \
    X(watch, libvirt, 1, "the agent that watches libvirt is killed")                           \
    X(late_events, libvirt, 5, "libvirt tells late of a VM that starts anew")                  \
    X(garble, memory, 2, "a node's memory damages what it sends")                              \
    X(refuse, libvirt, 2, "a node can never take a VM as it runs")                             \
    X(add_running, operator, 2, "a VM is added that runs under libvirt")                       \
    X(snapshot, volume, 2, "a disk gets a new image, and its VM ends")                         \
    X(by_hand, operator, 2, "a VM is started under libvirt by hand")                           \
    X(release, operator, 2, "a VM is released as it runs")                                     \
    X(relist, list, 2, "clusterd starts with another list of nodes")                           \
    X(replace_and_meet, database, 1, "an older copy meets one that knows too little")

enum fault_kind {
#define X(name, set, weight, text) FAULT_##name,
    FAULTS(X)
#undef X
        N_FAULTS
};

struct fault {
    enum fault_kind kind;
    uint64_t after_us; /* since the one before */
    uint32_t node, choice;
    uint64_t us;
};

struct fault_plan {
    struct fault *v; /* owned */
    uint32_t n;
};

/* Which of the named sets ("power,network", "all", "all,-database"): a set of fault_kinds, bit by
 * kind; 0: there is no set of that name. */
uint64_t faults_parse(const char *names);
/* About so long. */
void faults_draw(struct fault_plan *plan, uint64_t seed, uint64_t set, uint32_t nodes, uint64_t us);
void faults_finish(struct fault_plan *plan);
/* Does it, after its pause. */
void fault_happen(struct sim *s, const struct fault *fault);
/* In words, one line. */
void fault_text(const struct fault *fault, char *ret_text, size_t size);

#endif
