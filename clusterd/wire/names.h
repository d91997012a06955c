/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule for names that people give: to VMs, volumes, fence devices and rules. Names become parts
 * of file names, command lines and XML.
 */
#ifndef CLUSTERD_WIRE_NAMES_H
#define CLUSTERD_WIRE_NAMES_H

#include <stdbool.h>

/* For messages: "... a name has " NAME_RULE. WIRE_MAX_NAME is the number. */
#define NAME_RULE "up to 63 letters, digits, '.', '_' and '-', and does not begin with '.' or '-'"

bool name_is_good(const char *name);

#endif
