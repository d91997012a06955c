/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What clients are told about a cluster in trouble: each read verb's answer against
 * tests/golden/ipc/VERB.json. To write them anew after a wanted change, and then review the diff:
 * CLUSTERD_GOLDEN_UPDATE=1.
 */
#include "adapters/ipc/view.h"
#include "core/model/settings.h"
#include "planned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_DIR CLUSTERD_SOURCE_DIR "/tests/golden/ipc"
#define NOON_MS UINT64_C(1700000000000)

static struct model model;
static struct core_status core_status;
static const char *misfit = "", *list_changed = "";
static bool ring_in_clear;

static void set(const char **field, const char *text) {
    free((void *)(uintptr_t)*field);
    *field = strdup(text);
    assert_non_null(*field);
}

static void set_ids(struct wire_ids *ids, uint32_t a, uint32_t b) {
    uint32_t *v = calloc(2, sizeof(*v));
    assert_non_null(v);
    v[0] = a;
    v[1] = b;
    free((void *)(uintptr_t)ids->v);
    *ids = (struct wire_ids){v, b ? 2 : 1};
}

static void set_strs(struct wire_strs *strs, const char *a, const char *b) {
    const char **v = calloc(2, sizeof(*v));
    assert_non_null(v);
    v[0] = strdup(a);
    v[1] = b ? strdup(b) : NULL;
    free((void *)(uintptr_t)strs->v); /* of no elements */
    *strs = (struct wire_strs){v, b ? 2 : 1};
}

static struct model_node *add_node(uint32_t id, const char *name, enum node_state state,
                                   uint64_t memory_mb) {
    struct model_node *node = model_add(&model.nodes);
    node->id = id;
    set(&node->name, name);
    node->votes = 1;
    node->configured = 1;
    node->state = (uint8_t)state;
    node->memory_mb = memory_mb;
    node->cpus = 4;
    node->since_ms = NOON_MS;
    set(&node->version, "0.1.0");
    return node;
}

static struct model_vm *add_vm(uint32_t id, const char *name, enum vm_state state, uint32_t owner) {
    char uuid[64];
    struct model_vm *vm = model_add(&model.vms);
    vm->id = id;
    set(&vm->name, name);
    (void)snprintf(uuid, sizeof(uuid), "00000000-0000-0000-0000-00000000000%u", id);
    set(&vm->uuid, uuid);
    set(&vm->xml, "<domain/>");
    vm->memory_mb = 512;
    vm->vcpus = 1;
    vm->wanted = WANTED_RUNNING;
    vm->state = (uint8_t)state;
    vm->owner = owner;
    vm->generation = 4;
    vm->since_ms = NOON_MS + id;
    set_strs(&vm->volumes, "csv1", NULL);
    return vm;
}

static void set_resources(struct wire_list *list, const char *a, uint64_t amount_a, const char *b,
                          uint64_t amount_b) {
    struct resource_amount *items = calloc(2, sizeof(*items));
    assert_non_null(items);
    items[0] = (struct resource_amount){strdup(a), amount_a};
    items[1] = (struct resource_amount){strdup(b), amount_b};
    free(list->items); /* of no elements */
    *list = (struct wire_list){items, 2};
}

static void add_health(uint32_t node, enum volume_state state, const char *reason) {
    struct model_health *health = model_add(&model.health);
    health->volume = 1;
    health->node = node;
    health->state = (uint8_t)state;
    set(&health->reason, reason);
}

static void add_nodes(void) {
    set_resources(&add_node(1, "n1", NODE_ONLINE, 4096)->resources, "hugepages", 512, "vgpu", 2);
    struct model_node *without = add_node(2, "n2", NODE_ONLINE, 2048);
    without->service = SERVICE_DRAINING;
    set(&without->libvirt, "libvirtd ended");
    struct model_node *lost = add_node(3, "n3", NODE_FENCING, 4096);
    lost->fence_attempts = 3;
    set(&lost->reason, "fence_ipmilan: off failed with code 1: no route to host");
    set(&add_node(4, "n4", NODE_JOINING, 4096)->reason,
        "libvirt does not answer: /run/libvirt/libvirt-sock is not there");
    struct model_volume *volume = model_add(&model.volumes);
    volume->id = 1;
    set(&volume->name, "csv1");
    set(&volume->path, "/srv/csv1");
    add_health(1, VOLUME_OK, "");
    add_health(2, VOLUME_STALLED, "no answer for 6 s");
}

