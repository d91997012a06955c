/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job that libvirt runs on a domain: a migration, a save, an incoming migration. */
#ifndef AGENTS_VM_JOB_H
#define AGENTS_VM_JOB_H

#include <stdbool.h>
#include <libvirt/libvirt.h>

#include "definition.h"
#include "report.h"

/* Progress of the running job. -ENOENT: no job, or no figures yet; -EIO: libvirt's last error says
 * why. */
int job_progress(virDomainPtr domain, struct progress *ret_progress);

/* What the list of libvirt's event says of a completed job. */
struct figures job_completed(virTypedParameterPtr params, int count);

/* The running job's kind (enum virDomainJobOperation); -ENOENT: none runs; -EIO. */
int job_kind(virDomainPtr domain);

/* All has been sent: libvirt is about to end this source of a migration, or to let it run on. False
 * for NULL, and if libvirt does not say. */
bool job_switches_over(virDomainPtr domain);

/* Can its migration begin to switch over within so long, by the speed at which its memory flows? It
 * cannot while only its disks are copied. False for NULL, and if libvirt does not say. */
bool job_may_switch_over(virDomainPtr domain, uint64_t within_ms);

/* A job of the domain, or of one of its disks, runs: -EBUSY, and `text` says which, and what to do.
 * 0; -EIO: libvirt's last error says why. `runs` is its definition as it runs. */
int job_obstacle(virDomainPtr domain, const struct definition *runs, char *text, size_t size);

/* "a migration to another node" and the like, for messages. */
const char *job_kind_text(int kind);

#endif
