/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of a host, through libvirt. See host_files.h. */
#include "host_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "host.h"
#include "volumes.h"
#include "xml.h"

#define POOL_PREFIX "clusterd-move-"

/* libvirt forgets its last error in each later call, also where something is freed. */
int host_files_failed(struct host_files *files) {
    snprintf(files->error, sizeof(files->error), "%s", host_error());
    return -EIO;
}

/* ---- pools ---- */

void host_files_open(struct host_files *files, virConnectPtr conn, const char *tag) {
    virStoragePoolPtr *pools = NULL;
    char prefix[sizeof(POOL_PREFIX) + VIR_UUID_STRING_BUFLEN];

    *files = (struct host_files){.conn = conn};
    snprintf(files->tag, sizeof(files->tag), "%s", tag);
    snprintf(prefix, sizeof(prefix), POOL_PREFIX "%s", files->tag);
    int n = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    for (int i = 0; i < n; i++) {
        if (strncmp(virStoragePoolGetName(pools[i]), prefix, strlen(prefix)) == 0) {
            (void)virStoragePoolDestroy(pools[i]);
        }
        virStoragePoolFree(pools[i]);
    }
    free(pools);
}

void host_files_close(struct host_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        if (virStoragePoolDestroy(files->made[i]) < 0) {
            ocf_log("the storage pool %s stays: %s; remove it with: virsh pool-destroy %s",
                    virStoragePoolGetName(files->made[i]), virGetLastErrorMessage(),
                    virStoragePoolGetName(files->made[i]));
        }
        virStoragePoolFree(files->made[i]);
    }
    files->count = 0;
}

/* Is it a pool of files in this directory? */
static bool covers(virStoragePoolPtr pool, const char *directory) {
    char reason[64];
    char normal[PATH_MAX] = "";
    xmlDoc *doc = NULL;
    char *text = virStoragePoolGetXMLDesc(pool, 0);

    if (text == NULL || xml_parse(text, strlen(text), &doc, reason, sizeof(reason)) < 0) {
        free(text);
        return false;
    }
    const xmlNode *root = xmlDocGetRootElement(doc);
    const char *path = xml_text(xml_child(xml_child(root, "target"), "path"));
    bool files = xml_attr_is(root, "type", "dir") || xml_attr_is(root, "type", "fs") ||
                 xml_attr_is(root, "type", "netfs");
    bool same = files && path != NULL && path_normalize(path, normal, sizeof(normal)) == 0 &&
                strcmp(normal, directory) == 0;
    xmlFreeDoc(doc);
    free(text);
    return same;
}

static virStoragePoolPtr find_pool(virConnectPtr conn, const char *directory) {
    virStoragePoolPtr *pools = NULL;
    virStoragePoolPtr found = NULL;

    int n = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    for (int i = 0; i < n; i++) {
        if (found == NULL && covers(pools[i], directory)) {
            found = pools[i];
        } else {
            virStoragePoolFree(pools[i]);
        }
    }
    free(pools);
    return found;
}

/* <NAME>TEXT</NAME> below parent, with an attribute unless it is NULL. */
static xmlNode *add(xmlNode *parent, const char *name, const char *text, const char *attribute,
                    const char *value) {
    xmlNode *node = xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text);
    if (node != NULL && attribute != NULL) {
        xmlNewProp(node, (const xmlChar *)attribute, (const xmlChar *)value);
    }
    return node;
}

/* The document as text, for libvirt; ends the document. The caller frees it; NULL: no memory. */
static char *print(xmlDoc *doc) {
    xmlChar *text = NULL;
    int size = 0;

    xmlDocDumpMemory(doc, &text, &size);
    xmlFreeDoc(doc);
    char *copy = text != NULL ? strdup((const char *)text) : NULL;
    xmlFree(text);
    return copy;
}

static xmlDoc *new_document(const char *root, xmlNode **ret_root) {
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");

    *ret_root = xmlNewDocNode(doc, NULL, (const xmlChar *)root, NULL);
    xmlDocSetRootElement(doc, *ret_root);
    return doc;
}

static virStoragePoolPtr make_pool(struct host_files *files, const char *directory) {
    char name[sizeof(POOL_PREFIX) + VIR_UUID_STRING_BUFLEN + 16];
    xmlNode *root = NULL;

    if (files->count == HOST_FILES_POOLS) {
        return NULL;
    }
    xmlDoc *doc = new_document("pool", &root);
    xmlNewProp(root, (const xmlChar *)"type", (const xmlChar *)"dir");
    snprintf(name, sizeof(name), POOL_PREFIX "%s-%zu", files->tag, files->count);
    add(root, "name", name, NULL, NULL);
    add(add(root, "target", NULL, NULL, NULL), "path", directory, NULL, NULL);
    char *text = print(doc);
    virStoragePoolPtr pool = text != NULL ? virStoragePoolCreateXML(files->conn, text, 0) : NULL;
    free(text);
    if (pool != NULL) {
        files->made[files->count++] = pool;
        virStoragePoolRef(pool); /* one for the caller */
    }
    return pool;
}

