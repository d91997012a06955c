/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests the test: the simulator must find a violation for each deliberate fault in the core
 * (base/mutant.h).
 */
#ifndef TESTS_SIM_MUTANTS_H
#define TESTS_SIM_MUTANTS_H

#include "sim/run.h"

#include <stdbool.h>

/* False: this build has no mutants. */
bool mutants_are_there(void);
/* Takes the fault on for this process; false: there is no mutant of that name. */
bool mutant_choose(const char *name);
/* Runs all of them, or the one named, for at most so many seeds each; prints the table. The number
 * of those that were not found. */
uint32_t mutants_hunt(const struct run_options *options, const char *only, uint64_t seeds,
                      uint32_t jobs);

#endif
