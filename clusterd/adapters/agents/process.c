/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One child process; see process.h.
 *
 * - vfork() starts it: clusterd's pages, locked or not, are not copied, and a start costs the same
 *   however large the daemon is. Between vfork() and exec the child runs in clusterd's memory: it
 *   makes system calls and writes nothing but its own variables (and `exec_error`, which reports a
 *   failed exec).
 * - stdin is a memory file with all of the input: no pipe must be kept filled, and a child that
 * never
 *   reads costs nothing.
 * - A pidfd reports the end. The group is killed before the leader is reaped: until then, no other
 *   group can have its number. Nothing that an agent left in the background survives.
 * - PR_SET_PDEATHSIG makes the child die with clusterd, unless the child takes that back. The check
 *   after it catches a parent that died just before.
 */
#include "adapters/agents/process.h"

#include "adapters/agents/environment.h"
#include "base/arena.h"
#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <qb/qbdefs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES ((size_t)16 * 1024)
#define READS_AT_END 256 /* at most 4 MiB are still read after the end */

struct stream {
    int fd; /* -1: at its end */
    struct buffer line;
    bool cut; /* the rest of this line is dropped */
};

struct process {
    qb_loop_t *loop;
    const struct process_handlers *handlers;
    void *context;
    pid_t pid; /* of the process and its group; 0 once it is reaped */
    int pidfd;
    struct stream streams[2];
    qb_loop_timer_handle timer; /* the deadline; after SIGKILL, the wait for its death */
    bool timed_out;
    bool killed;
};

static void close_fd(qb_loop_t *loop, int *fd) {
    if (*fd >= 0) {
        if (loop) {
            (void)qb_loop_poll_del(loop, *fd);
        }
        (void)close(*fd);
        *fd = -1;
    }
}

/* ---- lines ---- */

static void give_line(struct process *p, enum process_stream which) {
    struct stream *s = &p->streams[which];
    bool cut = s->cut;
    buffer_append_u8(&s->line, 0);
    if (!s->line.failed) {
        p->handlers->line(p->context, which, (const char *)s->line.data, s->line.size - 1, cut);
    }
    buffer_clear(&s->line);
    s->cut = false;
}

static void take_bytes(struct process *p, enum process_stream which, const char *data,
                       size_t size) {
    struct stream *s = &p->streams[which];
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t n = newline ? (size_t)(newline - data) : size;
        size_t room = PROCESS_MAX_LINE - s->line.size;
        size_t keep = n < room ? n : room;
        /* A NUL would end the text early and hide the rest. */
        const char *nul = memchr(data, 0, keep);
        if (nul) {
            keep = (size_t)(nul - data);
        }
        if (!s->cut) {
            buffer_append(&s->line, data, keep);
            s->cut = keep < n;
        }
        if (newline) {
            give_line(p, which);
            n++;
        }
        data += n;
        size -= n;
    }
}

/* Reads once. 1: there may be more; 0: nothing right now; -1: the end. */
static int read_some(struct process *p, enum process_stream which) {
    struct stream *s = &p->streams[which];
    char data[READ_BYTES];
    ssize_t n = read(s->fd, data, sizeof(data));
    if (n > 0) {
        take_bytes(p, which, data, (size_t)n);
        return 1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    return -1;
}

static int32_t on_output(int32_t fd, int32_t revents, void *data) {
    struct process *p = data;
    (void)revents;
    enum process_stream which =
        p->streams[PROCESS_STDOUT].fd == fd ? PROCESS_STDOUT : PROCESS_STDERR;
    if (read_some(p, which) < 0) {
        close_fd(p->loop, &p->streams[which].fd);
    }
    return 0;
}

/* ---- end ---- */

static void finish_streams(struct process *p) {
    for (enum process_stream which = PROCESS_STDOUT; which <= PROCESS_STDERR; which++) {
        struct stream *s = &p->streams[which];
        for (int i = 0; s->fd >= 0 && i < READS_AT_END && read_some(p, which) > 0; i++) {
        }
        if (s->line.size > 0) {
            give_line(p, which);
        }
        close_fd(p->loop, &s->fd);
    }
}

static void stop_timer(struct process *p) {
    if (p->timer) {
        (void)qb_loop_timer_del(p->loop, p->timer);
        p->timer = 0;
    }
}

static int32_t on_ended(int32_t fd, int32_t revents, void *data) {
    struct process *p = data;
    (void)revents;
    struct process_end end = {.exit_code = -1, .timed_out = p->timed_out};
    siginfo_t info = {0};
    (void)kill(-p->pid, SIGKILL);
    if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid != p->pid) {
        return 0;
    }
    p->pid = 0;
    close_fd(p->loop, &p->pidfd);
    (void)fd;
    stop_timer(p);
    if (info.si_code == CLD_EXITED) {
        end.exit_code = info.si_status;
    } else {
        end.signal = info.si_status;
    }
    finish_streams(p);
    p->handlers->ended(p->context, &end);
    return 0;
}

