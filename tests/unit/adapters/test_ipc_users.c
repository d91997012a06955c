/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many clients may be connected: of one user, of all users, of root. */
#include "adapters/ipc/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { USERS = 100, MOST = 1000 };

static struct ipc_users users;
static struct ipc_user *entered[MOST];
static unsigned n;

static int setup(void **state) {
    (void)state;
    ipc_users_init(&users);
    n = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    while (n > 0) {
        ipc_users_leave(&users, entered[--n]);
    }
    assert_true(list_empty(&users.list));
    return 0;
}

/* As many as may; how many. */
static unsigned fill(uid_t uid) {
    unsigned before = n;
    while (!ipc_users_full(&users, uid)) {
        assert_true(n < MOST);
        entered[n] = ipc_users_enter(&users, uid);
        assert_non_null(entered[n++]);
    }
    return n - before;
}

static void a_user_may_have_a_fifth(void **state) {
    (void)state;
    assert_int_equal(fill(1000), users.clients_most / 5);
    assert_int_equal(fill(1001), users.clients_most / 5); /* the next one, too */
    ipc_users_leave(&users, entered[--n]);
    assert_int_equal(fill(1001), 1);
}

static void all_users_leave_a_tenth_to_root(void **state) {
    unsigned of_users = 0;
    (void)state;
    for (uid_t uid = 1; uid <= USERS; uid++) {
        of_users += fill(1000 + uid);
    }
    assert_int_equal(of_users, users.clients_most - users.clients_most / 10);
    assert_int_equal(fill(0), users.clients_most / 10);
}

static void root_may_have_all(void **state) {
    (void)state;
    assert_int_equal(fill(0), users.clients_most);
    assert_int_equal(fill(1000), 0);
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_user_may_have_a_fifth),
        T(all_users_leave_a_tenth_to_root),
        T(root_may_have_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
