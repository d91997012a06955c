/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files of a VM move where. See move_plan.h. */
#include "move_plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../shared/ocf.h"
#include "copy_list.h"
#include "tpm.h"
#include "volumes.h"
#include "xml.h"

#define FORMAT_WORD ",format="

int move_refuse(struct move_refusal *refusal, const xmlNode *element, const char *format, ...) {
    va_list args;

    refusal->element[0] = '\0';
    if (element != NULL) {
        xml_path(element, refusal->element, sizeof(refusal->element));
    }
    va_start(args, format);
    (void)vsnprintf(refusal->reason, sizeof(refusal->reason), format, args);
    va_end(args);
    ocf_one_line(refusal->reason);
    return -EINVAL;
}

/* Copies len bytes of text if they fit. */
static bool take(const char *text, size_t len, char *ret_text, size_t size) {
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(ret_text, text, len);
    ret_text[len] = '\0';
    return true;
}

/* The last ",format=" of the line: a path may contain one as well. NULL if there is none. */
static const char *find_format(const char *line, const char *end) {
    const char *found = NULL;

    for (const char *p = line; (size_t)(end - p) >= strlen(FORMAT_WORD); p++) {
        if (memcmp(p, FORMAT_WORD, strlen(FORMAT_WORD)) == 0) {
            found = p;
        }
    }
    return found;
}

static bool parse_override(const char *line, size_t len, struct move_override *ret_override) {
    char path[PATH_MAX];
    const char *equals = memchr(line, '=', len);
    const char *end = line + len;

    *ret_override = (struct move_override){.format = ""};
    if (equals == NULL ||
        !take(line, (size_t)(equals - line), ret_override->disk, sizeof(ret_override->disk))) {
        return false;
    }
    const char *format = find_format(equals + 1, end);
    if (format != NULL) {
        const char *word = format + strlen(FORMAT_WORD);
        if (!take(word, (size_t)(end - word), ret_override->format, sizeof(ret_override->format))) {
            return false;
        }
        end = format;
    }
    return take(equals + 1, (size_t)(end - equals - 1), path, sizeof(path)) &&
           copy_path_is_clean(path) && path[strlen(path) - 1] != '/' &&
           path_normalize(path, ret_override->path, sizeof(ret_override->path)) == 0;
}

int move_overrides_parse(const char *text, struct move_request *request, char *reason,
                         size_t reason_size) {
    request->count = 0;
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        int shown = len < 200 ? (int)len : 200;
        if (len > 0 && request->count == MOVE_FILES_MAX) {
            snprintf(reason, reason_size, "parameter disks names more than %d files",
                     MOVE_FILES_MAX);
            return -EINVAL;
        }
        if (len > 0 && !parse_override(p, len, &request->overrides[request->count])) {
            snprintf(reason, reason_size,
                     "%.*s: give TARGET=/absolute/path/of/the/file or "
                     "TARGET=/absolute/path/of/the/file,format=FORMAT, without \"..\"",
                     shown, p);
            ocf_one_line(reason);
            return -EINVAL;
        }
        for (size_t i = 0; len > 0 && i < request->count; i++) {
            if (strcmp(request->overrides[i].disk, request->overrides[request->count].disk) == 0) {
                snprintf(reason, reason_size, "%s is given two places; give it one",
                         request->overrides[i].disk);
                return -EINVAL;
            }
        }
        request->count += len > 0 ? 1 : 0;
        p += len + (p[len] == '\n' ? 1 : 0);
    }
    return 0;
}

static const struct move_override *find_override(const struct move_request *request,
                                                 const char *disk) {
    for (size_t i = 0; i < request->count; i++) {
        if (strcmp(request->overrides[i].disk, disk) == 0) {
            return &request->overrides[i];
        }
    }
    return NULL;
}

/* QEMU copies from one format to the other; nobody else does. */
static int convert(const struct move_request *request, struct move_file *file, const char *format,
                   struct move_refusal *refusal) {
    if (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0) {
        return move_refuse(refusal, file->element,
                           "%s: a disk can become raw or qcow2, not %s; leave out format=%s",
                           file->disk, format, format);
    }
    if (!request->running) {
        return move_refuse(refusal, file->element,
                           "%s is %s: a move changes its format only while the VM runs in the "
                           "cluster; leave out format=%s, or convert it by hand (qemu-img convert)",
                           file->disk, file->format, format);
    }
    file->new_format = format;
    return 0;
}

