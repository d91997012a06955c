/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests, and libvirt's reports of them: which QEMU really runs where.
 *
 * Each VM has a disk, and the disk has a version. The version grows whenever memory of another
 * origin begins to write to the disk. A copy whose memory belongs to an older version would destroy
 * the disk. This finds a paused migration source whose target has run, or a saved state used twice,
 * even if no two copies run at the same moment.
 */
#include "sim/world.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

uint32_t guest_find(const struct sim *s, const char *uuid) {
    for (uint32_t i = 0; i < s->n_vms; i++) {
        if (strcmp(s->vms[i].uuid, uuid) == 0) {
            return i + 1;
        }
    }
    return 0;
}

uint32_t guest_for(struct sim *s, const char *uuid, const char *name) {
    uint32_t vm = guest_find(s, uuid);
    if (vm == 0) {
        CHECK(s->n_vms < SIM_VMS);
        vm = ++s->n_vms;
        (void)snprintf(s->vms[vm - 1].uuid, sizeof(s->vms[0].uuid), "%s", uuid);
        (void)snprintf(s->vms[vm - 1].name, sizeof(s->vms[0].name), "%s", name);
        files_create(&s->vms[vm - 1]);
    }
    return vm;
}

const char *sim_vm_name(const struct sim *s, uint32_t vm) {
    return s->vms[vm - 1].name;
}

const char *sim_vm_uuid(const struct sim *s, uint32_t vm) {
    return s->vms[vm - 1].uuid;
}

uint32_t sim_runs_on(const struct sim *s, uint32_t vm) {
    for (uint32_t i = 1; i <= s->n; i++) {
        if (s->vms[vm - 1].copies[i].state == COPY_RUNNING) {
            return i;
        }
    }
    return 0;
}

/* ---- what libvirt tells ---- */

enum agent_vm_state copy_told(const struct copy *copy, bool by_monitor) {
    switch (copy->state) {
    case COPY_NONE: break;
    case COPY_INCOMING: return by_monitor ? VM_STATE_PAUSED : VM_STATE_INCOMING;
    case COPY_RUNNING: return copy->io_error ? VM_STATE_PAUSED : VM_STATE_RUNNING;
    case COPY_PAUSED: return VM_STATE_PAUSED;
    }
    return VM_STATE_OFF;
}

static struct item *watch_line(const struct sim *s, uint32_t node, enum core_agent_line line) {
    struct item *item = item_new(ITEM_EVENT);
    item->event.type = CORE_EVENT_AGENT;
    item->event.agent = (struct core_agent){.run = s->nodes[node].watch_run,
                                            .line = line,
                                            .uuid = item->text[0],
                                            .name = item->text[1],
                                            .reason = item->text[2]};
    return item;
}

/* libvirt's events come by a way of their own, and sometimes late. */
static void tell(struct sim *s, uint32_t node, struct item *item) {
    uint64_t late_us = !s->options.calm && sim_chance(s, 3) ? sim_random(s, 2 * SIM_SECOND) : 0;
    node_post(s, node, STREAM_WATCH, item, sim_delay(s, 400) + late_us);
}

void sim_events_late(struct sim *s, uint32_t node, uint64_t us) {
    struct node *n = &s->nodes[node];
    uint64_t at = s->now_us + us;
    sim_trace(s, "%s: what libvirt tells is %llu ms late", s->names[node],
              (unsigned long long)us / 1000);
    n->stream_us[STREAM_WATCH] = at > n->stream_us[STREAM_WATCH] ? at : n->stream_us[STREAM_WATCH];
}

static bool is_watched(const struct sim *s, uint32_t node) {
    const struct node *n = &s->nodes[node];
    return n->alive && n->libvirtd && !n->libvirtd_hangs && n->watch_run != 0;
}

static void domain_event(struct sim *s, uint32_t vm, uint32_t node, enum agent_event kind,
                         const char *reason) {
    const struct vm *v = &s->vms[vm - 1];
    if (!is_watched(s, node)) {
        return;
    }
    struct item *item = watch_line(s, node, AGENT_DOMAIN_EVENT);
    item->event.agent.domain_event = (uint8_t)kind;
    item->event.agent.generation = v->copies[node].generation;
    item->event.agent.foreign = v->copies[node].foreign;
    (void)snprintf(item->text[0], sizeof(item->text[0]), "%s", v->uuid);
    (void)snprintf(item->text[1], sizeof(item->text[1]), "%s", v->name);
    (void)snprintf(item->text[2], sizeof(item->text[2]), "%s", reason);
    tell(s, node, item);
}

