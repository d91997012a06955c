/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The timing constants of the core, and the argument why they are safe together.
 *
 * All clocks are CLOCK_BOOTTIME of one node. Clocks of two nodes are never compared, only
 * durations. Clock speeds may differ by 1 %: TIMEOUT_DRIFT_MS covers that for the longest time
 * below.
 *
 * A node that is cut off, second by second. W = TIMEOUT_WATCHDOG_MS, E = TIMEOUT_ECHO_MS,
 * F = self_fence_ms, S = TIMEOUT_SELF_STOP_MS. Defaults: E 2.5 s, W 5 s, S 2.5 s, F 10 s.
 *
 *  time       the node that is cut off                 the others
 *  0          the ring breaks: nothing that it sends   from now on nothing arrives from it
 *             from now on comes back to it
 *  <= E       its watchdog is fed for the last time:
 *             the echo that it sees was sent before 0
 *             and is no older than E
 *  D          corosync notices (token + consensus):    they agree on a view without it: it is LOST,
 *             no quorum, its view is not usable        and FENCE OFF is tried from now on
 *  D + S      it destroys its own VMs
 *  <= E + W   its watchdog resets it, whatever hangs
 *  >= D + F                                            evidence WATCHDOG, if it was armed: the node
 *                                                      has been off since E + W, because D >= 0 and
 *                                                      F >= W + E + TIMEOUT_DRIFT_MS
 *
 * The nodes that stay, when another node is lost. T, C = corosync's token and consensus, as it uses
 * them (runtime.config.totem); H = TIMEOUT_HEARTBEAT_MS, V = TIMEOUT_VIEW_MS.
 *
 *  time       a node that stays
 *  > -H       its watchdog is fed for the last time: each heartbeat that comes back feeds once
 *  0          the ring breaks: no message is ordered for anybody, so no heartbeat comes back
 *  T          corosync misses the token and asks who is there
 *  T + C      corosync continues without the silent node: messages sent since 0 come back now
 *  T + C + V  the new view is usable, and the watchdog is fed: a member that hangs has been left
 *             out (TIMEOUT_EXCHANGE_MS), a promise and an entry have been stored
 *
 * So W >= H + T + C + V, or the loss of one node is the loss of all. With token 1000 that is 1.0 +
 * 1.0 + 1.2 + 1.0 = 4.2 s, with token 300 it is 2.66 s; W is 5 s. With corosync's own defaults
 * (token 3000, 650 more for each node beyond two, consensus 1.2 times that) it is 10.03 s with
 * three nodes. clusterd does not start with less. If a second node is lost while a ring forms, the
 * count starts at T again: to survive that too, W must be T + C larger.
 *
 * The watchdog is fed only in two cases:
 *
 *  (a) A heartbeat of this clusterd has come back through the ring since the last feed, it was sent
 *      at most E ago, and this node's view is usable.
 *  (b) libvirt says that no VM runs on this node now.
 *
 * The age in (a) matters: a clusterd that was starved works through its backlog, echoes included,
 * before it learns that it has been cut off. So a node without quorum, with a hung clusterd,
 * frozen, or with a loop that starves for W is reset. Nothing that it ran is left at E + W after
 * the break.
 *
 * (b) needs four more rules, because a clusterd may lag behind on a node where, as far as it knows,
 * nothing runs.
 *
 *  1. It may get to an old order to start a VM, given when the node was still a member. So an order
 *     is begun only within E of a heartbeat that has come back. Such an order was known to be valid
 *     at most E ago, so it is begun before E after the break, and from then on (a) holds.
 *  2. A VM may have been moved here unnoticed. So clusterd counts the node as idle only while it
 *     keeps up: a TIMEOUT was at most TIMEOUT_PROMPT_MS late, at most twice that ago. A copy that
 *     arrives is thus seen within 2 * TIMEOUT_PROMPT_MS plus libvirt's own delay. Since
 *     F >= W + E + TIMEOUT_DRIFT_MS, libvirt's events may be
 *     E + TIMEOUT_DRIFT_MS - 2 * TIMEOUT_PROMPT_MS late.
 *  3. A VM may arrive after the others have lost the node. So they abort migrations to it, do not
 *     accept the watchdog as evidence while one may still end there, and restart the count when one
 *     has ended.
 *  4. libvirt may still work on a start that an earlier clusterd of this node began, on storage
 *     that hangs, say, and show no VM. So a start is begun only when its order is on the node's own
 *     disk, and an order at the end of the log counts, committed or not.
 *
 * A node reports its watchdog only after it has been armed (fed for the first time).
 *
 * A node without a watchdog that thaws after W may run its VMs for a moment although they run
 * elsewhere by then. That is why WATCHDOG is evidence only for a node that reported an armed one.
 * For any other node, only a fence agent or a person counts.
 *
 * A clusterd that finds it has not run for TIMEOUT_ASLEEP_MS orders nothing and starts nothing
 * until a heartbeat sent after that has come back. By then it has also learned of every view that
 * was formed without it.
 */
