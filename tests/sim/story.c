/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and plays stories; see story.h.
 */
#include "sim/story_inner.h"

#include "base/check.h"
#include "plain_vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void story_wrong(struct story *t, const char *format, ...) {
    if (t->wrong[0]) {
        return;
    }
    char text[420];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)snprintf(t->wrong, sizeof(t->wrong), "%.150s:%u: %s: %s", t->path,
                   t->line ? t->line->number : 0, t->line ? t->line->text : "", text);
}

/* ---- the head: what there is before anything happens ---- */

static void shows(struct story *t, const struct words *w) {
    memcpy(t->shows, w->text, sizeof(t->shows));
}

static void nodes(struct story *t, const struct words *w) {
    t->options.nodes = (uint32_t)w->v[0];
    if (w->v[0] < 2 || w->v[0] >= SIM_NODES) {
        story_wrong(t, "2 to %u nodes", SIM_NODES - 1);
        t->options.nodes = 3;
    }
}

static void at_first(struct story *t, const struct words *w) {
    t->options.at_first = (uint32_t)w->v[0];
}

static void watchdog(struct story *t, const struct words *w) {
    t->options.watchdog_ms = w->v[0] / 1000;
}

static void token(struct story *t, const struct words *w) {
    t->options.ring_us = w->v[0];
}

static void solve_beside(struct story *t, const struct words *w) {
    t->options.solve_in_loop = 1;
    t->options.solve_us = w->v[0];
}

static void seed(struct story *t, const struct words *w) {
    t->options.seed = w->v[0];
}

static void compact(struct story *t, const struct words *w) {
    t->options.compact_entries = (uint32_t)w->v[0];
}

static void installed(struct story *t, const struct words *w) {
    t->options.protocol = (uint32_t)w->v[0];
}

static void no_fencing(struct story *t, const struct words *w) {
    (void)w;
    t->options.no_fencing = true;
}

static struct story_vm *add_vm(struct story *t, const struct words *w) {
    if (t->n_vms == STORY_VMS) {
        story_wrong(t, "at most %u VMs", STORY_VMS);
        t->n_vms--;
    }
    struct story_vm *vm = &t->vms[t->n_vms++];
    *vm = (struct story_vm){.memory_mb = 512};
    (void)snprintf(vm->name, sizeof(vm->name), "%.23s", w->text);
    return vm;
}

static void vm_off(struct story *t, const struct words *w) {
    add_vm(t, w)->off = true;
}

static void vm_unknown(struct story *t, const struct words *w) {
    add_vm(t, w)->unknown = true;
}

static void vm_on(struct story *t, const struct words *w) {
    struct story_vm *vm = add_vm(t, w);
    vm->prefers = (uint32_t)w->v[0];
    vm->memory_mb = w->n > 1 ? (uint32_t)w->v[1] : vm->memory_mb;
}

/* Wherever the cluster puts it. */
static void vm_anywhere(struct story *t, const struct words *w) {
    add_vm(t, w)->memory_mb = (uint32_t)w->v[0];
}

static void vm_only(struct story *t, const struct words *w) {
    struct story_vm *vm = add_vm(t, w);
    vm->prefers = (uint32_t)w->v[0];
    vm->only = (uint32_t)w->v[1];
}

static const struct pattern head[] = {
    {"shows TEXT", shows, NULL},
    {"nodes NUMBER", nodes, NULL},
    {"at-first NODES", at_first, NULL},
    {"quorum majority|two_node|last_man_standing|qdevice", story_quorum, NULL},
    {"watchdog TIME", watchdog, NULL},
    {"token TIME", token, NULL},
    {"solve beside the loop in TIME", solve_beside, NULL},
    {"seed NUMBER", seed, NULL},
    {"compact NUMBER", compact, NULL},
    {"protocol NUMBER", installed, NULL},
    {"no fencing", no_fencing, NULL},
    {"cpu NODES NAME", story_cpu, NULL},
    {"machine NODES NAME", story_machine, NULL},
    {"vm NAME off", vm_off, NULL},
    {"vm NAME unknown", vm_unknown, NULL},
    {"vm NAME memory NUMBER", vm_anywhere, NULL},
    {"vm NAME on NODE", vm_on, NULL},
    {"vm NAME on NODE memory NUMBER", vm_on, NULL},
    {"vm NAME on NODE only NODES", vm_only, NULL},
    {NULL, NULL, NULL},
};

/* ---- reading ---- */

static const struct pattern *find(const struct story *t, const struct pattern *table,
                                  const char *before, const char *behind, const char *text,
                                  struct words *ret) {
    for (const struct pattern *p = table; p->text; p++) {
        if (words_fit(t, before, p->text, behind, text, ret)) {
            return p;
        }
    }
    return NULL;
}

