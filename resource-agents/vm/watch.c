/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: keeps the connection, and the teller. See watch.h. */
#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "actions.h"
#include "host.h"
#include "launch.h"

enum {
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 2000,
    OPEN_PATIENCE_MS = 5000, /* a longer open is reported as "disconnected" */
    FIRST_USAGE_MS = 500,    /* long enough for a rate */
    /* After its start, libvirtd may look for running QEMUs for this long. */
    SETTLING_MS = 5000,
    SETTLING_SWEEP_MS = 250,
    /* A libvirtd that hangs is dropped after (count + 1) intervals; one that dies is noticed at
     * once. */
    KEEPALIVE_S = 2,
    KEEPALIVE_COUNT = 2,
};

/* The directories where libvirtd, or the daemons that replace it, create their sockets. */
static const char socket_dir[] = "/run/libvirt";

struct watch {
    const struct params *params;
    struct news_queue queue;
    int patience_timer;
    atomic_bool
        told_disconnected; /* the main thread reports it, too, while the teller hangs in an open */

    /* The teller's own members. */
    struct watched_list list;
    struct autostarts autostarts;
    struct networks networks;
    struct usage usage;
    uint64_t usage_due_ms;
};

static void tell_disconnected(struct watch *watch, const char *reason) {
    if (!atomic_exchange(&watch->told_disconnected, true)) {
        watch_tell(json_pack("{ss so}", "event", "disconnected", "reason", jsonl_text(reason)));
    }
}

static const char *close_text(int reason) {
    switch (reason) {
    case VIR_CONNECT_CLOSE_REASON_EOF: return "libvirtd ended";
    case VIR_CONNECT_CLOSE_REASON_KEEPALIVE: return "libvirtd does not answer";
    case VIR_CONNECT_CLOSE_REASON_ERROR: return "the connection to libvirtd broke";
    default: return "the connection to libvirtd was closed";
    }
}

static void tell_usage_if_due(struct watch *watch, virConnectPtr conn) {
    uint64_t now = ocf_now_ms();

    if (now < watch->usage_due_ms) {
        return;
    }
    watch->usage_due_ms = now + watch->params->usage_ms;
    usage_tell(&watch->usage, &watch->list, conn);
    if (conn != NULL) {
        watched_sweep(&watch->list, conn);
        autostarts_tell(&watch->autostarts, conn);
        networks_tell(&watch->networks, conn);
        watched_tell_all_disks(&watch->list, conn);
    }
}

static virConnectPtr open_with_patience(struct watch *watch) {
    char reason[600];

    virEventUpdateTimeout(watch->patience_timer, OPEN_PATIENCE_MS);
    virConnectPtr conn = virConnectOpen(watch->params->uri);
    virEventUpdateTimeout(watch->patience_timer, -1);
    if (conn == NULL) {
        snprintf(reason, sizeof(reason), "cannot reach libvirt at %s: %s", watch->params->uri,
                 host_error());
        tell_disconnected(watch, reason);
    }
    return conn;
}

/* Tries until it succeeds. A change beside the socket ends a wait early. */
static virConnectPtr open_at_last(struct watch *watch) {
    uint64_t wait_ms = RETRY_MIN_MS;

    for (;;) {
        virConnectPtr conn = open_with_patience(watch);
        if (conn != NULL) {
            return conn;
        }
        uint64_t due_ms = ocf_now_ms() + wait_ms;
        while (ocf_now_ms() < due_ms) {
            uint64_t until_ms = watch->usage_due_ms < due_ms ? watch->usage_due_ms : due_ms;
            (void)queue_take(&watch->queue, until_ms);
            if (ocf_now_ms() < until_ms) {
                wait_ms = RETRY_MIN_MS / 2; /* woken: libvirtd is coming up */
                break;
            }
            tell_usage_if_due(watch, NULL);
        }
        wait_ms = wait_ms * 2 < RETRY_MAX_MS ? wait_ms * 2 : RETRY_MAX_MS;
    }
}

static void tell_connected(virConnectPtr conn) {
    unsigned long version = 0;
    char text[64] = "";

    if (virConnectGetLibVersion(conn, &version) == 0) {
        snprintf(text, sizeof(text), "%lu.%lu.%lu", version / 1000000, version / 1000 % 1000,
                 version % 1000);
    }
    watch_tell(json_pack("{ss ss}", "event", "connected", "version", text));
}

static bool is_about_definition(const struct news *news) {
    return news->kind == NEWS_LIFECYCLE &&
           (news->event == VIR_DOMAIN_EVENT_DEFINED || news->event == VIR_DOMAIN_EVENT_UNDEFINED);
}

