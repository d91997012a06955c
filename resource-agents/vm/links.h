/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network devices of this node to which a VM can be attached, by what sysfs says of them. As
 * names for the cluster: "bridge/br0" for a bridge of the kernel, and "device/NAME" for it and all
 * others (a network card, a bond, a VLAN, an Open vSwitch bridge). Devices that belong to one VM or
 * container (tap, macvtap, veth) come and go with it and are left out.
 */
#ifndef AGENTS_VM_LINKS_H
#define AGENTS_VM_LINKS_H

#include <jansson.h>
#include <stddef.h>

/* Appends them to the list, in no order. `root`: "/sys/class/net". A negative errno if it cannot be
 * read; a device that vanishes meanwhile is left out. */
int links_append(const char *root, json_t *list);

/* Appends KIND/NAME; a text longer than a name in the cluster is left out. -ENOMEM. */
int links_append_one(json_t *list, const char *kind, const char *name);

#endif