static bool understand(const struct story *t, struct story_line *line) {
    static const struct {
        const struct pattern *table;
        const char *before, *behind;
        enum line_how how;
    } kinds[] = {
        {story_actions, "", "", LINE_ACTION},
        {story_findings, "", "", LINE_ACTION},
        {story_conditions, "wait", "within TIME", LINE_WAIT},
        {story_conditions, "expect", "", LINE_EXPECT},
        {story_conditions, "keep", "for TIME", LINE_KEEP},
    };
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && !line->pattern; i++) {
        line->pattern =
            find(t, kinds[i].table, kinds[i].before, kinds[i].behind, line->text, &line->words);
        line->how = kinds[i].how;
    }
    return line->pattern != NULL;
}

/* Those that begin with the same word; or the first words of all. */
static void what_is_known(const char *text, FILE *out) {
    static const struct pattern *const tables[] = {head, story_actions, story_findings};
    size_t length = strcspn(text, " ");
    bool found = false;
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        for (const struct pattern *p = tables[i]; p->text; p++) {
            if (strncmp(p->text, text, length) == 0 && p->text[length] <= ' ') {
                (void)fprintf(out, "  known: %s\n", p->text);
                found = true;
            }
        }
    }
    bool condition = strncmp(text, "wait", length) == 0 || strncmp(text, "keep", length) == 0 ||
                     strncmp(text, "expect", length) == 0;
    for (const struct pattern *p = story_conditions; condition && p->text; p++) {
        (void)fprintf(out, "  known: wait|keep|expect %s\n", p->text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tables) && !found && !condition; i++) {
        for (const struct pattern *p = tables[i]; p->text; p++) {
            (void)fprintf(out, "  known: %s\n", p->text);
        }
    }
    if (!found && !condition) {
        (void)fprintf(out, "  known: wait CONDITION within TIME, keep CONDITION for TIME, "
                           "expect CONDITION\n");
    }
}

static bool read_line(struct story *t, const char *text, uint32_t number, FILE *out) {
    struct story_line *line = &t->lines[t->n_lines];
    *line = (struct story_line){.number = number};
    (void)snprintf(line->text, sizeof(line->text), "%s", text);
    t->line = line;
    const struct pattern *p = t->n_lines ? NULL : find(t, head, "", "", text, &line->words);
    if (p) {
        p->fn(t, &line->words);
    } else if (understand(t, line)) {
        t->n_lines++;
    } else {
        (void)fprintf(out, "%s:%u: '%s' is not understood\n", t->path, number, text);
        what_is_known(text, out);
        return false;
    }
    return true;
}

static bool is_whole(struct story *t) {
    if (!t->wrong[0] && !t->shows[0]) {
        story_wrong(t, "a story begins with what it shows");
    } else if (t->n_lines == 0 || strcmp(t->lines[t->n_lines - 1].text, "rest") != 0) {
        story_wrong(t, "a story ends with rest");
    }
    return !t->wrong[0];
}

static bool read_story(struct story *t, FILE *out) {
    char text[STORY_TEXT];
    size_t length = strlen(t->path);
    FILE *in =
        length > 4 && strcmp(t->path + length - 4, ".scn") == 0 ? fopen(t->path, "re") : NULL;
    bool ok = in != NULL;
    if (!ok) {
        (void)fprintf(out, "%s: not a story that can be read (NAME.scn)\n", t->path);
    }
    for (uint32_t number = 1; ok && fgets(text, sizeof(text), in); number++) {
        length = strcspn(text, "\n");
        if (text[length] != '\n' || t->n_lines == STORY_LINES) {
            (void)fprintf(out, "%s:%u: a story has at most %u lines of %u letters\n", t->path,
                          number, STORY_LINES, STORY_TEXT - 2);
            ok = false;
            break;
        }
        text[length] = '\0';
        ok = text[0] == '#' || text[strspn(text, " ")] == '\0' || read_line(t, text, number, out);
    }
    if (in) {
        (void)fclose(in);
    }
    if (ok && !is_whole(t)) {
        (void)fprintf(out, "%s\n", t->wrong);
        ok = false;
    }
    return ok;
}

/* ---- playing ---- */

struct look {
    struct story *t;
    bool wanted;
};

static bool looks(struct sim *s, const void *arg) {
    (void)s;
    const struct look *look = arg;
    const struct story_line *line = look->t->line;
    return line->pattern->condition(look->t, &line->words) == look->wanted;
}

