/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbp.c - vector bin packing: read an instance, bound it, and put it as a cluster.
 *
 *     D   capacity*D   N   { size*D count }*N
 *
 * Files may list the items bin by bin, so that any rule that goes by their order finds the optimum
 * by reading it off: the items are shuffled here, the same way each time.
 *
 * At least one public instance has a size of -1. The bin of such an item has that much more room
 * for the others. As bins are alike, the first such item can be put into bin 0 beforehand, which
 * is exact; a further one counts as 0, which makes the instance a little harder.
 */
#include "cluster.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX ((int64_t)PLACEMENT_VMS_MAX)
#define AMOUNT_MAX ((int64_t)PLACEMENT_AMOUNT_MAX)

struct words {
    const char *at;
    uint32_t line;
    char *error;
};

static int refuse(const struct words *w, const char *what) {
    snprintf(w->error, BENCH_ERROR_MAX, "line %u: %s", w->line, what);
    return -EBADMSG;
}

static bool skip_blanks(struct words *w) {
    for (; isspace((unsigned char)*w->at); w->at++) {
        w->line += *w->at == '\n';
    }
    return *w->at != '\0';
}

static void shuffle(struct bench_vbp *v) {
    uint64_t rng = 1;
    for (uint32_t i = v->n_items; i > 1; i--) {
        rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const uint32_t k = (uint32_t)((rng >> 33) % i);
        for (uint32_t d = 0; d < v->n_dimensions; d++) {
            int64_t *a = &v->sizes[(size_t)(i - 1) * v->n_dimensions + d];
            int64_t *b = &v->sizes[(size_t)k * v->n_dimensions + d], kept = *a;
            *a = *b;
            *b = kept;
        }
    }
}

static int number(struct words *w, int64_t least, int64_t most, int64_t *ret_number) {
    if (!skip_blanks(w)) {
        return refuse(w, "the file ends, a number was expected");
    }
    const bool negative = *w->at == '-';
    int64_t value = 0;
    const char *begin = w->at += negative;
    for (; isdigit((unsigned char)*w->at); w->at++) {
        value = value * 10 + (*w->at - '0');
        if (value > AMOUNT_MAX) {
            return refuse(w, "the number is too large");
        }
    }
    if (w->at == begin || (*w->at != '\0' && !isspace((unsigned char)*w->at))) {
        return refuse(w, "this is not a number");
    }
    value = negative ? -value : value;
    if (value < least || value > most) {
        return refuse(w, value < least ? "the number is too small" : "the number is too large");
    }
    *ret_number = value;
    return 0;
}

/* One line of items: `count` alike. */
static int read_items(struct words *w, struct bench_vbp *v, uint32_t *room) {
    int64_t size[PLACEMENT_RESOURCES_MAX], count;
    int error;
    for (uint32_t d = 0; d < v->n_dimensions; d++) {
        if ((error = number(w, -AMOUNT_MAX, AMOUNT_MAX, &size[d])) < 0) {
            return error;
        }
        if (size[d] > v->capacity[d]) {
            return refuse(w, "an item is larger than a bin");
        }
    }
    if ((error = number(w, 0, ITEMS_MAX - v->n_items, &count)) < 0) {
        return error;
    }
    if (v->n_items + count > *room) {
        const uint32_t more = (uint32_t)(v->n_items + count) * 2;
        int64_t *sizes = realloc(v->sizes, (size_t)more * v->n_dimensions * sizeof(*sizes));
        if (sizes == NULL) {
            return -ENOMEM;
        }
        v->sizes = sizes;
        *room = more;
    }
    for (; count > 0; count--) {
        memcpy(&v->sizes[(size_t)v->n_items++ * v->n_dimensions], size,
               v->n_dimensions * sizeof(*size));
    }
    return 0;
}

static int parse(struct words *w, struct bench_vbp *v) {
    int64_t n;
    uint32_t room = 0;
    int error = number(w, 1, PLACEMENT_RESOURCES_MAX, &n);
    if (error < 0) {
        return error;
    }
    v->n_dimensions = (uint32_t)n;
    v->capacity = calloc(v->n_dimensions, sizeof(*v->capacity));
    if (v->capacity == NULL) {
        return -ENOMEM;
    }
    for (uint32_t d = 0; d < v->n_dimensions; d++) {
        if ((error = number(w, 0, AMOUNT_MAX, &v->capacity[d])) < 0) {
            return error;
        }
    }
    error = number(w, 0, ITEMS_MAX, &n);
    for (; error == 0 && n > 0; n--) {
        error = read_items(w, v, &room);
    }
    if (error == 0 && skip_blanks(w)) {
        error = refuse(w, "there is more than the items");
    }
    shuffle(v);
    return error;
}

int bench_vbp_parse(struct bench_vbp *ret_vbp, const char *text, char *ret_error) {
    struct words w = {.at = text, .line = 1, .error = ret_error};
    struct bench_vbp v = {0};
    int error = parse(&w, &v);
    if (error < 0) {
        if (error == -ENOMEM) {
            refuse(&w, "no memory");
        }
        bench_vbp_finish(&v);
        return error;
    }
    *ret_vbp = v;
    return 0;
}

