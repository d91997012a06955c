/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one node does about what libvirt says of its domains: lines in, reports and destroys out.
 */
#include "base/owned.h"
#include "core/executor/inside.h"
#include "core/pending.h"
#include "core/replica/log.h"
#include "core/timeouts.h"
#include "unit/core/one_core.h"
#include "wire/command.h"

struct scene {
    struct core c;
    struct model_vm *vm; /* vm1, runs here */
};

static void begin(struct scene *s, uint32_t node) {
    struct bench b;
    bench_begin(&b);
    bench_running_vm(&b, "vm1", node);
    solo_begin(&s->c, &b);
    s->vm = model_row(&s->c.model.vms, model_vm_by_name(&s->c.model, "vm1"));
    s->c.executor.listed = s->c.executor.connected = true;
}

static void end(struct scene *s) {
    solo_end(&s->c);
}

static void line(struct scene *s, struct core_agent what) {
    assert_int_equal(executor_domain_line(&s->c, &what), 0);
}

/* libvirt's line about vm1. */
static struct core_agent of_vm(const struct scene *s, uint8_t state) {
    return (struct core_agent){.line = AGENT_DOMAIN,
                               .uuid = s->vm->uuid,
                               .name = s->vm->name,
                               .generation = s->vm->generation,
                               .state = state,
                               .reason = "because"};
}

/* The event that this node wants to report; NONE: it reports nothing. */
static uint8_t reported(struct scene *s, struct cmd_vm_event *ret) {
    struct core *c = &s->c;
    struct log_command entry;
    void *command = NULL;
    *ret = (struct cmd_vm_event){.reason = ""};
    if (c->n_pending == 0) {
        return VM_EVENT_NONE;
    }
    assert_int_equal(c->n_pending, 1);
    assert_int_equal(
        log_read_entry(c->pending[0].data, c->pending[0].size, &c->out.arena, &entry, &command), 0);
    assert_int_equal(entry.type, COMMAND_VM_EVENT);
    *ret = *(const struct cmd_vm_event *)command;
    return ret->kind;
}

/* ---- lines ---- */

static void domains_without_a_name_of_their_own(void **state) {
    struct scene s;
    char longest[WIRE_MAX_NAME + 2];
    (void)state;
    begin(&s, 1);
    memset(longest, 'u', sizeof(longest));
    longest[WIRE_MAX_NAME + 1] = '\0';
    const char *bad[] = {NULL, "", longest};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        line(&s, (struct core_agent){.line = AGENT_DOMAIN, .uuid = bad[i], .name = "x"});
        line(&s, (struct core_agent){.line = AGENT_AUTOSTART, .uuid = bad[i], .autostart = 1});
    }
    assert_int_equal(s.c.executor.n_domains, 0);
    longest[WIRE_MAX_NAME] = '\0';
    line(&s, (struct core_agent){.line = AGENT_DOMAIN, .uuid = longest, .name = "x"});
    assert_int_equal(s.c.executor.n_domains, 1);
    end(&s);
}

static void what_a_line_leaves_open(void **state) {
    struct scene s;
    char longest[WIRE_MAX_NAME + 2];
    (void)state;
    begin(&s, 1);
    memset(longest, 'm', sizeof(longest));
    longest[WIRE_MAX_NAME + 1] = '\0';
    line(&s, (struct core_agent){.line = AGENT_DOMAIN,
                                 .uuid = "u1",
                                 .name = "web",
                                 .machine = "pc-7",
                                 .generation = 5,
                                 .state = VM_STATE_RUNNING,
                                 .reason = "because"});
    const struct domain *d = executor_domain(&s.c, "u1");
    assert_string_equal(d->name, "web");
    assert_string_equal(d->machine, "pc-7");
    assert_string_equal(d->reason, "because");
    /* What is not said of the machine or the generation stays as it was; the rest does not. */
    const char *machines[] = {NULL, "", longest};
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        line(&s, (struct core_agent){.line = AGENT_DOMAIN_EVENT,
                                     .uuid = "u1",
                                     .machine = machines[i],
                                     .domain_event = VM_EVENT_PAUSED});
        d = executor_domain(&s.c, "u1");
        assert_string_equal(d->machine, "pc-7");
        assert_int_equal(d->generation, 5);
        assert_int_equal(d->state, VM_STATE_PAUSED);
        assert_string_equal(d->name, "");
        assert_string_equal(d->reason, "");
    }
    line(&s, (struct core_agent){.line = AGENT_DOMAIN, .uuid = "u1", .foreign = 1});
    assert_int_equal(executor_domain(&s.c, "u1")->generation, 0);
    end(&s);
}

