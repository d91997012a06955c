/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches cmap; see corosync/cmap_watch.h.
 *
 * During a reload each key changes on its own. Two keys mark the end when they go back to 0: first
 * the configuration's, then totem's. After the latter, runtime.config.totem holds the effective
 * values.
 */
#include "adapters/corosync/cmap_watch.h"

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

static const char *const keys[] = {"config.reload_in_progress",
                                   "config.totemconfig_reload_in_progress"};

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

static bool is_reloading(const struct corosync_watch *w) {
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        uint8_t value = 0;
        if (cmap_get_uint8(w->cmap, keys[i], &value) == CS_OK && value) {
            return true;
        }
    }
    return false;
}

static int32_t on_readable(int32_t fd, int32_t revents, void *data) {
    struct corosync_watch *w = data;
    cs_error_t code = cmap_dispatch(w->cmap, CS_DISPATCH_ALL);
    if ((code != CS_OK && code != CS_ERR_TRY_AGAIN) || (revents & (POLLHUP | POLLERR | POLLNVAL))) {
        (void)qb_loop_poll_del(w->loop, fd); /* corosync is gone: the ring notices, too */
        w->fd = -1;
        return 0;
    }
    if (w->told && !is_reloading(w)) {
        w->told = false;
        w->changed(w->context);
    }
    return 0;
}

int corosync_watch_create(qb_loop_t *loop, void (*changed)(void *context), void *context,
                          struct corosync_watch **ret_watch) {
    struct corosync_watch *w = calloc(1, sizeof(*w));
    if (!w) {
        return -ENOMEM;
    }
    *w = (struct corosync_watch){.loop = loop, .changed = changed, .context = context, .fd = -1};
    int fd = -1;
    bool ok = cmap_initialize(&w->cmap) == CS_OK;
    w->cmap = ok ? w->cmap : 0;
    for (size_t i = 0; ok && i < sizeof(keys) / sizeof(keys[0]); i++) {
        cmap_track_handle_t track = 0;
        ok = cmap_track_add(w->cmap, keys[i], CMAP_TRACK_ADD | CMAP_TRACK_MODIFY, on_key, w,
                            &track) == CS_OK;
    }
    ok = ok && cmap_fd_get(w->cmap, &fd) == CS_OK &&
         qb_loop_poll_add(loop, QB_LOOP_MED, fd, POLLIN, w, on_readable) == 0;
    if (!ok) {
        corosync_watch_destroy(w);
        return -ENOTCONN;
    }
    w->fd = fd;
    *ret_watch = w;
    return 0;
}

void corosync_watch_destroy(struct corosync_watch *w) {
    if (!w) {
        return;
    }
    if (w->fd >= 0) {
        (void)qb_loop_poll_del(w->loop, w->fd);
    }
    if (w->cmap) {
        (void)cmap_finalize(w->cmap);
    }
    free(w);
}
