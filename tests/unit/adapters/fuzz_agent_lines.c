/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes as a resource agent's line. */
#include "adapters/agents/lines.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct agent_line line;
    const char *why = NULL;
    if (agent_line_decode((const char *)data, size, &line, &why) == 0) {
        /* Both lie in one struct, so that a sanitizer does not see the first step beyond. */
        if (line.agent.n_seen > AGENT_MAX_SEEN || line.agent.models.n > AGENT_MAX_MODELS) {
            abort();
        }
        for (uint32_t i = 0; i < line.agent.n_seen; i++) {
            if (!line.agent.seen[i].node) {
                abort();
            }
        }
        agent_line_finish(&line);
    }
    return 0;
}
