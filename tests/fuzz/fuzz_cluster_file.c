/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as clusterd-cluster.json. What is refused is refused with a line about the file; what is
 * taken is a problem that the engine takes too: no index, number or combination that it would turn
 * down comes through the reader.
 */
#include "fuzz/bytes.h"
#include "base/check.h"
#include "cluster/file.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

enum { SIZE_MOST = 16384, VMS_MOST = 64, WORK = 2000 };

static void solve(const struct cluster_file *file) {
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    struct placement_request request = file->request;
    request.work = WORK;
    CHECK(placement_solver_create(&solver) == 0);
    int error = placement_solve(solver, &file->problem, &request, &plan);
    CHECK(error == 0 || error == -ENOTSUP);
    placement_solver_destroy(solver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char message[CLUSTER_FILE_MESSAGE_MAX] = "";
    struct cluster_file *file = NULL;
    if (size > SIZE_MOST) {
        return 0;
    }
    json_t *root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL) {
        return 0;
    }
    int error = cluster_file_take(root, "cluster.json", &file, message);
    if (error < 0) {
        CHECK(error == -EINVAL && strncmp(message, "cluster.json: ", 14) == 0);
        return 0;
    }
    if (file->problem.n_vms <= VMS_MOST) {
        solve(file);
    }
    cluster_file_destroy(file);
    return 0;
}
