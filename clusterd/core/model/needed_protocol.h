/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Versions of the protocol, as far as they concern what is replicated.
 *
 * A view speaks the lowest protocol version of its members (wire/message.h). A command that came
 * with a higher one would be applied by some of them and not by the others, so it is refused, in
 * three places: where it is asked for, with the names of those who are in the way; by each member
 * that gets it to append it; and when it is applied, by the version that the view's first entry
 * says, which is the same on every node.
 *
 * What has been applied once stays: the model's counter `needs` is the highest version that any
 * command in it came with. A clusterd that speaks less cannot be a member any more, nor read the
 * database (replica/version.c, PRAGMA user_version).
 */
#ifndef CLUSTERD_CORE_MODEL_NEEDED_PROTOCOL_H
#define CLUSTERD_CORE_MODEL_NEEDED_PROTOCOL_H

#include "wire/message.h"

#include <stdint.h>

struct model;

/* The version that a command came with, or the newest of what it makes use of: a field that is
 * newer than its command, once set, or a setting, makes the command as new as itself. */
uint32_t version_of_command(uint32_t type, const void *command);
/* That the view of the last applied VIEW speaks. */
uint32_t version_of_view(const struct model *m);

#endif
