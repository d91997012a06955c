/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which row of the list of events something gets that happens. */
#ifndef CLUSTERD_CORE_APPLY_EVENT_ROWS_H
#define CLUSTERD_CORE_APPLY_EVENT_ROWS_H

#include "core/model/model.h"

/*
 * The last row, with the next number: a new one, or the one that says the same and counts. The
 * caller fills in the rest. Of `said`, all texts, the severity, the asker and the time must be set.
 * Rows that were found before may have moved. NULL when memory has run out.
 */
struct model_event *event_row_for(struct model *m, const struct model_event *said);

#endif
