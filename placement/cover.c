/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cover.c - where no room is to spare: each node full, each VM on one.
 *
 * If the nodes have no more room together than is needed, a plan is made of choices of VMs that
 * fill a node to the last. Of these there are few. They are all listed, and a set of them is sought
 * in which each VM is once: an exact cover. It is searched depth first, always for the VM that is
 * in the fewest choices left (Knuth, Dancing links, 2000), in a random order, and begun anew after
 * some failures, each time after more of them: a wrong decision early on costs no more than that.
 *
 * The nodes must be alike. What one of them does not accept of a choice stays left, for pack.c.
 */
#include "pack.h"

#include <string.h>

#define CHOICE_VMS 6u
#define CHOICES_PER_VM 16u
#define FAILURES 100u /* before it is begun anew, the first time */

struct cover {
    struct pack *p;
    uint64_t work_end;
    uint64_t room[PLACEMENT_RESOURCES_MAX]; /* of a node, less what is chosen */
    uint64_t slack;                         /* all resources as one: see sizes below */
    uint64_t *sizes;                        /* of the VMs in the list, the largest first */
    uint32_t n_chosen, chosen[CHOICE_VMS];
    uint32_t vms_most; /* in a choice */
    uint32_t n_choices, n_max;
    bool too_many; /* choices, or work */
    bool proven;   /* the choices that are listed cover nothing */

    /* Choice i is in cells [i * CHOICE_VMS] and on. The cells of a VM are a ring, which begins at
     * the VM's own cell, behind all these. */
    uint32_t *vm_of; /* NONE: none, nor in the rest of the choice's */
    uint32_t *up, *down;
    uint32_t *n_with; /* per VM: choices left that it is in */
    uint32_t *taken;  /* cells, of the VM that each was taken for */
    uint32_t n_taken;
    bool *covered; /* per VM */
};

static uint32_t head(const struct cover *x, uint32_t vm) {
    return x->n_max * CHOICE_VMS + vm;
}

/* ---- the choices */

static void add_choice(struct cover *x) {
    if (x->n_choices == x->n_max) {
        x->too_many = true;
        return;
    }
    uint32_t *cells = &x->vm_of[(size_t)x->n_choices++ * CHOICE_VMS];
    for (uint32_t i = 0; i < CHOICE_VMS; i++) {
        cells[i] = i < x->n_chosen ? x->chosen[i] : PLACEMENT_NONE;
    }
}

static bool is_full(const struct cover *x) {
    for (uint32_t r = 0; r < x->p->s->n_resources; r++) {
        if (x->room[r] > x->p->slack[r]) {
            return false;
        }
    }
    return true;
}

static bool fits(const struct cover *x, const uint64_t *need) {
    for (uint32_t r = 0; r < x->p->s->n_resources; r++) {
        if (need[r] > x->room[r]) {
            return false;
        }
    }
    return true;
}

