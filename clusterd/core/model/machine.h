/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nodes tell of their QEMU: machine types ("x86_64/pc-i440fx-7.2", and of an alias what it
 * stands for, "x86_64/pc=pc-i440fx-7.2"), and CPU models.
 */
#ifndef CLUSTERD_CORE_MODEL_MACHINE_H
#define CLUSTERD_CORE_MODEL_MACHINE_H

#include "core/model/model.h"

/* What the type of that name is in truth: itself, or what the alias stands for; NULL: there is
 * none. An `arch` of "" is any. Points into the list. */
const char *machine_find(const struct wire_strs *machines, const char *arch, const char *name);
/* Whether there is any of that architecture. */
bool machine_arch_is_there(const struct wire_strs *machines, const char *arch);

/* Whether it is a model by its name that the CPU is asked for by; else it is what the host has. */
bool cpu_is_by_name(const char *mode, const char *model);
/* Whether the node's QEMU offers the model. A node that has not yet said what it offers gets the
 * benefit of the doubt. */
bool cpu_is_offered(const struct model_node *node, const char *model);

#endif
