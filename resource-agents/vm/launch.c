/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The moment between libvirtd's fork and QEMU's exec. See launch.h. */
#include "launch.h"

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
#include "qemu_kill.h"

enum { LOOK_AGAIN_MS = 1000 };

static uint64_t since_boot_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The process still runs the program of libvirt's daemon. */
static bool is_libvirt(pid_t pid) {
    char path[64];
    char exe[PATH_MAX];

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(path, exe, sizeof(exe) - 1);
    if (len <= 0) {
        return false;
    }
    exe[len] = '\0';
    char *replaced = strstr(exe, " (deleted)"); /* its package has been updated since */
    if (replaced != NULL) {
        *replaced = '\0';
    }
    const char *name = strrchr(exe, '/');
    return name != NULL && (strcmp(name, "/libvirtd") == 0 || strcmp(name, "/virtqemud") == 0);
}

/* proc(5), stat: the threads (20) and when it began (22), in ticks since the node booted. */
static bool read_stat(pid_t pid, long *ret_threads, uint64_t *ret_born_ms) {
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
        if (p != NULL && field + 1 == 20) {
            *ret_threads = strtol(p + 1, NULL, 10);
        }
    }
    if (p == NULL) {
        return false;
    }
    *ret_born_ms = strtoull(p + 1, NULL, 10) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    return true;
}

/* The daemon itself has several threads: a stale PID file must not make it a victim. */
static bool hangs(pid_t pid, unsigned patience_ms) {
    uint64_t born_ms = 0;
    long threads = 0;

    return is_libvirt(pid) && read_stat(pid, &threads, &born_ms) && threads == 1 &&
           since_boot_ms() >= born_ms + patience_ms;
}

/* True: libvirtd's child for that VM hung before it became QEMU, and was ended. */
static bool end_if_it_hangs(const char *name, unsigned patience_ms) {
    pid_t pid;

    if (qemu_read_pid(name, &pid) < 0) {
        return false;
    }
    /* Open it before the look: the number could become another process in between. */
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        return false;
    }
    bool ended = hangs(pid, patience_ms) && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0;
    close(fd);
    if (ended) {
        ocf_log("%s on %s: libvirtd's child that was to become its QEMU hung and was ended", name,
                ocf_node());
    }
    return ended;
}

void launch_end_all_hung(void) {
    static const char suffix[] = ".pid";
    const unsigned patience_ms = 2 * LAUNCH_HANGS_MS; /* who ordered it is first, and tells why */
    DIR *dir = opendir(qemu_state_dir);

    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        size_t len = strlen(entry->d_name);
        if (len >= sizeof(suffix) && strcmp(entry->d_name + len - strlen(suffix), suffix) == 0) {
            entry->d_name[len - strlen(suffix)] = '\0';
            (void)end_if_it_hangs(entry->d_name, patience_ms);
        }
    }
    closedir(dir);
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
        bool ended = end_if_it_hangs(operation->params->name, LAUNCH_HANGS_MS);
        due_ms = ocf_now_ms() + LOOK_AGAIN_MS;
        pthread_mutex_lock(&operation->lock);
        launch->ended = launch->ended || ended;
    }
    pthread_mutex_unlock(&operation->lock);
    return NULL;
}

void launch_begin(struct launch *launch, struct operation *operation) {
    *launch = (struct launch){.operation = operation};
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
    return launch->ended;
}