static void disks_of_domains(void **state) {
    struct scene s;
    (void)state;
    begin(&s, 1);
    line(&s, (struct core_agent){.line = AGENT_DISKS, .reason = "a"});
    line(&s, (struct core_agent){.line = AGENT_DISKS, .uuid = "nobody", .reason = "a"});
    assert_int_equal(s.c.executor.n_domains, 0);
    line(&s, of_vm(&s, VM_STATE_RUNNING));
    line(&s, (struct core_agent){.line = AGENT_DISKS, .uuid = s.vm->uuid, .generation = 3});
    const struct domain *d = executor_domain(&s.c, s.vm->uuid);
    assert_true(d->disks_known);
    assert_int_equal(d->disks_generation, 3);
    assert_string_equal(d->disks, "");
    end(&s);
}

static void libvirt_goes(void **state) {
    struct scene s;
    (void)state;
    begin(&s, 1);
    line(&s, (struct core_agent){.line = AGENT_DISCONNECTED});
    assert_int_equal(solo_actions(&s.c, CORE_ACTION_LOG), 1);
    assert_false(s.c.executor.connected);
    line(&s, (struct core_agent){.line = AGENT_DISCONNECTED, .reason = "refused"});
    assert_int_equal(solo_actions(&s.c, CORE_ACTION_LOG), 2); /* now with a reason */
    line(&s, (struct core_agent){.line = AGENT_DISCONNECTED, .reason = "refused"});
    assert_int_equal(solo_actions(&s.c, CORE_ACTION_LOG), 2);
    assert_string_equal(s.c.executor.libvirt_reason, "refused");
    line(&s, (struct core_agent){.line = AGENT_CONNECTED});
    assert_string_equal(s.c.executor.libvirt_reason, "");
    assert_false(s.c.executor.listed);
    end(&s);
}

/* ---- libvirt's absence is told after a while ---- */

static void libvirt_is_away(void **state) {
    struct scene s;
    (void)state;
    for (int ever = 0; ever < 2; ever++) {
        const uint64_t pause_ms = ever ? TIMEOUT_LIBVIRT_MS : TIMEOUT_LIBVIRT_BOOT_MS;
        begin(&s, 1);
        const uint64_t start_ms = s.c.now_ms;
        s.c.executor.ever_listed = ever;
        s.c.executor.listed = false;
        s.c.executor.wakeup_ms = UINT64_MAX;
        assert_int_equal(executor_libvirt(&s.c), 0);
        assert_int_equal(s.c.executor.wakeup_ms, start_ms + pause_ms);
        solo_step(&s.c, start_ms + pause_ms - 1);
        assert_int_equal(executor_libvirt(&s.c), 0);
        assert_int_equal(s.c.n_pending, 0);
        solo_step(&s.c, start_ms + pause_ms);
        assert_int_equal(executor_libvirt(&s.c), 0);
        assert_int_equal(s.c.n_pending, 1);
        assert_true(pending_has(&s.c, COMMAND_NODE_LIBVIRT));
        assert_int_equal(executor_libvirt(&s.c), 0); /* once */
        assert_int_equal(s.c.n_pending, 1);
        end(&s);
    }
}

static void libvirt_is_back_in_time(void **state) {
    struct scene s;
    (void)state;
    begin(&s, 1);
    const uint64_t start_ms = s.c.now_ms;
    s.c.executor.ever_listed = true;
    s.c.executor.connected = false;
    assert_int_equal(executor_libvirt(&s.c), 0);
    s.c.executor.connected = true;
    solo_step(&s.c, start_ms + 10);
    assert_int_equal(executor_libvirt(&s.c), 0);
    s.c.executor.connected = false; /* the time begins anew */
    solo_step(&s.c, start_ms + TIMEOUT_LIBVIRT_MS);
    assert_int_equal(executor_libvirt(&s.c), 0);
    assert_int_equal(s.c.n_pending, 0);
    end(&s);
}

