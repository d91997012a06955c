/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPC that clusterd had before; see libqb.h. */
#include "libqb.h"

#include "adapters/ipc/view.h"
#include "base/check.h"

#include <qb/qbdefs.h>
#include <qb/qbipcs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { BUFFER = 1 << 20, ANSWER_MS = 30000 };

static qb_loop_t *served;

/* ---- the server ---- */

static void answer(qb_ipcs_connection_t *connection, char *text) {
    struct qb_ipc_response_header header = {.id = QB_IPC_MSG_USER_START};
    size_t n = strlen(text) + 1;
    struct iovec parts[] = {{&header, sizeof(header)}, {text, n}};
    header.size = (int32_t)(sizeof(header) + n);
    CHECK(qb_ipcs_response_sendv(connection, parts, 2) > 0);
    free(text);
}

static int32_t on_message(qb_ipcs_connection_t *connection, void *data, size_t size) {
    const struct core *core = qb_ipcs_connection_service_context_get(connection);
    const size_t header = sizeof(struct qb_ipc_request_header);
    struct ipc_request request;
    struct ipc_error error;
    struct json_writer writer;
    CHECK(size > header);
    CHECK(ipc_request_parse((const char *)data + header, size - header - 1, &request, &error) == 0);
    struct ipc_view view = {
        .model = core_model(core), .cluster = "", .waiting = "", .arena = &request.arena};
    json_writer_init(&writer);
    json_write_object(&writer, NULL);
    json_write_number(&writer, "id", (uint64_t)request.id);
    json_write_bool(&writer, "ok", true);
    CHECK(ipc_read(&view, &request, &writer, &error) == 0);
    json_write_object_end(&writer);
    char *text = json_writer_steal(&writer);
    CHECK(text);
    answer(connection, text);
    ipc_request_finish(&request);
    return 0;
}

static int32_t on_accept(qb_ipcs_connection_t *connection, uid_t uid, gid_t gid) {
    (void)connection;
    (void)uid;
    (void)gid;
    return 0;
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn) {
    return qb_loop_job_add(served, p, data, fn);
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                            qb_ipcs_dispatch_fn_t fn) {
    return qb_loop_poll_add(served, p, fd, events, data, fn);
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                            qb_ipcs_dispatch_fn_t fn) {
    return qb_loop_poll_mod(served, p, fd, events, data, fn);
}

static int32_t dispatch_del(int32_t fd) {
    return qb_loop_poll_del(served, fd);
}

void libqb_serve(qb_loop_t *loop, const char *service, const struct core *core) {
    static struct qb_ipcs_service_handlers handlers = {.connection_accept = on_accept,
                                                       .msg_process = on_message};
    static struct qb_ipcs_poll_handlers poll = {.job_add = job_add,
                                                .dispatch_add = dispatch_add,
                                                .dispatch_mod = dispatch_mod,
                                                .dispatch_del = dispatch_del};
    served = loop;
    qb_ipcs_service_t *s = qb_ipcs_create(service, 0, QB_IPC_SHM, &handlers);
    CHECK(s);
    qb_ipcs_service_context_set(s, (void *)(uintptr_t)core);
    qb_ipcs_poll_handlers_set(s, &poll);
    CHECK(qb_ipcs_run(s) == 0);
}

/* ---- the client ---- */

qb_ipcc_connection_t *libqb_connected(const char *service) {
    qb_ipcc_connection_t *connection = qb_ipcc_connect(service, BUFFER);
    CHECK(connection);
    return connection;
}

void libqb_ask(qb_ipcc_connection_t *connection, const char *request) {
    static char reply[BUFFER];
    struct qb_ipc_request_header header = {.id = QB_IPC_MSG_USER_START};
    size_t n = strlen(request) + 1;
    const struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)request, n}};
    header.size = (int32_t)(sizeof(header) + n);
    CHECK(qb_ipcc_sendv_recv(connection, parts, 2, reply, sizeof(reply), ANSWER_MS) > 0);
}