static void play_line(struct story *t) {
    const struct story_line *line = t->line;
    const struct words *w = &line->words;
    struct look look = {.t = t, .wanted = line->how != LINE_KEEP};
    uint64_t us = w->n ? w->v[w->n - 1] : 0;
    switch (line->how) {
    case LINE_ACTION: line->pattern->fn(t, w); break;
    case LINE_EXPECT:
        if (!looks(t->sim, &look)) {
            story_wrong(t, "it is not so");
        }
        break;
    case LINE_WAIT:
        if (!sim_run_until(t->sim, looks, &look, us)) {
            story_wrong(t, "that did not come");
        }
        break;
    case LINE_KEEP:
        if (sim_run_until(t->sim, looks, &look, us)) {
            story_wrong(t, "it did not stay so");
        }
        break;
    }
}

static bool is_settled(struct sim *s, const void *arg) {
    const struct story_vm *vm = arg;
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_name(m, vm->name) : NULL;
    return row && row->operation == 0 && row->state == (vm->off ? VM_OFF : VM_RUNNING) &&
           (!vm->prefers || row->owner == vm->prefers);
}

static bool set_up_vm(struct story *t, const struct story_vm *vm) {
    const char *prefers = vm->prefers ? sim_node_name(t->sim, vm->prefers) : "";
    const char *only[SIM_NODES];
    struct cmd_vm_add add = plain_vm(vm->name);
    add.memory_mb = vm->memory_mb;
    add.priority = 100;
    add.preferred = (struct wire_strs){&prefers, vm->prefers != 0};
    add.possible = (struct wire_strs){only, 0};
    add.start = !vm->off;
    for (uint32_t i = 1; i <= t->options.nodes; i++) {
        if (vm->only >> i & 1) {
            only[add.possible.n++] = sim_node_name(t->sim, i);
        }
    }
    (void)guest_for(t->sim, vm->name, vm->name);
    if (vm->unknown) {
        return true;
    }
    story_command(t, COMMAND_VM_ADD, &add);
    return sim_run_until(t->sim, is_settled, vm, 20 * SIM_SECOND);
}

static bool set_up(struct story *t) {
    t->sim = sim_create(&t->options);
    story_offers(t);
    bool ok = sim_set_up(t->sim);
    t->line = NULL;
    for (uint32_t i = 0; ok && i < t->n_vms; i++) {
        ok = set_up_vm(t, &t->vms[i]);
    }
    sim_run(t->sim,
            20 * SIM_SECOND); /* longer than startup_wait_ms: a node that goes is fenced at once */
    t->fencings_before = sim_fence_calls(t->sim);
    for (size_t i = 0; i < ARRAY_SIZE(t->calls_before); i++) {
        t->calls_before[i] = t->sim->calls[i].n;
    }
    return ok && !sim_violation(t->sim) && !t->wrong[0];
}

static void play(struct story *t) {
    if (!set_up(t)) {
        story_wrong(t, "the cluster did not come up as it is described: %s",
                    sim_violation(t->sim) ? sim_violation(t->sim) : sim_unrest(t->sim));
        return;
    }
    t->telling = true;
    for (uint32_t i = 0; i < t->n_lines && !t->wrong[0]; i++) {
        t->line = &t->lines[i];
        if (t->refused && strncmp(t->line->text, "expect refused", 14) != 0) {
            story_wrong(t, "the one before was refused: %s", sim_answer_text(t->sim, t->request));
            break;
        }
        if (t->options.trace) {
            (void)printf("           %s\n", t->line->text);
        }
        trace_line(t);
        play_line(t);
        if (sim_violation(t->sim)) {
            t->wrong[0] = '\0'; /* what the simulation says comes first */
            story_wrong(t, "%s", sim_violation(t->sim));
        }
    }
}

enum story_end story_play(const char *path, bool timed, FILE *out) {
    struct story *t = calloc(1, sizeof(*t));
    enum story_end end = STORY_UNREADABLE;
    CHECK(t != NULL);
    t->path = path;
    t->options = (struct sim_options){.seed = 1, .nodes = 3, .calm = true, .trace = timed};
    t->options.on_line = trace_tell;
    t->options.on_line_arg = t;
    if (read_story(t, out)) {
        play(t);
        end = STORY_BROKEN;
        if (!t->wrong[0]) {
            end = trace_compare(t, out);
        } else {
            (void)fprintf(out, "%s\n", t->wrong);
            if (!timed) {
                (void)fprintf(out, "what had been told by then:\n%s", t->told ? t->told : "");
            }
        }
    }
    sim_destroy(t->sim);
    free(t->told);
    free(t);
    return end;
}

int story_main(const char *path, bool timed) {
    static const char *const ends[] = {"held", "cannot be read", "broken", "told otherwise",
                                       "held; its trace was written"};
    enum story_end end = story_play(path, timed, stdout);
    (void)printf("%s: %s\n", path, ends[end]);
    return end == STORY_HELD || end == STORY_WRITTEN ? 0 : end == STORY_UNREADABLE ? 2 : 1;
}
