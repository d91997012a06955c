/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_init: the whole user space of a lab guest, PID 1 of its initramfs.
 *
 * A guest is a witness. What it says on its console and what lies on its disk lets a test know
 * afterwards how long it stood still, whether an acknowledged write was lost, and whether a second
 * copy of it ever wrote:
 *
 *   boot B nonce X seq S     once: the B-th boot of this disk; S is the highest sequence number
 * found on it tick N MS ack A          ten times a second: counter, milliseconds of the guest's own
 * monotonic clock, and the highest sequence number whose write has been flushed and read back
 *   FOREIGN WRITER ...       the disk holds a record that is newer than our first and not ours
 *   READBACK MISMATCH ...    what was acknowledged is not what the disk gives back
 *
 * The disk begins with a ring of RING_SECTORS sectors, each one record. A record carries the nonce
 * of the boot that wrote it. Every boot goes on from the highest sequence number it found; so
 * whatever is above that number and not signed with our nonce was written by another copy. A guest
 * that was saved and restored keeps its nonce, as it is the same run.
 *
 * The counter and the disk are two threads: when storage stalls the counter goes on and the
 * acknowledged number stands still, which is a different thing from a guest that does not run.
 *
 * One more sector, CONTROL_SECTOR, is a letter box: whoever has the volume may put one word there
 * (poweroff, panic, reboot, hang) and so make the guest do from inside what its user could.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/input.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SECTOR 512
#define RING_SECTORS 64
#define CONTROL_SECTOR 128
#define RECORD_MAGIC UINT64_C(0x31474e524241474c)
#define TICK_MS 100
#define PAGE 4096

struct record {
    uint64_t magic;
    uint64_t nonce;
    uint64_t boot;
    uint64_t seq;
    uint64_t guest_ms;
    uint32_t reserved;
    uint32_t crc;
};

struct settings {
    char name[64];
    uint32_t dirty_mbps;
    uint32_t dirty_mb;
    bool deaf;
    char fill[32];
};

static struct settings settings;
static int console_fd = -1;
static pthread_mutex_t console_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t acknowledged;
static atomic_bool leaving;

/* One write per line, so that two threads never mix theirs. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    char line[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (length < 0)
        return;
    if ((size_t)length >= sizeof(line))
        length = (int)sizeof(line) - 1;

    pthread_mutex_lock(&console_lock);
    for (ssize_t done = 0; done < length;) {
        ssize_t n = write(console_fd, line + done, (size_t)(length - done));
        if (n <= 0)
            break;
        done += n;
    }
    pthread_mutex_unlock(&console_lock);
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void sleep_until_ms(uint64_t due_ms) {
    struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                           .tv_nsec = (long)(due_ms % 1000) * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        ;
}

static uint32_t crc32_of(const void *data, size_t size) {
    const uint8_t *bytes = data;
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (UINT32_C(0xedb88320) & (0 - (crc & 1)));
    }
    return ~crc;
}

static void leave(int how) {
    atomic_store(&leaving, true);
    reboot(how);
}

/* ---- the disk ---- */

static bool record_is_valid(const struct record *record) {
    return record->magic == RECORD_MAGIC &&
           record->crc == crc32_of(record, offsetof(struct record, crc));
}

static const struct record *ring_at(const uint8_t *ring, size_t sector) {
    return (const struct record *)(const void *)(ring + sector * SECTOR);
}

static void obey(int fd, uint8_t *sector) {
    if (pread(fd, sector, SECTOR, (off_t)CONTROL_SECTOR * SECTOR) != SECTOR || sector[0] == 0)
        return;

    char word[16] = "";
    memcpy(word, sector, sizeof(word) - 1);
    memset(sector, 0, SECTOR);
    /* Taken out before it is obeyed: the next boot must not find it again. */
    if (pwrite(fd, sector, SECTOR, (off_t)CONTROL_SECTOR * SECTOR) != SECTOR || fdatasync(fd) != 0)
        return;
    say("told to %s\n", word);
    if (strcmp(word, "poweroff") == 0)
        leave(RB_POWER_OFF);
    else if (strcmp(word, "reboot") == 0)
        leave(RB_AUTOBOOT);
    else if (strcmp(word, "hang") == 0)
        settings.deaf = true;
    else if (strcmp(word, "panic") == 0) {
        int trigger = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
        if (trigger >= 0 && write(trigger, "c", 1) < 0)
            say("cannot panic: %s\n", strerror(errno));
    }
}

