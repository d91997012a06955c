/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contents of files on hosts. See host_copy.h. */
#include "host_copy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../shared/ocf.h"
#include "host_digest.h"
#include "operation.h"

enum { TELL_MS = 250 };

static void put(virStreamPtr stream) {
    if (stream != NULL) {
        virStreamFree(stream);
    }
}

/* ---- small pieces ---- */

int host_copy_read(struct host_files *files, const char *path, uint8_t *buffer, size_t size,
                   size_t *ret_len) {
    virStorageVolPtr volume = NULL;
    size_t len = 0;

    int r = host_files_find(files, path, &volume);
    if (r < 0) {
        return r;
    }
    virStreamPtr stream = virStreamNew(files->conn, 0);
    if (stream == NULL || virStorageVolDownload(volume, stream, 0, size, 0) < 0) {
        r = host_files_failed(files);
    }
    while (r == 0 && len < size) {
        int n = virStreamRecv(stream, (char *)buffer + len, size - len);
        if (n <= 0) {
            r = n < 0 ? host_files_failed(files) : 0;
            break;
        }
        len += (size_t)n;
    }
    if (stream != NULL) {
        (void)virStreamAbort(stream); /* all that was wanted is here */
    }
    put(stream);
    virStorageVolFree(volume);
    if (r == 0) {
        *ret_len = len;
    }
    return r;
}

static int send_all(virStreamPtr stream, const char *data, size_t size) {
    for (size_t done = 0; done < size;) {
        int n = virStreamSend(stream, data + done, size - done);
        if (n < 0) {
            return -EIO;
        }
        done += (size_t)n;
    }
    return 0;
}

int host_copy_write(struct host_files *files, const char *path, const uint8_t *data, size_t size) {
    virStorageVolPtr volume = NULL;

    int r = host_files_find(files, path, &volume);
    if (r < 0) {
        return r;
    }
    virStreamPtr stream = virStreamNew(files->conn, 0);
    if (stream == NULL || virStorageVolUpload(volume, stream, 0, size, 0) < 0 ||
        send_all(stream, (const char *)data, size) < 0 || virStreamFinish(stream) < 0) {
        r = host_files_failed(files);
    }
    put(stream);
    virStorageVolFree(volume);
    return r;
}

/* ---- whole files ---- */

struct pump {
    struct host_copy *copy;
    struct host_files *files; /* they keep the reason of a failure */
    virStreamPtr to;          /* NULL: it is only read */
    struct host_digest digest;
};

static void tell(struct host_copy *copy) {
    uint64_t now_ms = ocf_now_ms();

    if (now_ms - copy->told_ms < TELL_MS) {
        return;
    }
    uint64_t total = copy->total_bytes > 0 ? copy->total_bytes : 1;
    uint64_t done = copy->done_bytes < total ? copy->done_bytes : total;
    uint64_t taken_ms = now_ms > copy->began_ms ? now_ms - copy->began_ms : 1;
    const struct progress progress = {.percent = done * 99 / total,
                                      .rate_bps = copy->done_bytes * 1000 / taken_ms,
                                      .remaining_bytes = total - done,
                                      .done_bytes = done,
                                      .total_bytes = total};
    copy->told_ms = now_ms;
    report_progress(&progress);
}

static int pump_data(virStreamPtr from, const char *data, size_t size, void *context) {
    struct pump *pump = context;
    (void)from;

    if (operation_stopped(pump->copy->operation) != STOP_NONE ||
        (pump->to != NULL && send_all(pump->to, data, size) < 0)) {
        return -1;
    }
    host_digest_data(&pump->digest, data, size);
    pump->copy->done_bytes += size;
    tell(pump->copy);
    return (int)size;
}