/* The place of one file. 0 if it moves, 1 if it stays where it is, -EINVAL with the refusal. */
static int place(const struct move_request *request, const char *from_normal,
                 struct move_file *file, struct move_refusal *refusal) {
    const struct move_override *own = file->override;

    if (own != NULL) {
        memcpy(file->to, own->path, sizeof(file->to));
    } else if (request->dest[0] != '\0') {
        char to[2 * PATH_MAX];
        snprintf(to, sizeof(to), "%s%s", request->dest, strrchr(from_normal, '/'));
        if (path_normalize(to, file->to, sizeof(file->to)) < 0) {
            return move_refuse(refusal, file->element, "%s: its path in %s would be too long",
                               file->disk, request->dest);
        }
    }
    if (file->to[0] == '\0' ||
        (!request->elsewhere && strcmp(file->to, from_normal) == 0 &&
         (own == NULL || own->format[0] == '\0' || strcmp(own->format, file->format) == 0))) {
        return 1;
    }
    if (own != NULL && own->format[0] != '\0' && strcmp(own->format, file->format) != 0) {
        int r = convert(request, file, own->format, refusal);
        if (r < 0) {
            return r;
        }
    }
    if (strlen(strrchr(file->to, '/') + 1) > COPY_NAME_MAX || strlen(file->to) > COPY_PATH_MAX) {
        return move_refuse(refusal, file->element,
                           "%s: %s is too long for a file that is copied; a name may have %d "
                           "bytes",
                           file->disk, file->to, COPY_NAME_MAX);
    }
    return 0;
}

static int add_file(struct move_plan *plan, const struct move_request *request, const char *disk,
                    xmlNode *element, const char *from, const char *format,
                    struct move_refusal *refusal) {
    char normal[PATH_MAX];

    if (plan->count == MOVE_FILES_MAX) {
        return move_refuse(refusal, element, "the VM has more than %d files", MOVE_FILES_MAX);
    }
    struct move_file *file = &plan->files[plan->count];
    *file = (struct move_file){.element = element,
                               .from = from,
                               .format = format != NULL ? format : "raw", /* libvirt's default */
                               .override = find_override(request, disk)};
    if (strlen(disk) >= sizeof(file->disk)) {
        return move_refuse(refusal, element, "the target name %s is too long", disk);
    }
    memcpy(file->disk, disk, strlen(disk) + 1);
    if (!copy_path_is_clean(from)) {
        return move_refuse(refusal, element,
                           "%s: its path has control characters (%s); rename the file first", disk,
                           from);
    }
    if (path_normalize(from, normal, sizeof(normal)) < 0 || strcmp(normal, "/") == 0) {
        return move_refuse(refusal, element,
                           "%s: its file is %s: give an absolute path without \"..\"", disk, from);
    }
    int r = place(request, normal, file, refusal);
    plan->count += r == 0 ? 1 : 0;
    return r < 0 ? r : 0;
}

/* Why a disk has no file that could move; NULL if it has one. */
static const char *stays(const xmlNode *disk, const char **ret_path) {
    const char *device = xml_attr(disk, "device");
    const char *type = xml_attr(disk, "type");
    const char *path = xml_attr(xml_child(disk, "source"), "file");

    if (device != NULL && strcmp(device, "disk") != 0) {
        return "it is no disk but a drive for media, or passed through";
    }
    if (type != NULL && strcmp(type, "file") != 0) {
        return "it is no file but a block or network disk";
    }
    if (path == NULL || path[0] == '\0') {
        return "it has no file";
    }
    *ret_path = path;
    return NULL;
}

static int add_disk(struct move_plan *plan, const struct move_request *request, const xmlNode *disk,
                    struct move_refusal *refusal) {
    const char *target = xml_attr(xml_child(disk, "target"), "dev");
    const char *path = NULL;
    const char *why = stays(disk, &path);

    if (why != NULL) {
        return target == NULL || find_override(request, target) == NULL
                   ? 0
                   : move_refuse(refusal, disk, "%s stays where it is: %s", target, why);
    }
    if (target == NULL || target[0] == '\0') {
        return move_refuse(refusal, disk, "a disk without <target dev=...> has no name");
    }
    size_t before = plan->count;
    int r = add_file(plan, request, target, xml_child(disk, "source"), path,
                     xml_attr(xml_child(disk, "driver"), "type"), refusal);
    if (r == 0 && plan->count > before && xml_child(disk, "shareable") != NULL) {
        return move_refuse(refusal, disk,
                           "%s is shareable: the definitions of other VMs may name its file, which "
                           "would be gone; move it by hand, with all of them off",
                           target);
    }
    return r;
}

