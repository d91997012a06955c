/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmocka 2 has a range assertion for each kind of integer, and calls the only one of cmocka 1
 * deprecated. The tests say the new name, on top of either. Include it behind cmocka.h.
 */
#ifndef TESTS_RANGES_H
#define TESTS_RANGES_H

#ifndef assert_int_in_range
#define assert_int_in_range(value, minimum, maximum) assert_in_range(value, minimum, maximum)
#endif

#endif
