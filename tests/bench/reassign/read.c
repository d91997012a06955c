/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read.c - the text form.
 *
 *     R { transient weight }*R
 *     M { neighbourhood location capacity*R safety*R cost_to*M }*M
 *     S { spread_min D dependency*D }*S
 *     P { service need*R move_cost }*P
 *     B { resource1 resource2 target weight }*B
 *     process_weight service_weight machine_weight
 */
#include "model.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define AMOUNT_MAX UINT32_MAX /* the problem's text: everything fits into 32 bits */
#define COUNT_MAX 1000000u

struct reader {
    const char *at, *line_begin;
    unsigned line;
    int error; /* the first; afterwards everything reads as 0 */
    char *text;
};

static void refuse(struct reader *r, const char *begin, const char *what, const char *why) {
    if (r->error == 0) {
        r->error = -EBADMSG;
        snprintf(r->text, REASSIGN_ERROR_MAX, "line %u, column %d: %s: %s", r->line,
                 (int)(begin - r->line_begin) + 1, what, why);
    }
}

static void skip_blanks(struct reader *r) {
    for (; isspace((unsigned char)*r->at); r->at++) {
        if (*r->at == '\n') {
            r->line++;
            r->line_begin = r->at + 1;
        }
    }
}

/* The next number, at most `most`; 0 after an error. */
static uint32_t next(struct reader *r, const char *what, uint64_t most) {
    uint64_t value = 0;
    if (r->error != 0) {
        return 0;
    }
    skip_blanks(r);
    const char *begin = r->at;
    for (; isdigit((unsigned char)*r->at); r->at++) {
        value = value * 10 + (uint64_t)(*r->at - '0');
        if (value > AMOUNT_MAX) {
            refuse(r, begin, what, "the number is 2^32 or more");
            return 0;
        }
    }
    if (*begin == '\0') {
        refuse(r, begin, what, "the file ends here");
    } else if (r->at == begin || (*r->at != '\0' && !isspace((unsigned char)*r->at))) {
        refuse(r, begin, what, "this is no number");
    } else if (value > most) {
        refuse(r, begin, what, "the number is larger than there can be");
    }
    return r->error == 0 ? (uint32_t)value : 0;
}

static uint32_t index_below(struct reader *r, const char *what, uint32_t n) {
    if (n == 0) {
        skip_blanks(r);
        refuse(r, r->at, what, "there are none");
        return 0;
    }
    return next(r, what, n - 1);
}

static void end(struct reader *r) {
    skip_blanks(r);
    if (*r->at != '\0') {
        refuse(r, r->at, "end of the file", "there is more");
    }
}

/* Memory for n things; after an error, or without memory, NULL. */
static void *room(struct reader *r, uint64_t n, size_t size) {
    void *memory = r->error == 0 ? calloc(n + 1, size) : NULL;
    if (memory == NULL && r->error == 0) {
        r->error = -ENOMEM;
        snprintf(r->text, REASSIGN_ERROR_MAX, "line %u: no memory for %llu numbers", r->line,
                 (unsigned long long)n);
    }
    return memory;
}

static void read_resources(struct reader *r, struct reassign_model *m) {
    m->n_resources = next(r, "number of resources", COUNT_MAX);
    m->transient = room(r, m->n_resources, sizeof(*m->transient));
    m->load_weight = room(r, m->n_resources, sizeof(*m->load_weight));
    for (uint32_t i = 0; r->error == 0 && i < m->n_resources; i++) {
        m->transient[i] = next(r, "resource: transient (0 or 1)", 1) == 1;
        m->load_weight[i] = next(r, "resource: weight of its load cost", AMOUNT_MAX);
    }
}

/* Names for the numbers that occur: 0, 1, 2... in order of appearance. Returns how many. */
static uint32_t number_anew(struct reader *r, uint32_t *values, uint32_t n) {
    uint32_t found = 0, *names = room(r, (uint64_t)COUNT_MAX + 1, sizeof(*names));
    for (uint32_t i = 0; r->error == 0 && i < n; i++) {
        if (names[values[i]] == 0) {
            names[values[i]] = ++found;
        }
        values[i] = names[values[i]] - 1;
    }
    free(names);
    return found;
}

static void read_machines(struct reader *r, struct reassign_model *m) {
    m->n_machines = next(r, "number of machines", COUNT_MAX);
    const uint64_t n = m->n_machines, amounts = n * m->n_resources;
    m->neighbourhood = room(r, n, sizeof(uint32_t));
    m->location = room(r, n, sizeof(uint32_t));
    m->capacity = room(r, amounts, sizeof(int64_t));
    m->safety = room(r, amounts, sizeof(int64_t));
    m->machine_cost = room(r, n * n, sizeof(uint32_t));
    for (uint32_t i = 0; r->error == 0 && i < m->n_machines; i++) {
        m->neighbourhood[i] = next(r, "machine: neighbourhood", COUNT_MAX);
        m->location[i] = next(r, "machine: location", COUNT_MAX);
        for (size_t k = 0; k < m->n_resources; k++) {
            m->capacity[i * (size_t)m->n_resources + k] = next(r, "machine: capacity", AMOUNT_MAX);
        }
        for (size_t k = 0; k < m->n_resources; k++) {
            m->safety[i * (size_t)m->n_resources + k] =
                next(r, "machine: safety capacity", AMOUNT_MAX);
        }
        for (size_t k = 0; k < n; k++) {
            m->machine_cost[i * n + k] =
                next(r, "machine: cost of a move to a machine", AMOUNT_MAX);
        }
    }
    m->n_neighbourhoods = number_anew(r, m->neighbourhood, m->n_machines);
    m->n_locations = number_anew(r, m->location, m->n_machines);
}

