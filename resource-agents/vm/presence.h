/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Agents that outlive their clusterd: when the next clusterd asks for the state of the VM, the
 * answer has to wait for such an agent to end.
 *
 * The agent listens on a socket with an abstract name, which the kernel removes with the process.
 * Another process connects to it, and the end of the connection shows the end of the agent. Nothing
 * is left behind, however the agent ended.
 */
#ifndef AGENTS_VM_PRESENCE_H
#define AGENTS_VM_PRESENCE_H

struct operation;

/* From now on, others can wait for the end of this process. -EBUSY: there is another one. */
int presence_announce(struct operation *operation);

/* Waits for the end of such a process of this VM on this node. 0; -ETIME: the operation must
 * stop. */
int presence_await(struct operation *operation);

#endif
