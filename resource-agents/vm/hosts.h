/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hosts without a cluster, and a VM that moves from one to the other. The agent may run on
 * either of them or on a third machine: it reaches both by libvirt alone.
 *
 *     hosts.c         both connections; the reasons that the report gives
 *     hosts_check.c   what of the target stands in the VM's way
 *     hosts_plan.c    which files move where, whether there is room
 *     hosts_proof.c   do both hosts see the same storage?
 *     hosts_settle.c  what an earlier move left behind
 *     hosts_live.c    the move of a VM that runs
 *     hosts_off.c     the move of a VM that is off
 *     hosts_move.c    the action
 */
#ifndef AGENTS_VM_HOSTS_H
#define AGENTS_VM_HOSTS_H

#include "definition.h"
#include "host_files.h"
#include "move_plan.h"
#include "operation.h"

#include <stdint.h>
#include <libvirt/libvirt.h>

enum { HOSTS_NAME_SIZE = 72 };

/* The connection and the domain of the source are those of the operation. */
struct hosts {
    struct operation *operation;
    virConnectPtr to;
    virDomainPtr there; /* a VM of that UUID on the target, or NULL */
    char from_name[HOSTS_NAME_SIZE];
    char to_name[HOSTS_NAME_SIZE];
    char from_uuid[VIR_UUID_STRING_BUFLEN]; /* of the hosts */
    char to_uuid[VIR_UUID_STRING_BUFLEN];
    char uuid[VIR_UUID_STRING_BUFLEN]; /* of the VM */
    uint64_t run;                      /* a random number: our journal, if two work on the VM */
    bool left;                         /* the source has no definition any more */
    struct host_files from_files;
    struct host_files to_files;
};

/* What is to be done. */
struct hosts_plan {
    bool live;
    bool persistent;
    bool autostart;
    struct definition definition;   /* as it runs or, off, as it is defined; with the new paths */
    struct definition defined;      /* of a VM that runs: as it is defined; doc NULL: it is not */
    struct move_plan files;         /* none: its data stays on storage that both reach */
    uint64_t sizes[MOVE_FILES_MAX]; /* as the target's file has to be made */
    char modified[MOVE_FILES_MAX][HOST_FILE_TIME_SIZE]; /* the source's, before the copy */
};

/* Connects to both, which must be different hosts. 0 or -EINVAL; the report says why. */
int hosts_open(struct hosts *hosts, struct operation *operation);
void hosts_close(struct hosts *hosts);
/* Connects to one. NULL: the report says why. */
virConnectPtr hosts_connect(struct operation *operation, const char *uri);
/* A host's name, and the UUID by which libvirt tells hosts apart. */
void hosts_identify(virConnectPtr conn, char ret_name[HOSTS_NAME_SIZE],
                    char ret_uuid[VIR_UUID_STRING_BUFLEN]);

/* Ends the move before it has begun: "VM: cannot move from A to B: ...". Always -EINVAL. */
int hosts_refuse(struct hosts *hosts, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, for a move that has begun. Always -EIO. */
int hosts_fail(struct hosts *hosts, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Reasons why the target could not run this VM, or why it cannot leave, one by one, to take(); each
 * is a sentence without its subject. `to` may be NULL: then only what the source says. `given_up`
 * is the generation of a VM that its cluster will have given up by then; 0: it has none.
 */
typedef void (*hosts_obstacle)(void *context, const char *text);
void hosts_check(virDomainPtr domain, const struct definition *definition, struct host_files *to,
                 uint64_t given_up, hosts_obstacle take, void *context);

/* Makes the plan; changes nothing. 0, or -EINVAL: the report says why. */
int hosts_plan_make(struct hosts *hosts, struct hosts_plan *plan);
void hosts_plan_finish(struct hosts_plan *plan);
/* One of the plan's definitions as the target gets it: with the journal of what arrives. -EINVAL,
 * -ENOMEM. The caller frees *ret_text. */
int hosts_print_arrival(const struct hosts *hosts, const struct hosts_plan *plan,
                        struct definition *definition, char **ret_text);

/* Is this directory of both hosts the same storage? 0; -ENOENT: no, or it cannot be proven. */
int hosts_prove_shared(struct hosts *hosts, const char *directory);

/*
 * Ends what an earlier move left. 0: the way is free, the VM is on the source. 1: that move is
 * complete now, and the report says so. -EINVAL, -EIO: the report says what stands in the way.
 */
int hosts_settle(struct hosts *hosts);
/* Whether a migration of the source runs, or libvirt does not say: it may be ended any moment, and
 * the target's files are in use. */
bool hosts_leaves_now(virDomainPtr domain);

/* The copy on the target is the VM now, and runs or is armed: what is left to do. */
void hosts_complete(struct hosts *hosts, virDomainPtr there);
/* Removes the files that this move has made on the target. 0 or -EIO. */
int hosts_undo_files(struct hosts *hosts);
/* Makes an empty file for each file of the plan, and enters it in the journal. 0 or -EIO. */
int hosts_make_files(struct hosts *hosts, const struct hosts_plan *plan);

void hosts_move_live(struct hosts *hosts, struct hosts_plan *plan);
void hosts_move_off(struct hosts *hosts, struct hosts_plan *plan);

#endif
