/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for room on the disk of the database. See store/room.h. */
#include "adapters/store/room.h"

#include "adapters/logging.h"
#include "wire/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <qb/qbdefs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 1000u
#define MAX_PATH 4096
#define MAX_PROBLEM (MAX_PATH + 256)

struct room {
    qb_loop_t *loop;
    qb_loop_timer_handle timer;
    char *state_dir;
    char note[MAX_PATH]; /* path of the file with the room at the last end */
    uint64_t needed;     /* bytes */
    int (*there)(void *context);
    void *context;
    char problem[MAX_PROBLEM];
};

/* Bytes. A directory that cannot be looked at is no lack of room: opening the database says what it
 * is. */
static uint64_t free_bytes(const char *state_dir) {
    struct statvfs disk;
    if (statvfs(state_dir, &disk) < 0) {
        return UINT64_MAX;
    }
    return (uint64_t)disk.f_frsize * (geteuid() == 0 ? disk.f_bfree : disk.f_bavail);
}

static void note_path(const char *run_dir, char path[MAX_PATH]) {
    (void)snprintf(path, MAX_PATH, "%s/" RUN_DIR_FULL, run_dir);
}

static uint64_t needed_after(const char *note) {
    uint64_t had = 0;
    FILE *file = fopen(note, "re");
    if (file) {
        if (fscanf(file, "%" SCNu64, &had) != 1 || had > UINT64_MAX - ROOM_LEAST) {
            had = 0;
        }
        (void)fclose(file);
    }
    return had + ROOM_LEAST;
}

void room_note_end(const char *state_dir, const char *run_dir) {
    char path[MAX_PATH];
    note_path(run_dir, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        (void)dprintf(fd, "%" PRIu64 "\n", free_bytes(state_dir));
        (void)close(fd);
    }
}

static bool is_there(const struct room *r) {
    return free_bytes(r->state_dir) >= r->needed;
}

static void look_again(void *data);

static int look_later(struct room *r) {
    return qb_loop_timer_add(r->loop, QB_LOOP_LOW, (uint64_t)LOOK_AGAIN_MS * QB_TIME_NS_IN_MSEC, r,
                             look_again, &r->timer);
}

static int go_on(struct room *r) {
    r->problem[0] = '\0';
    (void)unlink(r->note);
    return r->there(r->context);
}

static void look_again(void *data) {
    struct room *r = data;
    r->timer = 0;
    if (!is_there(r)) {
        if (look_later(r) < 0) {
            r->timer = 0;
        }
        return;
    }
    log_info("%s has room again", r->state_dir);
    (void)go_on(r);
}

static void say(struct room *r) {
    uint64_t is = free_bytes(r->state_dir);
    (void)snprintf(r->problem, sizeof(r->problem),
                   "the disk of %s is full: %" PRIu64 " KiB are free, %" PRIu64
                   " are needed; make room, and clusterd goes on by itself",
                   r->state_dir, is / 1024, r->needed / 1024);
    log_error("waiting for room: %s", r->problem);
}

int room_wait(qb_loop_t *loop, const char *state_dir, const char *run_dir,
              int (*there)(void *context), void *context, struct room **ret_room) {
    struct room *r = calloc(1, sizeof(*r));
    if (!r) {
        return -ENOMEM;
    }
    *r = (struct room){.loop = loop, .there = there, .context = context};
    note_path(run_dir, r->note);
    r->needed = needed_after(r->note);
    r->state_dir = strdup(state_dir);
    int error = r->state_dir ? 0 : -ENOMEM;
    bool waits = error == 0 && !is_there(r);
    if (waits) {
        say(r);
    }
    if (error == 0) {
        error = waits ? look_later(r) : go_on(r);
    }
    if (error < 0) {
        room_destroy(r);
        return error;
    }
    *ret_room = r;
    return 0;
}

const char *room_problem(const struct room *r) {
    return r ? r->problem : "";
}

void room_destroy(struct room *r) {
    if (!r) {
        return;
    }
    if (r->timer) {
        (void)qb_loop_timer_del(r->loop, r->timer);
    }
    free(r->state_dir);
    free(r);
}
