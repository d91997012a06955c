/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPG and quorum; see corosync/connection.h.
 */
#include "adapters/corosync/connection.h"

#include "adapters/corosync/config.h"
#include "adapters/corosync/peer.h"
#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <sys/uio.h>

#define GROUP "clusterd"

/* ---- in the thread that may wait ---- */

static int open_quorum(struct corosync_connection *c, const struct corosync_callbacks *callbacks,
                       char *message) {
    quorum_model_v1_data_t model = {.model = QUORUM_MODEL_V1,
                                    .quorum_notify_fn = callbacks->quorum};
    uint32_t type = 0;
    int fd = -1;
    int error = corosync_peer_check("quorum", 0, message, COROSYNC_MAX_MESSAGE);
    if (error < 0) {
        return error;
    }
    if (quorum_model_initialize(&c->quorum, QUORUM_MODEL_V1, (quorum_model_data_t *)&model, &type,
                                callbacks->context) != CS_OK) {
        c->quorum = 0;
        return -ENOTCONN;
    }
    if (quorum_fd_get(c->quorum, &fd) != CS_OK) {
        return -ENOTCONN;
    }
    error = corosync_peer_check_fd(fd, "quorum", 0, message, COROSYNC_MAX_MESSAGE);
    if (error == 0 && quorum_trackstart(c->quorum, CS_TRACK_CHANGES | CS_TRACK_CURRENT) != CS_OK) {
        error = -ENOTCONN;
    }
    return error;
}

static int open_cpg(struct corosync_connection *c, const struct corosync_callbacks *callbacks,
                    char *message) {
    cpg_model_v1_data_t model = {.model = CPG_MODEL_V1,
                                 .cpg_deliver_fn = callbacks->deliver,
                                 .cpg_confchg_fn = callbacks->members};
    const struct cpg_name group = {.length = sizeof(GROUP) - 1, .value = GROUP};
    int fd = -1;
    int error = corosync_peer_check("cpg", 0, message, COROSYNC_MAX_MESSAGE);
    if (error < 0) {
        return error;
    }
    if (cpg_model_initialize(&c->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&model,
                             callbacks->context) != CS_OK) {
        c->cpg = 0;
        return -ENOTCONN;
    }
    if (cpg_fd_get(c->cpg, &fd) != CS_OK) {
        return -ENOTCONN;
    }
    error = corosync_peer_check_fd(fd, "cpg", 0, message, COROSYNC_MAX_MESSAGE);
    cs_error_t code = error == 0 ? cpg_join(c->cpg, &group) : CS_OK;
    return code == CS_OK ? error : code == CS_ERR_TRY_AGAIN ? -EAGAIN : -ENOTCONN;
}

int corosync_connection_open(struct corosync_connection *ret_connection,
                             const struct corosync_callbacks *callbacks, char *ret_message) {
    struct corosync_connection c = {.cpg_fd = -1, .quorum_fd = -1};
    int error = corosync_peer_check("cmap", 0, ret_message, COROSYNC_MAX_MESSAGE);
    if (error == 0) {
        /* Without it all goes on, but for the notice of a reload. */
        (void)corosync_watch_create(callbacks->config_changed, callbacks->context, &c.watch);
        error = open_quorum(&c, callbacks, ret_message);
    }
    error = error == 0 ? open_cpg(&c, callbacks, ret_message) : error;
    if (error < 0) {
        corosync_connection_close(&c);
        return error;
    }
    *ret_connection = c;
    return 0;
}

void corosync_connection_close(struct corosync_connection *c) {
    CHECK(!c->loop);
    if (c->cpg) {
        (void)cpg_finalize(c->cpg);
    }
    if (c->quorum) {
        (void)quorum_finalize(c->quorum);
    }
    corosync_watch_destroy(c->watch);
    *c = (struct corosync_connection){.cpg_fd = -1, .quorum_fd = -1};
}

/* ---- in the loop ---- */

int corosync_connection_attach(struct corosync_connection *c, qb_loop_t *loop,
                               const struct corosync_callbacks *callbacks) {
    int cpg_fd = -1, quorum_fd = -1;
    c->loop = loop;
    if (cpg_fd_get(c->cpg, &cpg_fd) != CS_OK || quorum_fd_get(c->quorum, &quorum_fd) != CS_OK) {
        return -ENOTCONN;
    }
    int error = c->watch ? corosync_watch_attach(c->watch, loop) : 0;
    if (error == 0) {
        error = qb_loop_poll_add(loop, QB_LOOP_HIGH, quorum_fd, POLLIN, callbacks->context,
                                 callbacks->quorum_readable);
        c->quorum_fd = error == 0 ? quorum_fd : -1;
    }
    if (error == 0) {
        error = qb_loop_poll_add(loop, QB_LOOP_HIGH, cpg_fd, POLLIN, callbacks->context,
                                 callbacks->cpg_readable);
        c->cpg_fd = error == 0 ? cpg_fd : -1;
    }
    return error;
}

void corosync_connection_detach(struct corosync_connection *c) {
    if (c->cpg_fd >= 0) {
        (void)qb_loop_poll_del(c->loop, c->cpg_fd);
    }
    if (c->quorum_fd >= 0) {
        (void)qb_loop_poll_del(c->loop, c->quorum_fd);
    }
    corosync_watch_detach(c->watch);
    c->cpg_fd = c->quorum_fd = -1;
    c->loop = NULL;
}

/* libqb sends a byte over the socket with each message, and tries again for ever if there is no
 * room for it: so do not even begin while corosync leaves many of these bytes unread. */
static bool is_read_from(const struct corosync_connection *c) {
    struct pollfd p = {.fd = c->cpg_fd, .events = POLLOUT};
    return poll(&p, 1, 0) != 0;
}

int corosync_connection_send(struct corosync_connection *c, const uint8_t *data, size_t size) {
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    if (!is_read_from(c)) {
        return -EAGAIN;
    }
    cs_error_t code = cpg_mcast_joined(c->cpg, CPG_TYPE_AGREED, &part, 1);
    return code == CS_OK ? 0 : code == CS_ERR_TRY_AGAIN ? -EAGAIN : -ENOTCONN;
}
