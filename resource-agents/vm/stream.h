/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream of a live migration: QEMU sends the guest's memory to the target's QEMU over a
 * connection of its own. libvirt encrypts only its own connection; whether QEMU encrypts the stream
 * has to be asked for. It is whenever the target's URI asks for encryption, so also with qemu+ssh,
 * whose ssh carries libvirt's connection only.
 *
 * QEMU uses certificates of its own, in a directory that libvirt's qemu.conf names:
 *
 *     source   ca-cert.pem, client-cert.pem, client-key.pem
 *     target   ca-cert.pem, server-cert.pem, server-key.pem
 *
 * What the target lacks, libvirt finds before anything flows, but its error does not say on which
 * node. What the source lacks is found here. Without a client certificate its QEMU would be turned
 * away in the handshake, before any memory flows, but libvirt would say no more than "Cannot write
 * to TLS channel: Input/output error"; the reason is only in QEMU's log on the target.
 */
#ifndef AGENTS_VM_STREAM_H
#define AGENTS_VM_STREAM_H

#include <stdbool.h>
#include <stddef.h>

enum { STREAM_MAX_HOST = 256 };

struct stream {
    char host[STREAM_MAX_HOST]; /* whom the target's certificate must name; "": the URI has none */
    char uri[STREAM_MAX_HOST + 16]; /* for QEMU: tcp://HOST; "" if there is no host */
    bool encrypted;
};

/*
 * The stream goes to the host in target_uri, because the target's own name for itself may lead over
 * another network or nowhere.
 */
void stream_to(const char *target_uri, struct stream *ret_stream);

/*
 * Could QEMU on this node encrypt, as source? False: ret_lacks is the path of the first file that
 * is missing. etc is "/etc", but in tests.
 */
bool stream_has_certificates(const char *etc, char *ret_lacks, size_t size);

/*
 * Whose QEMU could not use its certificates, if that is what libvirt's error says: source, target
 * or "one of them"; *ret_why is QEMU's own word. NULL: it is another error. In a migration QEMU
 * gets no other object than these ("object-add"). What the source lacks has been looked for before.
 */
const char *stream_refused_by(const char *error, const char *source, const char *target,
                              const char **ret_why);

#endif
