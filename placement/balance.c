/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "search.h"
void placement_balance(struct placement_solver *s) {
    (void)s;
}
uint32_t placement_nodes_over(const struct placement_solver *s) {
    (void)s;
    return 0;
}
