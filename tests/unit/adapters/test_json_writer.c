/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON that is written as bytes: the same as jansson writes of a tree. */
#include "adapters/json_value.h"
#include "adapters/json_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

static const char *const texts[] = {
    "",       "web",           "a \"b\" \\ c",       "line\nline\ttab", "\x1b[2J",
    "\x7f",   "Z\xc3\xbcrich", "cut \xc3",           "\xff\xfe",        "/srv/x",
    "</>&'~", "\xe2\x80\xae",  "\xf0\x9f\x96\xa5 pc"};
static const uint64_t numbers[] = {0, 7, 10, 1000000, UINT32_MAX, INT64_MAX, UINT64_MAX};

static void assert_written(struct json_writer *w, json_t *tree) {
    char *text = json_writer_steal(w);
    char *wanted = json_dumps(tree, JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
    free(wanted);
    json_decref(tree);
}

static void every_text_and_number_is_as_jansson_writes_it(void **state) {
    struct json_writer w;
    json_t *tree = json_array();
    (void)state;
    json_writer_init(&w);
    json_write_array(&w, NULL);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_write_text(&w, NULL, texts[i]);
        json_array_append_new(tree, json_of_text(texts[i]));
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        json_write_number(&w, NULL, numbers[i]);
        json_array_append_new(tree, json_of_number(numbers[i]));
    }
    json_write_text(&w, NULL, NULL);
    json_array_append_new(tree, json_of_text(NULL));
    json_write_array_end(&w);
    assert_written(&w, tree);
}

static void objects_arrays_and_trees_are_parted_by_commas(void **state) {
    struct json_writer w;
    (void)state;
    json_writer_init(&w);
    json_write_object(&w, NULL);
    json_write_members(&w, json_object());
    json_write_bool(&w, "yes", true);
    json_write_bool(&w, "no", false);
    json_write_null(&w, "none");
    json_write_array(&w, "empty");
    json_write_array_end(&w);
    json_write_array(&w, "list");
    json_write_object(&w, NULL);
    json_write_text(&w, "a", "b");
    json_write_object_end(&w);
    json_write_object(&w, NULL);
    json_write_object_end(&w);
    json_write_number(&w, NULL, 3);
    json_write_array_end(&w);
    json_write_value(&w, "tree", json_pack("{s[i]}", "x", 1));
    json_write_members(&w, json_pack("{ss si}", "m", "n", "o", 2));
    json_write_text(&w, "last", "\"");
    json_write_object_end(&w);
    assert_written(&w, json_pack("{sb sb sn s[] s[{ss} {} i] s{s[i]} ss si ss}", "yes", 1, "no", 0,
                                 "none", "empty", "list", "a", "b", 3, "tree", "x", 1, "m", "n",
                                 "o", 2, "last", "\""));
}

static void a_tree_that_could_not_be_made_fails_the_whole(void **state) {
    (void)state;
    for (int members = 0; members < 2; members++) {
        struct json_writer w;
        json_writer_init(&w);
        json_write_object(&w, NULL);
        if (members) {
            json_write_members(&w, NULL);
        } else {
            json_write_value(&w, "x", NULL);
        }
        json_write_object_end(&w);
        assert_null(json_writer_steal(&w));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_and_number_is_as_jansson_writes_it),
        cmocka_unit_test(objects_arrays_and_trees_are_parted_by_commas),
        cmocka_unit_test(a_tree_that_could_not_be_made_fails_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
