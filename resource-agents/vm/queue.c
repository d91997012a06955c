/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: from libvirt's event loop to the teller. See watch.h. */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../shared/ocf.h"
#include "definition.h"

void queue_init(struct news_queue *queue) {
    pthread_condattr_t attr;

    *queue = (struct news_queue){
        .lifecycle_id = -1, .io_error_id = -1, .block_job_id = -1, .metadata_id = -1};
    queue->last = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void news_free(struct news *news) {
    virDomainFree(news->domain);
    free(news);
}

static struct news *new_news(enum news_kind kind, virDomainPtr domain) {
    struct news *news = calloc(1, sizeof(*news));

    if (news == NULL || virDomainRef(domain) < 0) {
        ocf_log("vm watch on %s: out of memory", ocf_node());
        exit(OCF_ERR_GENERIC); /* the process that restarts us gets the whole list */
    }
    news->kind = kind;
    news->domain = domain;
    return news;
}

static void push(struct news_queue *queue, struct news *news) {
    pthread_mutex_lock(&queue->lock);
    *queue->last = news;
    queue->last = &news->next;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail,
                        void *data) {
    struct news *news = new_news(NEWS_LIFECYCLE, domain);
    (void)conn;

    news->event = event;
    news->detail = detail;
    push(data, news);
    return 0;
}

/* Comes just before the domain is suspended for it. */
static void on_io_error(virConnectPtr conn, virDomainPtr domain, const char *path,
                        const char *alias, int action, const char *reason, void *data) {
    (void)conn;

    if (action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE) {
        struct news *news = new_news(NEWS_IO_ERROR, domain);
        snprintf(news->text, sizeof(news->text), "io-error: %s (%s): %s", path, alias,
                 reason[0] != '\0' ? reason : "unknown");
        push(data, news);
    }
}

static void on_block_job(virConnectPtr conn, virDomainPtr domain, const char *disk, int type,
                         int status, void *data) {
    (void)conn;
    (void)disk;
    (void)type;
    (void)status;

    push(data, new_news(NEWS_BLOCK_JOB, domain));
}

static void on_metadata(virConnectPtr conn, virDomainPtr domain, int type, const char *uri,
                        void *data) {
    (void)conn;

    if (type == VIR_DOMAIN_METADATA_ELEMENT && uri != NULL &&
        strcmp(uri, DEFINITION_NAMESPACE) == 0) {
        push(data, new_news(NEWS_MARK, domain));
    }
}

static void on_close(virConnectPtr conn, int reason, void *data) {
    struct news_queue *queue = data;
    (void)conn;

    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    queue->close_reason = reason;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

int queue_follow(struct news_queue *queue, virConnectPtr conn) {
    if (virConnectRegisterCloseCallback(conn, on_close, queue, NULL) < 0) {
        return -EIO;
    }
    queue->lifecycle_id =
        virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), queue, NULL);
    queue->io_error_id =
        virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_io_error), queue, NULL);
    queue->block_job_id =
        virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_block_job), queue, NULL);
    queue->metadata_id =
        virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_metadata), queue, NULL);
    return queue->lifecycle_id < 0 || queue->io_error_id < 0 || queue->block_job_id < 0 ||
                   queue->metadata_id < 0
               ? -EIO
               : 0;
}

void queue_unfollow(struct news_queue *queue, virConnectPtr conn) {
    /* If the connection is broken, only this side forgets; that is enough. */
    if (queue->lifecycle_id >= 0) {
        (void)virConnectDomainEventDeregisterAny(conn, queue->lifecycle_id);
    }
    if (queue->io_error_id >= 0) {
        (void)virConnectDomainEventDeregisterAny(conn, queue->io_error_id);
    }
    if (queue->block_job_id >= 0) {
        (void)virConnectDomainEventDeregisterAny(conn, queue->block_job_id);
    }
    if (queue->metadata_id >= 0) {
        (void)virConnectDomainEventDeregisterAny(conn, queue->metadata_id);
    }
    (void)virConnectUnregisterCloseCallback(conn, on_close);

    pthread_mutex_lock(&queue->lock);
    struct news *news = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    queue->closed = false;
    queue->lifecycle_id = -1;
    queue->io_error_id = -1;
    queue->block_job_id = -1;
    queue->metadata_id = -1;
    pthread_mutex_unlock(&queue->lock);
    while (news != NULL) {
        struct news *next = news->next;
        news_free(news);
        news = next;
    }
}

struct news *queue_take(struct news_queue *queue, uint64_t due_ms) {
    struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                           .tv_nsec = (long)(due_ms % 1000) * 1000000};
    int r = 0;

    pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->closed && !queue->woken && r == 0) {
        r = pthread_cond_timedwait(&queue->changed, &queue->lock, &due);
    }
    queue->woken = false;
    struct news *news = queue->first;
    if (news != NULL) {
        queue->first = news->next;
        queue->last = news->next != NULL ? queue->last : &queue->first;
    }
    pthread_mutex_unlock(&queue->lock);
    return news;
}

bool queue_closed(struct news_queue *queue, int *ret_reason) {
    pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed && queue->first == NULL;
    *ret_reason = queue->close_reason;
    pthread_mutex_unlock(&queue->lock);
    return closed;
}

void queue_wake(struct news_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->woken = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}
