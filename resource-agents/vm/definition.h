/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's definition: libvirt's domain XML. Pure reading and writing of XML; no libvirt, no files.
 *
 * Each running domain has its generation (the number that grows with each change of owner) in its
 * metadata. So a domain that is found on a node shows which order put it there:
 *
 *     <metadata>
 *       <clusterd:vm xmlns:clusterd="https://clusterd.org/xmlns/vm/1" generation="7"/>
 *     </metadata>
 */
#ifndef AGENTS_VM_DEFINITION_H
#define AGENTS_VM_DEFINITION_H

#include "wire/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include <libxml/tree.h>

#define DEFINITION_NAMESPACE "https://clusterd.org/xmlns/vm/1"
#define DEFINITION_PREFIX "clusterd"

enum {
    /* More than the cluster stores: a definition that an administrator checks may be large because
     * of what virsh dumpxml adds; the check should name its faults, not its size. */
    DEFINITION_SIZE_MAX = 4 * WIRE_MAX_XML,
    DEFINITION_NAME_MAX = 128,
    DEFINITION_UUID_SIZE = 37,
};

struct definition {
    xmlDoc *doc;
    xmlNode *domain; /* the root */
};

/* Parses text. -EINVAL with one line in reason: it is not a domain's XML. definition_finish frees
 * it. */
int definition_parse(const char *text, size_t len, struct definition *ret_definition, char *reason,
                     size_t reason_size);
void definition_finish(struct definition *definition);

/* The same, for a text that is to be written again as it was, with definition_print_verbatim(). */
int definition_parse_verbatim(const char *text, size_t len, struct definition *ret_definition,
                              char *reason, size_t reason_size);

/* The domain's name, or "" if it has none. */
const char *definition_name(const struct definition *definition);

/* The UUID in its usual form. -ENOENT: there is none; -EINVAL: it is not a UUID. */
int definition_uuid(const struct definition *definition, char ret_uuid[DEFINITION_UUID_SIZE]);

/* Any accepted spelling of a UUID in its usual form (lower case, with dashes). -EINVAL. */
int uuid_normalize(const char *text, char ret_uuid[DEFINITION_UUID_SIZE]);

/*
 * Puts our mark into the metadata, replacing any other: the generation, and the disks that the VM
 * was started with. KEPT: the VM runs or is saved, so the disks are those in its mark. -ENOMEM.
 */
enum definition_disks { DISKS_OF_DEFINITION, DISKS_KEPT };
int definition_set_mark(struct definition *definition, uint64_t generation,
                        enum definition_disks disks);

/*
 * For a running VM: which of the disks that it was started with have been replaced, as by an
 * external snapshot, as one line ("" for none). A disk that was added or removed since does not
 * count: a start without it, or with it, harms no disk.
 */
void definition_changed_disks(const struct definition *definition, char *text, size_t size);

/*
 * Does a VM that runs have the disks that another definition of it names? If not, text has the
 * first that differs by its source or format, or that only one of them has.
 */
bool definition_has_same_disks(const struct definition *runs, const struct definition *named,
                               char *text, size_t size);

/* Enters into the mark where a disk is, and where it is about to be (NULL: it stays). -ENOENT:
 * there is no mark; -ENOMEM. */
int definition_mark_disk(struct definition *definition, const char *target, const char *source,
                         const char *next);

/* The mark alone, as virDomainSetMetadata() takes it. The caller frees *ret_text. -ENOENT,
 * -ENOMEM. */
int definition_print_mark(const struct definition *definition, char **ret_text);

/* clusterd's element in the metadata, or NULL. */
xmlNode *definition_mark(const struct definition *definition);

/* The generation in the metadata; 0 if there is none. */
uint64_t definition_generation(const struct definition *definition);

/* The generation in the result of virDomainGetMetadata(): clusterd's element alone. 0 if
 * unreadable. */
uint64_t metadata_generation(const char *text);

/* The XML as text, which the caller frees with free(). */
int definition_print(const struct definition *definition, char **ret_text);

/*
 * The XML as it was in the text that it was parsed from, with what was changed since: comments,
 * white space, and an XML declaration if there was one. libxml2 has its own way with the quotes
 * around attributes, the white space inside tags and empty elements. The caller frees *ret_text.
 */
int definition_print_verbatim(const struct definition *definition, const char *original,
                              size_t original_len, char **ret_text);

/*
 * What the VM needs of a node, as the JSON object "needs" of the agent protocol. Volumes and disks
 * are those that check_definition() found, and are borrowed. -EINVAL with one line in reason and
 * the element at fault.
 */
int definition_needs(const struct definition *definition, json_t *volumes, json_t *disks,
                     json_t **ret_needs, const xmlNode **ret_element, char *reason,
                     size_t reason_size);

#endif
