/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Heartbeat files on a volume. See heartbeat.h. */
#include "heartbeat.h"

#include "base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"

static const char directory[] = ".clusterd";
static const char prefix[] = "heartbeat.";
static const char probe_prefix[] = "probe.";

enum { FILE_MAX = 1024, OWN_NAME_MAX = HEARTBEAT_TEXT_MAX + 16 };

/* The file that this process writes. */
static void own_name(const struct heartbeat *heartbeat, char name[OWN_NAME_MAX]) {
    snprintf(name, OWN_NAME_MAX, "%s%s", heartbeat->nonce != NULL ? prefix : probe_prefix,
             heartbeat->node);
}

static int say(char *reason, size_t size, const char *what, const char *path, int error) {
    snprintf(reason, size, "cannot %s %s: %s", what, path, strerror(-error));
    return error;
}

static int write_all(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Writes text as name in dir, completely or not at all, and flushed to the disk. */
static int replace_file(int dir, const char *name, const char *text) {
    char temporary[NAME_MAX + 8];

    int n = snprintf(temporary, sizeof(temporary), ".%s.new", name);
    if (n < 0 || (size_t)n >= sizeof(temporary)) {
        return -ENAMETOOLONG;
    }
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    int r = write_all(fd, text, strlen(text));
    if (r == 0 && fsync(fd) < 0) {
        r = -errno;
    }
    if (close(fd) < 0 && r == 0) {
        r = -errno; /* a network file system may report errors only now */
    }
    if (r == 0 && renameat(dir, temporary, dir, name) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlinkat(dir, temporary, 0);
    }
    return r;
}

static int write_own(struct heartbeat *heartbeat, int dir) {
    const char *nonce = heartbeat->nonce != NULL ? heartbeat->nonce : "probe";
    char name[OWN_NAME_MAX];

    heartbeat->seq++;
    own_name(heartbeat, name);
    json_t *content = json_pack("{so so sI}", "node", jsonl_text(heartbeat->node), "nonce",
                                jsonl_text(nonce), "seq", (json_int_t)heartbeat->seq);
    char *text = content != NULL ? json_dumps(content, JSON_COMPACT) : NULL;
    json_decref(content);
    if (text == NULL) {
        return -ENOMEM;
    }
    int r = replace_file(dir, name, text);
    free(text);
    return r;
}

/* Reads a small JSON file; NULL if it is not one. *ret_mtime_ms is the storage's time stamp. */
static json_t *read_json(int dir, const char *name, int64_t *ret_mtime_ms) {
    char text[FILE_MAX];
    struct stat st;
    size_t len = 0;

    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? 1 : -1;
    while (n > 0 && len < sizeof(text)) {
        n = read(fd, text + len, sizeof(text) - len);
        len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (n < 0) {
        return NULL;
    }
    *ret_mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return json_loadb(text, len, 0, NULL);
}

static struct heartbeat_peer *find_peer(struct heartbeat *heartbeat, const char *node) {
    for (size_t i = 0; i < heartbeat->peer_count; i++) {
        if (strcmp(heartbeat->peers[i].node, node) == 0) {
            return &heartbeat->peers[i];
        }
    }
    if (heartbeat->peer_count == HEARTBEAT_NODES_MAX) {
        return NULL;
    }
    CHECK(strlen(node) < HEARTBEAT_TEXT_MAX); /* cut off, it would be the name of another node */
    struct heartbeat_peer *peer = &heartbeat->peers[heartbeat->peer_count++];
    *peer = (struct heartbeat_peer){.age_at_first_ms = 0};
    snprintf(peer->node, sizeof(peer->node), "%s", node);
    return peer;
}

/* One file of another node; own_ms is the storage's time stamp of our own file, just written. */
static void read_peer(struct heartbeat *heartbeat, int dir, const char *name, int64_t own_ms) {
    const char *node;
    const char *nonce;
    json_int_t seq;
    int64_t mtime_ms = 0;

    json_t *content = read_json(dir, name, &mtime_ms);
    if (json_unpack(content, "{ss ss sI}", "node", &node, "nonce", &nonce, "seq", &seq) < 0 ||
        strcmp(node, name + sizeof(prefix) - 1) != 0 || strlen(node) >= HEARTBEAT_TEXT_MAX ||
        strlen(nonce) >= HEARTBEAT_TEXT_MAX || seq < 0) {
        json_decref(content);
        return;
    }
    struct heartbeat_peer *peer = find_peer(heartbeat, node);
    if (peer != NULL) {
        bool first = peer->nonce[0] == '\0';
        bool same = strcmp(peer->nonce, nonce) == 0;
        if (first || peer->seq != (uint64_t)seq || !same) {
            /* A smaller number was put there by somebody other than the file's node. */
            peer->moved = same && (uint64_t)seq > peer->seq;
            peer->met_ms = same ? peer->met_ms : ocf_now_ms();
            peer->seq = (uint64_t)seq;
            snprintf(peer->nonce, sizeof(peer->nonce), "%s", nonce);
            peer->changed_ms = ocf_now_ms();
            peer->age_at_first_ms = first && own_ms > mtime_ms ? own_ms - mtime_ms : 0;
        }
        peer->round = heartbeat->round;
    }
    json_decref(content);
}

static int read_others(struct heartbeat *heartbeat, int dir) {
    char own[OWN_NAME_MAX];
    struct stat st;

    own_name(heartbeat, own);
    if (fstatat(dir, own, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return -errno;
    }
    int64_t own_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
    if (list == NULL) {
        int r = -errno;
        if (copy >= 0) {
            close(copy);
        }
        return r;
    }
    heartbeat->round++;
    errno = 0;
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (strncmp(entry->d_name, prefix, sizeof(prefix) - 1) == 0 &&
            strcmp(entry->d_name + sizeof(prefix) - 1, heartbeat->node) != 0) {
            read_peer(heartbeat, dir, entry->d_name, own_ms);
        }
        errno = 0;
    }
    int r = -errno;
    closedir(list);
    return r;
}

int heartbeat_beat(struct heartbeat *heartbeat, char *reason, size_t reason_size) {
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", heartbeat->path, directory);
    int volume = open(heartbeat->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (volume < 0) {
        return say(reason, reason_size, "open the directory", heartbeat->path, -errno);
    }
    if (mkdirat(volume, directory, 0700) < 0 && errno != EEXIST) {
        int r = say(reason, reason_size, "create the directory", path, -errno);
        close(volume);
        return r;
    }
    int dir = openat(volume, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = dir < 0 ? -errno : 0;
    close(volume);
    if (r < 0) {
        return say(reason, reason_size, "open the directory", path, r);
    }
    r = write_own(heartbeat, dir);
    if (r < 0) {
        (void)say(reason, reason_size, "write this node's heartbeat in", path, r);
    } else {
        r = read_others(heartbeat, dir);
        if (r < 0) {
            (void)say(reason, reason_size, "read the heartbeats in", path, r);
        }
    }
    close(dir);
    return r;
}

json_t *heartbeat_seen(const struct heartbeat *heartbeat) {
    json_t *seen = json_array();

    for (size_t i = 0; i < heartbeat->peer_count; i++) {
        const struct heartbeat_peer *peer = &heartbeat->peers[i];
        if (peer->round != heartbeat->round) {
            continue; /* its file is gone */
        }
        int64_t since_ms = (int64_t)(ocf_now_ms() - peer->changed_ms);
        int64_t age_ms = since_ms + peer->age_at_first_ms;
        json_array_append_new(seen,
                              json_pack("{so so sI so*}", "node", jsonl_text(peer->node), "nonce",
                                        jsonl_text(peer->nonce), "age_ms", (json_int_t)age_ms,
                                        "moved_ms", peer->moved ? json_integer(since_ms) : NULL));
    }
    return seen;
}

bool heartbeat_hurries(const struct heartbeat *heartbeat, uint64_t within_ms) {
    for (size_t i = 0; i < heartbeat->peer_count; i++) {
        const struct heartbeat_peer *peer = &heartbeat->peers[i];
        if (peer->round == heartbeat->round && !peer->moved &&
            ocf_now_ms() - peer->met_ms < within_ms) {
            return true;
        }
    }
    return false;
}

int heartbeat_room(const char *path, uint64_t *ret_free_mb, uint64_t *ret_total_mb) {
    const uint64_t mib = 1024 * 1024;
    struct statvfs room;

    if (statvfs(path, &room) < 0) {
        return -errno;
    }
    /* In two steps: a volume of exabytes must not overflow. */
    *ret_free_mb = (uint64_t)((double)room.f_bavail * (double)room.f_frsize / (double)mib);
    *ret_total_mb = (uint64_t)((double)room.f_blocks * (double)room.f_frsize / (double)mib);
    return 0;
}
