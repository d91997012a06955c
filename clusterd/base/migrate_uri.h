/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The URI by which libvirt on one node reaches libvirt on another for a live migration. */
#ifndef CLUSTERD_BASE_MIGRATE_URI_H
#define CLUSTERD_BASE_MIGRATE_URI_H

#include <stdbool.h>

/*
 * True if the URI asks for no encryption: its transport is "tcp" (qemu+tcp://). All others do: tls,
 * which libvirt also takes where a URI with a host names no transport, ssh and its kin. Then QEMU's
 * stream is encrypted, too, although it takes a connection of its own.
 */
bool migrate_uri_is_clear(const char *uri);

#endif
