/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_story.c - the stories' language is strict, and a false story does not pass.
 */
#include "sim/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "shows that it is so\nvm vm1 on n1\n"

/* Plays a story from a file of its own; what was said of it is in *ret_said, to be freed. */
static enum story_end play(const char *text, char **ret_said) {
    char path[] = "/tmp/clusterd-story-XXXXXX.scn";
    size_t size = 0;
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    FILE *out = open_memstream(ret_said, &size);
    assert_non_null(out);
    enum story_end end = story_play(path, false, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(unlink(path), 0);
    return end;
}

static void expect(const char *text, enum story_end wanted, const char *said) {
    char *now = NULL;
    enum story_end end = play(text, &now);
    if (end != wanted || !strstr(now, said)) {
        fail_msg("%s\nended with %d (not %d) and said, without '%s':\n%s", text, (int)end,
                 (int)wanted, said, now);
    }
    free(now);
}

static void test_wrong_lines_are_named(void **state) {
    static const struct {
        const char *text, *said;
    } cases[] = {
        {HEAD "power-of n1\nrest\n", "scn:3: 'power-of n1' is not understood"},
        {HEAD "power-of n1\nrest\n", "known: power-off NODE"},
        {HEAD "power-off n4\nrest\n", "known: power-off all"},
        {HEAD "power-off\nrest\n", "scn:3: "},
        {HEAD "power-off n1 now\nrest\n", "scn:3: "},
        {HEAD "crash vm2\nrest\n", "known: crash VM"},
        {HEAD "run 2\nrest\n", "known: run TIME"},
        {HEAD "run 2min\nrest\n", "known: run TIME"},
        {HEAD "run -2s\nrest\n", "known: run TIME"},
        {HEAD "partition n1,n2 n3\nrest\n", "known: partition NODES / NODES"},
        {HEAD "partition n1n2 / n3\nrest\n", "scn:3: "},
        {HEAD "disk n1 tired\nrest\n", "known: disk NODE fine|slow|hangs|full|broken"},
        {HEAD "wait vm1 runs on n1\nrest\n", "known: wait|keep|expect VM runs on NODES"},
        {HEAD "expect vm1 walks\nrest\n", "known: expect no fencing"},
        {HEAD "heal\nnodes 4\nrest\n", "scn:4: 'nodes 4' is not understood"},
        {"nodes 9\n" HEAD "rest\n", "2 to 7 nodes"},
        {HEAD "heal\n", "a story ends with rest"},
        {"vm vm1 on n1\nrest\n", "a story begins with what it shows"},
        {"quorum some\n" HEAD "rest\n", "known: quorum majority|two_node"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(cases[i].text, STORY_UNREADABLE, cases[i].said);
    }
}

static void test_files_that_are_none(void **state) {
    char said[400] = "";
    (void)state;
    FILE *out = fmemopen(said, sizeof(said), "w");
    assert_non_null(out);
    assert_int_equal(story_play("/tmp", false, out), STORY_UNREADABLE);
    assert_int_equal(story_play("/nowhere/at-all.scn", false, out), STORY_UNREADABLE);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(said, "/nowhere/at-all.scn: not a story that can be read"));
}

static void test_what_is_not_so_does_not_pass(void **state) {
    static const struct {
        const char *text, *said;
    } cases[] = {
        {HEAD "expect vm1 runs on n2,n3\nrest\n", "scn:3: expect vm1 runs on n2,n3: it is not so"},
        {HEAD "wait vm1 runs nowhere within 1s\nrest\n", "that did not come"},
        {HEAD "keep vm1 runs nowhere for 1s\nrest\n", "it did not stay so"},
        {HEAD "expect 1 fencings\nrest\n", "fencing was tried 0 times"},
        {HEAD "expect told of a miracle\nrest\n", "that was not told"},
        {HEAD "move vm1 to n1\nrun 1s\nrest\n", "the one before was refused: vm1 is on n1"},
        {HEAD "move vm1 to n2\nexpect refused of\nrest\n", "it was accepted"},
        {HEAD "move vm1 to n1\nexpect refused no room\nrest\n", "it was refused, but so"},
        {HEAD "confirm-off n2\nrest\n", "confirms what is not so"},
        {HEAD "partition n1,n2 / n2,n3\nrest\n", "each node belongs to one"},
        {HEAD "wipe-database n2\nrest\n", "while its clusterd is off"},
        {"nodes 2\nvm vm1 on n1 memory 70000\n" HEAD "rest\n", "did not come up"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(cases[i].text, STORY_BROKEN, cases[i].said);
    }
}

/* There is no trace beside it; and with one that says something else, the line is named. */
static void test_another_trace_does_not_pass(void **state) {
    (void)state;
    (void)unsetenv("CLUSTERD_GOLDEN_UPDATE");
    expect(HEAD "crash vm1\nrun 1s\nrest\n", STORY_TOLD_OTHERWISE, "now:      crash vm1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_lines_are_named),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_what_is_not_so_does_not_pass),
        cmocka_unit_test(test_another_trace_does_not_pass),
    };
    return cmocka_run_group_tests_name("stories", tests, NULL, NULL);
}
