/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nodes report about their QEMU: machine types ("x86_64/pc-i440fx-7.2"; an alias with its
 * meaning, "x86_64/pc=pc-i440fx-7.2") and CPU models.
 */
#ifndef CLUSTERD_CORE_MODEL_MACHINE_H
#define CLUSTERD_CORE_MODEL_MACHINE_H

#include "core/model/model.h"

/* The real type behind a name: the type itself, or what the alias stands for; NULL: unknown. An
 * `arch` of "" matches any. Points into the list. */
const char *machine_find(const struct wire_strs *machines, const char *arch, const char *name);
/* Whether there is a type of that architecture. */
bool machine_arch_is_there(const struct wire_strs *machines, const char *arch);

/* Whether the CPU is requested by a model's name; otherwise it mirrors the host. */
bool cpu_is_by_name(const char *mode, const char *model);
/* Whether the node's QEMU offers the model. A node that has not reported its models yet counts as
 * offering it. */
bool cpu_is_offered(const struct model_node *node, const char *model);

#endif