static void on_undead(void *data) {
    struct process *p = data;
    p->timer = 0;
    struct process_end end = {
        .exit_code = -1, .signal = SIGKILL, .timed_out = p->timed_out, .undead = true};
    finish_streams(p);
    p->handlers->ended(p->context, &end);
}

static void kill_for_good(struct process *p) {
    (void)kill(-p->pid, SIGKILL);
    if (!p->killed) {
        p->killed = true;
        stop_timer(p);
        (void)qb_loop_timer_add(p->loop, QB_LOOP_HIGH,
                                (uint64_t)PROCESS_UNDEAD_MS * QB_TIME_NS_IN_MSEC, p, on_undead,
                                &p->timer);
    }
}

static void on_deadline(void *data) {
    struct process *p = data;
    p->timer = 0;
    p->timed_out = true;
    kill_for_good(p);
}

void process_kill(struct process *p, int signal) {
    if (p->pid == 0) {
        return;
    }
    if (signal == SIGKILL) {
        kill_for_good(p);
    } else {
        (void)kill(-p->pid, signal);
    }
}

/* Nobody reaps a child that does not die, until it does; its zombie then costs one entry in the
 * process table. When clusterd ends, the kernel gives it to init. */
void process_destroy(struct process *p) {
    pid_t pid = p ? p->pid : 0;
    process_leave(p);
    if (pid > 0) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, WNOHANG);
    }
}

void process_leave(struct process *p) {
    if (!p) {
        return;
    }
    stop_timer(p);
    for (size_t i = 0; i < 2; i++) {
        close_fd(p->loop, &p->streams[i].fd);
        buffer_finish(&p->streams[i].line);
    }
    close_fd(p->loop, &p->pidfd);
    free(p);
}

/* ---- start ---- */

/* A memory file with the input, positioned at its beginning. */
static int input_open(const struct process_spec *spec, int *ret_fd) {
    if (!spec->input || spec->input_size == 0) {
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        *ret_fd = null_fd;
        return null_fd < 0 ? -errno : 0;
    }
    int fd = memfd_create("clusterd-input", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    for (size_t done = 0; done < spec->input_size;) {
        ssize_t n = pwrite(fd, spec->input + done, spec->input_size - done, (off_t)done);
        if (n < 0) {
            int error = -errno;
            (void)close(fd);
            return error;
        }
        done += (size_t)n;
    }
    *ret_fd = fd;
    return 0;
}

struct child {
    const struct process_spec *spec;
    char **environment;
    int fds[3]; /* all >= 3: dup2() in order overwrites none of them */
    pid_t parent;
    sigset_t mask;
    volatile int exec_error;
};

/* Runs in the child, in clusterd's memory: system calls only. */
static void child_run(struct child *c) {
    static const char oom_score[] = "0";
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != c->parent) {
        _exit(127);
    }
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        (void)sigaction(signal, &action, NULL);
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(c->fds[i], i) < 0) {
            c->exec_error = errno;
            _exit(127);
        }
    }
    /* Another thread may just have opened a file, and not have marked it yet. */
    (void)close_range(3, ~0u, 0);
    /* clusterd protects itself from the OOM killer; its children get no such protection. */
    int oom_fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom_fd >= 0) {
        ssize_t ignored = write(oom_fd, oom_score, sizeof(oom_score) - 1);
        (void)ignored;
        (void)close(oom_fd);
    }
    (void)sigprocmask(SIG_SETMASK, &c->mask, NULL);
    (void)execve(c->spec->path, c->spec->argv, c->environment);
    c->exec_error = errno;
    _exit(127);
}

