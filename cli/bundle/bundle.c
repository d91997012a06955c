/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the steps of a support bundle end: see bundle/bundle.h.
 */
#include "bundle/bundle.h"
#include "output/text.h"

#include <errno.h>
#include <string.h>

int64_t bundle_deadline_ms(const struct bundle *b, int64_t ms) {
    int64_t until = ipc_now_ms() + ms;
    return until < b->cli->deadline_ms ? until : b->cli->deadline_ms;
}

bool bundle_is_stopped(const struct bundle *b, int error) {
    return error == -EINTR || (error == -ETIMEDOUT && ipc_now_ms() >= b->cli->deadline_ms);
}

int bundle_fail_stopped(const struct bundle *b, int error) {
    char given[TEXT_MAX];
    if (error == -EINTR) {
        return cli_fail(b->cli, CLI_INTERRUPTED, NULL,
                        "support-bundle: interrupted; no files were left behind");
    }
    return cli_fail(b->cli, CLI_DEADLINE, "allow more time with --timeout",
                    "support-bundle: not finished within %s; no files were left behind",
                    text_duration(b->cli->timeout_ms, given));
}

int bundle_fail_write(const struct bundle *b, int error) {
    return cli_fail(b->cli, CLI_FAILED, "name a file on a disk with free space: --output FILE",
                    "support-bundle: cannot write to %s: %s", b->parent, strerror(-error));
}
