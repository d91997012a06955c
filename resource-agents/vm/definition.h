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

/* The domain's name, or "" if it has none. */
const char *definition_name(const struct definition *definition);

/* The UUID in its usual form. -ENOENT: there is none; -EINVAL: it is not a UUID. */
int definition_uuid(const struct definition *definition, char ret_uuid[DEFINITION_UUID_SIZE]);

/* Any accepted spelling of a UUID in its usual form (lower case, with dashes). -EINVAL. */
int uuid_normalize(const char *text, char ret_uuid[DEFINITION_UUID_SIZE]);

/*
 * Puts our mark into the metadata, in place of another: the generation, and the disks that the VM
 * was started with. KEPT: the definition is of a VM that runs or is saved, and those are in its
 * mark. -ENOMEM.
 */
enum definition_disks { DISKS_OF_DEFINITION, DISKS_KEPT };
int definition_set_mark(struct definition *definition, uint64_t generation,
                        enum definition_disks disks);

/*
 * Of a VM that runs: which of the disks that it was started with are others now, as after an
 * external snapshot, as one line ("" for none). A disk that was added or taken away since counts
 * for nothing: a start without it, or with it, harms no disk.
 */
void definition_changed_disks(const struct definition *definition, char *text, size_t size);

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
 * What the VM needs of a node, as the JSON object "needs" of the agent protocol; volumes and disks
 * are those that check_definition() found. Both are borrowed. -EINVAL with one line in reason and
 * the element at fault.
 */
int definition_needs(const struct definition *definition, json_t *volumes, json_t *disks,
                     json_t **ret_needs, const xmlNode **ret_element, char *reason,
                     size_t reason_size);

#endif