static void look_for_foreigner(const uint8_t *ring, uint64_t nonce, uint64_t boot,
                               uint64_t found_seq) {
    static uint64_t last_told;

    for (size_t i = 0; i < RING_SECTORS; i++) {
        const struct record *record = ring_at(ring, i);
        if (!record_is_valid(record) || record->nonce == nonce || record->seq <= found_seq)
            continue;
        if (record->seq <= last_told)
            continue;
        last_told = record->seq;
        say("FOREIGN WRITER nonce %016" PRIx64 " boot %" PRIu64 " seq %" PRIu64
            " (own nonce %016" PRIx64 " boot %" PRIu64 ")\n",
            record->nonce, record->boot, record->seq, nonce, boot);
    }
}

static int read_ring(int fd, uint8_t *ring) {
    ssize_t n = pread(fd, ring, RING_SECTORS * SECTOR, 0);
    return n == RING_SECTORS * SECTOR ? 0 : -EIO;
}

static void find_last(const uint8_t *ring, uint64_t *ret_seq, uint64_t *ret_boot) {
    uint64_t seq = 0, boot = 0;
    for (size_t i = 0; i < RING_SECTORS; i++) {
        const struct record *record = ring_at(ring, i);
        if (!record_is_valid(record))
            continue;
        if (record->seq > seq)
            seq = record->seq;
        if (record->boot > boot)
            boot = record->boot;
    }
    *ret_seq = seq;
    *ret_boot = boot;
}

static int write_record(int fd, uint8_t *sector, const struct record *record) {
    memset(sector, 0, SECTOR);
    memcpy(sector, record, sizeof(*record));
    off_t at = (off_t)(record->seq % RING_SECTORS) * SECTOR;
    if (pwrite(fd, sector, SECTOR, at) != SECTOR || fdatasync(fd) != 0)
        return -errno;
    return 0;
}

static void *run_disk(void *fd_pointer) {
    int fd = *(int *)fd_pointer;
    static _Alignas(PAGE) uint8_t sector[SECTOR], ring[RING_SECTORS * SECTOR]; /* for O_DIRECT */
    uint64_t nonce = 0, found_seq = 0, boot = 0;

    if (getrandom(&nonce, sizeof(nonce), GRND_INSECURE) != sizeof(nonce) ||
        read_ring(fd, ring) < 0) {
        say("disk unreadable: %s\n", strerror(errno));
        return NULL;
    }
    find_last(ring, &found_seq, &boot);
    boot++;
    atomic_store(&acknowledged, found_seq);
    say("boot %" PRIu64 " nonce %016" PRIx64 " seq %" PRIu64 " name %s\n", boot, nonce, found_seq,
        settings.name);

    uint64_t due_ms = now_ms();
    for (uint64_t seq = found_seq + 1; !atomic_load(&leaving); seq++) {
        struct record record = {
            .magic = RECORD_MAGIC, .nonce = nonce, .boot = boot, .seq = seq, .guest_ms = now_ms()};
        record.crc = crc32_of(&record, offsetof(struct record, crc));
        int r = write_record(fd, sector, &record);
        if (r == 0)
            r = read_ring(fd, ring);
        if (r < 0 && atomic_load(&leaving)) {
            break; /* the kernel takes its devices away before it powers off */
        } else if (r < 0) {
            say("disk error at seq %" PRIu64 ": %s\n", seq, strerror(-r));
        } else {
            look_for_foreigner(ring, nonce, boot, found_seq);
            if (memcmp(ring_at(ring, seq % RING_SECTORS), &record, sizeof(record)) != 0)
                say("READBACK MISMATCH at seq %" PRIu64 "\n", seq);
            else
                atomic_store(&acknowledged, seq);
        }
        obey(fd, sector);
        due_ms += TICK_MS;
        if (due_ms < now_ms())
            due_ms = now_ms();
        sleep_until_ms(due_ms);
    }
    return NULL;
}

/* ---- memory ---- */

/* The word again and again: whoever sees this memory anywhere knows it. */
static void fill(uint8_t *memory, size_t size) {
    size_t n = strlen(settings.fill);
    for (size_t at = 0; n > 0 && at + n <= size; at += n)
        memcpy(memory + at, settings.fill, n);
    if (n > 0)
        say("filled %zu MB\n", size >> 20);
}

/* Dirties pages round and round at the wanted rate, in slices of 10 ms, so that a live migration
 * has something to chase. */
