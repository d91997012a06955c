/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The swtpm of a VM on this node. See tpm_run.h. */
#include "tpm_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/ocf.h"
#include "child.h"
#include "kept.h"
#include "sync.h"
#include "tpm.h"

/* Where libvirt has its settings, its QEMU's files, and the TPMs that it runs by itself. */
static const char conf_file[] = "/etc/libvirt/qemu.conf";
static const char qemu_dir[] = "/var/lib/libvirt/qemu";
static const char libvirt_state[] = "/var/lib/libvirt/swtpm/%s/tpm2/" TPM_STATE_FILE;

#define PART ".clusterd-new"

enum { CONF_MAX = 256 * 1024, GONE_MS = 2000 };

/* As whom swtpm runs: what libvirt would take. */
struct tpm_user {
    char name[64];
    uid_t uid;
    gid_t gid;
};

static int fail(struct tpm_failure *failure, int r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct tpm_failure *failure, int r, const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void)vsnprintf(failure->reason, sizeof(failure->reason), format, args);
    va_end(args);
    ocf_one_line(failure->reason);
    return r;
}

static struct tpm_user read_user(void) {
    static char text[CONF_MAX];
    struct tpm_user user = {.uid = 0};
    int fd = open(conf_file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    tpm_conf_value(text, "swtpm_user", "tss", user.name, sizeof(user.name));
    const struct passwd *entry = getpwnam(user.name);
    if (entry == NULL) { /* as libvirt: root, if there is no such user */
        snprintf(user.name, sizeof(user.name), "root");
        return user;
    }
    user.uid = entry->pw_uid;
    user.gid = entry->pw_gid;
    return user;
}

/* ---- the process ---- */

static void pid_file_of(const struct tpm_vm *vm, char ret_path[PATH_MAX]) {
    snprintf(ret_path, PATH_MAX, TPM_RUN_DIR "/%s.swtpm", vm->name);
}

/* A file descriptor of the swtpm that the VM has here; -ENOENT: none. */
static int open_swtpm(const struct tpm_vm *vm) {
    static char arguments[16384];
    char path[PATH_MAX];
    char text[32];

    pid_file_of(vm, path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file >= 0 ? read(file, text, sizeof(text) - 1) : 0;
    if (file >= 0) {
        close(file);
    }
    text[n > 0 ? n : 0] = '\0';
    long pid = strtol(text, NULL, 10);
    if (pid <= 1 || pid > INT_MAX) {
        return -ENOENT;
    }
    /* Opened before it is checked: the number could become another process in between. */
    int fd = pidfd_open((pid_t)pid, 0);
    if (fd < 0) {
        return errno == ESRCH ? -ENOENT : -errno;
    }
    snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    n = file >= 0 ? read(file, arguments, sizeof(arguments)) : 0;
    if (file >= 0) {
        close(file);
    }
    if (n <= 0 || !tpm_is_swtpm(arguments, (size_t)n, vm->socket)) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

int tpm_end(const struct tpm_vm *vm) {
    int fd = open_swtpm(vm);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : fd;
    }
    int r = pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH ? -errno : 0;
    struct pollfd gone = {.fd = fd, .events = POLLIN};
    if (r == 0 && poll(&gone, 1, GONE_MS) != 1) {
        r = -EBUSY;
    }
    close(fd);
    return r;
}

/* The directory of sockets and PID files: for swtpm to make them in, for QEMU to reach them. */
static int make_run_dir(const struct tpm_vm *vm, const struct tpm_user *user, uid_t qemu,
                        const char *pid_file) {
    if ((mkdir(TPM_RUN_DIR, 0700) < 0 && errno != EEXIST) ||
        chown(TPM_RUN_DIR, qemu, user->gid) < 0 || chmod(TPM_RUN_DIR, 0770) < 0 ||
        (unlink(vm->socket) < 0 && errno != ENOENT) || (unlink(pid_file) < 0 && errno != ENOENT)) {
        return -errno;
    }
    return 0;
}

/* The words of a program that failed, as a failure. */
static int fail_program(struct tpm_failure *failure, int r, const char *program,
                        const char *last_line) {
    if (r == -ENOENT) {
        failure->refused = true;
        return fail(failure, r,
                    "it has a TPM, and %s has no %s; install the packages swtpm and swtpm-tools",
                    ocf_node(), program);
    }
    return fail(failure, r, "%s for its TPM failed: %s", program,
                last_line[0] != '\0' ? last_line : strerror(-r));
}

static int run_swtpm(const struct tpm_vm *vm, const struct tpm_user *user,
                     struct tpm_failure *failure) {
    static char pid_file[PATH_MAX];
    static char ctrl[PATH_MAX + 64];
    static char state[PATH_MAX + 64];
    static char pid[PATH_MAX + 64];
    char last_line[256];
    struct stat qemu = {.st_uid = 0};

    (void)stat(qemu_dir, &qemu); /* libvirtd gives it to QEMU's user */
    pid_file_of(vm, pid_file);
    int r = make_run_dir(vm, user, qemu.st_uid, pid_file);
    if (r < 0) {
        return fail(failure, r, "the directory of its TPM's socket, %s: %s", vm->socket,
                    strerror(-r));
    }
    snprintf(ctrl, sizeof(ctrl), "type=unixio,path=%s,mode=0600", vm->socket);
    snprintf(state, sizeof(state), "dir=%s,mode=0600", vm->state);
    snprintf(pid, sizeof(pid), "file=%s", pid_file);
    const char *const arguments[] = {"swtpm",       "socket",     "--ctrl",
                                     ctrl,          "--tpmstate", state,
                                     "--terminate", "--tpm2",     "--pid",
                                     pid,           "--daemon",   user->uid != 0 ? "--runas" : NULL,
                                     user->name,    NULL};
    r = child_run(arguments, last_line, sizeof(last_line));
    if (r < 0) {
        return fail_program(failure, r, "swtpm", last_line);
    }
    if (chown(vm->socket, qemu.st_uid, (gid_t)-1) < 0) {
        r = -errno;
        (void)tpm_end(vm);
        return fail(failure, r, "its TPM's socket %s: %s", vm->socket, strerror(-r));
    }
    return 0;
}

/* ---- the state ---- */

/* Does something with each file of a directory that has no others. 0 or a negative errno. */
static int each_file(const char *path, const struct tpm_user *user,
                     int (*act)(int dir, const char *name, const struct tpm_user *user)) {
    DIR *dir = opendir(path);
    int r = 0;

    if (dir == NULL) {
        return -errno;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL && r == 0; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            r = act(dirfd(dir), entry->d_name, user);
        }
    }
    closedir(dir);
    return r;
}

static int remove_file(int dir, const char *name, const struct tpm_user *user) {
    (void)user;
    return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* It may have been brought by an administrator, or by a node whose swtpm has another user. */
static int give_file(int dir, const char *name, const struct tpm_user *user) {
    struct stat now;
    if (fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_uid == user->uid) {
        return 0;
    }
    return fchownat(dir, name, user->uid, user->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int flush_file(int dir, const char *name, const struct tpm_user *user) {
    (void)user;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return r;
}

static int give_state(const struct tpm_vm *vm, const struct tpm_user *user) {
    struct stat now;
    int r = stat(vm->state, &now) < 0 ? -errno : 0;
    if (r == 0 && now.st_uid != user->uid && chown(vm->state, user->uid, user->gid) < 0) {
        r = -errno;
    }
    return r < 0 ? r : each_file(vm->state, user, give_file);
}

static int set_up(const struct tpm_vm *vm, const char *part, const struct tpm_user *user,
                  struct tpm_failure *failure) {
    static char id[PATH_MAX];
    char last_line[256];

    snprintf(id, sizeof(id), "%s:%s", vm->name, vm->uuid);
    const char *const arguments[] = {"swtpm_setup",
                                     "--tpm2",
                                     "--tpm-state",
                                     part,
                                     "--vmid",
                                     id,
                                     "--createek",
                                     "--create-ek-cert",
                                     "--create-platform-cert",
                                     "--lock-nvram",
                                     "--not-overwrite",
                                     user->uid != 0 ? "--runas" : NULL,
                                     user->name,
                                     NULL};
    int r = child_run(arguments, last_line, sizeof(last_line));
    return r < 0 ? fail_program(failure, r, "swtpm_setup", last_line) : 0;
}

static int make_state(const struct tpm_vm *vm, const struct tpm_user *user,
                      struct tpm_failure *failure) {
    static char part[PATH_MAX + sizeof(PART)];
    char former[PATH_MAX];

    snprintf(former, sizeof(former), libvirt_state, vm->uuid);
    if (access(former, F_OK) == 0) {
        return fail(failure, -EEXIST,
                    "the state of its TPM is not in %s, but libvirt on %s has one of this VM: copy "
                    "%s there, or remove it if a new TPM is to be made",
                    vm->state, ocf_node(), former);
    }
    snprintf(part, sizeof(part), "%s" PART, vm->state);
    int r;
    (void)each_file(part, NULL, remove_file); /* of a start that broke off */
    if ((mkdir(part, 0700) < 0 && errno != EEXIST) || chown(part, user->uid, user->gid) < 0) {
        r = -errno;
        return fail(failure, r, "the state of its TPM cannot be made in %s: %s", part,
                    strerror(-r));
    }
    r = set_up(vm, part, user, failure);
    if (r < 0) {
        (void)each_file(part, NULL, remove_file);
        (void)rmdir(part);
        return r;
    }
    r = each_file(part, NULL, flush_file);
    r = r < 0 ? r : sync_file(part);
    if (r == 0 && rename(part, vm->state) < 0) {
        r = -errno;
    }
    r = r < 0 ? r : sync_parent(vm->state);
    return r < 0 ? fail(failure, r, "the state of its TPM cannot be put into %s: %s%s", vm->state,
                        strerror(-r),
                        r == -ENOTEMPTY || r == -EEXIST || r == -ENOTDIR
                            ? "; give it a directory of its own"
                            : "")
                 : 0;
}

/* The state is there when this returns 0. */
static int find_state(const struct tpm_vm *vm, const struct tpm_user *user, bool may_make,
                      struct tpm_failure *failure) {
    static char file[PATH_MAX + sizeof(TPM_STATE_FILE) + 1];
    char record[PATH_MAX];

    snprintf(file, sizeof(file), "%s/" TPM_STATE_FILE, vm->state);
    int r = kept_look(file, vm->uuid, KEPT_TPM, record);
    if (r == KEPT_LOST || (r == KEPT_NEVER_MADE && !may_make)) {
        return fail(
            failure, -ENOENT,
            "the state of its TPM is lost: there is no %s any more, and a new one would not "
            "have the guest's keys; put it back, or remove %s to have a new TPM made at "
            "the next start",
            file, record);
    }
    if (r == KEPT_NO_VOLUME) {
        return fail(failure, -ENOENT,
                    "the state of its TPM, %s, is on no volume of the cluster: is it mounted?",
                    vm->state);
    }
    if (r < 0) {
        return fail(failure, r, "the state of its TPM, %s: %s", file, strerror(-r));
    }
    int made = r == KEPT_NEVER_MADE ? make_state(vm, user, failure) : 0;
    if (made < 0) {
        return made;
    }
    r = record[0] != '\0' ? kept_record(record, file) : 0;
    if (r < 0) {
        return fail(failure, r, "the record of its TPM, %s: %s", record, strerror(-r));
    }
    r = give_state(vm, user);
    return r < 0 ? fail(failure, r, "the state of its TPM, %s, cannot be given to %s: %s",
                        vm->state, user->name, strerror(-r))
                 : 0;
}

int tpm_begin(const struct tpm_vm *vm, bool may_make, struct tpm_failure *ret_failure) {
    struct tpm_user user = read_user();

    *ret_failure = (struct tpm_failure){.refused = false};
    int r = tpm_end(vm);
    if (r < 0) {
        return fail(ret_failure, r,
                    "an earlier swtpm of its TPM does not end (%s): does its storage hang?",
                    strerror(-r));
    }
    r = find_state(vm, &user, may_make, ret_failure);
    return r < 0 ? r : run_swtpm(vm, &user, ret_failure);
}
