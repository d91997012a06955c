/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands on their way: sent, not yet applied.
 *
 * A command sent in one view and delivered in the next is dropped by all members alike. Once the
 * first entry of a new view has been applied here, every entry of an earlier view that any counting
 * member stored has been applied too. What is still pending then is in nobody's log: it may be sent
 * again and still takes effect exactly once.
 */
#include "base/check.h"
#include "base/mutant.h"
#include "core/apply/apply.h"
#include "core/core_internal.h"
#include "core/model/needed_protocol.h"
#include "core/pending.h"
#include "core/replica/log.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int send_pending(struct core *c, struct pending *p) {
    const uint8_t *data = arena_copy(&c->out.arena, p->data, p->size);
    if (!data) {
        return -ENOMEM;
    }
    p->sent_epoch = c->replica.epoch;
    return replica_propose(&c->replica, (struct wire_bytes){.data = data, .size = p->size});
}

static struct pending *add_pending(struct core *c) {
    if (c->n_pending == c->pending_capacity) {
        uint32_t capacity = c->pending_capacity ? c->pending_capacity * 2 : 16;
        struct pending *pending = realloc(c->pending, capacity * sizeof(*pending));
        if (!pending) {
            return NULL;
        }
        c->pending = pending;
        c->pending_capacity = capacity;
    }
    struct pending *p = &c->pending[c->n_pending];
    *p = (struct pending){0};
    return p;
}

static void remove_pending(struct core *c, uint32_t i) {
    free(c->pending[i].data);
    c->n_pending--;
    memmove(&c->pending[i], &c->pending[i + 1], (c->n_pending - i) * sizeof(*c->pending));
}

/* Whether the view speaks the version that the command needs. If not, a waiting client is told. */
static bool may_propose(struct core *c, uint32_t since, uint64_t client) {
    char names[200];
    if (since <= c->replica.protocol || MUTANT(newer_in_old_view)) {
        return true;
    }
    if (client) {
        replica_who_speaks_less(&c->replica, since, names, sizeof(names));
        outbox_reply(&c->out, client, REPLY_REFUSED, 0,
                     outbox_text(&c->out,
                                 "this cannot be done until all nodes run a clusterd with protocol "
                                 "%u; %s",
                                 since, names),
                     "update clusterd on those nodes, one at a time; then try again");
    }
    return false;
}

static int propose(struct core *c, enum pending_kind kind, uint32_t type, const void *command,
                   const struct core_request *request) {
    uint64_t client = request ? request->id : 0;
    uint32_t since = version_of_command(type, command);
    bool usable = replica_usable(&c->replica);
    if (usable && kind != PENDING_REPORT &&
        !may_propose(c, since, kind == PENDING_CLIENT ? client : 0)) {
        return 0;
    }
    CHECK(command_record(type) != NULL);
    struct log_command entry = {
        .type = type,
        .time_ms = c->wall_ms,
        .origin = c->self,
        .incarnation = c->incarnation,
        .request = ++c->last_request,
        .body = outbox_encode(&c->out, command_record(type), command),
        .asker = request ? request->asker : 0,
        .user = request && request->user ? request->user : "",
    };
    struct wire_bytes bytes = outbox_encode(&c->out, &log_command_record, &entry);
    struct pending *p = add_pending(c);
    uint8_t *data = malloc(bytes.size ? bytes.size : 1);
    if (!p || !data || c->out.error) {
        free(data);
        return -ENOMEM;
    }
    memcpy(data, bytes.data, bytes.size);
    *p = (struct pending){
        .request = entry.request,
        .kind = kind,
        .type = type,
        .since = since,
        .client = client,
        .deadline_ms = kind == PENDING_CLIENT ? c->now_ms + TIMEOUT_REQUEST_MS : UINT64_MAX,
        .data = data,
        .size = bytes.size,
    };
    c->n_pending++;
    if (kind == PENDING_POLICY) {
        c->policy_inflight++;
    }
    if (MUTANT(reply_before_commit) && kind == PENDING_CLIENT) {
        outbox_reply(&c->out, client, REPLY_OK, 0, "", "");
        p->kind = PENDING_REPORT;
    }
    return usable && may_propose(c, since, 0) ? send_pending(c, p) : 0;
}

