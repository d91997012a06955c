/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removes the secrets from the database's content, for passing it on.
 *
 *     fence devices     every value, whatever its key
 *     VMs' definitions  texts and attributes that may be secret in libvirt's format: redact_xml()
 *     settings          a value that is not a number: a typing error (it was refused, too)
 *     unknown commands  of a later clusterd: their whole content
 *
 * Nothing that decides how a command applies is changed: the redacted log replays to the same
 * model_digest() as the original. Content that cannot be decoded is not passed on.
 */
#ifndef CLUSTERD_ADAPTERS_STORE_REDACT_H
#define CLUSTERD_ADAPTERS_STORE_REDACT_H

#include "core/core.h"

#include <stddef.h>
#include <stdint.h>

/* Appends the encoded log entry without secrets to `out`. 0, -ENOMEM; -EBADMSG: it cannot be
 * decoded, and nothing was appended. */
int redact_entry(const struct core_entry *entry, struct buffer *out);
/* Likewise for a snapshot. */
int redact_snapshot(const uint8_t *data, size_t size, struct buffer *out);

/*
 * A domain definition without secrets; the caller frees it.
 *
 *     texts       only those of elements known to hold no secret (name, memory, ...) stay
 *     attributes  those stay whose name does not sound secret and that are neither an argument or
 *                 variable of QEMU nor the value of a property or parameter
 *     addresses   lose passwords, and everything after a question mark
 *     comments    go
 *
 * A definition that is not well formed goes as a whole. NULL when memory has run out.
 */
char *redact_xml(const char *xml);

#endif
