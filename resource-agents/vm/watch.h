/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch: libvirt's event stream of this node as JSON lines, for as long as clusterd lives.
 *
 *              the open fails: back-off 100 ms .. 2 s, or the socket appears
 *                .-------.
 *                v       |
 *   start ---> OPENING --'-- opened --> LISTING -- listed --> FOLLOWING -- connection breaks --.
 *                ^         "connected"    one "domain" each,    events, usage                  |
 *                |                        then "listed"                                        |
 *                '------------------------- "disconnected" <-----------------------------------'
 *
 * Two threads. The main thread runs libvirt's event loop and makes no other call into libvirt, so
 * keepalive works, and a hanging libvirtd is noticed. Callbacks only put what happened into a
 * queue. The teller opens, lists, takes from the queue, asks libvirt what an event does not say,
 * and writes every line. Only the teller uses the list of domains.
 *
 * Events are subscribed to before the domains are listed, so nothing is missed. What happens in
 * between is reported after "listed", perhaps a second time.
 */
#ifndef AGENTS_VM_WATCH_H
#define AGENTS_VM_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <libvirt/libvirt.h>

/* -- tell.c -- */

/* Writes a line that must not be lost; ends the process if the reader is gone or does not read. */
void watch_tell(json_t *line);

/* -- queue.c: from the event loop to the teller -- */

enum news_kind { NEWS_LIFECYCLE, NEWS_IO_ERROR, NEWS_BLOCK_JOB, NEWS_MARK };

struct news {
    struct news *next;
    enum news_kind kind;
    virDomainPtr domain;
    int event;      /* lifecycle: enum virDomainEventType */
    int detail;     /* its detail */
    char text[160]; /* I/O error: on what and why */
};

struct news_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct news *first;
    struct news **last;
    bool closed; /* the connection broke */
    int close_reason;
    bool woken;
    int lifecycle_id;
    int io_error_id;
    int block_job_id;
    int metadata_id;
};

void queue_init(struct news_queue *queue);

/* Subscribes to this connection's events and its end. -EIO: libvirt's last error says why. */
int queue_follow(struct news_queue *queue, virConnectPtr conn);

/* Unsubscribes, after success or failure, and empties the queue. */
void queue_unfollow(struct news_queue *queue, virConnectPtr conn);

/* The next item, which news_free() frees; NULL at due_ms, when woken, or once the queue is closed
 * and empty. */
struct news *queue_take(struct news_queue *queue, uint64_t due_ms);
void news_free(struct news *news);

/* True once the connection broke; *ret_reason is an enum virConnectCloseReason. */
bool queue_closed(struct news_queue *queue, int *ret_reason);

/* Makes queue_take() return. */
void queue_wake(struct news_queue *queue);

/* -- watched.c: the list of domains -- */

/* What must be remembered of a domain: once it has stopped, libvirt cannot be asked any more. */
struct watched {
    char uuid[VIR_UUID_STRING_BUFLEN];
    char *name;
    uint64_t generation;
    bool foreign;              /* it certainly has no generation: clusterd did not start it */
    uint64_t cpu_ns;           /* at the last report of usage; 0: there was none */
    bool seen;                 /* by the current sweep */
    uint64_t missing_since_ms; /* the first sweep in a row that did not find it; 0: it was found */
    bool incoming;             /* the receiving half of a migration: not yet a VM of its own */
    bool panicked;             /* the guest did */
    int shutdown; /* enum virDomainEventShutdownDetailType of the shutdown that began; -1: none did
                   */
    char io_error[160];
    char disks[512]; /* those that differ from its start, as last reported */
    bool disks_told;
};

struct watched_list {
    struct watched *items;
    size_t count;
    size_t size;
};

/* NULL: it is not in the list. */
struct watched *watched_find(struct watched_list *list, virDomainPtr domain);
/* Its entry, added if there is none; NULL: no memory. */
struct watched *watched_remember(struct watched_list *list, virDomainPtr domain);
/* Moves the last entry into its place. */
void watched_forget(struct watched_list *list, struct watched *vm);
void watched_clear(struct watched_list *list);

/* -- domains.c: the domains and their events, as lines -- */

/* Reports all existing domains, then "listed". -EIO: libvirt's last error says why. */
int watched_tell_all(struct watched_list *list, virConnectPtr conn);

void watched_tell_news(struct watched_list *list, const struct news *news);

/*
 * Looks for domains that ended without an event: libvirtd silently forgets a QEMU that dies while
 * libvirtd restarts. Two sweeps must miss a domain, so that its event has time to come.
 */
void watched_sweep(struct watched_list *list, virConnectPtr conn);

/* -- disks.c: disks that differ from those at a VM's start -- */

/* Reports the domain's changes, if clusterd started it and it runs here. */
void watched_tell_disks(struct watched *vm, virDomainPtr domain);
/* Checks all of them. */
void watched_tell_all_disks(struct watched_list *list, virConnectPtr conn);

/* -- networks.c: bridges and networks -- */

struct networks {
    struct news_queue *queue; /* woken when something has changed */
    atomic_bool changed;
    int event_id; /* of libvirt's events; -1: none */
    json_t *told; /* owned: what was told last, as a set */
};

/* Once, by the main thread: follows the kernel's devices. */
void networks_begin(struct networks *networks, struct news_queue *queue);
void networks_follow(struct networks *networks, virConnectPtr conn);
void networks_unfollow(struct networks *networks, virConnectPtr conn);
/* Reports all that there is, if it differs from what was told last. */
void networks_tell(struct networks *networks, virConnectPtr conn);
/* Looks only if an event came. */
void networks_tell_if_changed(struct networks *networks, virConnectPtr conn);

/* -- autostart.c: definitions that libvirt starts by itself -- */

struct autostarted {
    char uuid[VIR_UUID_STRING_BUFLEN];
    char *name;
};

struct autostarts {
    struct autostarted *items; /* as last reported */
    size_t count;
};

/* Reports the changes. */
void autostarts_tell(struct autostarts *list, virConnectPtr conn);
void autostarts_clear(struct autostarts *list);

/* -- usage.c: figures of the node and of the domains -- */

struct usage {
    uint64_t busy_ticks;
    uint64_t total_ticks;
    uint64_t when_ns; /* of the domains' cpu_ns */
};

/* Takes the first sample; the first line reports the use since then. */
void usage_begin(struct usage *usage);

/* One line of usage. conn is NULL while libvirt is unreachable: the line then has no "vms". */
void usage_tell(struct usage *usage, struct watched_list *list, virConnectPtr conn);

#endif