#ifndef CLUSTERD_CORE_TIMEOUTS_H
#define CLUSTERD_CORE_TIMEOUTS_H

/* A TIMEOUT at most this late shows that this clusterd keeps up. */
#define TIMEOUT_PROMPT_MS 500u

/* The interval between a node's heartbeats. */
#define TIMEOUT_HEARTBEAT_MS 1000u
/* E: an older echo says nothing about the present. */
#define TIMEOUT_ECHO_MS 2500u
/* W: the default; clusterd.conf may set another, which the node reports. */
#define TIMEOUT_WATCHDOG_MS 5000u
/* The least allowed W: with a token short enough for less, links flap. */
#define TIMEOUT_WATCHDOG_MIN_MS 3000u
/* V: from a new ring to a usable view. */
#define TIMEOUT_VIEW_MS 1000u
/* 1 % of the longest time that matters here, and scheduling. */
#define TIMEOUT_DRIFT_MS 500u
/* S: a shorter loss of quorum costs no VM; together with W it leaves time for a clean stop. */
#define TIMEOUT_SELF_STOP_MS 2500u
/* Two and a half heartbeats: this clusterd was frozen or starved. */
#define TIMEOUT_ASLEEP_MS 2500u

/* A member that has not sent its STATE by then is left out of the view. */
#define TIMEOUT_EXCHANGE_MS 400u
/* One fsync and one message; then the view is tried again. */
#define TIMEOUT_PROMISE_MS 2000u
/* A STORE that takes longer means that the disk hangs: the node must make room for nodes that can
 * vote. */
#define TIMEOUT_STORE_MS 10000u
/* Without a piece of the suffix or snapshot for this long, catching up starts over. */
#define TIMEOUT_CATCHUP_MS 10000u
/* A clusterd that was restarted counts itself ready once nobody has contradicted its model for this
 * long. */
#define TIMEOUT_CONFIRM_MS 5000u
/* A member whose clusterd is silent for this long is left out. */
#define TIMEOUT_MEMBER_MS 4000u
/* corosync sees the node, but no clusterd answers: time for a restart before the node is fenced. */
#define TIMEOUT_SILENT_MS 6000u
/* How long a client's change waits for a usable view. */
#define TIMEOUT_REQUEST_MS 10000u
/* An agent ends when its time is up, and reports the outcome. Only an agent that hangs is killed,
 * after this. */
#define TIMEOUT_LAST_WORD_MS 5000u
/* A node says within the first whether libvirt runs a VM that is being added, even if the answer is
 * "cannot say". A client waits for the nodes no longer than the second. */
