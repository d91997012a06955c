/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of the log is one line, and all of it is text. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/logging.h"

static void assert_logged(const char *text, const char *expected) {
    int ends[2];
    char said[512] = "";
    int saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    log_warning("device ilo says: %s", text);
    assert_true(read(ends[0], said, sizeof(said) - 1) > 0); /* another thread writes it */
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_non_null(strstr(said, expected));
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void foreign_text_cannot_forge_a_line(void **state) {
    static const char text[] = "a\nwarning: b\t\033c \302\205 \233 \342\200\216 \303\274";
    static const char line[] = "device ilo says: a warning: b ?c ? ? ? \303\274\n";
    (void)state;
    assert_logged(text, line); /* not open yet */
    assert_int_equal(log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO), 0);
    assert_logged(text, line);
    log_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(foreign_text_cannot_forge_a_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
