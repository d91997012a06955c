/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fence_lab: a fence agent by the ClusterLabs fence agent API for the lab's power controller.
 *
 * Parameters come as name=value lines on standard input, or as --name value on the command line.
 * The controller is reached by a unix socket (labkit/power.py), speaks JSON lines, and answers
 * "off" only when nothing of the node lives, so success here means what it says. It is in C because
 * a measurement of failover should not hold an interpreter's start.
 *
 * Two parameters exist for tests only: delay_ms (a slow device) and fail (a broken one).
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#define VALUE_MAX 256
#define LINE_MAX_BYTES 1024
#define ANSWER_MAX (64 * 1024)

/* Exit codes of the API: `status` and `monitor` tell on from off by them. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_OFF = 2,
};

struct parameters {
    char action[VALUE_MAX];
    char plug[VALUE_MAX];
    char path[VALUE_MAX];
    char delay_ms[VALUE_MAX];
    char fail[VALUE_MAX];
    char power_timeout[VALUE_MAX];
    char ignored[VALUE_MAX]; /* accepted and never shown: passwords among them */
};

enum content { CONTENT_STRING, CONTENT_INTEGER, CONTENT_BOOLEAN };

static const char *const content_names[] = {
    [CONTENT_STRING] = "string",
    [CONTENT_INTEGER] = "integer",
    [CONTENT_BOOLEAN] = "boolean",
};

/* One table: what is read, what --help and the metadata say. An entry without a text is another
 * name, or is ignored. */
static const struct parameter {
    const char *name;
    size_t offset;
    enum content content;
    const char *initial;
    const char *text;
} table[] = {
#define AT(field) offsetof(struct parameters, field)
    {"action", AT(action), CONTENT_STRING, "reboot", "Fencing action"},
    {"plug", AT(plug), CONTENT_STRING, NULL, "Name of the node whose power is meant"},
    {"port", AT(plug), CONTENT_STRING, NULL, NULL},
    {"nodename", AT(plug), CONTENT_STRING, NULL, NULL},
    {"ip", AT(path), CONTENT_STRING, "/run/lab/power.sock", "Socket of the power controller"},
    {"ipaddr", AT(path), CONTENT_STRING, NULL, NULL},
    {"power_timeout", AT(power_timeout), CONTENT_INTEGER, "20",
     "Seconds to wait for the controller's answer"},
    {"delay_ms", AT(delay_ms), CONTENT_INTEGER, "0",
     "For tests: wait this long before doing anything"},
    {"fail", AT(fail), CONTENT_BOOLEAN, "0",
     "For tests: do nothing and fail (value: 1, or the one action that shall fail)"},
    {"username", AT(ignored), CONTENT_STRING, NULL, NULL},
    {"login", AT(ignored), CONTENT_STRING, NULL, NULL},
    {"password", AT(ignored), CONTENT_STRING, NULL, NULL},
    {"passwd", AT(ignored), CONTENT_STRING, NULL, NULL},
    {"delay", AT(ignored), CONTENT_STRING, NULL, NULL},
    {"verbose", AT(ignored), CONTENT_STRING, NULL, NULL},
#undef AT
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

static int parameter_set(struct parameters *parameters, const char *name, const char *value) {
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        int n = snprintf((char *)parameters + table[i].offset, VALUE_MAX, "%s", value);
        if (n < VALUE_MAX)
            return 0;
        fprintf(stderr, "fence_lab: value of %s is longer than %d bytes\n", name, VALUE_MAX - 1);
        return -EINVAL;
    }
    /* As the API asks: a name that is not known is no error, since managers pass names of their
     * own. */
    fprintf(stderr, "fence_lab: parameter %s is not known and ignored\n", name);
    return 0;
}

static int parameters_read_stdin(struct parameters *parameters) {
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\r\n")] = '\0';
        char *value = strchr(line, '=');
        if (line[0] == '#' || !value)
            continue;
        *value++ = '\0';
        int r = parameter_set(parameters, line, value);
        explicit_bzero(line, sizeof(line));
        if (r < 0)
            return r;
    }
    return 0;
}

