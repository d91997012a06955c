/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parses requests of clients; see ipc/requests.h. The table of verbs and arguments is in
 * ipc/verbs.c.
 */
#include "adapters/ipc/requests.h"

#include "adapters/ipc/verbs.h"
#include "base/check.h"
#include "core/model/model.h"
#include "wire/command.h"
#include "wire/names.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct parsing {
    struct ipc_request *request;
    struct ipc_error *error;
    uint8_t *value;  /* the struct that receives the arguments */
    char inside[48]; /* "files[2]." while an element of a list is read; else "" */
};

static int wrong(struct parsing *p, const char *arg, const char *why) {
    return ipc_fail(p->error, "usage", "", "%s: '%s%s' %s", p->request->verb->name, p->inside, arg,
                    why);
}

static int no_memory(struct parsing *p) {
    return ipc_fail(p->error, "failed", "", "clusterd is out of memory");
}

/* Only a definition may hold control characters. */
static bool has_control(const char *text) {
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

/* 8-4-4-4-12 hexadecimal digits: libvirt would refuse anything else, on every node. */
static bool is_uuid(const char *text) {
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    for (size_t i = 0; i < sizeof(form); i++) {
        bool fits = form[i] == 'x' ? strchr("0123456789abcdefABCDEF", text[i]) && text[i]
                                   : text[i] == form[i];
        if (!fits) {
            return false;
        }
    }
    return true;
}

static int put_text(struct parsing *p, const struct ipc_arg *arg, const json_t *value) {
    const char *text = json_string_value(value);
    if (!text) {
        return wrong(p, arg->name, "must be a string");
    }
    if (json_string_length(value) > arg->limit || strlen(text) != json_string_length(value)) {
        return wrong(p, arg->name, "is too long, or holds a NUL");
    }
    if (arg->required && text[0] == '\0') {
        return wrong(p, arg->name, "is empty");
    }
    if (arg->type == ARG_NEW_NAME && !name_is_good(text)) {
        return wrong(p, arg->name, "is not a valid name: a name has " NAME_RULE);
    }
    if (arg->type == ARG_UUID && !is_uuid(text)) {
        return wrong(p, arg->name, "is not a UUID");
    }
    if (arg->limit <= WIRE_MAX_PATH && has_control(text)) {
        return wrong(p, arg->name, "holds a control character");
    }
    memcpy(p->value + arg->offset, &text, sizeof(text));
    return 0;
}

static int put_number(struct parsing *p, const struct ipc_arg *arg, const json_t *value) {
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > arg->limit) {
        return wrong(p, arg->name, "must be a number, not negative and not too large");
    }
    uint64_t number = (uint64_t)json_integer_value(value);
    uint32_t small = (uint32_t)number;
    if (arg->type == ARG_U32) {
        memcpy(p->value + arg->offset, &small, sizeof(small));
    } else {
        memcpy(p->value + arg->offset, &number, sizeof(number));
    }
    if (arg->type == ARG_SINCE) {
        p->value[offsetof(struct ipc_args, has_since)] = 1;
    }
    return 0;
}

/* The word for a value of an enum. */
static const char *word_of(enum arg_type type, uint8_t value) {
    static const struct {
        enum arg_type type;
        uint8_t first, last;
        const char *(*name)(uint8_t value);
    } sets[] = {{ARG_MODE, MOVE_AUTO, MOVE_QUICK, move_mode_name},
                {ARG_RULE_KIND, RULE_APART, RULE_NOT_ON, rule_kind_name},
                {ARG_RULE_SCOPE, SCOPE_NODE, SCOPE_SITE, rule_scope_name},
                {ARG_MOBILITY, MOBILITY_LIVE, MOBILITY_FIXED, vm_mobility_name},
                {ARG_MOVE_POLICY, MOVE_POLICY_LIVE_OR_QUICK, MOVE_POLICY_STAY, vm_move_policy_name},
                {ARG_FAILBACK, FAILBACK_NOW, FAILBACK_POLICY, failback_name},
                {ARG_CONVERGENCE, CONVERGENCE_ABORT, CONVERGENCE_SUSPEND, convergence_name}};
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        if (sets[i].type == type && value >= sets[i].first && value <= sets[i].last) {
            return sets[i].name(value);
        }
    }
    return NULL;
}

