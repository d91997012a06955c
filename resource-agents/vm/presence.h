/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Word of an agent that outlives its clusterd: the next clusterd asks what became of the VM, and
 * the answer must wait for its end.
 *
 * The agent listens on a socket of an abstract name, which the kernel gives up with the process;
 * who asks connects to it, and is told of the end by the end of the connection. Nothing is left
 * over, whatever it died of.
 */
#ifndef AGENTS_VM_PRESENCE_H
#define AGENTS_VM_PRESENCE_H

struct operation;

/* From now on until its end this process may be waited for. -EBUSY: another one is there. */
int presence_announce(struct operation *operation);

/* Waits for the end of such a process of this VM on this node. 0; -ETIME: the operation is to stop.
 */
int presence_await(struct operation *operation);

#endif