int bench_vbp_read(struct bench_vbp *ret_vbp, const char *path, char *ret_error) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    ssize_t n = file != NULL ? getdelim(&text, &size, '\0', file) : -1;
    int error = -EBADMSG;
    if (n < 0) {
        snprintf(ret_error, BENCH_ERROR_MAX, "%s", file != NULL ? "it is empty" : strerror(errno));
    } else {
        error = bench_vbp_parse(ret_vbp, text, ret_error);
    }
    if (file != NULL) {
        fclose(file);
    }
    free(text);
    return error;
}

void bench_vbp_finish(struct bench_vbp *vbp) {
    free(vbp->capacity);
    free(vbp->sizes);
    *vbp = (struct bench_vbp){0};
}

/* The first item with a negative size; n_items: none has. */
static uint32_t first_negative(const struct bench_vbp *v) {
    size_t i = 0;
    while (i < (size_t)v->n_items * v->n_dimensions && v->sizes[i] >= 0) {
        i++;
    }
    return (uint32_t)(i / v->n_dimensions);
}

/* What an item takes, and what bin 0 gains by the one that is put there. */
static int64_t size_of(const struct bench_vbp *v, uint32_t item, uint32_t d) {
    const int64_t size = v->sizes[(size_t)item * v->n_dimensions + d];
    return size > 0 ? size : 0;
}

static int64_t gain_of(const struct bench_vbp *v, uint32_t item, uint32_t d) {
    const int64_t size = item < v->n_items ? v->sizes[(size_t)item * v->n_dimensions + d] : 0;
    return size < 0 ? -size : 0;
}

int bench_vbp_cluster(const struct bench_vbp *vbp, uint32_t n_nodes,
                      struct bench_cluster *ret_cluster) {
    static const uint32_t node_zero = 0;
    const uint32_t n = vbp->n_dimensions, resources = n < 2 ? 2 : n; /* memory and cpu are always */
    const uint32_t pinned = first_negative(vbp);
    struct bench_cluster c;
    int error = bench_cluster_init(&c, n_nodes, vbp->n_items, resources);
    if (error < 0) {
        return error;
    }
    for (uint32_t node = 0; node < n_nodes; node++) {
        for (uint32_t d = 0; d < n; d++) {
            bench_capacity(&c, node)[d] =
                (uint64_t)(vbp->capacity[d] + (node == 0 ? gain_of(vbp, pinned, d) : 0));
        }
    }
    for (uint32_t item = 0; item < vbp->n_items; item++) {
        for (uint32_t d = 0; d < n; d++) {
            bench_need(&c, item)[d] = (uint64_t)size_of(vbp, item, d);
        }
        c.homeless[c.n_homeless++] = item;
    }
    if (pinned < vbp->n_items) {
        c.vms[pinned].possible = (struct placement_set){.index = &node_zero, .n = 1};
    }
    *ret_cluster = c;
    return 0;
}

/* In one dimension, for any `small` up to half the bin: an item with more than all but `small` is
 * alone but for items smaller than that, which are left out (Martello and Toth's L2). */
static uint32_t bound_of(const struct bench_vbp *v, uint32_t d, int64_t small, int64_t gain) {
    const int64_t capacity = v->capacity[d];
    int64_t sum = -gain;
    for (uint32_t i = 0; i < v->n_items; i++) {
        const int64_t size = size_of(v, i, d);
        sum += size > capacity - small ? capacity : size < small ? 0 : size;
    }
    return capacity > 0 && sum > 0 ? (uint32_t)((sum + capacity - 1) / capacity) : 0;
}

static bool together(const struct bench_vbp *v, uint32_t a, uint32_t b, uint32_t pinned) {
    for (uint32_t d = 0; d < v->n_dimensions; d++) {
        if (size_of(v, a, d) + size_of(v, b, d) > v->capacity[d] + gain_of(v, pinned, d)) {
            return false;
        }
    }
    return true;
}

/* Items of which no two go together, gathered greedily from each item on: as many bins at least. */
static uint32_t bound_by_strangers(const struct bench_vbp *v, uint32_t pinned) {
    uint32_t best = 0, *strangers = calloc((size_t)v->n_items + 1, sizeof(*strangers));
    for (uint32_t first = 0; strangers != NULL && v->n_items <= 2000 && first < v->n_items;
         first++) {
        uint32_t n = 0;
        for (uint32_t k = 0; k < v->n_items; k++) {
            const uint32_t item = (first + k) % v->n_items;
            uint32_t i = 0;
            while (i < n && !together(v, item, strangers[i], pinned)) {
                i++;
            }
            if (i == n) {
                strangers[n++] = item;
            }
        }
        best = n > best ? n : best;
    }
    free(strangers);
    return best;
}

uint32_t bench_vbp_lower_bound(const struct bench_vbp *vbp) {
    const uint32_t pinned = first_negative(vbp);
    uint32_t best = bound_by_strangers(vbp, pinned);
    for (uint32_t d = 0; d < vbp->n_dimensions; d++) {
        const int64_t gain = gain_of(vbp, pinned, d);
        uint32_t bound = bound_of(vbp, d, 0, gain);
        best = bound > best ? bound : best;
        for (uint32_t i = 0; gain == 0 && i < vbp->n_items; i++) {
            const int64_t size = size_of(vbp, i, d);
            bound = size <= vbp->capacity[d] / 2 ? bound_of(vbp, d, size, 0) : 0;
            best = bound > best ? bound : best;
        }
    }
    return best;
}
