/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Base64; see base64.h.
 */
#include "base/base64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t size) {
    const uint8_t *in = data;
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    char *text = malloc((size + 2) / 3 * 4 + 1);
    char *out = text;
    for (size_t i = 0; text && i < size; i += 3) {
        uint32_t bits = (uint32_t)in[i] << 16;
        bits |= i + 1 < size ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= i + 2 < size ? (uint32_t)in[i + 2] : 0;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    if (text) {
        *out = '\0';
    }
    return text;
}

int base64_decode(const char *text, uint8_t **ret_data, size_t *ret_size) {
    size_t n = strlen(text);
    size_t padding = n >= 2 && text[n - 1] == '=' ? 1u + (text[n - 2] == '=') : 0;
    if (n % 4 != 0) {
        return -EBADMSG;
    }
    uint8_t *data = malloc(n / 4 * 3 + 1);
    if (!data) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i += 4) {
        uint32_t bits = 0;
        for (size_t j = i; j < i + 4; j++) {
            const char *digit = j >= n - padding ? digits : strchr(digits, text[j]);
            if (!digit || *digit == '\0') {
                free(data);
                return -EBADMSG;
            }
            bits = bits << 6 | (uint32_t)(digit - digits);
        }
        data[i / 4 * 3] = (uint8_t)(bits >> 16);
        data[i / 4 * 3 + 1] = (uint8_t)(bits >> 8);
        data[i / 4 * 3 + 2] = (uint8_t)bits;
    }
    *ret_data = data;
    *ret_size = n / 4 * 3 - padding;
    return 0;
}