static int add_nvram(struct move_plan *plan, const struct move_request *request,
                     const struct definition *definition, struct move_refusal *refusal) {
    xmlNode *nvram = xml_child(xml_child(definition->domain, "os"), "nvram");
    const struct move_override *own = find_override(request, MOVE_NVRAM);
    const char *type = xml_attr(nvram, "type");
    xmlNode *source = xml_child(nvram, "source");
    const char *path = source != NULL ? xml_attr(source, "file") : xml_text(nvram);

    if (own != NULL && request->disks_only) {
        return move_refuse(refusal, nvram,
                           "the UEFI variables are given a place, but only disks are to move; "
                           "leave out one of the two");
    }
    if (path == NULL || path[0] == '\0' || (type != NULL && strcmp(type, "file") != 0)) {
        return own == NULL ? 0
                           : move_refuse(refusal, nvram != NULL ? nvram : definition->domain,
                                         "the VM has no file of UEFI variables that could move");
    }
    if (request->disks_only) {
        return 0;
    }
    size_t before = plan->count;
    int r = add_file(plan, request, MOVE_NVRAM, source != NULL ? source : nvram, path,
                     xml_attr(nvram, "format"), refusal);
    /* QEMU keeps them open and has no way to go over to another file that libvirt knew of: the VM
     * would write to the former one, and lose it with the next start. */
    if (r == 0 && plan->count > before && request->running) {
        return move_refuse(refusal, nvram,
                           "the VM runs: its UEFI variables (%s) cannot be moved meanwhile; leave "
                           "them where they are (--disks-only), or stop the VM first",
                           path);
    }
    return r;
}

/* Its directory gets the same name in DEST. */
static int place_tpm(struct move_plan *plan, const struct move_request *request, const char *state,
                     struct move_file *file, struct move_refusal *refusal) {
    char to[2 * PATH_MAX + sizeof(TPM_STATE_FILE)];
    int n = snprintf(plan->tpm, sizeof(plan->tpm), "%s/%s", state, TPM_STATE_FILE);

    snprintf(to, sizeof(to), "%s%s/%s", request->dest, strrchr(state, '/'), TPM_STATE_FILE);
    if (n < 0 || (size_t)n >= sizeof(plan->tpm) ||
        path_normalize(to, file->to, sizeof(file->to)) < 0 || strlen(file->to) > COPY_PATH_MAX) {
        return move_refuse(refusal, file->element, "the path of its TPM's state would be too long");
    }
    file->from = plan->tpm;
    return 0;
}

static int add_tpm(struct move_plan *plan, const struct move_request *request,
                   const struct definition *definition, struct move_refusal *refusal) {
    xmlNode *tpm = tpm_element(definition);
    char state[PATH_MAX];
    char dest[PATH_MAX];

    if (request->dest[0] == '\0' || request->disks_only || tpm_state_dir(definition, state) < 0 ||
        (path_normalize(request->dest, dest, sizeof(dest)) == 0 && path_is_in(state, dest))) {
        return 0;
    }
    if (request->elsewhere || request->running || strcmp(state, "/") == 0) {
        return move_refuse(
            refusal, tpm,
            "the state of its TPM, %s, would stay behind: it can be taken along only "
            "while the VM is off in the cluster; move the disks alone (--disks-only)",
            state);
    }
    if (plan->count == MOVE_FILES_MAX) {
        return move_refuse(refusal, tpm, "the VM has more than %d files", MOVE_FILES_MAX);
    }
    struct move_file *file = &plan->files[plan->count];
    *file = (struct move_file){.disk = MOVE_TPM,
                               .element = xml_child(xml_child(tpm, "backend"), "source"),
                               .format = "raw"};
    int r = place_tpm(plan, request, state, file, refusal);
    plan->count += r == 0 ? 1 : 0;
    return r;
}

