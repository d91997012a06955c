/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt on this node: the connection, the domain, and libvirt's answers about it in the words of
 * the agent protocol. */
#ifndef AGENTS_VM_HOST_H
#define AGENTS_VM_HOST_H

#include <stdbool.h>
#include <libvirt/libvirt.h>

#include "definition.h"
#include "operation.h"

/* Keeps libvirt's messages off stderr: the caller reports each one once. */
void host_silence(void);

/* libvirt's last error of this thread, as one line. Static storage of the thread. */
const char *host_error(void);

/* True if libvirt's last error says that there is no such domain. */
bool host_error_is_absent(void);

/*
 * True if libvirt's last error says that this host can never take the VM, because of its QEMU, its
 * libvirt or its CPU: another attempt would end the same way. Decided by libvirt's error number,
 * not by its text; numbers that are also used for temporary errors do not count.
 */
bool host_error_is_refusal(void);

/*
 * Opens operation->conn. libvirtd may just be starting again, so it is tried for a while. -EIO: the
 * report says why; -ECANCELED.
 */
int host_connect(struct operation *operation);

/*
 * Finds the operation's domain (by UUID if one is given, else by name) as operation->domain.
 * -ENOENT: it is not on this node, state and report say so; -EIO: the report says why.
 */
int host_find(struct operation *operation);

/*
 * Waits until libvirtd has begun all earlier calls. It does not drop the calls of a client that has
 * gone: such a call may wait for a free worker, be overtaken by a look-up that finds no domain, and
 * then start that domain. 0, or -EIO: the report says why.
 */
int host_pass_queue(struct operation *operation);

/* Connects and finds the domain, for actions that begin with both. */
int host_open(struct operation *operation);

/* One word and one sentence for a state of libvirt. */
struct host_state {
    enum agent_vm_state state;
    const char *detail;
    const char *text;
};
struct host_state host_state_of(int state, int reason);

/* True if the domain is the receiving half of a running migration: paused, not yet a VM. */
bool host_is_incoming(virDomainPtr domain, int state, int reason);

/* Reads the domain's state and generation into the report; *ret_text describes the state. 0,
 * -ENOENT or -EIO. */
int host_read_state(struct operation *operation, const char **ret_text);

/*
 * Connects, finds the domain and reads its state, when nothing waits in libvirtd's queue any more
 * that could start it: "off" lets the cluster start it elsewhere. Two rounds, as for a monitor.
 * -ENOENT: it is off (operation->domain: libvirt has a definition), or absent (NULL); -EIO:
 * reported.
 */
int host_find_certain(struct operation *operation, const char **ret_text);

/*
 * After a failed call: finds out what is true now, if need be over a new connection (libvirtd may
 * have died during our call), and puts it into the report's state. Never fails; what cannot be
 * found out is unknown.
 */
void host_settle(struct operation *operation);

/*
 * A domain's definition; flags as of virDomainGetXMLDesc(). -EIO: libvirt does not tell; -EINVAL.
 * One line in reason. definition_finish() frees it.
 */
int host_read_definition(virDomainPtr domain, unsigned int flags, struct definition *ret_definition,
                         char *reason, size_t reason_size);

/* The generation in a domain's metadata; 0 if there is none. */
uint64_t host_generation(virDomainPtr domain, bool *ret_foreign);

/* The machine type of the running domain: an alias in its definition ("pc") is resolved by then. ""
 * if unavailable. */
enum { HOST_MACHINE_SIZE = 64 };
void host_machine(virDomainPtr domain, char ret_machine[HOST_MACHINE_SIZE]);

#endif