/* Reports events until the connection breaks. */
static void follow(struct watch *watch, virConnectPtr conn) {
    uint64_t settled_ms = ocf_now_ms() + SETTLING_MS;
    uint64_t sweep_ms = ocf_now_ms() + SETTLING_SWEEP_MS;
    int reason;

    while (!queue_closed(&watch->queue, &reason)) {
        uint64_t due_ms = watch->usage_due_ms;
        if (sweep_ms < settled_ms && sweep_ms < due_ms) {
            due_ms = sweep_ms;
        }
        struct news *news = queue_take(&watch->queue, due_ms);
        if (news != NULL) {
            watched_tell_news(&watch->list, news);
            if (is_about_definition(news)) {
                autostarts_tell(&watch->autostarts, conn);
            }
            news_free(news);
            continue;
        }
        networks_tell_if_changed(&watch->networks, conn);
        if (sweep_ms < settled_ms && ocf_now_ms() >= sweep_ms) {
            sweep_ms += SETTLING_SWEEP_MS;
            watched_sweep(&watch->list, conn);
        }
        tell_usage_if_due(watch, conn);
    }
    tell_disconnected(watch, close_text(reason));
}

/* One connection from beginning to end. */
static void use_connection(struct watch *watch, virConnectPtr conn) {
    char reason[600];

    if (queue_follow(&watch->queue, conn) < 0 ||
        virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_COUNT) < 0) {
        snprintf(reason, sizeof(reason), "cannot follow its events: %s", host_error());
        tell_disconnected(watch, reason);
        return;
    }
    tell_connected(conn);
    atomic_store(&watch->told_disconnected, false);
    autostarts_tell(&watch->autostarts, conn);
    networks_follow(&watch->networks, conn);
    networks_tell(&watch->networks, conn);
    if (watched_tell_all(&watch->list, conn) < 0) {
        snprintf(reason, sizeof(reason), "cannot list the VMs: %s", host_error());
        tell_disconnected(watch, reason);
        return;
    }
    follow(watch, conn);
}

static void *teller_main(void *data) {
    struct watch *watch = data;

    usage_begin(&watch->usage);
    watch->usage_due_ms = ocf_now_ms() + FIRST_USAGE_MS;
    for (;;) {
        virConnectPtr conn = open_at_last(watch);
        uint64_t opened_ms = ocf_now_ms();
        use_connection(watch, conn);
        networks_unfollow(&watch->networks, conn);
        queue_unfollow(&watch->queue, conn);
        virConnectClose(conn);
        watched_clear(&watch->list);
        autostarts_clear(&watch->autostarts);
        if (ocf_now_ms() - opened_ms < RETRY_MIN_MS) {
            (void)queue_take(&watch->queue, ocf_now_ms() + RETRY_MIN_MS); /* it may fail so again */
        }
    }
    return NULL;
}

/* -- the main thread: libvirt's event loop -- */

static void on_patience(int timer, void *data) {
    virEventUpdateTimeout(timer, -1);
    tell_disconnected(data,
                      "libvirtd accepts connections but does not answer; check whether it hangs");
}

static void on_launches(int timer, void *data) {
    (void)timer;
    (void)data;

    launch_end_all_hung();
}

static void on_socket_dir(int handle, int fd, int events, void *data) {
    struct watch *watch = data;
    char buffer[4096];
    (void)handle;
    (void)events;

    (void)!read(fd, buffer, sizeof(buffer)); /* what it was does not matter */
    queue_wake(&watch->queue);
}

static void on_reader(int handle, int fd, int events, void *data) {
    (void)handle;
    (void)fd;
    (void)events;
    (void)data;
    _exit(OCF_SUCCESS); /* clusterd ended */
}

static void watch_socket_dir(struct watch *watch) {
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    /* Without it the back-off alone must do. */
    if (fd >= 0 && inotify_add_watch(fd, socket_dir, IN_CREATE | IN_MOVED_TO) >= 0) {
        virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_socket_dir, watch, NULL);
    }
}

int action_watch(const struct params *params, const char *xml, size_t xml_len) {
    static struct watch watch;
    pthread_t teller;
    (void)xml;
    (void)xml_len;

    watch.params = params;
    queue_init(&watch.queue);
    if (virEventRegisterDefaultImpl() < 0 ||
        (watch.patience_timer = virEventAddTimeout(-1, on_patience, &watch, NULL)) < 0 ||
        virEventAddTimeout(LAUNCH_HANGS_MS, on_launches, NULL, NULL) < 0 ||
        virEventAddHandle(STDOUT_FILENO, VIR_EVENT_HANDLE_ERROR | VIR_EVENT_HANDLE_HANGUP,
                          on_reader, NULL, NULL) < 0) {
        ocf_log("vm watch on %s: cannot set up its event loop: %s", ocf_node(), host_error());
        return OCF_ERR_GENERIC;
    }
    watch_socket_dir(&watch);
    networks_begin(&watch.networks, &watch.queue);
    int r = pthread_create(&teller, NULL, teller_main, &watch);
    if (r != 0) {
        ocf_log("vm watch on %s: cannot start: %s", ocf_node(), strerror(r));
        return OCF_ERR_GENERIC;
    }
    while (virEventRunDefaultImpl() == 0) {
    }
    ocf_log("vm watch on %s: its event loop ended: %s", ocf_node(), host_error());
    return OCF_ERR_GENERIC;
}