/* The pool of a directory, with what is in it now. The caller frees it. -ENOENT: no directory. */
static int open_pool(struct host_files *files, const char *directory, virStoragePoolPtr *ret_pool) {
    virStoragePoolPtr pool = find_pool(files->conn, directory);

    if (pool != NULL) {
        (void)virStoragePoolRefresh(pool, 0); /* busy with a volume: then its list is recent */
    } else {
        pool = make_pool(files, directory);
    }
    if (pool == NULL) {
        bool absent = virGetLastErrorCode() == VIR_ERR_SYSTEM_ERROR;
        (void)host_files_failed(files);
        return absent ? -ENOENT : -EIO;
    }
    *ret_pool = pool;
    return 0;
}

/* ---- files ---- */

static const char *base_name(const char *path) {
    return strrchr(path, '/') + 1;
}

static int open_parent(struct host_files *files, const char *path, virStoragePoolPtr *ret_pool) {
    char directory[PATH_MAX];

    int r = path_parent(path, directory);
    return r < 0 ? r : open_pool(files, directory, ret_pool);
}

int host_files_find(struct host_files *files, const char *path, virStorageVolPtr *ret_volume) {
    virStoragePoolPtr pool = NULL;

    int r = open_parent(files, path, &pool);
    if (r < 0) {
        return r;
    }
    virStorageVolPtr volume = virStorageVolLookupByName(pool, base_name(path));
    if (volume == NULL) {
        bool absent = virGetLastErrorCode() == VIR_ERR_NO_STORAGE_VOL;
        (void)host_files_failed(files);
        r = absent ? -ENOENT : -EIO;
    } else {
        *ret_volume = volume;
    }
    virStoragePoolFree(pool);
    return r;
}

static uint64_t bytes_of(const xmlNode *node) {
    uint64_t value = 0;
    return xml_number(xml_text(node), &value) ? value : 0; /* libvirt writes bytes */
}

static int parse_volume(const char *text, struct host_file *ret_file) {
    char reason[64];
    xmlDoc *doc = NULL;

    if (xml_parse(text, strlen(text), &doc, reason, sizeof(reason)) < 0) {
        return -EIO;
    }
    const xmlNode *root = xmlDocGetRootElement(doc);
    const xmlNode *target = xml_child(root, "target");
    const char *format = xml_attr(xml_child(target, "format"), "type");
    const char *modified = xml_text(xml_child(xml_child(target, "timestamps"), "mtime"));
    struct host_file file = {
        .capacity = bytes_of(xml_child(root, "capacity")),
        .allocation = bytes_of(xml_child(root, "allocation")),
        .physical = bytes_of(xml_child(root, "physical")),
        .backed = xml_child(xml_child(root, "backingStore"), "path") != NULL,
    };
    snprintf(file.format, sizeof(file.format), "%s", format != NULL ? format : "");
    snprintf(file.modified, sizeof(file.modified), "%s", modified != NULL ? modified : "");
    xmlFreeDoc(doc);
    *ret_file = file;
    return 0;
}

int host_files_read(struct host_files *files, const char *path, struct host_file *ret_file) {
    virStorageVolPtr volume = NULL;

    int r = host_files_find(files, path, &volume);
    if (r < 0) {
        return r;
    }
    char *text = virStorageVolGetXMLDesc(volume, 0);
    r = text != NULL ? parse_volume(text, ret_file) : host_files_failed(files);
    virStorageVolFree(volume);
    free(text);
    return r;
}

static char *volume_text(const char *name, const char *format, uint64_t capacity) {
    char number[32];
    xmlNode *root = NULL;
    xmlDoc *doc = new_document("volume", &root);

    add(root, "name", name, NULL, NULL);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)capacity);
    add(root, "capacity", number, "unit", "bytes");
    add(root, "allocation", "0", "unit", "bytes");
    xmlNode *target = add(root, "target", NULL, NULL, NULL);
    add(target, "format", NULL, "type", format);
    if (strcmp(format, "qcow2") == 0) {
        add(target, "compat", "1.1", NULL, NULL); /* libvirt's default is the format of 2010 */
    }
    return print(doc);
}

int host_files_create(struct host_files *files, const char *path, const char *format,
                      uint64_t capacity) {
    virStoragePoolPtr pool = NULL;

    int r = open_parent(files, path, &pool);
    if (r < 0) {
        return r;
    }
    char *text = volume_text(base_name(path), format, capacity);
    virStorageVolPtr volume = text != NULL ? virStorageVolCreateXML(pool, text, 0) : NULL;
    free(text);
    if (volume == NULL) {
        bool exists = virGetLastErrorCode() == VIR_ERR_STORAGE_VOL_EXIST;
        (void)host_files_failed(files);
        r = exists ? -EEXIST : -EIO;
    } else {
        virStorageVolFree(volume);
    }
    virStoragePoolFree(pool);
    return r;
}

int host_files_remove(struct host_files *files, const char *path) {
    virStorageVolPtr volume = NULL;

    int r = host_files_find(files, path, &volume);
    if (r < 0) {
        return r;
    }
    r = virStorageVolDelete(volume, 0) < 0 ? host_files_failed(files) : 0;
    virStorageVolFree(volume);
    return r;
}

int host_files_space(struct host_files *files, const char *directory,
                     struct host_space *ret_space) {
    virStoragePoolPtr pool = NULL;
    virStoragePoolInfo info;

    int r = open_pool(files, directory, &pool);
    if (r < 0) {
        return r;
    }
    r = virStoragePoolGetInfo(pool, &info) < 0 ? host_files_failed(files) : 0;
    virStoragePoolFree(pool);
    if (r == 0) {
        *ret_space = (struct host_space){.total = info.capacity, .free = info.available};
    }
    return r;
}