static void domain_line(struct sim *s, uint32_t vm, uint32_t node) {
    const struct vm *v = &s->vms[vm - 1];
    struct item *item = watch_line(s, node, AGENT_DOMAIN);
    item->event.agent.state = (uint8_t)copy_told(&v->copies[node], false);
    item->event.agent.generation = v->copies[node].generation;
    item->event.agent.foreign = v->copies[node].foreign;
    (void)snprintf(item->text[0], sizeof(item->text[0]), "%s", v->uuid);
    (void)snprintf(item->text[1], sizeof(item->text[1]), "%s", v->name);
    tell(s, node, item);
}

static void disks_line(struct sim *s, uint32_t vm, uint32_t node) {
    const struct vm *v = &s->vms[vm - 1];
    if (!is_watched(s, node)) {
        return;
    }
    struct item *item = watch_line(s, node, AGENT_DISKS);
    item->event.agent.generation = v->copies[node].generation;
    (void)snprintf(item->text[0], sizeof(item->text[0]), "%s", v->uuid);
    (void)snprintf(item->text[2], sizeof(item->text[2]), "%s",
                   v->overlaid ? "vda is an overlay now" : "");
    tell(s, node, item);
}

static void autostart_line(struct sim *s, uint32_t vm, uint32_t node) {
    const struct vm *v = &s->vms[vm - 1];
    struct item *item = watch_line(s, node, AGENT_AUTOSTART);
    item->event.agent.autostart = v->autostart[node];
    (void)snprintf(item->text[0], sizeof(item->text[0]), "%s", v->uuid);
    (void)snprintf(item->text[1], sizeof(item->text[1]), "%s", v->name);
    tell(s, node, item);
}

/* A node always has one: that of its own addresses. */
static void networks_line(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    struct item *item = watch_line(s, node, AGENT_NETWORKS);
    uint32_t count = 0;
    n->told_networks[count++] = "device/lo";
    for (uint32_t i = 0; i < SIM_OFFERS; i++) {
        if (n->networks[i][0]) {
            n->told_networks[count++] = n->networks[i];
        }
    }
    item->event.agent.networks = (struct wire_strs){.v = n->told_networks, .n = count};
    tell(s, node, item);
}

bool network_is_missing(const struct sim *s, uint32_t vm, uint32_t node) {
    const char *network = s->vms[vm - 1].network;
    bool missing = network[0] != '\0';
    for (uint32_t i = 0; i < SIM_OFFERS; i++) {
        missing = missing && strcmp(s->nodes[node].networks[i], network) != 0;
    }
    return missing;
}

void sim_network(struct sim *s, uint32_t node, const char *network, bool there) {
    struct node *n = &s->nodes[node];
    const char *place = there ? "" : network;
    bool done = false;
    for (uint32_t i = 0; i < SIM_OFFERS && !done; i++) {
        if (strcmp(n->networks[i], place) == 0) {
            (void)snprintf(n->networks[i], sizeof(n->networks[i]), "%s", there ? network : "");
            done = true;
        }
    }
    CHECK(done);
    if (is_watched(s, node)) {
        networks_line(s, node);
    }
}

void sim_needs_network(struct sim *s, uint32_t vm, const char *network) {
    struct vm *v = &s->vms[vm - 1];
    (void)snprintf(v->network, sizeof(v->network), "%s", network);
}

void watch_begin(struct sim *s, uint32_t node) {
    if (!is_watched(s, node)) {
        return; /* libvirtd's start will find it */
    }
    tell(s, node, watch_line(s, node, AGENT_CONNECTED));
    networks_line(s, node);
    for (uint32_t vm = 1; vm <= s->n_vms; vm++) {
        if (s->vms[vm - 1].autostart[node]) {
            autostart_line(s, vm, node);
        }
    }
    for (uint32_t vm = 1; vm <= s->n_vms; vm++) {
        if (s->vms[vm - 1].copies[node].state != COPY_NONE) {
            domain_line(s, vm, node);
            disks_line(s, vm, node);
        }
    }
    tell(s, node, watch_line(s, node, AGENT_LISTED));
}

