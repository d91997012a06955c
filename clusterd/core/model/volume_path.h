/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * At which path a volume may be: an absolute one, in its normal form (base/path.h), so that one
 * directory is never two volumes; and without what separates volumes in agents' parameters, or
 * cannot be shown.
 */
#ifndef CLUSTERD_CORE_MODEL_VOLUME_PATH_H
#define CLUSTERD_CORE_MODEL_VOLUME_PATH_H

#include "wire/limits.h"

struct model;
struct model_volume;

/* NULL if a volume may be at `path`; then ret_path has its normal form. Otherwise what is wrong
 * with it, to follow the path in a sentence; static. */
const char *volume_path_refusal(const char *path, char ret_path[WIRE_MAX_PATH + 1]);

/* The volume at that path, which is normal; NULL: there is none. Paths of volumes that an older
 * version has added may have another form: they are compared in the normal one. */
const struct model_volume *volume_at_path(const struct model *m, const char *path);

#endif