static void read_services(struct reader *r, struct reassign_model *m) {
    m->n_services = next(r, "number of services", COUNT_MAX);
    m->spread_min = room(r, m->n_services, sizeof(uint32_t));
    m->needs_service.start = room(r, (uint64_t)m->n_services + 1, sizeof(uint32_t));
    uint32_t n = 0, n_room = 0;
    for (uint32_t i = 0; r->error == 0 && i < m->n_services; i++) {
        m->spread_min[i] = next(r, "service: least number of locations", COUNT_MAX);
        m->needs_service.start[i] = n;
        for (uint32_t k = next(r, "service: number of dependencies", COUNT_MAX);
             r->error == 0 && k > 0; k--) {
            if (n == n_room) {
                n_room = n_room * 2 + 64;
                uint32_t *more = realloc(m->needs_service.values, n_room * sizeof(uint32_t));
                if (more == NULL) {
                    refuse(r, r->at, "service: dependencies", "no memory");
                    return;
                }
                m->needs_service.values = more;
            }
            m->needs_service.values[n++] = index_below(r, "service: dependency", m->n_services);
        }
        m->needs_service.start[i + 1] = n;
    }
}

static void read_processes(struct reader *r, struct reassign_model *m) {
    m->n_processes = next(r, "number of processes", COUNT_MAX);
    m->service = room(r, m->n_processes, sizeof(uint32_t));
    m->need = room(r, (uint64_t)m->n_processes * m->n_resources, sizeof(int64_t));
    m->process_cost = room(r, m->n_processes, sizeof(int64_t));
    for (uint32_t i = 0; r->error == 0 && i < m->n_processes; i++) {
        m->service[i] = index_below(r, "process: service", m->n_services);
        for (size_t k = 0; k < m->n_resources; k++) {
            m->need[i * (size_t)m->n_resources + k] = next(r, "process: need", AMOUNT_MAX);
        }
        m->process_cost[i] = next(r, "process: cost of moving it", AMOUNT_MAX);
    }
}

static void read_balances(struct reader *r, struct reassign_model *m) {
    m->n_balances = next(r, "number of balances", COUNT_MAX);
    m->balances = room(r, m->n_balances, sizeof(*m->balances));
    for (uint32_t i = 0; r->error == 0 && i < m->n_balances; i++) {
        m->balances[i].resource1 = index_below(r, "balance: first resource", m->n_resources);
        m->balances[i].resource2 = index_below(r, "balance: second resource", m->n_resources);
        m->balances[i].target = next(r, "balance: target", AMOUNT_MAX);
        m->balances[i].weight = next(r, "balance: weight", AMOUNT_MAX);
    }
    m->process_weight = next(r, "weight of process moves", AMOUNT_MAX);
    m->service_weight = next(r, "weight of service moves", AMOUNT_MAX);
    m->machine_weight = next(r, "weight of machine moves", AMOUNT_MAX);
}

int reassign_model_parse(struct reassign_model *ret_model, const char *text, char *ret_error) {
    struct reader r = {.at = text, .line_begin = text, .line = 1, .text = ret_error};
    struct reassign_model m = {0};
    read_resources(&r, &m);
    read_machines(&r, &m);
    read_services(&r, &m);
    read_processes(&r, &m);
    read_balances(&r, &m);
    end(&r);
    if (r.error < 0) {
        reassign_model_finish(&m);
        return r.error;
    }
    *ret_model = m;
    return 0;
}

int reassign_assignment_parse(const struct reassign_model *model, const char *text,
                              uint32_t *ret_machines, char *ret_error) {
    struct reader r = {.at = text, .line_begin = text, .line = 1, .text = ret_error};
    for (uint32_t i = 0; r.error == 0 && i < model->n_processes; i++) {
        ret_machines[i] = index_below(&r, "machine of a process", model->n_machines);
    }
    end(&r);
    return r.error;
}

void reassign_model_finish(struct reassign_model *m) {
    free(m->transient);
    free(m->load_weight);
    free(m->neighbourhood);
    free(m->location);
    free(m->capacity);
    free(m->safety);
    free(m->machine_cost);
    free(m->spread_min);
    free(m->needs_service.start);
    free(m->needs_service.values);
    free(m->service);
    free(m->need);
    free(m->process_cost);
    free(m->balances);
    *m = (struct reassign_model){0};
}