/* ---- copies ---- */

/* It begins to run with that memory. */
static void writes(struct sim *s, uint32_t vm, uint32_t node, uint64_t memory, const char *how) {
    struct vm *v = &s->vms[vm - 1];
    struct copy *copy = &v->copies[node];
    if (memory != v->disk) {
        sim_fail(s, "a lost write: %s %s on %s with memory older than its disk", v->name, how,
                 s->names[node]);
    }
    copy->memory = ++v->disk; /* any other memory of it is old from now on */
    files_written(v);
    copy->state = COPY_RUNNING;
    copy->migrated = false;
    copy->boot = s->nodes[node].boot;
    check_copies(s, vm);
}

void copy_run(struct sim *s, uint32_t vm, uint32_t node, uint64_t generation, uint64_t memory) {
    s->vms[vm - 1].copies[node] =
        (struct copy){.generation = generation, .foreign = generation == 0};
    if (generation == 0) {
        files_by_hand(s, vm);
    }
    sim_trace(s, "%s: QEMU of %s runs, generation %llu", s->names[node], s->vms[vm - 1].name,
              (unsigned long long)generation);
    writes(s, vm, node, memory, "is started");
    domain_event(s, vm, node, VM_EVENT_STARTED, "");
}

void copy_resume(struct sim *s, uint32_t vm, uint32_t node) {
    sim_trace(s, "%s: %s goes on", s->names[node], s->vms[vm - 1].name);
    writes(s, vm, node, s->vms[vm - 1].copies[node].memory, "is resumed");
    domain_event(s, vm, node, VM_EVENT_RESUMED, "");
    disks_line(s, vm, node);
}

void copy_adopt(struct sim *s, uint32_t vm, uint32_t node, uint64_t generation) {
    struct copy *copy = &s->vms[vm - 1].copies[node];
    sim_trace(s, "%s: %s is adopted, generation %llu", s->names[node], s->vms[vm - 1].name,
              (unsigned long long)generation);
    copy->generation = generation;
    copy->foreign = false;
    s->vms[vm - 1].defined[node] = false;
    if (is_watched(s, node)) {
        domain_line(s, vm, node);
        disks_line(s, vm, node);
    }
}

void copy_release(struct sim *s, uint32_t vm, uint32_t node) {
    struct copy *copy = &s->vms[vm - 1].copies[node];
    sim_trace(s, "%s: %s is released", s->names[node], s->vms[vm - 1].name);
    copy->generation = 0;
    copy->foreign = true;
    if (is_watched(s, node)) {
        domain_line(s, vm, node);
    }
}

void copy_wait(struct sim *s, uint32_t vm, uint32_t node, uint64_t generation) {
    s->vms[vm - 1].copies[node] = (struct copy){
        .state = COPY_INCOMING, .generation = generation, .boot = s->nodes[node].boot};
    if (is_watched(s, node)) {
        domain_line(s, vm, node);
    }
}

void copy_pause(struct sim *s, uint32_t vm, uint32_t node, bool migrated) {
    struct copy *copy = &s->vms[vm - 1].copies[node];
    copy->state = COPY_PAUSED;
    copy->migrated = migrated;
    domain_event(s, vm, node, VM_EVENT_PAUSED, migrated ? "migration" : "save");
}

static void end_copy(struct sim *s, uint32_t vm, uint32_t node, enum agent_event kind,
                     const char *reason) {
    struct copy *copy = &s->vms[vm - 1].copies[node];
    if (copy->state == COPY_NONE) {
        return;
    }
    sim_trace(s, "%s: QEMU of %s ends", s->names[node], s->vms[vm - 1].name);
    copy->state = COPY_NONE;
    copy->io_error = false;
    copy->mirror = 0;
    domain_event(s, vm, node, kind, reason);
}

void copy_end(struct sim *s, uint32_t vm, uint32_t node, enum agent_event kind) {
    end_copy(s, vm, node, kind, "");
}

