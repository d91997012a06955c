/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's objects as tables and as lists of fields.
 */
#ifndef CLI_OUTPUT_LISTS_H
#define CLI_OUTPUT_LISTS_H

#include "output/screen.h"

#include <jansson.h>

void view_nodes(const struct screen *screen, const json_t *nodes);
void view_vms(const struct screen *screen, const json_t *vms);
/* `nodes` gives the nodes that see a volume; NULL if unknown. */
void view_volumes(const struct screen *screen, const json_t *volumes, const json_t *nodes);
/* Where a VM ran, oldest first. */
void view_history(const struct screen *screen, const char *vm, const json_t *stays);
/* `checkpoints` as vm.show has them. */
void view_checkpoints(const struct screen *screen, const char *vm, const json_t *checkpoints);
void view_operations(const struct screen *screen, const json_t *operations);
/* One line: "2025-03-04 10:11:12.345  n1  error  message". */
void view_event(const struct screen *screen, const json_t *event);

/* A file of a storage move, as one line for people: "vda: FROM -> TO, 20 GiB"; the caller frees it.
 * Never NULL. */
char *storage_file_line(const json_t *file);
/* The storage move of a VM, as fields; nothing for NULL. */
void view_storage(const struct screen *screen, const json_t *storage);

/* "name         text", the text broken at the screen's edge. Shows nothing for an empty text. */
void view_field(const struct screen *screen, enum style style, const char *name, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
/* The same for an array of names, or for an object of name: text. */
void view_names(const struct screen *screen, const char *name, const json_t *names);

#endif