/* ---- the table against the model ---- */

/* How the model differs from "vm1 runs here, and so says libvirt". */
enum otherwise { AS_IT_IS, ORDERED, MOVED, STOPPED, EARLIER_COPY, PAUSED_BEFORE, DISKS_BEFORE };

static const struct {
    const char *what;
    uint8_t state;
    enum otherwise otherwise;
    const char *disks; /* "": none told */
    uint8_t event;     /* that is reported */
    const char *reason;
} events[] = {
    {"it runs", VM_STATE_RUNNING, AS_IT_IS, "", VM_EVENT_NONE, ""},
    {"it has ended", VM_STATE_OFF, AS_IT_IS, "", VM_EVENT_CRASHED, "because"},
    {"it was ordered to end", VM_STATE_OFF, ORDERED, "", VM_EVENT_NONE, ""},
    {"it has ended on another node's behalf", VM_STATE_OFF, MOVED, "", VM_EVENT_NONE, ""},
    {"it is off anyhow", VM_STATE_OFF, STOPPED, "", VM_EVENT_NONE, ""},
    {"an earlier copy has ended", VM_STATE_OFF, EARLIER_COPY, "", VM_EVENT_NONE, ""},
    {"it is paused", VM_STATE_PAUSED, AS_IT_IS, "", VM_EVENT_PAUSED, "because"},
    {"it is paused, as is known", VM_STATE_PAUSED, PAUSED_BEFORE, "", VM_EVENT_NONE, ""},
    {"it goes on", VM_STATE_RUNNING, PAUSED_BEFORE, "", VM_EVENT_RESUMED, ""},
    {"it has other disks", VM_STATE_RUNNING, AS_IT_IS, "/a", VM_EVENT_DISKS, "/a"},
    {"it has its disks again", VM_STATE_RUNNING, DISKS_BEFORE, "-", VM_EVENT_DISKS, ""},
    {"it has other disks, as is known", VM_STATE_RUNNING, DISKS_BEFORE, "/b", VM_EVENT_NONE, ""},
    {"of its disks nothing is known", VM_STATE_RUNNING, DISKS_BEFORE, "", VM_EVENT_NONE, ""},
};

static void make_otherwise(struct scene *s, enum otherwise otherwise) {
    struct model_vm *vm = s->vm;
    switch (otherwise) {
    case AS_IT_IS: break;
    case ORDERED: vm->order = ORDER_STOP; break;
    case MOVED: vm->owner = 2; break;
    case STOPPED: vm->state = VM_OFF; break;
    case EARLIER_COPY: vm->generation++; break;
    case PAUSED_BEFORE: vm->paused = 1; break;
    case DISKS_BEFORE:
        owned_free(vm->other_disks);
        vm->other_disks = strdup("/b");
        break;
    }
}

static void events_are_reported(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
        struct scene s;
        struct cmd_vm_event event;
        begin(&s, 1);
        print_message("%s\n", events[i].what);
        line(&s, of_vm(&s, events[i].state));
        if (events[i].disks[0]) {
            const char *disks = events[i].disks[0] == '-' ? "" : events[i].disks;
            line(&s, (struct core_agent){.line = AGENT_DISKS,
                                         .uuid = s.vm->uuid,
                                         .generation = s.vm->generation,
                                         .reason = disks});
        }
        make_otherwise(&s, events[i].otherwise);
        assert_int_equal(executor_domains(&s.c), 0);
        assert_int_equal(reported(&s, &event), events[i].event);
        assert_string_equal(event.reason, events[i].reason);
        assert_int_equal(executor_domains(&s.c), 0); /* of one row, it is reported once */
        assert_true(s.c.n_pending <= 1);
        end(&s);
    }
}

/* Disks that an earlier copy had say nothing of this one. */
static void disks_of_an_earlier_copy(void **state) {
    struct scene s;
    (void)state;
    begin(&s, 1);
    line(&s, of_vm(&s, VM_STATE_RUNNING));
    line(&s, (struct core_agent){.line = AGENT_DISKS,
                                 .uuid = s.vm->uuid,
                                 .generation = s.vm->generation - 1,
                                 .reason = "/a"});
    assert_int_equal(executor_domains(&s.c), 0);
    assert_int_equal(s.c.n_pending, 0);
    end(&s);
}