static void *run_dirtier(void *unused) {
    (void)unused;
    size_t size = (size_t)settings.dirty_mb << 20;
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        say("cannot dirty %u MB: %s\n", settings.dirty_mb, strerror(errno));
        return NULL;
    }
    fill(mapped, size);
    if (settings.dirty_mbps == 0)
        return NULL;
    volatile uint8_t *memory = mapped;

    uint64_t pages_per_slice = (uint64_t)settings.dirty_mbps * (1 << 20) / PAGE / 100;
    size_t at = 0;
    for (uint64_t due_ms = now_ms(); !atomic_load(&leaving); due_ms += 10) {
        for (uint64_t i = 0; i < pages_per_slice; i++) {
            memory[at]++;
            at = (at + PAGE) % size;
        }
        if (due_ms + 100 < now_ms())
            due_ms = now_ms();
        sleep_until_ms(due_ms + 10);
    }
    return NULL;
}

/* ---- coming up ---- */

static void read_settings(void) {
    char text[1024] = "";
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    char *state = NULL;
    for (char *word = strtok_r(text, " \n", &state); word; word = strtok_r(NULL, " \n", &state)) {
        if (strncmp(word, "lab.name=", 9) == 0)
            snprintf(settings.name, sizeof(settings.name), "%s", word + 9);
        else if (strncmp(word, "lab.dirty=", 10) == 0)
            settings.dirty_mbps = (uint32_t)strtoul(word + 10, NULL, 10);
        else if (strncmp(word, "lab.dirty_mb=", 13) == 0)
            settings.dirty_mb = (uint32_t)strtoul(word + 13, NULL, 10);
        else if (strncmp(word, "lab.fill=", 9) == 0)
            snprintf(settings.fill, sizeof(settings.fill), "%s", word + 9);
        else if (strcmp(word, "lab.deaf") == 0)
            settings.deaf = true;
    }
}

/* The image builder lists the modules in the order in which they need each other. */
static void load_modules(void) {
    FILE *list = fopen("/modules/list", "re");
    char line[128];
    while (list && fgets(line, sizeof(line), list)) {
        char path[160];
        line[strcspn(line, "\n")] = '\0';
        snprintf(path, sizeof(path), "/modules/%s", line);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0)
            say("module %s: %s\n", line, strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    if (list)
        fclose(list);
}

static int open_power_button(void) {
    for (int i = 0; i < 8; i++) {
        char path[32];
        unsigned long keys[KEY_MAX / (8 * sizeof(long)) + 1] = {0};
        snprintf(path, sizeof(path), "/dev/input/event%d", i);
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            continue;
        /* A keyboard has a power key too, but it also has a space bar. */
        if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 &&
            (keys[KEY_POWER / (8 * sizeof(long))] >> (KEY_POWER % (8 * sizeof(long))) & 1) &&
            !(keys[KEY_SPACE / (8 * sizeof(long))] >> (KEY_SPACE % (8 * sizeof(long))) & 1))
            return fd;
        close(fd);
    }
    return -1;
}

static void read_button(int fd) {
    struct input_event event;
    while (read(fd, &event, sizeof(event)) == sizeof(event)) {
        if (event.type != EV_KEY || event.code != KEY_POWER || event.value != 1)
            continue;
        say("power button%s\n", settings.deaf ? " ignored" : "");
        if (!settings.deaf)
            leave(RB_POWER_OFF);
    }
}

static void set_up_console(void) {
    console_fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (console_fd < 0)
        console_fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios terminal;
    if (tcgetattr(console_fd, &terminal) == 0) {
        cfmakeraw(&terminal);
        cfsetspeed(&terminal, B115200);
        tcsetattr(console_fd, TCSANOW, &terminal);
    }
}

static void start_thread(void *(*run)(void *), void *argument) {
    pthread_t thread;
    int r = pthread_create(&thread, NULL, run, argument);
    if (r != 0)
        say("no thread: %s\n", strerror(r));
}

int main(void) {
    static int disk_fd;

    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    set_up_console();
    read_settings();
    load_modules();
    disk_fd = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
    if (disk_fd >= 0)
        start_thread(run_disk, &disk_fd);
    else
        say("no disk: %s\n", strerror(errno));
    if ((settings.dirty_mbps > 0 || settings.fill[0] != '\0') && settings.dirty_mb > 0)
        start_thread(run_dirtier, NULL);

    struct pollfd button = {.fd = open_power_button(), .events = POLLIN};
    if (button.fd < 0)
        say("no power button: it will only stop by force\n");
    uint64_t due_ms = now_ms();
    for (uint64_t count = 1;; count++) {
        say("tick %" PRIu64 " %" PRIu64 " ack %" PRIu64 "\n", count, now_ms(),
            atomic_load(&acknowledged));
        due_ms += TICK_MS;
        for (uint64_t now = now_ms(); now < due_ms; now = now_ms()) {
            if (poll(&button, 1, (int)(due_ms - now)) > 0)
                read_button(button.fd);
        }
        if (due_ms + TICK_MS < now_ms())
            due_ms = now_ms();
    }
}
