/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every timing constant of the core, with the argument why they are safe together.
 *
 * All clocks are CLOCK_BOOTTIME of one node; two nodes' clocks are never compared, only how long
 * something lasted. Clocks may run at different speed by 1 %: TIMEOUT_DRIFT_MS covers that for the
 * longest time below.
 *
 * A node that is cut off, second by second. W = TIMEOUT_WATCHDOG_MS, E = TIMEOUT_ECHO_MS.
 *
 *   time       the node that is cut off                 the others
 *   0          the ring breaks: nothing that it sends   nothing of it arrives from now on
 *              from now on comes back to it
 *   <= E       its watchdog is fed for the last time:
 *              the echo that it sees was sent before 0,
 *              and is no older than E
 *   D          corosync notices (token + consensus):    a view without it is agreed on: it is LOST;
 *              no quorum, its view is not usable        from now on FENCE OFF is tried
 *   D + S      it destroys its VMs by itself
 *              (S = TIMEOUT_SELF_STOP_MS)
 *   <= E + W   its watchdog resets it, whatever hangs
 *   >= D + F   (F = self_fence_ms)                      evidence WATCHDOG, if it was armed: it is
 *                                                       off since E + W, and D >= 0, F >= W + E +
 *                                                       TIMEOUT_DRIFT_MS
 *
 * Those who stay, when another node is lost. T, C = corosync's token and consensus, as it uses them
 * (runtime.config.totem); H = TIMEOUT_HEARTBEAT_MS, V = TIMEOUT_VIEW_MS.
 *
 *   time       a node that stays
 *   > -H       its watchdog is fed for the last time: each heartbeat that comes back feeds once
 *   0          the ring breaks: nothing is ordered for anybody, so no heartbeat comes back
 *   T          corosync misses the token, and asks who is there
 *   T + C      it goes on without who has not answered: what was sent since 0 comes back now
 *   T + C + V  the new view is usable, and the watchdog is fed: a member that hangs has been left
 *              out (TIMEOUT_EXCHANGE_MS), a promise and an entry have been stored
 *
 * So W >= H + T + C + V, or the loss of one node is the loss of all. With token 1000 that is 1.0 +
 * 1.0 + 1.2 + 1.0 = 4.2 s, with token 300 2.66 s; W is 5 s. With corosync's own defaults (token
 * 3000, 650 more for each node beyond two, consensus 1.2 times that) it is 10.03 s with three
 * nodes. clusterd does not start with less. A second loss while a ring is being formed begins at T
 * again: to bear that, too, W must be T + C more.
 *
 * The watchdog is fed only when (a) a heartbeat of this clusterd has come back through the ring
 * since the last feed, it was sent at most E ago, and this node's view is usable; or (b) no VM runs
 * on this node, as libvirt says now. The age matters: a clusterd that was starved works through
 * what has piled up, echoes too, before it learns that it has been cut off. So a node without
 * quorum, with a hung clusterd, a frozen node or one whose loop starves for W is reset, and nothing
 * that it ran is left at E + W after the break.
 *
 * (b) needs four things more, for a clusterd may lag behind on a node where, for all it knows,
 * nothing runs.
 *
 *   1. It may at last come to an order to start a VM that was given when the node was still there.
 *      So an order is begun only within E of a heartbeat that has come back: what is begun was
 * known to be right at most E ago, that is before E after the break, and from then on (a) holds.
 *   2. A VM may have been moved here without its knowing. So it counts itself idle only while it
 *      keeps up: a TIMEOUT came no later than TIMEOUT_PROMPT_MS, at most twice that ago. A copy
 * that arrives is thus seen within 2 * TIMEOUT_PROMPT_MS and libvirt's own delay; as F >= W + E +
 *      TIMEOUT_DRIFT_MS, libvirt's events may be E + TIMEOUT_DRIFT_MS - 2 * TIMEOUT_PROMPT_MS late.
 *   3. It may arrive after the others have lost the node. So they abort migrations to it, take no
 *      watchdog for evidence while one may still end there, and begin to count anew when one has.
 *   4. libvirt may still work on a start, on storage that hangs, say, that an earlier clusterd of
 *      this node has begun, and show no VM. So a start is begun only when its order is on the
 *      node's own disk, and an order at the end of the log counts, committed or not.
 *
 * A node reports that it has a watchdog only after it has been armed (fed for the first time).
 *
 * A node thawed after W without a watchdog may run on for a moment with VMs that run elsewhere by
 * then. That is why WATCHDOG is evidence only for a node that reported an armed one, and why else
 * only a fence agent or a person counts.
 *
 * clusterd itself, when it finds that it has not run for TIMEOUT_ASLEEP_MS, orders nothing and
 * starts nothing until a heartbeat sent after that has come back: by then it has also been told of
 * every view that was formed without it.
 */
#ifndef CLUSTERD_CORE_TIMEOUTS_H
#define CLUSTERD_CORE_TIMEOUTS_H

/* A TIMEOUT that is no later: this clusterd keeps up with what comes in. */
#define TIMEOUT_PROMPT_MS 500u

