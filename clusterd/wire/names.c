/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule for names; see names.h.
 */
#include "wire/names.h"

#include "wire/limits.h"

#include <string.h>

_Static_assert(WIRE_MAX_NAME == 63, "NAME_RULE says so");

bool name_is_good(const char *name) {
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strspn(name, good);
    return n > 0 && n <= WIRE_MAX_NAME && name[n] == '\0' && name[0] != '-' && name[0] != '.';
}
