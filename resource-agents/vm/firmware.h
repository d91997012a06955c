/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware files that a definition names. Pure, but for firmware_format(). */
#ifndef AGENTS_VM_FIRMWARE_H
#define AGENTS_VM_FIRMWARE_H

#include "definition.h"

/* Each a path and a format that the definition owns, or NULL. A newer libvirt knows the format of
 * firmware that its node has: without one in the definition nothing can be said. */
struct firmware {
    const char *loader, *loader_format;
    const char *nvram, *nvram_format;
    const char *blank, *blank_format; /* the template of the UEFI variables */
};

struct firmware firmware_of(const struct definition *definition);

/* What a file is, by its first bytes: "qcow2" or "raw". NULL: it cannot be read, errno says why. */
const char *firmware_format(const char *path);

#endif