static int put_word(struct parsing *p, const struct ipc_arg *arg, const json_t *value) {
    const char *text = json_string_value(value);
    char known[80] = "must be";
    for (uint8_t i = 0; i < 8; i++) {
        const char *word = word_of(arg->type, i);
        if (word && text && strcmp(word, text) == 0) {
            p->value[arg->offset] = i;
            return 0;
        }
        size_t used = strlen(known);
        if (word) {
            (void)snprintf(known + used, sizeof(known) - used, "%s %s", used > 7 ? " or" : "",
                           word);
        }
    }
    return wrong(p, arg->name, known);
}

static int put_names(struct parsing *p, const struct ipc_arg *arg, const json_t *value) {
    size_t n = json_array_size(value);
    if (!json_is_array(value) || n > arg->limit) {
        return wrong(p, arg->name, "must be a list of names, and not too long");
    }
    const char **names = arena_array(&p->request->arena, n, sizeof(*names));
    if (!names) {
        return no_memory(p);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(value, i);
        names[i] = json_string_value(item);
        if (!names[i] || names[i][0] == '\0' || json_string_length(item) > WIRE_MAX_NAME ||
            has_control(names[i])) {
            return wrong(p, arg->name, "holds an invalid name");
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(names[k], names[i]) == 0) {
                return wrong(p, arg->name, "holds the same name twice");
            }
        }
    }
    const struct wire_strs list = {names, (uint32_t)n};
    memcpy(p->value + arg->offset, &list, sizeof(list));
    return 0;
}

_Static_assert(offsetof(struct cmd_device_add, values) ==
                   offsetof(struct cmd_device_add, keys) + sizeof(struct wire_strs),
               "see ARG_PARAMS");
#define PATHS_FOLLOW_DISKS(command)                                                \
    _Static_assert(offsetof(struct command, paths) ==                              \
                       offsetof(struct command, disks) + sizeof(struct wire_strs), \
                   "see ARG_PARAMS")
PATHS_FOLLOW_DISKS(cmd_checkpoint_create);
PATHS_FOLLOW_DISKS(cmd_checkpoint_revert);
PATHS_FOLLOW_DISKS(cmd_checkpoint_remove);

static int put_params(struct parsing *p, const struct ipc_arg *arg, json_t *value) {
    size_t n = json_object_size(value);
    if (!json_is_object(value) || n > arg->limit) {
        return wrong(p, arg->name, "must be an object of strings, and not too large");
    }
    const char **keys = arena_array(&p->request->arena, n, sizeof(*keys));
    const char **values = arena_array(&p->request->arena, n, sizeof(*values));
    if (!keys || !values) {
        return no_memory(p);
    }
    size_t i = 0;
    const char *key = NULL;
    json_t *item = NULL;
    json_object_foreach (value, key, item) {
        keys[i] = key;
        values[i] = json_string_value(item);
        /* Never repeat the value in the message: it may be secret. */
        if (!values[i] || json_string_length(item) > WIRE_MAX_TEXT || has_control(values[i])) {
            return wrong(p, key, "must be a string without control characters, and not too long");
        }
        if (!name_is_good(key)) {
            return wrong(p, key, "is not a valid parameter name");
        }
        i++;
    }
    const struct wire_strs lists[2] = {{keys, (uint32_t)n}, {values, (uint32_t)n}};
    memcpy(p->value + arg->offset, lists, sizeof(lists));
    return 0;
}

/* The core checks the names (apply/resources.c); this function only refuses what would not fit. */
static int put_amounts(struct parsing *p, const struct ipc_arg *arg, json_t *value) {
    size_t n = json_object_size(value);
    if (!json_is_object(value) || n > arg->limit) {
        return wrong(p, arg->name, "must be an object of numbers, and not too large");
    }
    struct resource_amount *items = arena_array(&p->request->arena, n, sizeof(*items));
    if (!items) {
        return no_memory(p);
    }
    const char *key = NULL;
    json_t *item = NULL;
    uint32_t i = 0;
    json_object_foreach (value, key, item) {
        json_int_t number = json_integer_value(item);
        if (key[0] == '\0' || strlen(key) > WIRE_MAX_NAME || has_control(key)) {
            return wrong(p, arg->name, "holds an invalid name");
        }
        if (!json_is_integer(item) || number < 0 || (uint64_t)number > WIRE_MAX_AMOUNT) {
            return wrong(p, key, "must be a number, not negative and not too large");
        }
        items[i++] = (struct resource_amount){.name = key, .amount = (uint64_t)number};
    }
    const struct wire_list list = {items, i};
    memcpy(p->value + arg->offset, &list, sizeof(list));
    return 0;
}

static int put_args(struct parsing *p, const struct ipc_arg *args, size_t n, json_t *object,
                    bool top);