/* Nothing is compared before libvirt's list is complete, or by a clusterd that the model does not
 * know. */
static void not_compared(void **state) {
    static const struct {
        bool listed;
        uint64_t incarnation;
        uint8_t state; /* of this node */
        bool told;
    } cases[] = {{true, 11, NODE_ONLINE, true},
                 {false, 11, NODE_ONLINE, false},
                 {true, 12, NODE_ONLINE, false},
                 {true, 11, NODE_JOINING, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct scene s;
        begin(&s, 1);
        line(&s, of_vm(&s, VM_STATE_OFF));
        s.c.executor.listed = cases[i].listed;
        s.c.incarnation = cases[i].incarnation;
        struct model_node *self =
            model_row(&s.c.model.nodes, model_node_by_id(&s.c.model, s.c.self));
        self->state = cases[i].state;
        assert_int_equal(executor_domains(&s.c), 0);
        assert_int_equal(s.c.n_pending > 0, cases[i].told);
        end(&s);
    }
}

/* ---- copies that may not run here ---- */

static const struct {
    const char *what;
    uint32_t node;         /* on which vm1 runs by the model */
    int copy;              /* generation of the one here, less the model's */
    uint8_t state;         /* of the one here */
    uint8_t vm_state;      /* of the model's */
    bool joining;          /* this node */
    bool disagrees;        /* the members' models differ */
    uint64_t destroyed_ms; /* after so long; 0: never */
} strays[] = {
    {"it runs elsewhere", 2, 0, VM_STATE_RUNNING, VM_RUNNING, false, false, TIMEOUT_STRAY_MS},
    {"it runs elsewhere, and this node joins", 2, 0, VM_STATE_RUNNING, VM_RUNNING, true, false, 1},
    {"it runs elsewhere, by a model that may be wrong", 2, 0, VM_STATE_RUNNING, VM_RUNNING, false,
     true, 0},
    {"it ran here", 2, 0, VM_STATE_OFF, VM_RUNNING, false, false, 0},
    {"it is ours", 1, 0, VM_STATE_RUNNING, VM_RUNNING, false, false, 0},
    {"an earlier copy", 1, -1, VM_STATE_RUNNING, VM_RUNNING, false, false, TIMEOUT_STRAY_MS},
    {"an earlier copy that is on its way", 1, -1, VM_STATE_RUNNING, VM_MIGRATING, false, false, 0},
    {"an earlier copy that is asked about", 1, -1, VM_STATE_RUNNING, VM_RESOLVING, false, false, 0},
    {"a later copy", 1, 1, VM_STATE_RUNNING, VM_RUNNING, false, false, 0},
};

static void strays_are_destroyed(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(strays); i++) {
        struct scene s;
        begin(&s, strays[i].node);
        print_message("%s\n", strays[i].what);
        const uint64_t start_ms = s.c.now_ms;
        struct core_agent what = of_vm(&s, strays[i].state);
        what.generation = (uint64_t)((int64_t)what.generation + strays[i].copy);
        line(&s, what);
        s.vm->state = strays[i].vm_state;
        s.c.replica.differs_index = strays[i].disagrees;
        if (strays[i].joining) {
            struct model_node *self =
                model_row(&s.c.model.nodes, model_node_by_id(&s.c.model, s.c.self));
            self->state = NODE_JOINING;
        }
        s.c.executor.wakeup_ms = UINT64_MAX;
        assert_int_equal(executor_domains(&s.c), 0);
        bool waits = strays[i].destroyed_ms == TIMEOUT_STRAY_MS;
        assert_int_equal(solo_actions(&s.c, CORE_ACTION_RUN_AGENT), strays[i].joining);
        assert_int_equal(s.c.executor.wakeup_ms, waits ? start_ms + TIMEOUT_STRAY_MS : UINT64_MAX);
        solo_step(&s.c, start_ms + TIMEOUT_STRAY_MS - 1);
        assert_int_equal(executor_domains(&s.c), 0);
        assert_int_equal(solo_actions(&s.c, CORE_ACTION_RUN_AGENT), 0);
        solo_step(&s.c, start_ms + TIMEOUT_STRAY_MS);
        assert_int_equal(executor_domains(&s.c), 0);
        assert_int_equal(solo_actions(&s.c, CORE_ACTION_RUN_AGENT), waits);
        end(&s);
    }
}

