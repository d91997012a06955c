/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM as tests and the simulator define it: small, on the volume csv1, with nothing special. The
 * caller changes the fields that matter to it.
 */
#ifndef TESTS_PLAIN_VM_H
#define TESTS_PLAIN_VM_H

#include "wire/command.h"

static inline struct cmd_vm_add plain_vm(const char *name) {
    static const char *const csv = "csv1";
    return (struct cmd_vm_add){.name = name,
                               .uuid = name,
                               .xml = "<domain/>",
                               .memory_mb = 512,
                               .vcpus = 1,
                               .cpu_mode = "",
                               .cpu_model = "",
                               .volumes = {&csv, 1}};
}

#endif
