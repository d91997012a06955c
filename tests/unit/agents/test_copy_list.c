/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of a storage move as lines, and the headers of qcow2 images. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "resource-agents/vm/copy_list.h"
#include "resource-agents/vm/qcow2.h"
#include "resource-agents/vm/volumes.h"

static struct copy_list list;

static void assert_refused(const char *text, const char *words) {
    char reason[512] = "";

    assert_int_not_equal(copy_list_parse(text, 7, &list, reason, sizeof(reason)), 0);
    if (strstr(reason, words) == NULL) {
        fail_msg("%s: %s", text, reason);
    }
}

static void test_names(void **state) {
    char reason[512];
    (void)state;

    assert_int_equal(copy_list_parse("/a/x\t/b/x\n\n/a/y z\t/b/y z", 9223372036854775807u, &list,
                                     reason, sizeof(reason)),
                     0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].from, "/a/x");
    assert_string_equal(list.items[0].to, "/b/x");
    assert_string_equal(list.items[1].part, "/b/y z.clusterd-9223372036854775807.part");
    assert_string_equal(list.items[1].link, "/b/y z.clusterd-9223372036854775807.link");
    assert_int_equal(strlen(list.items[1].part) - strlen(list.items[1].to), COPY_SUFFIX_MAX);
    copy_list_finish(&list);
}

static void test_formats(void **state) {
    char reason[512];
    (void)state;

    assert_int_equal(copy_list_parse("/a/x\t/b/x\tqcow2\n/a/y\t/b/y\n/a/z\t/b/z\traw", 7, &list,
                                     reason, sizeof(reason)),
                     0);
    assert_string_equal(list.items[0].to, "/b/x");
    assert_string_equal(list.items[0].part, "/b/x.clusterd-7.part");
    assert_string_equal(list.items[0].format, "qcow2");
    assert_null(list.items[1].format);
    assert_string_equal(list.items[2].format, "raw");
    copy_list_finish(&list);
    assert_refused("/a/x\t/b/x\tvmdk", "line 1");
    assert_refused("/a/x\t/b/x\t", "line 1");
    assert_refused("/a/x\t/b/x\traw\traw", "line 1");
}

static void test_what_is_no_list(void **state) {
    char line[3 * NAME_MAX];
    (void)state;

    assert_refused("", "no file");
    assert_refused("\n", "no file");
    assert_refused("/a/x", "line 1");
    assert_refused("/a/x\t/b/x\n/a/y /b/y", "line 2");
    assert_refused("a/x\t/b/x", "line 1");
    assert_refused("/a/x\tb/x", "line 1");
    assert_refused("/a/x\t/b/", "line 1");
    assert_refused("/a/x\t/b/x\ty", "line 1");
    assert_refused("/a/x\t/b/x\033", "line 1");
    assert_refused("/a/x\t/b/x\n/a/y\t/b/x", "/b/x is named twice");
    assert_refused("/a/x\t/b/x\n/a/x\t/b/y", "/a/x is named twice");
    assert_refused("/a/x\t/b/x\n/b/x\t/c/x", "/b/x is named twice");
    assert_refused("/a/x\t/a/x", "/a/x is named twice");

    /* The names on the way must fit, too. */
    snprintf(line, sizeof(line), "/a\t/%0*d", COPY_NAME_MAX + 1, 0);
    assert_refused(line, "line 1");
    line[strlen(line) - 1] = '\0';
    assert_int_equal(copy_list_parse(line, 7, &list, line, sizeof(line)), 0);
    copy_list_finish(&list);
}

static void test_parents(void **state) {
    char parent[PATH_MAX];
    (void)state;

    assert_int_equal(path_parent("/a/b/c", parent), 0);
    assert_string_equal(parent, "/a/b");
    assert_int_equal(path_parent("/a", parent), 0);
    assert_string_equal(parent, "/");
    assert_int_not_equal(path_parent("a", parent), 0);
}

/* A header of that version with a backing file's name right behind it. */
static size_t make_header(uint8_t bytes[512], unsigned char version, unsigned char incompatible,
                          const char *backing) {
    memset(bytes, 0, 512);
    static const uint8_t magic[] = {'Q', 'F', 'I', 0xfb};
    memcpy(bytes, magic, sizeof(magic));
    bytes[7] = version;
    bytes[79] = incompatible;
    if (backing != NULL) {
        bytes[15] = QCOW2_HEADER_SIZE;
        bytes[19] = (uint8_t)strlen(backing);
        (void)snprintf((char *)bytes + QCOW2_HEADER_SIZE, 512 - QCOW2_HEADER_SIZE, "%s", backing);
    }
    return 512;
}

static void test_qcow2_headers(void **state) {
    struct qcow2_header header = {.backing_size = 0};
    uint8_t bytes[512];
    (void)state;

    size_t len = make_header(bytes, 3, 0, NULL);
    assert_int_equal(qcow2_parse(bytes, len, &header), 0);
    assert_int_equal(header.backing_offset, 0);
    assert_false(header.data_file);
    assert_int_equal(qcow2_parse(bytes, QCOW2_HEADER_SIZE - 1, &header), -EINVAL);
    assert_int_equal(qcow2_parse(bytes, 0, &header), -EINVAL);
    bytes[79] = 4;
    assert_int_equal(qcow2_parse(bytes, len, &header), 0);
    assert_true(header.data_file);
    bytes[7] = 2; /* there the same bytes are something else */
    assert_int_equal(qcow2_parse(bytes, len, &header), 0);
    assert_false(header.data_file);
    bytes[7] = 4;
    assert_int_equal(qcow2_parse(bytes, len, &header), -ENOTSUP);
    bytes[7] = 1;
    assert_int_equal(qcow2_parse(bytes, len, &header), -ENOTSUP);
    make_header(bytes, 3, 0, "/base");
    bytes[18] = 4; /* 1,029 bytes */
    assert_int_equal(qcow2_parse(bytes, len, &header), -EINVAL);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(qcow2_parse(bytes, len, &header), -EINVAL);
}

static void test_qcow2_backing_file(void **state) {
    char backing[QCOW2_BACKING_MAX + 1];
    struct qcow2_header header;
    uint8_t bytes[512];
    FILE *file = tmpfile();
    (void)state;

    assert_non_null(file);
    int fd = fileno(file);
    size_t len = make_header(bytes, 3, 0, "../base.qcow2");
    assert_int_equal(pwrite(fd, bytes, len, 0), len);
    assert_int_equal(qcow2_read(fd, &header, backing), 0);
    assert_string_equal(backing, "../base.qcow2");
    assert_int_equal(ftruncate(fd, QCOW2_HEADER_SIZE + 3), 0);
    assert_int_equal(qcow2_read(fd, &header, backing), -EINVAL);
    make_header(bytes, 2, 0, NULL);
    assert_int_equal(pwrite(fd, bytes, len, 0), len);
    assert_int_equal(qcow2_read(fd, &header, backing), 0);
    assert_string_equal(backing, "");
    fclose(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_formats),
        cmocka_unit_test(test_what_is_no_list), cmocka_unit_test(test_parents),
        cmocka_unit_test(test_qcow2_headers),   cmocka_unit_test(test_qcow2_backing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
