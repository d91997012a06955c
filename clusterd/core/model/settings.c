/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Settings; see settings.h.
 */
#include "core/model/settings.h"

#include "base/check.h"
#include "wire/message.h"

#include <errno.h>
#include <stdio.h>
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

bool setting_records_history(const struct model *m) {
    return m->needs >= setting_since(SETTING_vm_history) && setting_get(m, SETTING_vm_history);
}

uint32_t setting_since(enum setting_id id) {
    static const struct {
        enum setting_id id;
        uint32_t since;
    } newer[] = {
#define X(key, since) {SETTING_##key, since},
        SETTINGS_SINCE(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_SIZE(newer); i++) {
        if (newer[i].id == id) {
            return newer[i].since;
        }
    }
    return PROTOCOL_LOWEST;
}

bool setting_is_named(enum setting_id id) {
    return strchr(settings[id].unit, '|') != NULL;
}

bool setting_is_hours(enum setting_id id) {
    return strcmp(settings[id].unit, "hours") == 0;
}

/* "22-6": from 22:00 to 6:00. */
static int parse_hours(const char *text, uint64_t *ret_value) {
    uint64_t hours[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        size_t digits = strspn(text, "0123456789");
        if (digits < 1 || digits > 2 || text[digits] != (i == 0 ? '-' : '\0')) {
            return -EINVAL;
        }
        for (size_t k = 0; k < digits; k++) {
            hours[i] = hours[i] * 10 + (uint64_t)(text[k] - '0');
        }
        text += digits + 1;
    }
    if (hours[0] > 24 || hours[1] > 24 || hours[0] == hours[1]) {
        return -ERANGE;
    }
    *ret_value = hours[0] * 100 + hours[1];
    return 0;
}

uint64_t setting_hours_wait_ms(uint64_t hours, uint64_t wall_ms) {
    const uint64_t hour_ms = 3600000, day_ms = 24 * hour_ms;
    uint64_t from = hours / 100 % 24 * hour_ms, to = hours % 100 * hour_ms;
    uint64_t now = wall_ms % day_ms;
    bool inside = from < to ? now >= from && now < to : now >= from || now < to;
    return inside ? 0 : (from + day_ms - now) % day_ms;
}

/* The number-th word; NULL: there are fewer. */
static const char *word_at(enum setting_id id, uint64_t number, size_t *ret_length) {
    const char *word = settings[id].unit;
    for (; number > 0 && word; number--) {
        word = strchr(word, '|');
        word = word ? word + 1 : NULL;
    }
    *ret_length = word ? strcspn(word, "|") : 0;
    return word;
}

static int parse_word(enum setting_id id, const char *text, uint64_t *ret_value) {
    for (uint64_t v = settings[id].min; v <= settings[id].max; v++) {
        size_t length = 0;
        const char *word = word_at(id, v - settings[id].min, &length);
        if (word && strlen(text) == length && strncmp(word, text, length) == 0) {
            *ret_value = v;
            return 0;
        }
    }
    return -EINVAL;
}

const char *setting_text(enum setting_id id, uint64_t value, char text[SETTING_TEXT]) {
    size_t length = 0;
    const char *word = setting_is_named(id) ? word_at(id, value - settings[id].min, &length) : NULL;
    if (setting_is_hours(id)) {
        (void)snprintf(text, SETTING_TEXT, "%llu-%llu", (unsigned long long)(value / 100),
                       (unsigned long long)(value % 100));
    } else if (word) {
        (void)snprintf(text, SETTING_TEXT, "%.*s", (int)length, word);
    } else {
        (void)snprintf(text, SETTING_TEXT, "%llu", (unsigned long long)value);
    }
    return text;
}

int setting_parse(enum setting_id id, const char *text, uint64_t *ret_value) {
    uint64_t v = 0;
    if (setting_is_named(id)) {
        return parse_word(id, text, ret_value);
    }
    if (setting_is_hours(id)) {
        return parse_hours(text, ret_value);
    }
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
