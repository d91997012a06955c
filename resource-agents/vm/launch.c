/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The moment between libvirtd's fork and QEMU's exec. See launch.h. */
#include "launch.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "../shared/ocf.h"

enum { LOOK_AGAIN_MS = 1000 };

static uint64_t since_boot_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The program of a process. False: it has gone, or is none of ours to see. */
static bool read_exe(pid_t pid, char exe[static PATH_MAX]) {
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(path, exe, PATH_MAX - 1);
    exe[len > 0 ? len : 0] = '\0';
    return len > 0;
}

/* proc(5), stat: the parent (4) and when it began (22), in ticks since the node booted. */
static bool read_stat(pid_t pid, pid_t *ret_parent, uint64_t *ret_born_ms) {
    char path[64];
    char text[1024];

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    char *p = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; p != NULL && field < 22; field++) {
        p = strchr(p + 1, ' ');
        if (p != NULL && field + 1 == 4) {
            *ret_parent = (pid_t)strtol(p + 1, NULL, 10);
        }
    }
    if (p == NULL) {
        return false;
    }
    *ret_born_ms = strtoull(p + 1, NULL, 10) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    return true;
}

/* It is a child of libvirt's daemon, and still runs the daemon's own program. */
static bool is_not_yet_qemu(pid_t pid, pid_t parent) {
    static char own[PATH_MAX];
    static char its[PATH_MAX];

    if (!read_exe(pid, own) || !read_exe(parent, its) || strcmp(own, its) != 0) {
        return false;
    }
    const char *name = strrchr(own, '/');
    return name != NULL && (strcmp(name, "/libvirtd") == 0 || strcmp(name, "/virtqemud") == 0);
}

/* It was forked in this launch, long ago. */
static bool hangs(pid_t pid, uint64_t began_ms) {
    const uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    uint64_t born_ms = 0;
    pid_t parent = 0;

    return read_stat(pid, &parent, &born_ms) && born_ms + tick_ms >= began_ms &&
           since_boot_ms() >= born_ms + LAUNCH_HANGS_MS && is_not_yet_qemu(pid, parent);
}

static bool end_if_it_hangs(pid_t pid, uint64_t began_ms) {
    if (!hangs(pid, began_ms)) {
        return false;
    }
    /* Open it before the look that counts: the number could become another process in between. */
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        return false;
    }
    bool ended = hangs(pid, began_ms) && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0;
    close(fd);
    return ended;
}

static bool end_what_hangs(const struct launch *launch) {
    bool ended = false;
    DIR *dir = opendir("/proc");

    if (dir == NULL) {
        return false;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
            ended = end_if_it_hangs(pid, launch->began_ms) || ended;
        }
    }
    closedir(dir);
    return ended;
}

static void *launch_main(void *data) {
    struct launch *launch = data;
    struct operation *operation = launch->operation;
    uint64_t due_ms = ocf_now_ms() + LAUNCH_HANGS_MS;

    pthread_mutex_lock(&operation->lock);
    while (!launch->over) {
        struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                               .tv_nsec = (long)(due_ms % 1000) * 1000000};
        if (pthread_cond_timedwait(&operation->changed, &operation->lock, &due) != ETIMEDOUT) {
            continue;
        }
        pthread_mutex_unlock(&operation->lock);
        bool ended = end_what_hangs(launch);
        due_ms = ocf_now_ms() + LOOK_AGAIN_MS;
        pthread_mutex_lock(&operation->lock);
        launch->ended = launch->ended || ended;
    }
    pthread_mutex_unlock(&operation->lock);
    return NULL;
}

void launch_begin(struct launch *launch, struct operation *operation) {
    *launch = (struct launch){.operation = operation, .began_ms = since_boot_ms()};
    launch->watched = pthread_create(&launch->thread, NULL, launch_main, launch) == 0;
}

bool launch_end(struct launch *launch) {
    struct operation *operation = launch->operation;

    if (!launch->watched) {
        return false;
    }
    pthread_mutex_lock(&operation->lock);
    launch->over = true;
    pthread_cond_broadcast(&operation->changed);
    pthread_mutex_unlock(&operation->lock);
    pthread_join(launch->thread, NULL);
    if (launch->ended) {
        ocf_log("%s on %s: libvirtd's child that was to become its QEMU hung and was ended",
                operation->params->name, ocf_node());
    }
    return launch->ended;
}