static void set_stays(struct wire_list *list) {
    struct vm_stay *items = calloc(2, sizeof(*items));
    assert_non_null(items);
    items[0] = (struct vm_stay){.node = strdup("n2"),
                                .from_ms = NOON_MS - 60000,
                                .until_ms = NOON_MS,
                                .began = strdup("start, asked for"),
                                .ended = strdup("moved")};
    items[1] = (struct vm_stay){.node = strdup("n1"),
                                .from_ms = NOON_MS,
                                .operation = 70,
                                .began = strdup("live move, drain of n2"),
                                .ended = strdup("")};
    free(list->items); /* of no elements */
    *list = (struct wire_list){items, 2};
}

static void add_vms(void) {
    struct model_vm *web = add_vm(1, "web", VM_RUNNING, 1);
    set_stays(&web->stays);
    web->paused = 1;
    set(&web->other_disks, "vda is /srv/csv1/web.s1 now, and was /srv/csv1/web.qcow2");
    struct model_vm *moving = add_vm(2, "db", VM_MIGRATING, 2);
    moving->target = 1;
    moving->priority = 100;
    moving->operation = 77;
    set_ids(&moving->preferred, 2, 1);
    set_resources(&moving->resources, "sriov", 1, "vgpu", 1);
    (void)add_vm(3, "mail", VM_RUNNING, 3);
    add_vm(4, "huge", VM_OFF, 0)->memory_mb = 65536;
    struct model_vm *failed = add_vm(5, "broken", VM_OFF, 0);
    failed->failures = 3;
    failed->memory_mb = 65536;
    set(&failed->reason, "n1: start: no such disk /srv/csv1/broken.img");
    failed->waits = 1;
    failed->retry_ms = NOON_MS + 20000 + 19400;
    struct model_vm *quiet = add_vm(6, "quiet", VM_OFF, 0);
    quiet->wanted = WANTED_STOPPED;
    set_ids(&quiet->foreign, 1, 3); /* somebody runs it there under libvirt */
    set(&add_vm(7, "doubt", VM_RESOLVING, 1)->reason, "libvirt is being asked what runs where");
}

static void add_rule(const char *name, enum rule_kind kind, bool hard) {
    struct model_rule *rule = model_add(&model.rules);
    set(&rule->name, name);
    rule->kind = (uint8_t)kind;
    rule->scope = kind == RULE_APART ? SCOPE_RACK : SCOPE_NONE;
    rule->hard = hard;
    rule->weight = hard ? 1 : 5;
    set_ids(&rule->vms, 1, 7);
    if (kind == RULE_ON) {
        set_ids(&rule->nodes, 2, 0);
    }
}

static void add_others(void) {
    add_rule("web-apart", RULE_APART, true);
    add_rule("web-on", RULE_ON, false);
    struct model_device *device = model_add(&model.devices);
    set(&device->name, "ipmi");
    set(&device->agent, "fence_ipmilan");
    set_ids(&device->nodes, 1, 3);
    set_strs(&device->keys, "ip", "password");
    set_strs(&device->values, "bmc-{node}", "geheim");
    struct model_device *old = model_add(&model.devices); /* one outlet for all: never used */
    set(&old->name, "old");
    set(&old->agent, "fence_apc");
    set_strs(&old->keys, "ip", "plug");
    set_strs(&old->values, "10.0.0.9", "7");
    struct model_operation *operation = model_add(&model.operations);
    operation->id = 77;
    operation->kind = OPERATION_DRAIN;
    set(&operation->subject, "n2");
    operation->state = OPERATION_RUNNING;
    operation->started_ms = NOON_MS;
    struct operation_vm *vm = calloc(1, sizeof(*vm));
    assert_non_null(vm);
    *vm = (struct operation_vm){.vm = 2,
                                .name = strdup("db"),
                                .from = 2,
                                .to = 1,
                                .mode = MOVE_LIVE,
                                .state = OPERATION_RUNNING,
                                .reason = strdup("")};
    free(operation->vms.items);
    operation->vms = (struct wire_list){vm, 1};
    for (uint32_t i = 1; i <= 3; i++) {
        struct model_event *event = model_add(&model.events);
        event->seq = i;
        event->time_ms = NOON_MS + i * 1000;
        event->repeated = i == 3 ? 291 : 0;
        event->first_ms = i == 3 ? NOON_MS : 0;
        event->severity = i == 3 ? SEVERITY_ERROR : SEVERITY_INFO;
        set(&event->kind, i == 3 ? "node-lost" : "view");
        set(&event->node, "n1");
        set(&event->subject, i == 3 ? "n3" : "n1");
        set(&event->message, "something \xc3\xa4 happened \xff");
    }
}

