/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch: the bridges and networks of this node. The kernel tells of every device that comes or goes
 * (rtnetlink), libvirt of its networks. Either only means "look again": all that there is now is
 * read and, if it differs from what was told last, told anew. The list is also checked with each
 * report of usage, because a network of libvirt can become unreachable without an event.
 */
#include "watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "links.h"
#include "wire/limits.h"

static const char sysfs_dir[] = "/sys/class/net";

static void on_change(struct networks *networks) {
    atomic_store(&networks->changed, true);
    queue_wake(networks->queue);
}

static void on_link(int handle, int fd, int events, void *data) {
    char buffer[8192];
    (void)handle;
    (void)events;

    /* What it was does not matter, nor whether some of it was lost. */
    while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0 || errno == ENOBUFS) {
        errno = 0;
    }
    on_change(data);
}

static void on_network(virConnectPtr conn, virNetworkPtr network, int event, int detail,
                       void *data) {
    (void)conn;
    (void)network;
    (void)event;
    (void)detail;
    on_change(data);
}

void networks_begin(struct networks *networks, struct news_queue *queue) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};

    *networks = (struct networks){.queue = queue, .event_id = -1};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_link, networks, NULL) < 0) {
        ocf_log("vm watch on %s: cannot follow network devices: %s; new bridges are seen later",
                ocf_node(), strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
    }
}

void networks_follow(struct networks *networks, virConnectPtr conn) {
    /* Without a network driver there are no networks, which is no error. */
    networks->event_id =
        virConnectNetworkEventRegisterAny(conn, NULL, VIR_NETWORK_EVENT_ID_LIFECYCLE,
                                          VIR_NETWORK_EVENT_CALLBACK(on_network), networks, NULL);
}

void networks_unfollow(struct networks *networks, virConnectPtr conn) {
    if (networks->event_id >= 0) {
        (void)virConnectNetworkEventDeregisterAny(conn, networks->event_id);
        networks->event_id = -1;
    }
}

static int append_networks(virConnectPtr conn, json_t *list) {
    virNetworkPtr *networks = NULL;
    int r = 0;

    int n = virConnectListAllNetworks(conn, &networks, VIR_CONNECT_LIST_NETWORKS_ACTIVE);
    if (n < 0) {
        /* Who cannot ask knows nothing new; a libvirt without networks has none. */
        return virGetLastErrorCode() == VIR_ERR_NO_SUPPORT ? 0 : -EIO;
    }
    for (int i = 0; i < n; i++) {
        const char *name = virNetworkGetName(networks[i]);
        if (r == 0 && name != NULL) {
            r = links_append_one(list, "network", name);
        }
        virNetworkFree(networks[i]);
    }
    free(networks);
    return r;
}

/* As a set: the same devices in another order are no change. NULL: no memory. */
static json_t *set_of(const json_t *list) {
    json_t *set = json_object();

    for (size_t i = 0; set != NULL && i < json_array_size(list); i++) {
        if (json_object_set_new(set, json_string_value(json_array_get(list, i)), json_true()) < 0) {
            json_decref(set);
            set = NULL;
        }
    }
    return set;
}

void networks_tell(struct networks *networks, virConnectPtr conn) {
    atomic_store(&networks->changed, false);
    json_t *list = json_array();
    if (list == NULL || links_append(sysfs_dir, list) < 0 || append_networks(conn, list) < 0 ||
        json_array_size(list) > WIRE_MAX_NETWORKS) {
        json_decref(list); /* then all networks are assumed, or those that were told last */
        return;
    }
    json_t *now = set_of(list);
    if (now == NULL || json_equal(now, networks->told)) {
        json_decref(now);
        json_decref(list);
        return;
    }
    json_decref(networks->told);
    networks->told = now;
    watch_tell(json_pack("{ss so}", "event", "networks", "networks", list));
}

void networks_tell_if_changed(struct networks *networks, virConnectPtr conn) {
    if (atomic_load(&networks->changed)) {
        networks_tell(networks, conn);
    }
}