/* The first VM from list[first] on that is no larger. */
static uint32_t first_not_above(const struct cover *x, uint32_t first, uint64_t size) {
    uint32_t end = x->p->n_left;
    while (first < end) {
        const uint32_t middle = first + (end - first) / 2;
        if (x->sizes[middle] > size) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

/* All choices that go on with VMs from list[first] on. The next one is the largest of those to
 * come: it must not be so small that as many as there may be do not fill the node. */
static void list_choices(struct cover *x, uint32_t first, uint64_t room) {
    const struct pack *p = x->p;
    struct placement_solver *s = p->s;
    if (x->n_chosen > 0 && is_full(x)) {
        add_choice(x);
    }
    const uint64_t least = x->sizes[p->n_left - 1], free = x->vms_most - x->n_chosen;
    const uint64_t more = least > 0 && room / least < free ? room / least : free;
    s->work += 2;
    for (uint32_t i = first_not_above(x, first, room); i < p->n_left && !x->too_many; i++) {
        if (x->sizes[i] * more + x->slack < room) {
            return;
        }
        const uint64_t *need = vm_need(s, p->list[i]);
        s->work += i % 4 == 0;
        if (!fits(x, need)) {
            continue;
        }
        for (uint32_t r = 0; r < s->n_resources; r++) {
            x->room[r] -= need[r];
        }
        x->chosen[x->n_chosen++] = p->list[i];
        list_choices(x, i + 1, room - x->sizes[i]);
        x->n_chosen--;
        for (uint32_t r = 0; r < s->n_resources; r++) {
            x->room[r] += need[r];
        }
        x->too_many = x->too_many || s->work >= x->work_end;
    }
}

/* ---- the search */

static void unlink(struct cover *x, uint32_t cell) {
    x->down[x->up[cell]] = x->down[cell];
    x->up[x->down[cell]] = x->up[cell];
    x->n_with[x->vm_of[cell]]--;
}

static void link_again(struct cover *x, uint32_t cell) {
    x->down[x->up[cell]] = x->up[x->down[cell]] = cell;
    x->n_with[x->vm_of[cell]]++;
}

/* The other cells of the cell's choice, in turn around. */
static uint32_t beside(const struct cover *x, uint32_t cell) {
    const uint32_t next = cell + 1;
    return next % CHOICE_VMS == 0 || x->vm_of[next] == PLACEMENT_NONE
               ? cell / CHOICE_VMS * CHOICE_VMS
               : next;
}

/* The VM has its place: choices with it are none any more for the others in them. */
static void cover_vm(struct cover *x, uint32_t vm) {
    x->covered[vm] = true;
    for (uint32_t i = x->down[head(x, vm)]; i != head(x, vm); i = x->down[i]) {
        x->p->s->work++;
        for (uint32_t k = beside(x, i); k != i; k = beside(x, k)) {
            unlink(x, k);
        }
    }
}

static void uncover_vm(struct cover *x, uint32_t vm) {
    for (uint32_t i = x->up[head(x, vm)]; i != head(x, vm); i = x->up[i]) {
        for (uint32_t k = beside(x, i); k != i; k = beside(x, k)) {
            link_again(x, k);
        }
    }
    x->covered[vm] = false;
}

static void take_choice(struct cover *x, uint32_t cell) {
    for (uint32_t k = beside(x, cell); k != cell; k = beside(x, k)) {
        cover_vm(x, x->vm_of[k]);
    }
    x->taken[x->n_taken++] = cell;
}

/* What is uncovered in another order than the reverse comes out wrong: once around, and back. */
static void give_back_choice(struct cover *x, uint32_t cell) {
    uint32_t cells[CHOICE_VMS], n = 0;
    for (uint32_t k = beside(x, cell); k != cell; k = beside(x, k)) {
        cells[n++] = k;
    }
    while (n > 0) {
        uncover_vm(x, x->vm_of[cells[--n]]);
    }
    x->n_taken--;
}

/* NONE: all are covered. */
static uint32_t fewest_choices(struct cover *x) {
    const struct pack *p = x->p;
    uint32_t best = PLACEMENT_NONE, n_equal = 0;
    p->s->work += p->n_left / 8;
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        if (x->covered[vm] || (best != PLACEMENT_NONE && x->n_with[vm] > x->n_with[best])) {
            continue;
        }
        n_equal = best != PLACEMENT_NONE && x->n_with[vm] == x->n_with[best] ? n_equal + 1 : 1;
        if (n_equal == 1 || random_below(p->s, n_equal) == 0) {
            best = vm;
        }
    }
    return best;
}

/* All choices, in a random order, none taken. */
static void link_choices(struct cover *x) {
    const struct pack *p = x->p;
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i], h = head(x, vm);
        x->up[h] = x->down[h] = h;
        x->n_with[vm] = 0;
        x->covered[vm] = false;
    }
    x->n_taken = 0;
    p->s->work += x->n_choices;
    for (uint32_t i = 0; i < x->n_choices; i++) {
        uint32_t *a = &x->vm_of[(size_t)i * CHOICE_VMS];
        uint32_t *b = &x->vm_of[(size_t)random_below(p->s, i + 1) * CHOICE_VMS];
        uint32_t kept[CHOICE_VMS];
        memcpy(kept, a, sizeof(kept));
        memcpy(a, b, sizeof(kept));
        memcpy(b, kept, sizeof(kept));
    }
    for (uint32_t cell = 0; cell < x->n_choices * CHOICE_VMS; cell++) {
        if (x->vm_of[cell] != PLACEMENT_NONE) {
            const uint32_t h = head(x, x->vm_of[cell]);
            x->up[cell] = x->up[h];
            x->down[cell] = h;
            link_again(x, cell);
        }
    }
}

static bool search(struct cover *x, uint32_t failures) {
    link_choices(x);
    for (;;) {
        uint32_t vm = fewest_choices(x);
        if (vm == PLACEMENT_NONE) {
            return true;
        }
        cover_vm(x, vm);
        uint32_t cell = x->down[head(x, vm)];
        while (cell == head(x, vm)) { /* no other choice for it: back */
            uncover_vm(x, vm);
            x->proven = x->n_taken == 0;
            if (x->proven || failures-- == 0 || x->p->s->work >= x->work_end) {
                return false;
            }
            cell = x->taken[x->n_taken - 1];
            vm = x->vm_of[cell];
            give_back_choice(x, cell);
            cell = x->down[cell];
        }
        take_choice(x, cell);
    }
}

/* Half of the work is kept. */
static bool seek(struct cover *x) {
    const struct placement_solver *s = x->p->s;
    const uint64_t end = x->work_end;
    bool found = false;
    uint32_t failures = FAILURES;
    x->work_end -= s->work < end ? (end - s->work) / 2 : 0;
    for (x->proven = false; !found && !x->proven && s->work < x->work_end;
         failures += FAILURES / 4) {
        found = search(x, failures);
    }
    x->work_end = end;
    return found;
}

