/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the words of clusterd (verbs, codes of errors) are spelled as names of Varlink, and back.
 */
#ifndef CLUSTERD_WIRE_VARLINK_WORDS_H
#define CLUSTERD_WIRE_VARLINK_WORDS_H

#define VARLINK_INTERFACE "io.clusterd"
#define VARLINK_SERVICE "org.varlink.service" /* which every service has, too */
#define VARLINK_MAX_METHOD 64u                /* bytes of a name or word, with the NUL */

/* "vm.stop" is VmStop, "not-found" is NotFound. What is too long is cut. */
void varlink_name_of(const char *word, char ret_name[VARLINK_MAX_METHOD]);
/* NotFound is "not-found". What is too long is cut. */
void varlink_code_of(const char *name, char ret_code[VARLINK_MAX_METHOD]);
/* What follows "INTERFACE." in `full`, or NULL. */
const char *varlink_after(const char *full, const char *interface);

#endif