/* Each node sends a heartbeat so often. */
#define TIMEOUT_HEARTBEAT_MS 1000u
/* E: an echo that is older says nothing about now. */
#define TIMEOUT_ECHO_MS 2500u
/* W: default; clusterd.conf may set another, and the node reports it. */
#define TIMEOUT_WATCHDOG_MS 5000u
/* The least that it may be set to: with any token below, links flap. */
#define TIMEOUT_WATCHDOG_MIN_MS 3000u
/* V: from a new ring to a usable view. */
#define TIMEOUT_VIEW_MS 1000u
/* 1 % of the longest time that matters here, and scheduling. */
#define TIMEOUT_DRIFT_MS 500u
/* S: a loss of quorum shorter than this costs no VM; with W, time is left for a clean stop. */
#define TIMEOUT_SELF_STOP_MS 2500u
/* Two heartbeats and a half: this clusterd was frozen or starved. */
#define TIMEOUT_ASLEEP_MS 2500u

/* A member that sends no STATE by then is left out of the view. */
#define TIMEOUT_EXCHANGE_MS 400u
/* One fsync and one message; then the view is tried anew. */
#define TIMEOUT_PROMISE_MS 2000u
/* A STORE that takes longer: the disk hangs. The node must make room for those that can vote. */
#define TIMEOUT_STORE_MS 10000u
/* Without a piece of the suffix or snapshot: begin anew. */
#define TIMEOUT_CATCHUP_MS 10000u
/* A clusterd that was started reports for duty when nobody has contradicted its model so long. */
#define TIMEOUT_CONFIRM_MS 5000u
/* A member whose clusterd is silent so long is left out. */
#define TIMEOUT_MEMBER_MS 4000u
/* corosync sees the node, but no clusterd there: time for a restart before it is fenced. */
#define TIMEOUT_SILENT_MS 6000u
/* A client's change without a usable view. */
#define TIMEOUT_REQUEST_MS 10000u
/* An agent ends by itself when its time is over, and says how things stand; only one that hangs is
 * killed, after this. */
#define TIMEOUT_LAST_WORD_MS 5000u
/* A node says within the first whether libvirt runs a VM that is added there, and be it that it
 * cannot say; a client waits for the nodes no longer than the second. */
#define TIMEOUT_CLAIM_MS 10000u
#define TIMEOUT_ADD_MS 25000u
/* libvirt's answer to what CPU models there are. */
#define TIMEOUT_CPU_MODELS_MS 20000u
/* libvirt is away so long before the others are told, and back so long: a restart takes a second.
 */
#define TIMEOUT_LIBVIRT_MS 4000u
/* Likewise, when this clusterd has just begun: libvirtd begins with the node, too. */
#define TIMEOUT_LIBVIRT_BOOT_MS 10000u
/* Of a VM nobody can tell whether it runs, libvirt there is away, and nothing else is there: so
 * long libvirt gets to come back before the node is fenced. */
#define TIMEOUT_STUCK_MS 30000u
/* A watching agent that ended is started again after this. */
#define TIMEOUT_AGENT_RESTART_MS 1000u
/* A volume's agent that is silent so long: the storage hangs. */
#define TIMEOUT_VOLUME_MS 6000u
/* A fence device has said "off" of a node that corosync hears: so long corosync may take to lose it
 * (token and consensus; 27 s of 16 nodes with its defaults). Then the device switches another. */
#define TIMEOUT_STILL_HEARD_MS 30000u
/* Two halves that would fence each other: the higher ids wait. */
#define TIMEOUT_FENCE_RACE_MS 2000u

/* ---- no safety argument depends on these ---- */

/* An agent that destroys a domain. */
#define TIMEOUT_DESTROY_MS 10000u
/* A copy that may not be here is destroyed only when the model still says so after this: our model
 * may lag behind. */
#define TIMEOUT_STRAY_MS 2000u
/* A VM that runs by the model, and of which libvirt says nothing: then its list is read anew. */
#define TIMEOUT_MISSING_MS 5000u
/* libvirt could not say whether a VM runs: it is asked again after this. */
#define TIMEOUT_PROBE_RETRY_MS 1000u
/* A look at what libvirt has of a VM by itself (autostart) failed: again after this. */
#define TIMEOUT_CLAIM_RETRY_MS 10000u
/* A migration that is asked to end gets that long to abort its job. */
#define TIMEOUT_CANCEL_MS 10000u
/* Each node writes into its heartbeat file on a volume so often. */
#define TIMEOUT_VOLUME_HEARTBEAT_MS 1000u
/* Three of those heartbeats: what is written is seen to move within that time. */
#define TIMEOUT_VOLUME_MOVED_MS 3000u
/* A storage is called different only after this: by then the peers' observations are published, and
 * a node whose storage hangs, whose heartbeat stops too, has been found to be stalled. */
#define TIMEOUT_VOLUME_DIFFERENT_MS (TIMEOUT_VOLUME_MS + 1500u)
/* When the power has come back, the nodes report, and prove their volumes, within moments of each
 * other: placing VMs on the first would crowd it. */
#define TIMEOUT_JOINING_MS 3000u
/* A step that did not help is not repeated before; the pause doubles up to the second. */
#define TIMEOUT_STEP_MS 1000u
#define TIMEOUT_STEP_MAX_MS 30000u
/* After a move that nobody asked for has failed, the VM is not chosen again for so long. */
#define TIMEOUT_MOVE_RETRY_MS 600000u
/* Loads change without a commit: balance looks at them so often. */
#define TIMEOUT_BALANCE_LOOK_MS 10000u
/* The reserve is not asked about more often, unless somebody waits; who waits does so no longer
 * than the second. */
#define TIMEOUT_RESERVE_ASK_MS 1000u
#define TIMEOUT_RESERVE_ANSWER_MS 3000u
/* What a reading client is told of open decisions is planned anew when it is older; and no client
 * waits longer for that. */
#define TIMEOUT_OUTLOOK_MS 1000u

#endif