/*
 * What is refused here, the agents would refuse, too, and not only when they copy but also when
 * they clean up: such a move would never end. The files before this one have been checked.
 */
static int check_file(struct parsing *p, const struct storage_file *files, size_t i) {
    const struct storage_file *file = &files[i];
    const char *slash = strrchr(file->to, '/');
    if (file->from[0] != '/' || file->to[0] != '/') {
        return wrong(p, file->from[0] != '/' ? "from" : "to", "is not an absolute path");
    }
    if (slash[1] == '\0' || strlen(slash + 1) > WIRE_MAX_STORAGE_NAME) {
        return wrong(p, "to",
                     slash[1] == '\0' ? "is not the path of a file"
                                      : "has too long a name for a copy");
    }
    if (file->format[0] && strcmp(file->format, "raw") != 0 && strcmp(file->format, "qcow2") != 0) {
        return wrong(p, "format", "is neither raw nor qcow2");
    }
    for (size_t k = 0; k <= i; k++) {
        if (k < i && strcmp(files[k].from, file->from) == 0) {
            return wrong(p, "from", "is named twice");
        }
        if (k < i && strcmp(files[k].to, file->to) == 0) {
            return wrong(p, "to", "is named twice");
        }
        if (strcmp(files[k].from, file->to) == 0) {
            return wrong(p, "to", "is the \"from\" of a file, too");
        }
        if (strcmp(files[k].to, file->from) == 0) {
            return wrong(p, "from", "is the \"to\" of a file, too");
        }
    }
    return 0;
}

static int put_files(struct parsing *p, const struct ipc_arg *arg, const json_t *value) {
    size_t n = json_array_size(value);
    if (!json_is_array(value) || n == 0 || n > arg->limit) {
        return wrong(p, arg->name, "must be a list of files, not empty and not too long");
    }
    struct storage_file *files = arena_array(&p->request->arena, n, sizeof(*files));
    if (!files) {
        return no_memory(p);
    }
    uint8_t *command = p->value;
    int error = 0;
    for (size_t i = 0; i < n && error == 0; i++) {
        json_t *item = json_array_get(value, i);
        (void)snprintf(p->inside, sizeof(p->inside), "%.16s[%zu].", arg->name, i);
        files[i] = (struct storage_file){.disk = "", .from = "", .to = "", .format = ""};
        p->value = (uint8_t *)&files[i];
        error = json_is_object(item)
                    ? put_args(p, ipc_file_args, ipc_n_file_args, item, false)
                    : wrong(p, "disk", "is missing: each element must be an object");
        if (error == 0) {
            error = check_file(p, files, i);
        }
    }
    p->value = command;
    p->inside[0] = '\0';
    if (error < 0) {
        return error;
    }
    const struct wire_list list = {files, (uint32_t)n};
    memcpy(p->value + arg->offset, &list, sizeof(list));
    return 0;
}

static int put_arg(struct parsing *p, const struct ipc_arg *arg, json_t *value) {
    switch (arg->type) {
    case ARG_TEXT:
    case ARG_UUID:
    case ARG_NEW_NAME: return put_text(p, arg, value);
    case ARG_U32:
    case ARG_U64:
    case ARG_SINCE: return put_number(p, arg, value);
    case ARG_MODE:
    case ARG_RULE_KIND:
    case ARG_RULE_SCOPE:
    case ARG_MOBILITY:
    case ARG_MOVE_POLICY:
    case ARG_FAILBACK:
    case ARG_CONVERGENCE: return put_word(p, arg, value);
    case ARG_NAMES: return put_names(p, arg, value);
    case ARG_PARAMS: return put_params(p, arg, value);
    case ARG_AMOUNTS: return put_amounts(p, arg, value);
    case ARG_FILES: return put_files(p, arg, value);
    case ARG_NEEDS:
        return json_is_object(value)
                   ? put_args(p, ipc_needs_args, ipc_n_needs_args, value, false)
                   : wrong(p, arg->name, "must be the output of the vm agent's validate-all");
    case ARG_BOOL:
    case ARG_DRY_RUN: break;
    case ARG_CHECKED: return 0;
    }
    if (!json_is_boolean(value)) {
        return wrong(p, arg->name, "must be true or false");
    }
    if (arg->type == ARG_DRY_RUN) {
        p->request->dry_run = json_is_true(value);
    } else {
        p->value[arg->offset] = json_is_true(value);
    }
    return 0;
}

/* The top level of a request also holds "v", "id" and "verb". */
static bool is_envelope(const char *key) {
    return strcmp(key, "v") == 0 || strcmp(key, "id") == 0 || strcmp(key, "verb") == 0;
}

