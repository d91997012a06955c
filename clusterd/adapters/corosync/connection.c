/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPG and quorum; see corosync/connection.h.
 */
#include "adapters/corosync/connection.h"

#include <errno.h>
#include <poll.h>
#include <sys/uio.h>

#define GROUP "clusterd"

void corosync_connection_init(struct corosync_connection *c, qb_loop_t *loop) {
    *c = (struct corosync_connection){.loop = loop, .cpg_fd = -1, .quorum_fd = -1};
}

static int watch(struct corosync_connection *c, int fd, qb_loop_poll_dispatch_fn fn, void *context,
                 int *ret_fd) {
    int error = qb_loop_poll_add(c->loop, QB_LOOP_HIGH, fd, POLLIN, context, fn);
    if (error == 0) {
        *ret_fd = fd;
    }
    return error;
}

static int open_quorum(struct corosync_connection *c, const struct corosync_callbacks *callbacks) {
    quorum_model_v1_data_t model = {.model = QUORUM_MODEL_V1,
                                    .quorum_notify_fn = callbacks->quorum};
    uint32_t type = 0;
    int fd = -1;
    if (quorum_model_initialize(&c->quorum, QUORUM_MODEL_V1, (quorum_model_data_t *)&model, &type,
                                callbacks->context) != CS_OK) {
        c->quorum = 0;
        return -ENOTCONN;
    }
    int error = quorum_fd_get(c->quorum, &fd) == CS_OK ? 0 : -ENOTCONN;
    if (error == 0) {
        error = watch(c, fd, callbacks->quorum_readable, callbacks->context, &c->quorum_fd);
    }
    if (error == 0 && quorum_trackstart(c->quorum, CS_TRACK_CHANGES | CS_TRACK_CURRENT) != CS_OK) {
        error = -ENOTCONN;
    }
    return error;
}

static int open_cpg(struct corosync_connection *c, const struct corosync_callbacks *callbacks) {
    cpg_model_v1_data_t model = {.model = CPG_MODEL_V1,
                                 .cpg_deliver_fn = callbacks->deliver,
                                 .cpg_confchg_fn = callbacks->members};
    const struct cpg_name group = {.length = sizeof(GROUP) - 1, .value = GROUP};
    int fd = -1;
    if (cpg_model_initialize(&c->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&model,
                             callbacks->context) != CS_OK) {
        c->cpg = 0;
        return -ENOTCONN;
    }
    int error = cpg_fd_get(c->cpg, &fd) == CS_OK ? 0 : -ENOTCONN;
    if (error == 0) {
        error = watch(c, fd, callbacks->cpg_readable, callbacks->context, &c->cpg_fd);
    }
    cs_error_t code = error == 0 ? cpg_join(c->cpg, &group) : CS_OK;
    return code == CS_OK ? error : code == CS_ERR_TRY_AGAIN ? -EAGAIN : -ENOTCONN;
}

int corosync_connection_open(struct corosync_connection *c,
                             const struct corosync_callbacks *callbacks) {
    int error = open_quorum(c, callbacks);
    return error == 0 ? open_cpg(c, callbacks) : error;
}

void corosync_connection_close(struct corosync_connection *c) {
    if (c->cpg_fd >= 0) {
        (void)qb_loop_poll_del(c->loop, c->cpg_fd);
    }
    if (c->quorum_fd >= 0) {
        (void)qb_loop_poll_del(c->loop, c->quorum_fd);
    }
    if (c->cpg) {
        (void)cpg_finalize(c->cpg);
    }
    if (c->quorum) {
        (void)quorum_finalize(c->quorum);
    }
    corosync_connection_init(c, c->loop);
}

int corosync_connection_send(struct corosync_connection *c, const uint8_t *data, size_t size) {
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    cs_error_t code = cpg_mcast_joined(c->cpg, CPG_TYPE_AGREED, &part, 1);
    return code == CS_OK ? 0 : code == CS_ERR_TRY_AGAIN ? -EAGAIN : -ENOTCONN;
}
