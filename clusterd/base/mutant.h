/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deliberate faults, to test whether the simulator finds them (tests/run mutants). In any other
 * build MUTANT() is false and leaves no trace. A build with mutants links no clusterd: only the
 * simulator defines `mutant_active`.
 */
#ifndef CLUSTERD_BASE_MUTANT_H
#define CLUSTERD_BASE_MUTANT_H

#include <stdbool.h>

/* name | what is wrong */
#define MUTANTS(X)                                                                             \
    X(ack_before_stored, "an entry is acknowledged before it is on the disk")                  \
    X(one_vote_short, "committed with one vote less than a majority")                          \
    X(promise_not_kept, "a promise is given and not stored")                                   \
    X(epoch_twice, "a view takes the epoch of the one before")                                 \
    X(tail_kept, "an uncommitted tail that differs is kept")                                   \
    X(epoch_not_compared, "an order of an earlier view is begun before it is renewed")         \
    X(rounds_not_compared, "promises to an older proposal count for a newer one")              \
    X(shorter_log, "a view takes over from the shorter log")                                   \
    X(snapshot_short, "a snapshot is taken over without its last VM")                          \
    X(reply_before_commit, "a client is told \"done\" before the change is committed")         \
    X(forgetful_counts, "a node whose database was replaced counts as before")                 \
    X(state_unchecked, "what a node says of its log counts though it was damaged")             \
    X(end_of_log_unread, "what the log's end tells of another's log counts for nothing")       \
    X(small_view_unchecked, "one of two nodes goes on alone without fencing")                  \
    X(generation_not_compared, "what became of an earlier copy is taken for this one's")       \
    X(older_picture, "an order on an older picture of the VM is carried out")                  \
    X(late_list, "a list of VMs counts as of when it is read, not of when it was begun")       \
    X(old_list, "an ended agent's list of VMs counts for the next agent")                      \
    X(start_repeated, "a restarted clusterd begins standing orders again")                     \
    X(adopt_blindly, "of an order that was under way at a restart nothing is asked")           \
    X(untold_is_gone, "a VM that a returning node does not tell of counts as ended")           \
    X(fenced_unconfirmed, "a fencing counts though the agent did not confirm it")              \
    X(fenced_and_heard, "a fencing counts though the node is still heard")                     \
    X(watchdog_short, "the watchdog's deadline counts a second early")                         \
    X(idle_by_commit, "a node counts as idle by what it knows to be committed")                \
    X(idle_and_late, "a clusterd that lags behind feeds the watchdog as idle")                 \
    X(old_echo, "the watchdog is fed on an echo of any age")                                   \
    X(lags_and_begins, "a clusterd that lags behind begins what was ordered long ago")         \
    X(one_side_asked, "after a broken migration only the source is asked")                     \
    X(digest_ignored, "that nodes have come to different models counts for nothing")           \
    X(illegal_transition, "a VM on its way is off at once when one of its nodes is")           \
    X(unclear_is_unbegun, "a start that ended without a word counts as never begun")           \
    X(arrival_resumed, "a migrated copy is resumed though its source may run")                 \
    X(ack_unread, "what was never sent can be acknowledged")                                   \
    X(suffix_epoch_unread, "a missing entry is taken over with whatever epoch it came")        \
    X(added_unasked, "a VM that is added is started before the nodes are asked")               \
    X(foreign_unheard, "a VM that somebody runs under libvirt is started elsewhere")           \
    X(older_disks, "a VM is started from disks that something else has taken over")            \
    X(adoption_forgets, "a VM that was not adopted counts as one that runs nowhere")           \
    X(adoption_unasked, "an adoption that ended without a word counts as done if it runs")     \
    X(release_unasked, "a release that ended without a word counts as failed, so it runs")     \
    X(foreign_by_watch, "what libvirt was found to run is gone as soon as the watch lacks it") \
    X(foreign_is_stray, "what somebody runs under libvirt is destroyed")                       \
    X(former_list_ignored, "a view has a majority of its own list of nodes only")              \
    X(newer_in_old_view, "a command is given that a member's clusterd does not know")          \
    X(too_old_comes_in, "a clusterd becomes a member that cannot read all of the log")         \
    X(definition_kept, "the originals are removed, and the definition names them still")       \
    X(undo_late, "the copies are removed although they are the VM's files")                    \
    X(leftover_unowned, "of saved memory that nobody needs, the path is forgotten")            \
    X(leftover_early, "saved memory counts as used as soon as its restore is ordered")         \
    X(mirror_undone, "QEMU's copies are removed though it is unclear what it does")            \
    X(copies_early, "the definition names copies that QEMU has not gone over to")              \
    X(start_while_reverting, "a VM is started while its disks are being set back")             \
    X(checkpoints_lost, "QEMU copies the disks of a VM that has checkpoints")                  \
    X(restart_early, "a drain starts a VM elsewhere before its stop has ended")                \
    X(empty_unchecked, "a node counts as drained while a VM on it shuts down")                 \
    X(rules_forgotten, "a hard rule is held by neither the planner nor the model")

#ifdef CLUSTERD_MUTANTS
enum mutant {
    MUTANT_none = 0,
#define X(name, text) MUTANT_##name,
    MUTANTS(X)
#undef X
        N_MUTANTS
};
extern enum mutant mutant_active;
#define MUTANT(name) (mutant_active == MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