/* A command with a field `given` learns which optional arguments the request has: bit 0 is the
 * first optional one. (An empty list differs from no list.) */
static void note_given(struct parsing *p, size_t optional) {
    const struct wire_record *record =
        p->request->command ? command_record(p->request->verb->what) : NULL;
    for (uint32_t i = 0; record && i < record->n_fields; i++) {
        uint32_t given = 0;
        if (strcmp(record->fields[i].name, "given") == 0) {
            memcpy(&given, p->value + record->fields[i].offset, sizeof(given));
            given |= 1u << optional;
            memcpy(p->value + record->fields[i].offset, &given, sizeof(given));
        }
    }
}

static int put_args(struct parsing *p, const struct ipc_arg *args, size_t n, json_t *object,
                    bool top) {
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach (object, key, value) {
        bool known = top && is_envelope(key);
        for (size_t i = 0; !known && i < n; i++) {
            known = strcmp(args[i].name, key) == 0;
        }
        if (!known) {
            return wrong(p, key,
                         "is not an argument of this request; are clusterctl and clusterd of the "
                         "same version?");
        }
    }
    for (size_t i = 0, optional = 0; i < n; optional += !args[i].required, i++) {
        value = json_object_get(object, args[i].name);
        if (value && !json_is_null(value)) {
            int error = put_arg(p, &args[i], value);
            if (error < 0) {
                return error;
            }
            if (!args[i].required) {
                note_given(p, optional);
            }
        } else if (args[i].required) {
            return wrong(p, args[i].name, "is missing");
        }
    }
    return 0;
}

static int make_command(struct parsing *p) {
    const struct wire_record *record = command_record(p->request->verb->what);
    CHECK(record != NULL);
    p->value = arena_alloc(&p->request->arena, record->size);
    if (!p->value) {
        return no_memory(p);
    }
    for (uint32_t i = 0; i < record->n_fields; i++) {
        if (record->fields[i].type == WIRE_STR) {
            *(const char **)(void *)(p->value + record->fields[i].offset) = "";
        }
    }
    p->request->command = p->value;
    return 0;
}

static int find_verb(struct ipc_request *request, struct ipc_error *error) {
    const json_t *version = json_object_get(request->json, "v");
    const char *name = json_string_value(json_object_get(request->json, "verb"));
    if (json_integer_value(version) != IPC_VERSION) {
        return ipc_fail(error, "usage", "install clusterctl and clusterd of the same version",
                        "this clusterd speaks version %d of the protocol", IPC_VERSION);
    }
    for (size_t i = 0; name && i < ipc_n_verbs; i++) {
        if (strcmp(ipc_verbs[i].name, name) == 0) {
            request->verb = &ipc_verbs[i];
            return 0;
        }
    }
    return ipc_fail(error, "usage", "install clusterctl and clusterd of the same version",
                    "this clusterd does not know the request '%.60s'", name ? name : "");
}

static void request_init(struct ipc_request *request) {
    *request = (struct ipc_request){.args = {.name = "", .node = ""}};
    arena_init(&request->arena);
}

static int take(struct ipc_request *request, struct ipc_error *ret_error) {
    request->id = json_integer_value(json_object_get(request->json, "id"));
    int error = find_verb(request, ret_error);
    struct parsing p = {.request = request, .error = ret_error, .value = (uint8_t *)&request->args};
    if (error == 0 && (request->verb->kind == IPC_CHANGE || request->verb->kind == IPC_PREDICT)) {
        error = make_command(&p);
    }
    return error < 0
               ? error
               : put_args(&p, request->verb->args, request->verb->n_args, request->json, true);
}

int ipc_request_take(json_t *json, struct ipc_request *request, struct ipc_error *ret_error) {
    request_init(request);
    request->json = json;
    return json ? take(request, ret_error)
                : ipc_fail(ret_error, "failed", "", "clusterd is out of memory");
}

int ipc_request_parse(const char *text, size_t size, struct ipc_request *request,
                      struct ipc_error *ret_error) {
    json_error_t where;
    request_init(request);
    request->json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(request->json)) {
        return ipc_fail(ret_error, "usage", "", "the request is not a JSON object: %s",
                        request->json ? "" : where.text);
    }
    return take(request, ret_error);
}

void ipc_request_finish(struct ipc_request *request) {
    json_decref(request->json);
    request->json = NULL;
    arena_finish(&request->arena);
}

void ipc_request_move(struct ipc_request *to, struct ipc_request *from) {
    *to = *from;
    from->json = NULL;
    arena_init(&from->arena);
}
