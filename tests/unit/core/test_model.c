/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model as bytes, and the log in memory: what is encoded comes back with the same digest, what
 * is damaged is refused and leaves the model empty; the chain tells logs apart, and trimming and
 * truncating keep it.
 */
#include "base/buffer.h"
#include "core/replica/log.h"
#include "unit/core/cluster.h"

static void snapshot_round_trip(void **state) {
    (void)state;
    struct sim *s = cluster_ready(3, 4, 1);
    const struct model *m = cluster_model(s, 1);
    struct buffer b;
    struct model back;
    buffer_init(&b);
    model_init(&back);
    model_encode(m, &b);
    assert_int_equal(model_decode(&back, b.data, b.size), 0);
    assert_int_equal(model_digest(&back), model_digest(m));
    assert_int_equal(back.index, m->index);
    assert_non_null(model_vm_by_name(&back, "vm3"));
    model_finish(&back);
    for (size_t size = 0; size < b.size; size += 7) {
        if (size == b.size - 4) {
            continue; /* just without its table of rules, of which it has none: one of version 1 */
        }
        assert_int_equal(model_decode(&back, b.data, size), -74); /* EBADMSG */
        assert_int_equal(back.vms.n, 0);
    }
    buffer_append_u8(&b, 0);
    assert_int_equal(model_decode(&back, b.data, b.size), -74);
    buffer_finish(&b);
    cluster_finish(s);
}

/* A table that is newer than the format is not written while it is empty, so that builds with and
 * without it agree; with a row, it is a part of all. */
static void journal_is_written_when_it_is_used(void **state) {
    (void)state;
    struct model m, back;
    struct buffer empty, full;
    model_init(&m);
    model_init(&back);
    buffer_init(&empty);
    buffer_init(&full);
    m.index = 7;
    model_encode(&m, &empty);
    uint64_t digest = model_digest(&m);
    assert_int_equal(model_decode(&back, empty.data, empty.size), 0);
    assert_null(model_journal_of_vm(&back, 3));
    model_finish(&back);

    struct model_journal *row = model_add(&m.journal);
    assert_non_null(row);
    struct model_journal five = {.id = 5, .vm = 3, .phase = 2, .xml = "x", .reason = ""};
    wire_release(&model_journal_record, row);
    assert_int_equal(wire_copy(&model_journal_record, &five, row), 0);
    model_encode(&m, &full);
    assert_int_not_equal(model_digest(&m), digest);
    assert_true(full.size > empty.size);
    assert_memory_equal(full.data, empty.data, empty.size);
    assert_int_equal(model_decode(&back, full.data, full.size), 0);
    const struct model_journal *same = model_journal_of_vm(&back, 3);
    assert_non_null(same);
    assert_true(same->id == 5 && same->phase == 2 && same->xml[0] == 'x');
    assert_int_equal(model_digest(&back), model_digest(&m));
    model_finish(&back);
    for (size_t size = empty.size + 1; size < full.size; size++) {
        assert_int_equal(model_decode(&back, full.data, size), -74); /* EBADMSG */
    }
    model_finish(&m);
    buffer_finish(&empty);
    buffer_finish(&full);
}

/* Also if all newer tables before it are empty. */
static void checkpoints_as_bytes_and_back(void **state) {
    const char *disks[] = {"vda", "vdb"};
    struct model_checkpoint five = {
        .id = 5, .vm = 3, .name = "before", .time_ms = 9, .disks = {disks, 2}, .whole = 1};
    struct model m, back;
    struct buffer b;
    (void)state;
    model_init(&m);
    model_init(&back);
    buffer_init(&b);
    struct model_checkpoint *row = model_add(&m.checkpoints);
    assert_non_null(row);
    wire_release(&model_checkpoint_record, row);
    assert_int_equal(wire_copy(&model_checkpoint_record, &five, row), 0);
    model_encode(&m, &b);
    assert_int_equal(model_decode(&back, b.data, b.size), 0);
    const struct model_checkpoint *same = model_checkpoint_by_name(&back, 3, "before");
    assert_non_null(same);
    assert_ptr_equal(same, model_checkpoint_by_id(&back, 5));
    assert_true(same->whole && !same->running && same->time_ms == 9 && same->disks.n == 2);
    assert_string_equal(same->disks.v[1], "vdb");
    assert_int_equal(model_checkpoints_of_vm(&back, 3), 1);
    assert_null(model_checkpoint_by_name(&back, 4, "before"));
    assert_int_equal(model_digest(&back), model_digest(&m));
    buffer_finish(&b);
    model_finish(&m);
    model_finish(&back);
}

/* Rows are looked for by their ids: a snapshot that breaks the order is none. */
static void vm_ids_ascend(void **state) {
    static const struct {
        uint32_t a, b, last;
        int err;
    } cases[] = {{1, 2, 2, 0},   {1, 2, 9, 0},   {2, 1, 2, -74},
                 {1, 1, 2, -74}, {0, 1, 2, -74}, {1, 2, 1, -74}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct model m, back;
        struct buffer b;
        model_init(&m);
        model_init(&back);
        buffer_init(&b);
        ((struct model_vm *)model_add(&m.vms))->id = cases[i].a;
        ((struct model_vm *)model_add(&m.vms))->id = cases[i].b;
        m.last_vm = cases[i].last;
        model_encode(&m, &b);
        assert_int_equal(model_decode(&back, b.data, b.size), cases[i].err); /* EBADMSG */
        buffer_finish(&b);
        model_finish(&m);
        model_finish(&back);
    }
}

static void append(struct log *log, uint64_t epoch, const char *text) {
    assert_int_equal(log_append(log, epoch, (const uint8_t *)text, (uint32_t)strlen(text)), 0);
}

static void log_keeps_its_chain(void **state) {
    (void)state;
    struct log a, b;
    log_init(&a);
    log_init(&b);
    append(&a, 1, "one");
    append(&a, 1, "two");
    append(&a, 2, "three");
    append(&b, 1, "one");
    append(&b, 1, "TWO");
    assert_int_not_equal(log_at(&a, 2)->chain, log_at(&b, 2)->chain);
    log_truncate(&b, 2);
    append(&b, 1, "two");
    append(&b, 3, "three");
    assert_int_equal(log_at(&a, 2)->chain, log_at(&b, 2)->chain);
    assert_int_not_equal(log_last_chain(&a), log_last_chain(&b)); /* the epoch counts too */
    uint64_t chain = log_last_chain(&a);
    log_trim(&a, 2);
    assert_null(log_at(&a, 2));
    assert_int_equal(log_last_chain(&a), chain);
    assert_true(log_last_index(&a) == 3 && log_last_epoch(&a) == 2);
    log_trim(&a, 3);
    assert_int_equal(log_last_chain(&a), chain);
    assert_true(log_last_index(&a) == 3 && log_last_epoch(&a) == 2 && a.bytes == 0);
    log_finish(&a);
    log_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_round_trip),
        cmocka_unit_test(checkpoints_as_bytes_and_back),
        cmocka_unit_test(journal_is_written_when_it_is_used),
        cmocka_unit_test(vm_ids_ascend),
        cmocka_unit_test(log_keeps_its_chain),
    };
    return cmocka_run_group_tests_name("core_model", tests, NULL, NULL);
}