void copy_saved(struct sim *s, uint32_t vm, uint32_t node) {
    end_copy(s, vm, node, VM_EVENT_MIGRATED, "saved");
}

void guests_power_lost(struct sim *s, uint32_t node) {
    for (uint32_t vm = 1; vm <= s->n_vms; vm++) {
        s->vms[vm - 1].copies[node].state = COPY_NONE;
        s->vms[vm - 1].copies[node].io_error = false;
        s->vms[vm - 1].copies[node].mirror = 0;
    }
}

/* ---- what guests do by themselves ---- */

void sim_crash_guest(struct sim *s, uint32_t vm) {
    uint32_t node = sim_runs_on(s, vm);
    if (node && !s->nodes[node].frozen) {
        sim_trace(s, "%s: the QEMU of %s crashes", s->names[node], s->vms[vm - 1].name);
        copy_end(s, vm, node, VM_EVENT_CRASHED);
    }
}

void sim_shut_guest_down(struct sim *s, uint32_t vm) {
    uint32_t node = sim_runs_on(s, vm);
    if (node && !s->nodes[node].frozen) {
        sim_trace(s, "%s: the guest of %s shuts itself down", s->names[node], s->vms[vm - 1].name);
        copy_end(s, vm, node, VM_EVENT_SHUTDOWN);
    }
}

void sim_undying(struct sim *s, uint32_t vm, uint64_t us) {
    sim_trace(s, "the QEMU of %s cannot be killed for %llu ms", s->vms[vm - 1].name,
              (unsigned long long)us / 1000);
    s->vms[vm - 1].undying_us = s->now_us + us;
}

void sim_stubborn(struct sim *s, uint32_t vm, bool stubborn) {
    s->vms[vm - 1].stubborn = stubborn;
}

void sim_refuse(struct sim *s, uint32_t vm, uint32_t node, enum sim_refusal how) {
    sim_trace(s, "%s: %s", s->names[node],
              how == REFUSE_NOT ? "takes any VM" : "cannot take a VM as it runs");
    s->vms[vm - 1].refused_by[node] = (uint8_t)how;
}

/* ---- libvirt without clusterd ---- */

/* The agent looks every few seconds, on the node where the VM is then. */
static void look_at_disks(struct sim *s, uint64_t vm, uint64_t arg) {
    (void)arg;
    for (uint32_t node = 1; node <= s->n; node++) {
        if (s->vms[vm - 1].copies[node].state == COPY_RUNNING) {
            disks_line(s, (uint32_t)vm, node);
        }
    }
}

void sim_snapshot(struct sim *s, uint32_t vm, bool made) {
    sim_trace(s, "the disk of %s %s", s->vms[vm - 1].name,
              made ? "gets an overlay" : "is as it was");
    s->vms[vm - 1].overlaid = made;
    sim_at(s, sim_random(s, 5 * SIM_SECOND), look_at_disks, vm, 0);
}

void sim_virsh_start(struct sim *s, uint32_t vm, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (!n->power || !n->libvirtd || s->vms[vm - 1].copies[node].state != COPY_NONE) {
        return;
    }
    sim_trace(s, "%s: somebody starts %s under libvirt", s->names[node], s->vms[vm - 1].name);
    copy_run(s, vm, node, 0, s->vms[vm - 1].disk);
}

void sim_virsh_shutdown(struct sim *s, uint32_t vm, uint32_t node) {
    if (s->vms[vm - 1].copies[node].foreign) {
        sim_trace(s, "%s: %s is shut down under libvirt", s->names[node], s->vms[vm - 1].name);
        copy_end(s, vm, node, VM_EVENT_SHUTDOWN);
    }
}

void sim_virsh_autostart(struct sim *s, uint32_t vm, uint32_t node) {
    sim_trace(s, "%s: libvirt has %s defined, with autostart", s->names[node], s->vms[vm - 1].name);
    s->vms[vm - 1].autostart[node] = true;
    if (is_watched(s, node)) {
        autostart_line(s, vm, node);
    }
}

bool guest_clear_autostart(struct sim *s, uint32_t vm, uint32_t node) {
    struct vm *v = &s->vms[vm - 1];
    bool there = v->autostart[node];
    v->autostart[node] = false;
    if (there && is_watched(s, node)) {
        autostart_line(s, vm, node);
    }
    return there;
}