static int setup(void **state) {
    uint32_t *members = calloc(3, sizeof(*members));
    (void)state;
    assert_non_null(members);
    model_init(&model);
    members[0] = 1;
    members[1] = 2;
    members[2] = 4;
    model.members = (struct wire_ids){members, 3};
    add_nodes();
    add_vms();
    add_others();
    core_status = (struct core_status){.node = 1,
                                       .quorate = 1,
                                       .usable = 1,
                                       .phase = "ready",
                                       .reason = "",
                                       .epoch = 9,
                                       .applied_index = 123};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    model_finish(&model);
    return 0;
}

/* What is written, read again: so it is JSON. NULL: an error. */
static json_t *read_body(struct ipc_view *view, const struct ipc_request *request,
                         struct ipc_error *error) {
    struct json_writer writer;
    json_writer_init(&writer);
    json_write_object(&writer, NULL);
    int r = ipc_read(view, request, &writer, error);
    json_write_object_end(&writer);
    if (r < 0) {
        json_writer_finish(&writer);
        return NULL;
    }
    char *text = json_writer_steal(&writer);
    assert_non_null(text);
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(body);
    free(text);
    return body;
}

static char *answer_text(const char *verb, const char *args, const char *waiting) {
    char text[512];
    struct ipc_request request;
    struct ipc_error error = {.code = NULL};
    (void)snprintf(text, sizeof(text), "{\"v\":1,\"id\":5,\"verb\":\"%s\"%s}", verb, args);
    assert_int_equal(ipc_request_parse(text, strlen(text), &request, &error), 0);
    struct ipc_view view = {.model = &model,
                            .status = core_status,
                            .wall_ms = NOON_MS + 20000,
                            .cluster = "lab",
                            .waiting = waiting,
                            .misfit = misfit,
                            .list_changed = list_changed,
                            .ring_in_clear = ring_in_clear,
                            .arena = &request.arena};
    struct planner_plan starts;
    assert_int_equal(planned_starts(&model, view.wall_ms, false, &request.arena, &starts), 0);
    view.outlook.starts = &starts;
    json_t *body = read_body(&view, &request, &error);
    json_t *answer = body ? ipc_answer_ok(5, body) : ipc_answer_error(5, &error);
    assert_non_null(answer);
    char *out = json_dumps(answer, JSON_INDENT(1) | JSON_SORT_KEYS);
    assert_non_null(out);
    json_decref(answer);
    ipc_request_finish(&request);
    return out;
}

static void write_golden(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", text) > 0);
    assert_int_equal(fclose(file), 0);
}

static bool same_as_golden(const char *path, const char *text) {
    FILE *file = fopen(path, "r");
    size_t n = strlen(text);
    char *golden = calloc(1, n + 3);
    assert_non_null(golden);
    size_t got = file ? fread(golden, 1, n + 2, file) : 0;
    if (file) {
        (void)fclose(file);
    }
    bool same = got == n + 1 && memcmp(golden, text, n) == 0;
    free(golden);
    return same;
}

static void check(const char *name, const char *verb, const char *args, const char *waiting) {
    char path[512];
    char *text = answer_text(verb, args, waiting);
    (void)snprintf(path, sizeof(path), "%s/%s.json", GOLDEN_DIR, name);
    assert_null(strstr(text, "geheim"));
    if (getenv("CLUSTERD_GOLDEN_UPDATE")) {
        write_golden(path, text);
    } else if (!same_as_golden(path, text)) {
        fail_msg("%s differs; now it is\n%s\n(if that is right: CLUSTERD_GOLDEN_UPDATE=1)", path,
                 text);
    }
    free(text);
}