static int child_start(struct child *c, pid_t *ret_pid) {
    sigset_t all;
    (void)sigfillset(&all);
    c->parent = getpid();
    (void)sigprocmask(SIG_SETMASK, &all, &c->mask);
    sigset_t ours = c->mask;
    (void)sigemptyset(&c->mask); /* the child starts without blocked signals, but for ... */
    if (c->spec->blocks_sigterm) {
        (void)sigaddset(&c->mask, SIGTERM);
    }
    pid_t pid = vfork();
    if (pid == 0) {
        child_run(c);
    }
    int error = pid < 0 ? -errno : 0;
    (void)sigprocmask(SIG_SETMASK, &ours, NULL);
    if (error == 0 && c->exec_error != 0) {
        (void)waitpid(pid, NULL, 0);
        error = -c->exec_error;
    }
    if (error == 0) {
        *ret_pid = pid;
    }
    return error;
}

static int child_start_clean(struct child *c, pid_t *ret_pid) {
    struct arena arena;
    arena_init(&arena);
    c->environment = environment_make(&arena, c->spec->extra);
    int error = c->environment ? child_start(c, ret_pid) : -ENOMEM;
    arena_finish(&arena);
    return error;
}

static int pipe_open(struct stream *s, int *ret_child_end) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return -errno;
    }
    s->fd = fds[0];
    *ret_child_end = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int process_watch(struct process *p, uint64_t timeout_ms) {
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (p->pidfd < 0) {
        return -errno;
    }
    (void)fcntl(p->pidfd, F_SETFD, FD_CLOEXEC);
    int error = qb_loop_poll_add(p->loop, QB_LOOP_MED, p->pidfd, POLLIN, p, on_ended);
    for (size_t i = 0; error == 0 && i < 2; i++) {
        error = qb_loop_poll_add(p->loop, QB_LOOP_MED, p->streams[i].fd, POLLIN, p, on_output);
    }
    if (error == 0 && timeout_ms > 0) {
        error = qb_loop_timer_add(p->loop, QB_LOOP_HIGH, timeout_ms * QB_TIME_NS_IN_MSEC, p,
                                  on_deadline, &p->timer);
    }
    return error;
}

int process_start(qb_loop_t *loop, const struct process_spec *spec,
                  const struct process_handlers *handlers, void *context,
                  struct process **ret_process) {
    struct process *p = calloc(1, sizeof(*p));
    if (!p) {
        return -ENOMEM;
    }
    *p = (struct process){.loop = loop,
                          .handlers = handlers,
                          .context = context,
                          .pidfd = -1,
                          .streams = {{.fd = -1}, {.fd = -1}}};
    struct child child = {.spec = spec, .fds = {-1, -1, -1}};
    int error = input_open(spec, &child.fds[0]);
    for (size_t i = 0; error == 0 && i < 2; i++) {
        error = pipe_open(&p->streams[i], &child.fds[i + 1]);
    }
    if (error == 0) {
        error = child_start_clean(&child, &p->pid);
    }
    for (size_t i = 0; i < 3; i++) {
        close_fd(NULL, &child.fds[i]);
    }
    if (error == 0) {
        error = process_watch(p, spec->timeout_ms);
    }
    if (error != 0) {
        process_destroy(p);
        return error;
    }
    *ret_process = p;
    return 0;
}