/* Each override must name something that the VM has. */
static int check_names(const struct definition *definition, const struct move_request *request,
                       struct move_refusal *refusal) {
    const xmlNode *devices = xml_child(definition->domain, "devices");
    char known[512] = "";

    for (size_t i = 0; i < request->count; i++) {
        const char *name = request->overrides[i].disk;
        bool found = strcmp(name, MOVE_NVRAM) == 0;
        size_t used = 0;
        for (const xmlNode *disk = xml_child(devices, "disk"); disk != NULL && !found;
             disk = xml_next(disk)) {
            const char *target = xml_attr(xml_child(disk, "target"), "dev");
            found = target != NULL && strcmp(target, name) == 0;
            int n = snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "",
                             target != NULL ? target : "");
            used = n > 0 && (size_t)n < sizeof(known) - used ? used + (size_t)n : used;
        }
        if (!found) {
            return move_refuse(refusal, devices != NULL ? devices : definition->domain,
                               "the VM has no disk %s; it has %s", name,
                               known[0] != '\0' ? known : "none");
        }
    }
    return 0;
}

int move_plan(const struct definition *definition, const struct move_request *request,
              struct move_plan *ret_plan, struct move_refusal *refusal) {
    const xmlNode *devices = xml_child(definition->domain, "devices");

    ret_plan->count = 0;
    ret_plan->running = request->running;
    int r = check_names(definition, request, refusal);
    for (const xmlNode *disk = xml_child(devices, "disk"); r == 0 && disk != NULL;
         disk = xml_next(disk)) {
        r = add_disk(ret_plan, request, disk, refusal);
    }
    if (r == 0) {
        r = add_tpm(ret_plan, request, definition, refusal);
    }
    if (r == 0) {
        r = add_nvram(ret_plan, request, definition, refusal);
    }
    if (r == 0 && ret_plan->count == 0) {
        return move_refuse(refusal, definition->domain,
                           "nothing would move: all files of the VM are in their place already, "
                           "or it has none");
    }
    for (size_t i = 0; r == 0 && i < ret_plan->count; i++) {
        for (size_t k = 0; r == 0 && k < i; k++) {
            const struct move_file *one = &ret_plan->files[k];
            const struct move_file *other = &ret_plan->files[i];
            if (strcmp(one->to, other->to) == 0) {
                r = move_refuse(refusal, other->element,
                                "%s and %s would both become %s; give one of them another name "
                                "(%s=/path)",
                                one->disk, other->disk, one->to, other->disk);
            }
        }
    }
    return r;
}

/* The element's only text, without a look at what is special in XML. */
static int set_text(xmlNode *node, const char *text) {
    xmlNode *child = xmlNewDocText(node->doc, (const xmlChar *)text);

    if (child == NULL) {
        return -ENOMEM;
    }
    xmlNode *former = node->children;
    while (former != NULL) {
        xmlNode *next = former->next;
        xmlUnlinkNode(former);
        xmlFreeNode(former);
        former = next;
    }
    return xmlAddChild(node, child) != NULL ? 0 : -ENOMEM;
}

static int set_format(xmlNode *disk, const char *format) {
    xmlNode *driver = xml_child(disk, "driver");
    if (driver == NULL) {
        driver = xmlNewChild(disk, NULL, (const xmlChar *)"driver", NULL);
    }
    return driver != NULL && xmlSetProp(driver, (const xmlChar *)"name", (const xmlChar *)"qemu") &&
                   xmlSetProp(driver, (const xmlChar *)"type", (const xmlChar *)format)
               ? 0
               : -ENOMEM;
}

static int set_state_dir(xmlNode *source, const char *file) {
    char dir[PATH_MAX];

    return path_parent(file, dir) == 0 &&
                   xmlSetProp(source, (const xmlChar *)"path", (const xmlChar *)dir) != NULL
               ? 0
               : -ENOMEM;
}

int move_rewrite(const struct move_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct move_file *file = &plan->files[i];
        int r = 0;
        if (strcmp(file->disk, MOVE_TPM) == 0) {
            r = set_state_dir(file->element, file->to);
        } else if (xml_is(file->element, "nvram")) {
            r = set_text(file->element, file->to);
        } else if (xmlSetProp(file->element, (const xmlChar *)"file", (const xmlChar *)file->to) ==
                   NULL) {
            r = -ENOMEM;
        } else if (file->new_format != NULL) {
            r = set_format(file->element->parent, file->new_format);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