static int pump_hole(virStreamPtr from, long long length, void *context) {
    struct pump *pump = context;
    (void)from;

    if (operation_stopped(pump->copy->operation) != STOP_NONE ||
        (pump->to != NULL && virStreamSendHole(pump->to, length, 0) < 0)) {
        return -1;
    }
    host_digest_hole(&pump->digest, (uint64_t)length);
    pump->copy->done_bytes += (uint64_t)length;
    tell(pump->copy);
    return 0;
}

static int run_pump(struct pump *pump, virStreamPtr from, virStorageVolPtr source,
                    virStorageVolPtr target) {
    struct host_files *to = pump->files;

    if (virStorageVolDownload(source, from, 0, 0, VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM) < 0) {
        return host_files_failed(to);
    }
    if (virStorageVolUpload(target, pump->to, 0, 0, VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM) < 0) {
        int r = host_files_failed(to);
        (void)virStreamAbort(from);
        return r;
    }
    if (virStreamSparseRecvAll(from, pump_data, pump_hole, pump) < 0) {
        int r = host_files_failed(to);
        (void)virStreamAbort(pump->to); /* libvirt has ended the other one */
        return operation_stopped(pump->copy->operation) != STOP_NONE ? -ECANCELED : r;
    }
    if (virStreamFinish(from) < 0) {
        int r = host_files_failed(to);
        (void)virStreamAbort(pump->to);
        return r;
    }
    /* The answer comes when the target has written all of it to its disk. */
    return virStreamFinish(pump->to) < 0 ? host_files_failed(to) : 0;
}

/* Reads the copy back. */
static int run_check(struct pump *pump, virStreamPtr from, virStorageVolPtr target) {
    if (virStorageVolDownload(target, from, 0, 0, VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM) < 0) {
        return host_files_failed(pump->files);
    }
    if (virStreamSparseRecvAll(from, pump_data, pump_hole, pump) < 0) {
        int r = host_files_failed(pump->files);
        return operation_stopped(pump->copy->operation) != STOP_NONE ? -ECANCELED : r;
    }
    return virStreamFinish(from) < 0 ? host_files_failed(pump->files) : 0;
}

/* Nobody else sees whether the network and the other host's storage keep what they are given. */
static int check_volume(struct host_copy *copy, struct host_files *to, virStorageVolPtr target,
                        uint64_t expected) {
    virStreamPtr stream = virStreamNew(to->conn, 0);
    struct pump pump = {.copy = copy, .files = to};

    int r = stream != NULL ? run_check(&pump, stream, target) : host_files_failed(to);
    put(stream);
    if (r == 0 && host_digest_end(&pump.digest) != expected) {
        snprintf(to->error, sizeof(to->error),
                 "its copy, read back, differs from it: the storage or the network does not keep "
                 "what is written, or somebody writes to one of them");
        return -EIO;
    }
    return r;
}

static int copy_volume(struct host_copy *copy, struct host_files *from, virStorageVolPtr source,
                       struct host_files *to, virStorageVolPtr target) {
    virStreamPtr stream = virStreamNew(from->conn, 0);
    struct pump pump = {.copy = copy, .files = to, .to = virStreamNew(to->conn, 0)};

    int r = stream != NULL && pump.to != NULL ? run_pump(&pump, stream, source, target)
                                              : host_files_failed(to);
    put(stream);
    put(pump.to);
    return r < 0 ? r : check_volume(copy, to, target, host_digest_end(&pump.digest));
}

int host_copy_file(struct host_copy *copy, struct host_files *from, const char *from_path,
                   struct host_files *to, const char *to_path) {
    virStorageVolPtr source = NULL;
    virStorageVolPtr target = NULL;

    int r = host_files_find(from, from_path, &source);
    if (r < 0) {
        memcpy(to->error, from->error, sizeof(to->error));
        return r;
    }
    r = host_files_find(to, to_path, &target);
    if (r == 0) {
        r = copy_volume(copy, from, source, to, target);
        virStorageVolFree(target);
    }
    virStorageVolFree(source);
    return r;
}