static void test_every_verb(void **state) {
    static const char *const cases[][2] = {
        {"status", ""},
        {"node.list", ""},
        {"node.show", ",\"node\":\"n2\""},
        {"vm.list", ""},
        {"vm.show", ",\"vm\":\"db\""},
        {"vm.explain", ",\"vm\":\"web\""},
        {"vm.history", ",\"vm\":\"web\""},
        {"volume.list", ""},
        {"volume.show", ",\"volume\":\"csv1\""},
        {"fence-device.list", ""},
        {"operation.list", ""},
        {"operation.show", ",\"operation\":77"},
        {"event.list", ",\"since\":1,\"limit\":1"},
        {"config.get", ",\"key\":\"self_fence_ms\""},
        {"export", ""},
        {"rule.list", ""},
        {"rule.show", ",\"rule\":\"web-on\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(cases[i][0], cases[i][0], cases[i][1], "");
    }
}

/* What only this node has to say of itself. */
static void test_own_troubles(void **state) {
    (void)state;
    const struct core_status usual = core_status;
    core_status.quorate = core_status.usable = 0;
    core_status.corosync_down = 1;
    core_status.phase = "no quorum";
    core_status.reason = "corosync does not run on this node, or does not answer";
    check("status-corosync-down", "status", "", "");
    core_status = usual;
    misfit = "watchdog_ms 5000 is too short for corosync's token 3650 ms and consensus 4380 ms";
    check("status-misfit", "status", "", "");
    misfit = "";
    (void)snprintf(core_status.list_differs, sizeof(core_status.list_differs),
                   "n1 started with another list of nodes in corosync.conf than this node");
    check("status-list-differs", "status", "", "");
    core_status = usual;
    (void)snprintf(core_status.version_differs, sizeof(core_status.version_differs),
                   "n3 speaks protocol 4 at most, and the cluster's log needs 5: it stays out; "
                   "update clusterd on n3");
    check("status-version-differs", "status", "", "");
    core_status = usual;
    (void)snprintf(core_status.state_differs, sizeof(core_status.state_differs),
                   "n3 disagrees with the others about the state of the cluster at index 412 of "
                   "the log: its memory is bad, or it runs a different clusterd; it is left out "
                   "and starts nothing");
    check("status-state-differs", "status", "", "");
    core_status = usual;
    core_status.in_clear = (struct wire_ids){(const uint32_t[]){4, 3, 1}, 3}; /* n3 is lost */
    check("status-moves-in-clear", "status", "", "");
    core_status = usual;
    ring_in_clear = true;
    check("status-ring-in-clear", "status", "", "");
    ring_in_clear = false;
    list_changed = "4 nodes: n1 n2 n3 n4";
    check("status-list-changed", "status", "", "");
    list_changed = "";
}

/* A storage move of "quiet". */
static struct model_journal *add_storage(void) {
    struct model_journal *row = model_add(&model.journal);
    struct storage_file *file = calloc(1, sizeof(*file));
    assert_non_null(file);
    *file = (struct storage_file){.disk = strdup("vda"),
                                  .from = strdup("/srv/csv1/quiet.qcow2"),
                                  .to = strdup("/srv/csv2/quiet.qcow2"),
                                  .bytes = UINT64_C(21474836480),
                                  .format = strdup("")};
    free(row->files.items); /* of no elements */
    row->files = (struct wire_list){file, 1};
    row->id = 120;
    row->kind = JOURNAL_STORAGE;
    row->vm = 6;
    row->phase = STORAGE_COPY;
    ((struct model_vm *)model_row(&model.vms, model_vm_by_id(&model, 6)))->serial = 106;
    set(&row->xml, "<domain>geheim</domain>"); /* what it holds is nobody's business */
    return row;
}

static void assert_status(const char *part, bool there) {
    char *text = answer_text("status", "", "");
    assert_true((strstr(text, part) != NULL) == there);
    free(text);
}

static void test_storage_moves(void **state) {
    static const char originals[] = "the original files of quiet (moved to other storage) could "
                                    "not be removed; it is tried again";
    static const char copies[] = "the copies of the files of quiet (not moved to other storage) "
                                 "could not be removed; it is tried again";
    static const char why[] = "\"why\": \"quiet on n1: cannot remove /srv/csv1/quiet.qcow2\"";
    struct model_journal *row = add_storage();
    (void)state;
    check("vm.show-storage-copy", "vm.show", ",\"vm\":\"quiet\"", "");
    assert_status("other storage", false); /* it is under way */
    assert_status("are not being moved", false);
    struct model_node *only = model_row(&model.nodes, model_node_by_id(&model, 1));
    only->service = SERVICE_DRAINED;
    assert_status("the files of quiet are not being moved", true);
    assert_status("it waits: the nodes that have all volumes of the move are drained", true);
    row->operation = 77;
    char *shown = answer_text("operation.show", ",\"operation\":77", "");
    assert_non_null(strstr(shown, "it waits: the nodes that have all volumes"));
    free(shown);
    only->service = SERVICE_ACTIVE;
    row->phase = STORAGE_FINISH;
    assert_status("other storage", false);
    set(&row->reason, "quiet on n1: cannot remove /srv/csv1/quiet.qcow2");
    check("vm.show-storage-finish", "vm.show", ",\"vm\":\"quiet\"", "");
    assert_status(originals, true);
    assert_status(why, true);
    assert_status("remove the cause, not the files: clusterctl vm show quiet names them", true);
    row->phase = STORAGE_UNDO;
    check("vm.show-storage-undo", "vm.show", ",\"vm\":\"quiet\"", "");
    assert_status(copies, true);
    assert_status(why, true);
    row->vm = 99; /* that VM is gone */
    assert_status("other storage", false);
}

/* A checkpoint of "quiet". */
static struct model_checkpoint *add_checkpoint(uint64_t id, const char *name) {
    struct model_checkpoint *row = model_add(&model.checkpoints);
    const char **disks = calloc(1, sizeof(*disks));
    assert_non_null(row);
    assert_non_null(disks);
    disks[0] = strdup("vda");
    free((void *)(uintptr_t)row->disks.v); /* of no elements */
    row->disks = (struct wire_strs){disks, 1};
    row->id = id;
    row->vm = 6;
    row->time_ms = UINT64_C(1741082400000);
    set(&row->name, name);
    row->whole = 1;
    return row;
}

static void test_checkpoints(void **state) {
    static const char revert[] = "quiet cannot start: its disks are not all set back to "
                                 "checkpoint before";
    struct model_journal *row = NULL;
    (void)state;
    add_checkpoint(110, "before")->running = 1;
    (void)add_checkpoint(111, "after");
    row = add_storage();
    row->kind = JOURNAL_CHECKPOINT;
    row->phase = CHECKPOINT_REVERT;
    row->checkpoint = 110;
    assert_status(revert, false); /* it is under way */
    set(&row->reason, "quiet on n1: vda: cannot set back /srv/csv1/quiet.qcow2");
    assert_status(revert, true);
    check("vm.show-checkpoints", "vm.show", ",\"vm\":\"quiet\"", "");
    row->phase = CHECKPOINT_REMOVE;
    assert_status("checkpoint before of quiet is not being removed", true);
    assert_status(revert, false);
}

static void test_not_found(void **state) {
    static const char *const cases[][2] = {
        {"node.show", ",\"node\":\"x\""},       {"vm.show", ",\"vm\":\"x\""},
        {"vm.explain", ",\"vm\":\"x\""},        {"volume.show", ",\"volume\":\"x\""},
        {"operation.show", ",\"operation\":1"}, {"config.get", ",\"key\":\"x\""},
        {"rule.show", ",\"rule\":\"x\""},       {"vm.history", ",\"vm\":\"x\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = answer_text(cases[i][0], cases[i][1], "");
        assert_non_null(strstr(text, "\"code\": \"not-found\""));
        free(text);
    }
}

static void test_no_quorum(void **state) {
    (void)state;
    core_status.quorate = 0;
    core_status.usable = 0;
    core_status.reason = "n2 and n3 are not seen";
    check("status-no-quorum", "status", "", "");
}

static void test_waiting(void **state) {
    (void)state;
    model_finish(&model);
    core_status = (struct core_status){.phase = "starting", .reason = ""};
    check("status-waiting", "status", "", "corosync does not answer");
}

static void test_all_settings(void **state) {
    (void)state;
    char *text = answer_text("config.list", "", "");
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        assert_non_null(strstr(text, settings[i].key));
    }
    free(text);
}

static json_t *plan_of(const char *args, struct ipc_error *error) {
    char text[256];
    struct ipc_request request;
    json_t *plan = NULL;
    (void)snprintf(text, sizeof(text), "{\"v\":1,\"id\":5,%s,\"dry_run\":true}", args);
    assert_int_equal(ipc_request_parse(text, strlen(text), &request, error), 0);
    struct ipc_view view = {.model = &model,
                            .status = core_status,
                            .wall_ms = NOON_MS + 20000,
                            .cluster = "lab",
                            .waiting = "",
                            .arena = &request.arena};
    if (request.verb->what == COMMAND_VM_MOVE) {
        (void)plan_move(&view, request.command, &plan, error);
    } else {
        const struct cmd_node_drain *drain = request.command;
        (void)plan_drain(&view, drain->node, &plan, error);
    }
    ipc_request_finish(&request);
    return plan;
}

static void test_plans(void **state) {
    struct ipc_error error = {.code = NULL};
    size_t i = 0;
    (void)state;
    json_t *plan = plan_of("\"verb\":\"vm.move\",\"vm\":\"quiet\",\"to\":\"n1\"", &error);
    json_t *first = json_array_get(json_object_get(plan, "plan"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "to")), "n1");
    json_decref(plan);
    plan = plan_of("\"verb\":\"vm.move\",\"vm\":\"quiet\",\"to\":\"n3\"", &error);
    first = json_array_get(json_object_get(plan, "plan"), 0);
    assert_true(json_is_null(json_object_get(first, "to")));
    assert_true(strlen(json_string_value(json_object_get(first, "reason"))) > 0);
    json_decref(plan);
    plan = plan_of("\"verb\":\"node.drain\",\"node\":\"n1\"", &error);
    first = json_array_get(json_object_get(plan, "plan"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "vm")), "web");
    assert_true(json_is_null(json_object_get(first, "to"))); /* no other node takes VMs */
    json_decref(plan);
    struct model_vm *web = model_row(&model.vms, model_vm_by_name(&model, "web"));
    static const struct {
        uint8_t policy;
        const char *how;
        bool longest;
    } policies[] = {{MOVE_POLICY_SHUT_DOWN, "shut-down", true}, {MOVE_POLICY_STAY, "stay", false}};
    web->paused = 0;
    for (i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        web->move_policy = policies[i].policy;
        plan = plan_of("\"verb\":\"node.drain\",\"node\":\"n1\"", &error);
        json_t *list = json_object_get(plan, "plan");
        const json_t *row = NULL;
        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *it = json_array_get(list, k);
            row = strcmp(json_string_value(json_object_get(it, "vm")), "web") == 0 ? it : row;
        }
        assert_non_null(row);
        assert_string_equal(json_string_value(json_object_get(row, "how")), policies[i].how);
        assert_true(json_is_null(json_object_get(row, "to")));
        assert_int_equal(json_is_null(json_object_get(row, "longest_ms")), !policies[i].longest);
        /* (Somebody also runs a VM of the cluster there by hand.) */
        assert_true(json_is_false(json_object_get(plan, "becomes_empty")));
        json_decref(plan);
    }
    web->move_policy = MOVE_POLICY_LIVE_OR_QUICK;
    web->wanted = WANTED_STOPPED; /* then it needs no place */
    plan = plan_of("\"verb\":\"node.drain\",\"node\":\"n1\"", &error);
    assert_non_null(plan);
    json_array_foreach (json_object_get(plan, "plan"), i, first) {
        assert_string_not_equal(json_string_value(json_object_get(first, "vm")), "web");
    }
    json_decref(plan);
    assert_null(plan_of("\"verb\":\"node.drain\",\"node\":\"nn\"", &error));
    assert_string_equal(error.code, "not-found");
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_verb), T(test_own_troubles),  T(test_not_found),
        T(test_no_quorum),  T(test_waiting),       T(test_all_settings),
        T(test_plans),      T(test_storage_moves), T(test_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
