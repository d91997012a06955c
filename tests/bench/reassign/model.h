/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - Google's machine reassignment problem (ROADEF/EURO challenge 2012): the input as read,
 * and what a given assignment costs.
 *
 * A process is what a VM is to us, a machine a node; a service's processes are never two on one
 * machine; a transient resource is held at both ends of a move, all moves being simultaneous.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REASSIGN_ERROR_MAX 256u

/* A row of lists: those of i are values[start[i]] to values[start[i + 1]]. */
struct reassign_lists {
    uint32_t *start;
    uint32_t *values;
};

struct reassign_balance {
    uint32_t resource1, resource2;
    int64_t target, weight;
};

struct reassign_model {
    uint32_t n_resources, n_machines, n_services, n_processes, n_balances;
    uint32_t n_neighbourhoods, n_locations;

    bool *transient;      /* per resource */
    int64_t *load_weight; /* per resource */

    uint32_t *neighbourhood, *location; /* per machine */
    int64_t *capacity, *safety;         /* [machine * n_resources + r] */
    uint32_t *machine_cost;             /* [from * n_machines + to] */

    uint32_t *spread_min;                /* per service */
    struct reassign_lists needs_service; /* service -> services that it depends on */

    uint32_t *service; /* per process */
    int64_t *need;     /* [process * n_resources + r] */
    int64_t *process_cost;

    struct reassign_balance *balances;
    int64_t process_weight, service_weight, machine_weight;
};

struct reassign_cost {
    int64_t load, balance, process, service, machine, total;
};

/* Text into a model, or into an assignment (the machine of each process). Both are strict: every
 * number where it belongs, within its limits, and nothing after them. On failure ret_error says
 * line, column, and what was expected. -EBADMSG, -ENOMEM. */
int reassign_model_parse(struct reassign_model *ret_model, const char *text, char *ret_error);
int reassign_assignment_parse(const struct reassign_model *model, const char *text,
                              uint32_t *ret_machines, char *ret_error);
void reassign_model_finish(struct reassign_model *model);

/* Written from the problem's text, for judging: everything anew from the two assignments. Returns
 * false if a hard constraint is broken, and says which in ret_error (may be NULL). */
bool reassign_check(const struct reassign_model *model, const uint32_t *initial,
                    const uint32_t *machines, char *ret_error);
/* Cost without regard to feasibility. */
struct reassign_cost reassign_cost_of(const struct reassign_model *model, const uint32_t *initial,
                                      const uint32_t *machines);
