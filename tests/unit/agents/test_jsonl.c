/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON lines for readers that are slow, hang or are gone. Each test is a process of its own, as
 * stdout is the subject. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "resource-agents/shared/jsonl.h"
#include "resource-agents/shared/ocf.h"

/*
 * Runs part in a child whose stdout is a pipe of that many bytes; the child's exit code is what the
 * part returns.
 */
static int in_child(int (*part)(int reader), int size) {
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, size) == size);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)ocf_process_setup(OCF_DIES_WITH_PARENT);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[1]);
        _exit(part(ends[0]));
    }
    int status = 0;
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static json_t *line_of(size_t len) {
    char *text = malloc(len + 1);
    if (text == NULL) {
        return NULL;
    }
    memset(text, 'x', len);
    text[len] = '\0';
    json_t *line = json_pack("{ss}", "text", text);
    free(text);
    return line;
}

static int part_lines(int reader) {
    char text[64] = "";

    if (jsonl_send(json_pack("{si}", "a", 1), 0) != 0 ||
        jsonl_send(json_pack("[ss]", "b\n", "\xc3\xa4"), 0) != 0) {
        return 1;
    }
    if (read(reader, text, sizeof(text) - 1) < 0) {
        return 2;
    }
    return strcmp(text, "{\"a\":1}\n[\"b\\n\",\"\xc3\xa4\"]\n") == 0 ? 0 : 3;
}

static int part_slow(int reader) {
    (void)reader;
    if (jsonl_send(line_of(3000), 0) != 0) {
        return 1;
    }
    /* No room for another whole piece: dropped, at once or after the wait; and nothing of it is in
     * the pipe. */
    if (jsonl_send(line_of(10), JSONL_DROPPABLE_MS) != -EAGAIN) {
        return 2;
    }
    uint64_t began = ocf_now_ms();
    if (jsonl_send(line_of(10), 100) != -EAGAIN || ocf_now_ms() - began < 100) {
        return 3;
    }
    static char text[4096];
    ssize_t n = read(reader, text, sizeof(text));
    if (n != 3000 + 12 || jsonl_send(line_of(10), 0) != 0) {
        return 4;
    }
    return 0;
}

static int part_cut(int reader) {
    (void)reader;
    /* Longer than the pipe: begun, then stopped. The stream is broken for good. */
    if (jsonl_send(line_of(10000), 50) != -ETIMEDOUT || jsonl_send(line_of(1), 50) != -ETIMEDOUT) {
        return 1;
    }
    return 0;
}

static int part_gone(int reader) {
    if (jsonl_reader_gone()) {
        return 1;
    }
    close(reader);
    /* The parent's copy of that end closes in its own time. */
    struct pollfd output = {.fd = STDOUT_FILENO, .events = 0};
    if (poll(&output, 1, 5000) != 1) {
        return 3;
    }
    if (!jsonl_reader_gone() || jsonl_send(line_of(1), 1000) != -EPIPE ||
        jsonl_send(line_of(1), 1000) != -EPIPE) {
        return 2;
    }
    return 0;
}

static int part_long(int reader) {
    static char text[20000];
    size_t len = 0;
    pid_t writer = fork();

    if (writer == 0) {
        _exit(jsonl_send(line_of(15000), 5000) == 0 ? 0 : 1);
    }
    close(STDOUT_FILENO);
    for (ssize_t n = 1; n > 0;) {
        n = read(reader, text + len, sizeof(text) - len);
        len += n > 0 ? (size_t)n : 0;
    }
    int status = 1;
    waitpid(writer, &status, 0);
    return status == 0 && len == 15012 && text[len - 1] == '\n' ? 0 : 1;
}

static void test_lines(void **state) {
    (void)state;
    assert_int_equal(in_child(part_lines, 65536), 0);
}

static void test_slow_reader(void **state) {
    (void)state;
    assert_int_equal(in_child(part_slow, 4096), 0);
}

static void test_cut_line(void **state) {
    (void)state;
    assert_int_equal(in_child(part_cut, 4096), 0);
}

static void test_reader_gone(void **state) {
    (void)state;
    assert_int_equal(in_child(part_gone, 4096), 0);
}

static void test_long_line(void **state) {
    (void)state;
    assert_int_equal(in_child(part_long, 4096), 0);
}

static void test_bad_utf8(void **state) {
    (void)state;
    json_t *text = jsonl_text("a\xff"
                              "b");
    assert_string_equal(json_string_value(text), "a?b");
    json_decref(text);
}

static void test_one_line(void **state) {
    char text[] = "  a\n\tb\r\n";
    char blank[] = " \n";
    (void)state;

    ocf_one_line(text);
    assert_string_equal(text, "a b");
    ocf_one_line(blank);
    assert_string_equal(blank, "");
}

/* A message of libvirt or QEMU can hold a guest's own words. */
static void test_clean_line(void **state) {
    char text[] = "a\033[1mb \302\205 \342\200\216c \233 \303\274";
    int ends[2];
    char said[256] = "";
    (void)state;

    int saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    ocf_log("vm start: %s", text);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
    assert_string_equal(said, "vm start: a?[1mb ? ?c ? \303\274\n");
    ocf_one_line(text);
    assert_string_equal(text, "a?[1mb ? ?c ? \303\274");
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void test_params(void **state) {
    uint64_t value = 0;
    (void)state;

    unsetenv("OCF_RESKEY_x");
    assert_int_equal(ocf_param_u64("x", 7, 100, &value), 0);
    assert_int_equal(value, 7);
    setenv("OCF_RESKEY_x", "100", 1);
    assert_int_equal(ocf_param_u64("x", 7, 100, &value), 0);
    assert_int_equal(value, 100);
    assert_int_equal(ocf_param_u64("x", 7, 99, &value), -ERANGE);
    setenv("OCF_RESKEY_x", "-1", 1);
    assert_int_equal(ocf_param_u64("x", 7, 100, &value), -EINVAL);
    setenv("OCF_RESKEY_x", "99999999999999999999", 1);
    assert_int_equal(ocf_param_u64("x", 7, UINT64_MAX, &value), -ERANGE);
    setenv("OCF_RESKEY_x", "18446744073709551615", 1);
    assert_int_equal(ocf_param_u64("x", 7, UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    unsetenv("OCF_RESKEY_x");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_cut_line),  cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_bad_utf8),
        cmocka_unit_test(test_one_line),  cmocka_unit_test(test_clean_line),
        cmocka_unit_test(test_params),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
