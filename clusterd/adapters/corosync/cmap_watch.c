/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches cmap; see corosync/cmap_watch.h.
 *
 * corosync marks a reload by two keys; see corosync/config.c. Their values are not read here, in
 * the loop: each read waits for corosync's answer.
 */
#include "adapters/corosync/cmap_watch.h"

#include "adapters/corosync/config.h"

#include <corosync/cmap.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct corosync_watch {
    qb_loop_t *loop;
    void (*changed)(void *context);
    void *context;
    cmap_handle_t cmap;
    int fd; /* -1: not in the loop */
    bool told;
};

static void on_key(cmap_handle_t handle, cmap_track_handle_t track, int32_t event, const char *key,
                   struct cmap_notify_value now, struct cmap_notify_value before, void *context) {
    struct corosync_watch *w = context;
    (void)handle;
    (void)track;
    (void)event;
    (void)key;
    (void)now;
    (void)before;
    w->told = true;
}

static int32_t on_readable(int32_t fd, int32_t revents, void *data) {
    struct corosync_watch *w = data;
    cs_error_t code = cmap_dispatch(w->cmap, CS_DISPATCH_ALL);
    if ((code != CS_OK && code != CS_ERR_TRY_AGAIN) || (revents & (POLLHUP | POLLERR | POLLNVAL))) {
        (void)qb_loop_poll_del(w->loop, fd); /* corosync is gone: the ring notices, too */
        w->fd = -1;
        return 0;
    }
    if (w->told) {
        w->told = false;
        w->changed(w->context);
    }
    return 0;
}

int corosync_watch_create(void (*changed)(void *context), void *context,
                          struct corosync_watch **ret_watch) {
    struct corosync_watch *w = calloc(1, sizeof(*w));
    if (!w) {
        return -ENOMEM;
    }
    *w = (struct corosync_watch){.changed = changed, .context = context, .fd = -1};
    bool ok = cmap_initialize(&w->cmap) == CS_OK;
    w->cmap = ok ? w->cmap : 0;
    for (size_t i = 0; ok && i < COROSYNC_RELOAD_KEYS; i++) {
        cmap_track_handle_t track = 0;
        ok = cmap_track_add(w->cmap, corosync_reload_keys[i], CMAP_TRACK_ADD | CMAP_TRACK_MODIFY,
                            on_key, w, &track) == CS_OK;
    }
    if (!ok) {
        corosync_watch_destroy(w);
        return -ENOTCONN;
    }
    *ret_watch = w;
    return 0;
}

void corosync_watch_destroy(struct corosync_watch *w) {
    if (!w) {
        return;
    }
    if (w->cmap) {
        (void)cmap_finalize(w->cmap);
    }
    free(w);
}

int corosync_watch_attach(struct corosync_watch *w, qb_loop_t *loop) {
    int fd = -1;
    if (cmap_fd_get(w->cmap, &fd) != CS_OK) {
        return -ENOTCONN;
    }
    int error = qb_loop_poll_add(loop, QB_LOOP_MED, fd, POLLIN, w, on_readable);
    if (error == 0) {
        w->loop = loop;
        w->fd = fd;
    }
    return error;
}

void corosync_watch_detach(struct corosync_watch *w) {
    if (w && w->fd >= 0) {
        (void)qb_loop_poll_del(w->loop, w->fd);
        w->fd = -1;
    }
}
