/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes the secrets out of what the database holds, so that it can be given away.
 *
 *     fence devices     every value, whatever its key
 *     VMs' definitions  texts and attributes that libvirt's format may put a secret into:
 * redact_xml() settings          a value that is no number: somebody's slip (it was refused, too)
 *     unknown commands  of a later clusterd: their whole content
 *
 * Nothing that applying a command decides by is changed: what is taken out replays to the same
 * model_digest() as what was put in. What cannot be decoded is not passed on.
 */
#ifndef CLUSTERD_ADAPTERS_STORE_REDACT_H
#define CLUSTERD_ADAPTERS_STORE_REDACT_H

#include "core/core.h"

#include <stddef.h>
#include <stdint.h>

/* The encoded log entry without secrets, appended to `out`. 0, -ENOMEM; -EBADMSG: it cannot be
 * decoded, and nothing was appended. */
int redact_entry(const struct core_entry *entry, struct buffer *out);
/* Likewise for a snapshot. */
int redact_snapshot(const uint8_t *data, size_t size, struct buffer *out);

/*
 * A domain definition without secrets; the caller frees it. What stays of texts are those of
 * elements that are known to hold none (name, memory, ...), and of attributes those whose name does
 * not sound secret, which are not arguments or variables of QEMU or values of a property or
 * parameter; passwords in addresses go, and what follows a question mark. Comments go. What is not
 * well formed goes as a whole. NULL when memory has run out.
 */
char *redact_xml(const char *xml);

#endif
