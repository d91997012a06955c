/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that go out. See ipc/text.h. */
#include "adapters/ipc/text.h"

#include <stdlib.h>
#include <string.h>

struct ipc_text *ipc_text_take(char *bytes) {
    struct ipc_text *text = bytes ? malloc(sizeof(*text)) : NULL;
    if (!text) {
        free(bytes);
        return NULL;
    }
    *text = (struct ipc_text){.refs = 1, .size = strlen(bytes) + 1, .bytes = bytes};
    return text;
}

struct ipc_text *ipc_text_dump(json_t *json) {
    char *bytes = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return ipc_text_take(bytes);
}

struct ipc_text *ipc_text_hold(struct ipc_text *text) {
    text->refs++;
    return text;
}

void ipc_text_release(struct ipc_text *text) {
    if (text && --text->refs == 0) {
        free(text->bytes);
        free(text);
    }
}