/* ---- all together */

static uint32_t count_nodes(const struct placement_solver *s) {
    uint32_t n = 0;
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        n += bit_test(s->accepts, node) ? 1 : 0;
    }
    return n;
}

static bool nodes_alike(const struct pack *p) {
    const struct placement_solver *s = p->s;
    uint32_t first = PLACEMENT_NONE;
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        if (!bit_test(s->accepts, node)) {
            continue;
        }
        first = first == PLACEMENT_NONE ? node : first;
        for (uint32_t r = 0; r < s->n_resources; r++) {
            const size_t i = (size_t)node * s->n_resources + r;
            const size_t k = (size_t)first * s->n_resources + r;
            if (s->capacities[i] != s->capacities[k] || s->used[i] != s->used[k]) {
                return false;
            }
        }
    }
    return first != PLACEMENT_NONE;
}

/* Exactly additive, unlike pack.h's. */
static uint64_t size_of(const struct pack *p, const uint64_t *amounts) {
    uint64_t size = 0;
    for (uint32_t r = 0; r < p->s->n_resources; r++) {
        size += amounts[r] * p->scale[r];
    }
    return size;
}

static void lay_out(struct cover *x) {
    const struct pack *p = x->p;
    const size_t n_vms = p->s->problem->n_vms;
    x->n_max = p->n_left * CHOICES_PER_VM;
    const size_t n_cells = (size_t)x->n_max * CHOICE_VMS + n_vms;
    x->sizes = p->room_for_lists;
    x->vm_of = (uint32_t *)(void *)(x->sizes + n_vms);
    x->up = x->vm_of + n_cells;
    x->down = x->up + n_cells;
    x->n_with = x->down + n_cells;
    x->taken = x->n_with + n_vms;
    x->covered = (bool *)(x->taken + n_vms);
}

/* The list in order of size: the search is narrow where the large ones come first. */
static void begin(struct cover *x) {
    const struct pack *p = x->p;
    const struct placement_solver *s = p->s;
    uint32_t node = 0;
    lay_out(x);
    while (!bit_test(s->accepts, node)) {
        node++;
    }
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        x->room[r] = s->capacities[i] > s->used[i] ? s->capacities[i] - s->used[i] : 0;
    }
    x->slack = size_of(p, p->slack);
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        const uint64_t size = size_of(p, vm_need(s, vm));
        uint32_t k = i;
        for (; k > 0 && x->sizes[k - 1] < size; k--) {
            p->list[k] = p->list[k - 1];
            x->sizes[k] = x->sizes[k - 1];
        }
        p->list[k] = vm;
        x->sizes[k] = size;
    }
}

static void carry_out(struct cover *x) {
    struct pack *p = x->p;
    struct placement_solver *s = p->s;
    for (uint32_t i = 0, node = 0; i < x->n_taken; i++, node++) {
        const uint32_t *vms = &x->vm_of[x->taken[i] / CHOICE_VMS * CHOICE_VMS];
        while (node < s->problem->n_nodes && !bit_test(s->accepts, node)) {
            node++;
        }
        for (uint32_t k = 0; k < CHOICE_VMS && vms[k] != PLACEMENT_NONE; k++) {
            if (node < s->problem->n_nodes && placement_can_go(s, vms[k], node)) {
                placement_pack_put(p, vms[k], node);
            }
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->n_left; i++) {
        if (s->at[p->left[i]] == PLACEMENT_NONE) {
            p->left[kept++] = p->left[i];
        }
    }
    p->n_left = kept;
}

size_t placement_cover_room(uint32_t n_vms) {
    const size_t n_cells = (size_t)n_vms * CHOICES_PER_VM * CHOICE_VMS + n_vms;
    return n_vms > LISTED_VMS_MAX
               ? 0
               : n_vms * (sizeof(uint64_t) + 2 * sizeof(uint32_t) + sizeof(bool)) +
                     n_cells * 3 * sizeof(uint32_t);
}

/* Choices of few VMs come first: there are fewer of them. */
bool placement_cover(struct pack *p, uint64_t work) {
    struct placement_solver *s = p->s;
    struct cover x = {.p = p, .work_end = s->work + work};
    const uint32_t n_nodes = count_nodes(s);
    uint32_t n_listed = 0;
    if (s->problem->n_vms > LISTED_VMS_MAX || p->n_left == 0 || n_nodes == 0 || !nodes_alike(p)) {
        return false;
    }
    begin(&x);
    x.vms_most = (p->n_left + n_nodes - 1) / n_nodes;
    for (; x.vms_most <= CHOICE_VMS && s->work < x.work_end; x.vms_most++) {
        x.n_choices = 0;
        list_choices(&x, 0, size_of(p, x.room));
        if (x.too_many) {
            return false;
        }
        if (x.n_choices > n_listed && seek(&x)) {
            carry_out(&x);
            return true;
        }
        n_listed = x.n_choices;
    }
    return false;
}