#define TIMEOUT_PREDICT_MS 10000u /* of a live move, for a client: it measures for a second */
#define TIMEOUT_CLAIM_MS 10000u
#define TIMEOUT_ADD_MS 25000u
/* For libvirt's answer about its CPU models. */
#define TIMEOUT_CPU_MODELS_MS 20000u
/* How long libvirt must be away, or back, before the others are told. A restart takes a second. */
#define TIMEOUT_LIBVIRT_MS 4000u
/* Likewise, when this clusterd has just started: libvirtd starts with the node, too. */
#define TIMEOUT_LIBVIRT_BOOT_MS 10000u
/* libvirt is away, nobody can tell whether a VM runs there, and the node has nothing else: libvirt
 * gets this long to come back before the node is fenced. */
#define TIMEOUT_STUCK_MS 30000u
/* Pause before a watching agent that ended is restarted. */
#define TIMEOUT_AGENT_RESTART_MS 1000u
/* A volume's agent that is silent for this long: the storage hangs. */
#define TIMEOUT_VOLUME_MS 6000u
/* A fence device has said "off" about a node that corosync still hears: corosync gets this long to
 * lose the node (token and consensus; 27 s with 16 nodes and its defaults). After that, the device
 * switches another machine. */
#define TIMEOUT_STILL_HEARD_MS 30000u
/* Two halves that would fence each other: the higher ids wait this long. */
#define TIMEOUT_FENCE_RACE_MS 2000u

/* ---- no safety argument depends on these ---- */

/* An agent that destroys a domain. */
#define TIMEOUT_DESTROY_MS 10000u
/* A copy that may not run here is destroyed only if the model still says so after this: our model
 * may lag behind. */
#define TIMEOUT_STRAY_MS 2000u
/* The model says that a VM runs here, but libvirt has not reported it: then its list is read
 * again. */
#define TIMEOUT_MISSING_MS 5000u
/* libvirt could not say whether a VM runs: it is asked again after this, and then after twice as
 * long each time, up to the longest. */
#define TIMEOUT_PROBE_RETRY_MS 1000u
#define TIMEOUT_PROBE_RETRY_MAX_MS 8000u
/* Asking libvirt what it does with a VM by itself (autostart) failed: the next try comes after
 * this. */
#define TIMEOUT_CLAIM_RETRY_MS 10000u
/* A migration that must end has this long to abort its job. */
#define TIMEOUT_CANCEL_MS 10000u
/* The interval at which a node writes its heartbeat file on a volume. */
#define TIMEOUT_VOLUME_HEARTBEAT_MS 1000u
/* Three of those heartbeats: within that time, others see the file change. */
#define TIMEOUT_VOLUME_MOVED_MS 3000u
/* Wait this long before calling a storage "different": by then the peers' observations are
 * published, and a node with hung storage, whose heartbeat also stops, has been classified as
 * stalled. */
#define TIMEOUT_VOLUME_DIFFERENT_MS (TIMEOUT_VOLUME_MS + 1500u)
/* When power has come back, the nodes report, prove their volumes, and say what runs no more within
 * moments of each other. Placing VMs at once would crowd the first node, and start the VM first
 * that is asked about first. */
#define TIMEOUT_JOINING_MS 3000u
/* A step that did not help is not repeated before the first; the pause doubles up to the second. */
#define TIMEOUT_STEP_MS 1000u
#define TIMEOUT_STEP_MAX_MS 30000u
/* An answer of the solver about a model that has not changed is asked for again after this long:
 * some of it hangs on the time. */
#define TIMEOUT_ANSWER_MS 10000u
/* After an automatic move has failed, its VM is not chosen again for this long. */
#define TIMEOUT_MOVE_RETRY_MS 600000u
/* Loads change without a commit: balance checks them at this interval. */
#define TIMEOUT_BALANCE_LOOK_MS 10000u
/* The reserve is checked no more often than the first, unless a client waits; a client waits no
 * longer than the second. */
#define TIMEOUT_RESERVE_ASK_MS 1000u
#define TIMEOUT_RESERVE_ANSWER_MS 3000u
/* The outlook that clients read is planned again when it is older than this; no client waits longer
 * for it. */
#define TIMEOUT_OUTLOOK_MS 1000u

#endif
