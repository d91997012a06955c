/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of Varlink, as clusterctl uses them: a verb with its arguments becomes a call, a reply
 * becomes the answer that the commands read. Pure; the connection is ipc.h.
 *
 *     {"ok":true, ...parameters of the reply}
 *     {"ok":false, "error":{"code":"not-found","message":"...","hint":"..."}}
 */
#ifndef CLI_CALLS_H
#define CLI_CALLS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The call for a verb ("vm.stop") with the members of `arguments` (borrowed; NULL for none);
 * `more`: many replies are wanted. The caller frees the text; NULL: out of memory. */
char *call_text(const char *verb, const json_t *arguments, bool more);
/* The same for the service's own information, which every Varlink service gives to everybody. */
char *call_info_text(void);

/* The answer that a reply of `n` bytes means; the caller owns it. -EBADMSG: it is no reply. */
int call_answer(const char *text, size_t n, json_t **ret_answer);

#endif
