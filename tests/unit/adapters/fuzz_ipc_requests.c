/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes as a client's request; what is accepted must survive the wire's own copy. */
#include "adapters/ipc/requests.h"
#include "wire/command.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ipc_request request;
    struct ipc_error error;
    if (ipc_request_parse((const char *)data, size, &request, &error) == 0 && request.command) {
        struct buffer out;
        buffer_init(&out);
        wire_encode(command_record(request.verb->what), request.command, &out);
        buffer_finish(&out);
    }
    ipc_request_finish(&request);
    return 0;
}
