/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: writing a line that must not be lost. See watch.h. */
#include "watch.h"

#include <string.h>
#include <unistd.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"

void watch_tell(json_t *line) {
    int r = jsonl_send(line, JSONL_IMPORTANT_MS);
    if (r < 0) {
        /* A lost event would never be reported. The process that restarts us gets the whole
         * list. */
        ocf_log("vm watch on %s: ends, because nobody reads its events: %s", ocf_node(),
                strerror(-r));
        _exit(OCF_ERR_GENERIC);
    }
}
