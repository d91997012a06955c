/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy-plan: which files of a VM move where, and its definition afterwards. It changes nothing, and
 * needs no libvirt: the definition on standard input is the cluster's.
 */
#include "actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "copy_list.h"
#include "move_plan.h"

/* A parameter that cannot be read is the caller's fault, not the definition's. */
static int refuse_parameter(const char *reason) {
    (void)report_validation("", reason, NULL, NULL);
    return OCF_ERR_ARGS;
}

static int send_plan(const struct move_plan *plan, const char *definition) {
    json_t *files = json_array();

    for (size_t i = 0; i < plan->count; i++) {
        const struct move_file *file = &plan->files[i];
        json_t *line = json_pack("{so so so so sI sI}", "disk", jsonl_text(file->disk), "from",
                                 jsonl_text(file->from), "to", jsonl_text(file->to), "format",
                                 jsonl_text(file->format), "bytes", (json_int_t)file->bytes,
                                 "allocated", (json_int_t)file->allocated);
        if (line != NULL && file->new_format != NULL) {
            json_object_set_new(line, "new_format", jsonl_text(file->new_format));
        }
        json_array_append_new(files, line);
    }
    bool complete = json_array_size(files) == plan->count;
    json_t *line = json_pack("{so so}", "files", files, "definition", jsonl_text(definition));
    if (!complete) {
        json_decref(line);
        line = NULL;
    }
    return jsonl_send(line, JSONL_IMPORTANT_MS);
}

static int make_plan(const struct definition *definition, const struct move_request *request,
                     const struct volumes *volumes, const char *xml, size_t xml_len) {
    static struct move_plan plan;
    struct move_refusal refusal;
    char *text = NULL;

    int r = move_plan(definition, request, &plan, &refusal);
    if (r == 0) {
        r = move_check(&plan, volumes, &refusal);
    }
    if (r < 0) {
        return report_validation(refusal.element, refusal.reason, NULL, NULL);
    }
    r = move_rewrite(&plan);
    if (r == 0) {
        r = definition_print_verbatim(definition, xml, xml_len, &text);
    }
    if (r == 0) {
        r = send_plan(&plan, text);
    }
    free(text);
    return r < 0 ? report_validation("/domain", strerror(-r), NULL, NULL)
                 : report_validation(NULL, NULL, NULL, NULL);
}

int action_copy_plan(const struct params *params, const char *xml, size_t xml_len) {
    static struct move_request request;
    static struct volumes volumes;
    struct definition definition;
    char normal[PATH_MAX];
    char reason[512];

    request.dest = params->dest;
    request.disks_only = params->disks_only;
    request.running = params->running;
    int r = volumes_parse(params->volumes, &volumes);
    if (r < 0) {
        snprintf(reason, sizeof(reason), "parameter volumes=%.200s: %s; give name=/path:name=/path",
                 params->volumes, strerror(-r));
        return refuse_parameter(reason);
    }
    int code;
    if (params->dest[0] != '\0' && (path_normalize(params->dest, normal, sizeof(normal)) < 0 ||
                                    !copy_path_is_clean(params->dest))) {
        snprintf(reason, sizeof(reason),
                 "%.200s: give the absolute path of a directory, without \"..\"", params->dest);
        ocf_one_line(reason);
        code = refuse_parameter(reason);
    } else if (move_overrides_parse(params->disks, &request, reason, sizeof(reason)) < 0) {
        code = refuse_parameter(reason);
    } else if (definition_parse_verbatim(xml, xml_len, &definition, reason, sizeof(reason)) < 0) {
        code = report_validation("/", reason, NULL, NULL);
    } else {
        code = make_plan(&definition, &request, &volumes, xml, xml_len);
        definition_finish(&definition);
    }
    volumes_finish(&volumes);
    return code;
}