int pending_propose(struct core *c, enum pending_kind kind, uint32_t type, const void *command) {
    return propose(c, kind, type, command, NULL);
}

int pending_propose_request(struct core *c, const struct core_request *request, const void *value) {
    return propose(c, PENDING_CLIENT, request->command, value, request);
}

bool pending_has(const struct core *c, uint32_t type) {
    for (uint32_t i = 0; i < c->n_pending; i++) {
        if (c->pending[i].type == type) {
            return true;
        }
    }
    return false;
}

bool pending_applied(struct core *c, const struct apply *a, uint64_t *ret_client) {
    for (uint32_t i = 0; i < c->n_pending; i++) {
        const struct pending *p = &c->pending[i];
        if (p->request != a->request) {
            continue;
        }
        bool waits = p->kind == PENDING_CLIENT;
        uint64_t client = p->client;
        CHECK(p->kind != PENDING_POLICY || c->policy_inflight > 0);
        c->policy_inflight -= p->kind == PENDING_POLICY;
        remove_pending(c, i);
        if (waits) {
            *ret_client = client;
        }
        return waits;
    }
    return false;
}

int pending_resend(struct core *c, bool *ret_report_dropped) {
    *ret_report_dropped = false;
    for (uint32_t i = 0; i < c->n_pending;) {
        struct pending *p = &c->pending[i];
        if (p->sent_epoch == c->replica.epoch) {
            i++;
        } else if (p->kind == PENDING_POLICY) {
            c->policy_inflight--;
            remove_pending(c, i);
        } else if (p->type == COMMAND_NODE_REPORT) {
            remove_pending(c, i);
            *ret_report_dropped = true;
        } else if (!may_propose(c, p->since, p->kind == PENDING_CLIENT ? p->client : 0)) {
            if (p->kind == PENDING_CLIENT) {
                remove_pending(c, i);
            } else {
                i++; /* sent once all members know it */
            }
        } else {
            int err = send_pending(c, p);
            if (err < 0) {
                return err;
            }
            i++;
        }
    }
    return 0;
}

void pending_in_snapshot(struct core *c) {
    for (uint32_t i = 0; i < c->n_pending;) {
        const struct pending *p = &c->pending[i];
        if (p->kind != PENDING_CLIENT || p->sent_epoch == 0) {
            i++;
            continue;
        }
        outbox_reply(&c->out, p->client, REPLY_NO_QUORUM, 0,
                     "the cluster lost its view before the change was confirmed; it may have been "
                     "carried out",
                     "check with clusterctl status before you try again");
        remove_pending(c, i);
    }
}

/*
 * A client does not wait for a quorum that may never come. Its request is not sent again after
 * that: applied hours later, it would hit a cluster in a different state.
 */
void pending_expire(struct core *c) {
    for (uint32_t i = 0; i < c->n_pending;) {
        const struct pending *p = &c->pending[i];
        if (p->kind != PENDING_CLIENT || c->now_ms < p->deadline_ms) {
            i++;
            continue;
        }
        if (p->sent_epoch) {
            outbox_reply(
                &c->out, p->client, REPLY_NO_QUORUM, 0,
                "the cluster lost its view before the change was confirmed; it may still be "
                "carried out",
                "check with clusterctl status before you try again");
        } else {
            outbox_reply(&c->out, p->client, REPLY_NO_QUORUM, 0,
                         "the cluster has no usable view: nothing was changed",
                         "clusterctl status says what is missing");
        }
        remove_pending(c, i);
    }
}

uint64_t pending_deadline(const struct core *c) {
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < c->n_pending; i++) {
        next = c->pending[i].deadline_ms < next ? c->pending[i].deadline_ms : next;
    }
    return next;
}

void pending_finish(struct core *c) {
    while (c->n_pending) {
        remove_pending(c, c->n_pending - 1);
    }
    free(c->pending);
    c->pending = NULL;
}
