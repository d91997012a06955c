/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protocol versions, as far as they concern replicated data.
 *
 * A view speaks the lowest protocol version of its members (wire/message.h). A command that came
 * with a higher version would be applied by some of them and not by the others. So it is refused in
 * three places: where it is asked for, naming the members that are too old; by each member that is
 * to append it; and when it is applied, by the version in the view's first entry, which is the same
 * on every node.
 *
 * What has been applied stays: the model's counter `needs` is the highest version that any command
 * in it came with. A clusterd that speaks less can no longer be a member, nor read the database
 * (replica/version.c, PRAGMA user_version).
 */
#ifndef CLUSTERD_CORE_MODEL_NEEDED_PROTOCOL_H
#define CLUSTERD_CORE_MODEL_NEEDED_PROTOCOL_H

#include "wire/message.h"

#include <stdint.h>

struct model;

/* A volume has its path in one form (volume_path.h). */
#define PROTOCOL_VOLUME_PATHS 5u
/* Events that say the same again are counted in one row, once the log needs this version anyway
 * (apply/events.c). */
#define PROTOCOL_REPEATED 5u
/* Likewise: a VM whose saved memory was lost still avoids the node on which it has failed too often
 * (apply/vm_report.c). */
#define PROTOCOL_KEPT_AVOIDED 5u

/* The version that a command came with, or the newest of what it uses: a setting, or a set field
 * that is newer than the command, makes the command as new as itself. */
uint32_t version_of_command(uint32_t type, const void *command);
/* The version that the view of the last applied VIEW speaks. */
uint32_t version_of_view(const struct model *m);

#endif
