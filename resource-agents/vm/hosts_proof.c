/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do two hosts see the same storage under one path? Names, sizes and times prove nothing: a copy
 * has the same. So the source writes a file with a random number into the directory, and the target
 * has to read that number there. A copy of the storage cannot have it.
 */
#include "hosts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "../shared/ocf.h"
#include "host_copy.h"

enum { NONCE_SIZE = 32, PROBE_BYTES = 4096, WAIT_MS = 3000, RETRY_MS = 100 };

/* A client of NFS may need a moment to see the new file. */
static int look(struct hosts *hosts, const char *path, const uint8_t nonce[NONCE_SIZE]) {
    struct operation *operation = hosts->operation;
    uint64_t give_up_ms = ocf_now_ms() + WAIT_MS;
    uint8_t read[NONCE_SIZE];
    size_t len = 0;

    for (;;) {
        if (host_copy_read(&hosts->to_files, path, read, sizeof(read), &len) == 0 &&
            len == NONCE_SIZE && memcmp(read, nonce, NONCE_SIZE) == 0) {
            return 0;
        }
        if (!operation_pause(operation, operation_changes(operation), RETRY_MS) ||
            ocf_now_ms() >= give_up_ms) {
            return -ENOENT;
        }
    }
}

int hosts_prove_shared(struct hosts *hosts, const char *directory) {
    uint8_t nonce[NONCE_SIZE];
    uint64_t number = 0;
    char path[PATH_MAX + 64];

    if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce)) {
        return -EIO;
    }
    memcpy(&number, nonce, sizeof(number));
    snprintf(path, sizeof(path), "%s/.clusterd-probe-%016llx", directory,
             (unsigned long long)number);
    if (host_files_create(&hosts->from_files, path, "raw", PROBE_BYTES) < 0) {
        return -ENOENT;
    }
    int r = host_copy_write(&hosts->from_files, path, nonce, sizeof(nonce));
    if (r == 0) {
        r = look(hosts, path, nonce);
    }
    if (host_files_remove(&hosts->from_files, path) < 0) {
        ocf_log("%s: %s on %s could not be removed; remove it by hand",
                hosts->operation->params->name, path, hosts->from_name);
    }
    return r < 0 ? -ENOENT : 0;
}
