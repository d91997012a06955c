/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors 0 to 2 of a process. Whoever starts it may have closed them: the first files that it
 * opens would then be its standard input, output and errors.
 */
#ifndef CLUSTERD_BASE_STANDARD_FDS_H
#define CLUSTERD_BASE_STANDARD_FDS_H

/* The first thing in main(). Those that are closed become ones that fail as before: what is
 * written to them is not lost unseen. 0 or a negative errno: /dev/null cannot be opened. */
int standard_fds_occupy(void);

#endif
