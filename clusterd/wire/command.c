/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What follows from the list of commands; see command.h.
 */
#include "wire/command.h"

#include "base/check.h"

#include <stddef.h>

WIRE_DEFINE(view_member);
WIRE_DEFINE(view_node);
WIRE_DEFINE(report_domain);
WIRE_DEFINE(report_order);
WIRE_DEFINE(resource_amount);
WIRE_DEFINE(storage_file);

#define X(NAME, number, command, since, flags) WIRE_DEFINE(cmd_##command);
WIRE_COMMANDS(X)
#undef X

/* Two rows with one number do not compile: the second would override the first. */
static const struct {
    const struct wire_record *record;
    const char *name;
    uint32_t since, flags;
} commands[] = {
#define X(NAME, number, command, since, flags) \
    [number] = {&cmd_##command##_record, #NAME, since, flags},
    WIRE_COMMANDS(X)
#undef X
};

const struct wire_record *command_record(uint32_t type) {
    return type < ARRAY_SIZE(commands) ? commands[type].record : NULL;
}

uint32_t command_since(uint32_t type) {
    return command_record(type) ? commands[type].since : UINT32_MAX;
}

const char *command_name(uint32_t type) {
    return command_record(type) ? commands[type].name : "UNKNOWN";
}

bool command_takes_room(uint32_t type) {
    return command_record(type) && (commands[type].flags & TAKES_ROOM);
}