/* A copy that may run here for a moment was none. */
static void stray_for_a_moment(void **state) {
    struct scene s;
    (void)state;
    begin(&s, 2);
    const uint64_t start_ms = s.c.now_ms;
    line(&s, of_vm(&s, VM_STATE_RUNNING));
    assert_int_equal(executor_domains(&s.c), 0);
    s.vm->owner = 1;
    solo_step(&s.c, start_ms + TIMEOUT_STRAY_MS - 1);
    assert_int_equal(executor_domains(&s.c), 0);
    s.vm->owner = 2;
    solo_step(&s.c, start_ms + TIMEOUT_STRAY_MS);
    assert_int_equal(executor_domains(&s.c), 0);
    assert_int_equal(solo_actions(&s.c, CORE_ACTION_RUN_AGENT), 0);
    end(&s);
}

/* ---- VMs of which libvirt says nothing ---- */

static void unlisted_are_asked_about(void **state) {
    struct scene s;
    struct cmd_vm_event event;
    (void)state;
    begin(&s, 1);
    const uint64_t start_ms = s.c.now_ms;
    assert_non_null(executor_add_run(&s.c, RUN_WATCH, 0));
    s.c.executor.watch_index = s.vm->serial - 1; /* its list may be older than the VM's start */
    assert_int_equal(executor_domains(&s.c), 0);
    assert_int_equal(solo_actions(&s.c, CORE_ACTION_KILL_AGENT), 0);
    solo_step(&s.c, start_ms + TIMEOUT_MISSING_MS);
    assert_int_equal(executor_domains(&s.c), 0);
    assert_int_equal(solo_actions(&s.c, CORE_ACTION_KILL_AGENT), 1);
    assert_int_equal(reported(&s, &event), VM_EVENT_NONE);
    s.c.executor.watch_index = s.vm->serial; /* the next one's is not */
    assert_int_equal(executor_domains(&s.c), 0);
    assert_int_equal(reported(&s, &event), VM_EVENT_CRASHED);
    assert_string_equal(event.reason, "libvirt no longer knows it");
    end(&s);
}

/* Of a libvirt that does not answer, or an agent that has ended, nothing is concluded. */
static void unlisted_without_libvirt(void **state) {
    (void)state;
    for (int connected = 0; connected < 2; connected++) {
        struct scene s;
        begin(&s, 1);
        const uint64_t start_ms = s.c.now_ms;
        s.c.executor.watch_index = s.vm->serial - 1;
        s.c.executor.connected = connected;
        if (!connected) {
            assert_non_null(executor_add_run(&s.c, RUN_WATCH, 0));
        }
        for (int times = 0; times < 2; times++) {
            solo_step(&s.c, start_ms + (uint64_t)times * TIMEOUT_MISSING_MS);
            assert_int_equal(executor_domains(&s.c), 0);
            assert_int_equal(s.c.out.n, 0);
        }
        assert_int_equal(s.c.executor.missing_ms, connected ? start_ms : 0);
        end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_without_a_name_of_their_own),
        cmocka_unit_test(what_a_line_leaves_open),
        cmocka_unit_test(disks_of_domains),
        cmocka_unit_test(libvirt_goes),
        cmocka_unit_test(libvirt_is_away),
        cmocka_unit_test(libvirt_is_back_in_time),
        cmocka_unit_test(events_are_reported),
        cmocka_unit_test(disks_of_an_earlier_copy),
        cmocka_unit_test(not_compared),
        cmocka_unit_test(strays_are_destroyed),
        cmocka_unit_test(stray_for_a_moment),
        cmocka_unit_test(unlisted_are_asked_about),
        cmocka_unit_test(unlisted_without_libvirt),
    };
    return cmocka_run_group_tests_name("core_domains", tests, NULL, NULL);
}
