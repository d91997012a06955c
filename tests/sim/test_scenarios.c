/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_scenarios.c - plays each named scenario (or all of scenarios/) and compares it with its
 * trace.
 *
 * test_scenarios [NAME ...]; the exit status is 0 if all agree.
 */
#include "sim/story.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCENARIOS CLUSTERD_SOURCE_DIR "/tests/sim/scenarios"
#define FILE_MAX 64u /* letters of a name */

static int is_story(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 4 && length < FILE_MAX && strcmp(entry->d_name + length - 4, ".scn") == 0;
}

static bool play(const char *name) {
    char path[sizeof(SCENARIOS) + FILE_MAX + 8];
    (void)snprintf(path, sizeof(path), SCENARIOS "/%.*s.scn", (int)FILE_MAX, name);
    int status = story_main(path, false);
    (void)fflush(stdout);
    return status == 0;
}

static int play_all(void) {
    struct dirent **entries = NULL;
    int n = scandir(SCENARIOS, &entries, is_story, alphasort), wrong = 0;
    for (int i = 0; i < n; i++) {
        entries[i]->d_name[strlen(entries[i]->d_name) - 4] = '\0';
        wrong += !play(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    (void)printf("%d scenarios, %d did not hold\n", n, wrong);
    return n <= 0 || wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    int wrong = 0;
    if (argc < 2) {
        return play_all();
    }
    for (int i = 1; i < argc; i++) {
        wrong += !play(argv[i]);
    }
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