/* Once in each boot: what the definitions say. */
static void autostart(struct sim *s, uint64_t node, uint64_t boot) {
    struct node *n = &s->nodes[node];
    if (!n->power || !n->libvirtd || n->boot != boot) {
        return;
    }
    for (uint32_t vm = 1; vm <= s->n_vms; vm++) {
        if (s->vms[vm - 1].autostart[node]) {
            sim_virsh_start(s, vm, (uint32_t)node);
        }
    }
}

/* ---- storage under them ---- */

void guests_io_error(struct sim *s, uint32_t node, bool error) {
    for (uint32_t vm = 1; vm <= s->n_vms; vm++) {
        struct copy *copy = &s->vms[vm - 1].copies[node];
        if (copy->state == COPY_RUNNING && copy->io_error != error) {
            copy->io_error = error;
            domain_event(s, vm, node, error ? VM_EVENT_PAUSED : VM_EVENT_RESUMED,
                         error ? "io-error" : "");
        }
    }
}

/* ---- libvirtd ---- */

static void hang_ends(struct sim *s, uint64_t node, uint64_t life) {
    struct node *n = &s->nodes[node];
    if (n->libvirtd_life == life && n->libvirtd_hangs) {
        sim_trace(s, "%s: libvirtd goes on", s->names[node]);
        n->libvirtd_hangs = false;
        watch_begin(s, (uint32_t)node);
    }
}

void libvirtd_start(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (n->power && !n->libvirtd) {
        n->libvirtd = true;
        watch_begin(s, node);
        if (n->autostarted_boot != n->boot) {
            n->autostarted_boot = n->boot;
            sim_at(s, 100000, autostart, node, n->boot);
        }
    } else if (n->libvirtd_hangs) {
        hang_ends(s, node, n->libvirtd_life); /* mended */
    }
}

void libvirtd_end(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (!n->libvirtd) {
        return;
    }
    if (is_watched(s, node)) {
        struct item *item = watch_line(s, node, AGENT_DISCONNECTED);
        (void)snprintf(item->text[2], sizeof(item->text[2]), "libvirtd has gone");
        tell(s, node, item);
    }
    n->libvirtd = false;
    n->libvirtd_hangs = false;
    n->libvirtd_life++;
}

static void start_later(struct sim *s, uint64_t node, uint64_t life) {
    if (s->nodes[node].libvirtd_life == life) {
        sim_trace(s, "%s: libvirtd starts", s->names[node]);
        libvirtd_start(s, (uint32_t)node);
    }
}

/* Whoever watches it notices by its silence; what happens meanwhile is not told, but in the next
 * list. */
static void hang_is_noticed(struct sim *s, uint64_t node, uint64_t life) {
    struct node *n = &s->nodes[node];
    if (n->libvirtd_life == life && n->libvirtd_hangs && n->alive && n->watch_run != 0) {
        struct item *item = watch_line(s, (uint32_t)node, AGENT_DISCONNECTED);
        (void)snprintf(item->text[2], sizeof(item->text[2]), "libvirtd does not answer");
        tell(s, (uint32_t)node, item);
    }
}

void sim_hang_libvirtd(struct sim *s, uint32_t node, uint64_t us) {
    struct node *n = &s->nodes[node];
    if (!n->libvirtd || n->libvirtd_hangs) {
        return;
    }
    sim_trace(s, "%s: libvirtd hangs for %llu ms", s->names[node], (unsigned long long)us / 1000);
    n->libvirtd_hangs = true;
    sim_at(s, 6 * SIM_SECOND, hang_is_noticed, node, n->libvirtd_life);
    sim_at(s, us, hang_ends, node, n->libvirtd_life);
}

void sim_kill_libvirtd(struct sim *s, uint32_t node, uint64_t back_us) {
    if (!s->nodes[node].libvirtd) {
        return;
    }
    sim_trace(s, "%s: libvirtd is killed", s->names[node]);
    libvirtd_end(s, node);
    jobs_of_libvirtd_end(s, node);
    sim_at(s, back_us, start_later, node, s->nodes[node].libvirtd_life);
}
