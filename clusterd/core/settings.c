/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Settings; see settings.h.
 */
#include "core/settings.h"

#include "base/check.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
const struct setting settings[SETTING_COUNT] = {
#define X(key, initial, min, max, unit, help) {#key, initial, min, max, unit, help},
    SETTINGS(X)
#undef X
};
/* clang-format on */

int setting_find(const char *key) {
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

int setting_parse(enum setting_id id, const char *text, uint64_t *ret_value) {
    uint64_t v = 0;
    if (text[0] == '\0' || strlen(text) > 18) {
        return -EINVAL;
    }
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9') {
            return -EINVAL;
        }
        v = v * 10 + (uint64_t)(*c - '0');
    }
    if (v < settings[id].min || v > settings[id].max) {
        return -ERANGE;
    }
    *ret_value = v;
    return 0;
}

uint64_t setting_get(const struct model *m, enum setting_id id) {
    MODEL_EACH(model_setting, row, &m->settings) {
        uint64_t v;
        if (strcmp(row->key, settings[id].key) == 0 && setting_parse(id, row->value, &v) == 0) {
            return v;
        }
    }
    return settings[id].initial;
}
