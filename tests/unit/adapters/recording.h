/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A database as clusterd would have written it, with the model that its log comes to: what tests of
 * the flight recorder record. Failures end the test.
 */
#ifndef TESTS_ADAPTERS_RECORDING_H
#define TESTS_ADAPTERS_RECORDING_H

#include "harness.h"

#include "adapters/store/store.h"
#include "core/model/model.h"

/* Each secret that is recorded has it in it. */
#define RECORDING_SECRET "hunter2"
/* A definition with all places that a secret may be in. */
extern const char RECORDING_XML[];

struct recording {
    struct harness harness;
    struct sqlite_store *store;
    struct model model;
    uint64_t seq;
    uint64_t time_ms; /* of the next entry */
    char dir[128];    /* of the database */
};

/* dir: NULL: one that recording_finish() removes. */
void recording_init(struct recording *r, const char *dir);
void recording_finish(struct recording *r);
void recording_stop(struct recording *r); /* as clusterd does */
void recording_start(struct recording *r);

/* A committed command, by node 1. One that is not known is a text. */
void recording_add(struct recording *r, uint32_t type, const void *command);
/* One that is not known to be committed; the last. */
void recording_append(struct recording *r, uint32_t type, const void *command);
void recording_snapshot(struct recording *r);

/* n1, n2 and n3 are members. */
void recording_view(struct recording *r);
/* A device, a definition, a slip of the finger, a command of a later clusterd: with secrets. */
void recording_secrets(struct recording *r);

#endif