static int parameters_read_arguments(struct parameters *parameters, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char name[64];
        const char *word = strcmp(argv[i], "-o") == 0 ? "--action" : argv[i];
        const char *equals = strchr(word, '=');
        if (strncmp(word, "--", 2) != 0) {
            fprintf(stderr, "fence_lab: '%s' is not an option; try --help\n", word);
            return -EINVAL;
        }
        word += 2;
        size_t length = equals ? (size_t)(equals - word) : strlen(word);
        if (length >= sizeof(name) || (!equals && i + 1 >= argc)) {
            fprintf(stderr, "fence_lab: option --%.60s needs a value\n", word);
            return -EINVAL;
        }
        memcpy(name, word, length);
        name[length] = '\0';
        for (char *c = strchr(name, '-'); c; c = strchr(c, '-'))
            *c = '_';
        int r = parameter_set(parameters, name, equals ? equals + 1 : argv[++i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the controller ---- */

static int controller_connect(const struct parameters *parameters) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t room = sizeof(address.sun_path);
    if ((size_t)snprintf(address.sun_path, room, "%s", parameters->path) >= room)
        return -ENAMETOOLONG;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct timeval limit = {.tv_sec = strtol(parameters->power_timeout, NULL, 10)};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static int read_line(int fd, char *buffer, size_t size) {
    for (size_t length = 0; length + 1 < size;) {
        ssize_t n = recv(fd, buffer + length, size - 1 - length, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (n == 0)
            return -ECONNRESET;
        length += (size_t)n;
        buffer[length] = '\0';
        if (memchr(buffer, '\n', length))
            return 0;
    }
    return -EMSGSIZE;
}

/* One request and its answer. The caller frees *ret_answer with json_decref(). */
static int controller_ask(const struct parameters *parameters, const char *operation,
                          json_t **ret_answer) {
    static char buffer[ANSWER_MAX];
    int fd = controller_connect(parameters);
    if (fd < 0)
        return fd;

    json_t *request = json_pack("{s:s, s:s}", "op", operation, "node", parameters->plug);
    size_t length = request ? json_dumpb(request, buffer, sizeof(buffer) - 1, JSON_COMPACT) : 0;
    json_decref(request);
    int r = length == 0 || length > sizeof(buffer) - 1 ? -EINVAL : 0;
    if (r == 0) {
        buffer[length++] = '\n';
        r = send(fd, buffer, length, MSG_NOSIGNAL) == (ssize_t)length ? 0 : -errno;
    }
    if (r == 0)
        r = read_line(fd, buffer, sizeof(buffer));
    close(fd);
    if (r < 0)
        return r;
    json_t *answer = json_loads(buffer, 0, NULL);
    if (!answer)
        return -EBADMSG;
    *ret_answer = answer;
    return 0;
}

/* Asks, and says on stderr what went wrong. Returns 0 or a negative errno; the answer goes to
 * ret_answer if it is wanted. */
static int controller_do(const struct parameters *parameters, const char *operation,
                         json_t **ret_answer) {
    json_t *answer = NULL;
    int r = controller_ask(parameters, operation, &answer);
    if (r < 0) {
        fprintf(stderr, "fence_lab: %s of %s: power controller at %s: %s\n", operation,
                parameters->plug, parameters->path, strerror(-r));
        return r;
    }
    if (!json_is_true(json_object_get(answer, "ok"))) {
        const char *why = json_string_value(json_object_get(answer, "error"));
        fprintf(stderr, "fence_lab: %s of %s: %s\n", operation, parameters->plug,
                why ? why : "refused");
        json_decref(answer);
        return -EIO;
    }
    if (ret_answer)
        *ret_answer = answer;
    else
        json_decref(answer);
    return 0;
}

/* ---- the actions ---- */

static int do_status(const struct parameters *parameters) {
    json_t *answer;
    if (controller_do(parameters, "status", &answer) < 0)
        return EXIT_FAILED;
    const char *state = json_string_value(json_object_get(answer, "state"));
    int code = state && strcmp(state, "on") == 0    ? EXIT_DONE
               : state && strcmp(state, "off") == 0 ? EXIT_OFF
                                                    : EXIT_FAILED;
    printf("Status: %s\n", code == EXIT_DONE ? "ON" : code == EXIT_OFF ? "OFF" : "unknown");
    json_decref(answer);
    return code;
}

static int do_off(const struct parameters *parameters) {
    if (controller_do(parameters, "off", NULL) < 0)
        return EXIT_FAILED;
    printf("Success: Powered OFF\n");
    return EXIT_DONE;
}

static int do_on(const struct parameters *parameters) {
    if (controller_do(parameters, "on", NULL) < 0)
        return EXIT_FAILED;
    printf("Success: Powered ON\n");
    return EXIT_DONE;
}

static int do_reboot(const struct parameters *parameters) {
    if (controller_do(parameters, "off", NULL) < 0)
        return EXIT_FAILED;
    /* The node is off, which is what fencing needs; that it does not come up again is only worth a
     * word. */
    if (controller_do(parameters, "on", NULL) < 0)
        fprintf(stderr, "fence_lab: %s is off but could not be powered on again\n",
                parameters->plug);
    printf("Success: Rebooted\n");
    return EXIT_DONE;
}

static int do_list(const struct parameters *parameters) {
    json_t *answer, *state;
    const char *node;
    if (controller_do(parameters, "list", &answer) < 0)
        return EXIT_FAILED;
    bool with_state = strcmp(parameters->action, "list-status") == 0;
    json_object_foreach (json_object_get(answer, "nodes"), node, state) {
        const char *text = json_string_value(state);
        printf("%s,%s%s\n", node, with_state ? "," : "", with_state && text ? text : "");
    }
    json_decref(answer);
    return EXIT_DONE;
}

static int do_monitor(const struct parameters *parameters) {
    return controller_do(parameters, "list", NULL) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int do_validate(const struct parameters *parameters) {
    (void)parameters;
    return EXIT_DONE; /* what is wrong was found when the parameters were read */
}

static int do_metadata(const struct parameters *parameters);

static const struct action {
    const char *name;
    int (*run)(const struct parameters *parameters);
    bool needs_plug;
    bool on_device;
} actions[] = {
    {"on", do_on, true, true},
    {"off", do_off, true, true},
    {"reboot", do_reboot, true, true},
    {"status", do_status, true, true},
    {"monitor", do_monitor, false, true},
    {"list", do_list, false, true},
    {"list-status", do_list, false, true},
    {"metadata", do_metadata, false, false},
    {"validate-all", do_validate, false, false},
};

#define ACTION_COUNT (sizeof(actions) / sizeof(actions[0]))

static int do_metadata(const struct parameters *parameters) {
    (void)parameters;
    printf("<?xml version=\"1.0\" ?>\n"
           "<resource-agent name=\"fence_lab\" shortdesc=\"Fence agent of the clusterd lab\">\n"
           "<longdesc>Cuts the power of a node of the lab, a datacentre of namespaces on one "
           "machine. \"off\" succeeds only when nothing of the node lives.</longdesc>\n"
           "<vendor-url>https://clusterd.org</vendor-url>\n<parameters>\n");
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        const struct parameter *entry = &table[i];
        if (!entry->text)
            continue;
        printf("<parameter name=\"%s\" unique=\"0\" required=\"%d\">\n<getopt mixed=\"--%s\"/>\n",
               entry->name, strcmp(entry->name, "plug") == 0, entry->name);
        printf("<content type=\"%s\"", content_names[entry->content]);
        if (entry->initial)
            printf(" default=\"%s\"", entry->initial);
        printf("/>\n<shortdesc lang=\"en\">%s</shortdesc>\n</parameter>\n", entry->text);
    }
    printf("</parameters>\n<actions>\n");
    for (size_t i = 0; i < ACTION_COUNT; i++)
        printf("<action name=\"%s\"%s/>\n", actions[i].name,
               strcmp(actions[i].name, "on") == 0 ? " automatic=\"0\"" : "");
    printf("</actions>\n</resource-agent>\n");
    return EXIT_DONE;
}

static void usage(void) {
    printf("Usage: fence_lab -o|--action off --plug NODE [OPTION VALUE]...\n"
           "       name=value lines on standard input, if there are no options\nActions:");
    for (size_t i = 0; i < ACTION_COUNT; i++)
        printf(" %s", actions[i].name);
    printf("\n");
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (table[i].text)
            printf("  --%-14s %s\n", table[i].name, table[i].text);
    }
}

static void wait_ms(const char *text) {
    long left_ms = strtol(text, NULL, 10);
    if (left_ms > 0)
        poll(NULL, 0, left_ms > 3600000 ? 3600000 : (int)left_ms);
}

static int run(const struct parameters *parameters) {
    for (size_t i = 0; i < ACTION_COUNT; i++) {
        const struct action *action = &actions[i];
        if (strcmp(action->name, parameters->action) != 0)
            continue;
        if (action->needs_plug && parameters->plug[0] == '\0') {
            fprintf(stderr, "fence_lab: %s needs plug=NODE\n", action->name);
            return EXIT_FAILED;
        }
        if (action->on_device) {
            wait_ms(parameters->delay_ms);
            if (strcmp(parameters->fail, "1") == 0 || strcmp(parameters->fail, action->name) == 0) {
                fprintf(stderr, "fence_lab: %s of %s fails, as its parameter 'fail' asks\n",
                        action->name, parameters->plug);
                return EXIT_FAILED;
            }
        }
        return action->run(parameters);
    }
    fprintf(stderr, "fence_lab: action '%s' is not known; try --help\n", parameters->action);
    return EXIT_FAILED;
}

int main(int argc, char **argv) {
    static struct parameters parameters;
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (table[i].initial)
            parameter_set(&parameters, table[i].name, table[i].initial);
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        usage();
        return EXIT_DONE;
    }
    int r = argc > 1 ? parameters_read_arguments(&parameters, argc, argv)
                     : parameters_read_stdin(&parameters);
    return r < 0 ? EXIT_FAILED : run(&parameters);
}
