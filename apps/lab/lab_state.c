/* SPDX-License-Identifier: MIT */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "covey/files.h"
#include "lab.h"

enum { STATE_BYTES_MAX = 64 * 1024, PATH_BYTES = 160, OPEN_FILES = 16 };

static const char *const mode_names[] = {"auto", "netns", "loopback"};

static covey_err refuse(struct covey__lab *lab, covey_err err, const char *what)
{
    snprintf(lab->why, sizeof(lab->why), "%s: %s", lab->dir, what);
    return err;
}

covey_err covey__lab_name(struct covey__lab *lab, const char *dir)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char here[PATH_MAX] = "";
    int len = -1;
    if (dir == NULL && runtime != NULL && runtime[0] == '/') {
        len = snprintf(lab->dir, sizeof(lab->dir), "%s/covey-lab", runtime);
    } else if (dir == NULL) {
        len = snprintf(lab->dir, sizeof(lab->dir), "/tmp/covey-lab-%u", (unsigned)geteuid());
    } else if (dir[0] == '/') {
        len = snprintf(lab->dir, sizeof(lab->dir), "%s", dir);
    } else if (dir[0] != 0 && getcwd(here, sizeof(here)) != NULL) { /* nodes have another folder */
        len = snprintf(lab->dir, sizeof(lab->dir), "%s/%s", here, dir);
    }
    if (len <= 0 || len > COVEY_LAB_DIR_MAX) {
        snprintf(lab->why, sizeof(lab->why),
                 "the lab's directory needs a path of 1 to %d bytes: give another with --dir",
                 COVEY_LAB_DIR_MAX);
        return COVEY_ERR_RANGE;
    }
    return COVEY_OK;
}

/* In /tmp others may have made the name first: only a folder of our own, closed to others. */
static covey_err check_dir(struct covey__lab *lab)
{
    struct stat st;
    if (lstat(lab->dir, &st) != 0) {
        return refuse(lab, COVEY_ERR_CLOSED, "no lab there: make one with 'covey lab up'");
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        return refuse(lab, COVEY_ERR_PERMISSIONS,
                      "must be a directory of your own that nobody else may read (chmod 700)");
    }
    return COVEY_OK;
}

static void state_path(const struct covey__lab *lab, char out[static PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s/lab.json", lab->dir);
}

covey_err covey__lab_make_dir(struct covey__lab *lab)
{
    char path[PATH_BYTES];
    if (mkdir(lab->dir, 0700) == 0) {
        return COVEY_OK;
    }
    if (errno != EEXIST) {
        return refuse(lab, COVEY_ERR_IO, "cannot be made");
    }
    covey_err err = check_dir(lab);
    if (err != COVEY_OK) {
        return err;
    }
    state_path(lab, path);
    if (covey_file_exists(path)) {
        return refuse(lab, COVEY_ERR_EXISTS,
                      "a lab is there already: end it with 'covey lab down'");
    }
    /* An empty one may be given; what somebody keeps there is not ours to remove later. */
    if (rmdir(lab->dir) != 0 || mkdir(lab->dir, 0700) != 0) {
        return refuse(lab, COVEY_ERR_EXISTS, "is not empty: give another directory with --dir");
    }
    return COVEY_OK;
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 ? item->valuedouble : 0;
}

static bool parse_node(const cJSON *object, unsigned index, struct covey__lab_node *out)
{
    double pid = number(object, "pid"), start = number(object, "start");
    if (pid > 1e9 || start > 9e15 || number(object, "cpu") > 100 ||
        number(object, "store_bytes") > 1e15 || number(object, "memory_bytes") > 1e15 ||
        number(object, "slow_ms") > 1e9 || number(object, "lie_percent") > 100 ||
        number(object, "latency") > COVEY_LATENCY_EXPONENTIAL ||
        number(object, "latency_a_us") > UINT32_MAX ||
        number(object, "latency_b_us") > UINT32_MAX || number(object, "latency_seed") > 1e15) {
        return false;
    }
    snprintf(out->name, sizeof(out->name), "node%u", index + 1);
    out->pid = (pid_t)pid;
    out->start = (uint64_t)start;
    out->cpu = (unsigned)number(object, "cpu");
    out->store_bytes = (uint64_t)number(object, "store_bytes");
    out->memory_bytes = (uint64_t)number(object, "memory_bytes");
    out->slow_ms = (uint32_t)number(object, "slow_ms");
    out->lie_percent = (uint8_t)number(object, "lie_percent");
    out->latency = (struct covey_latency){
        .kind = (enum covey_latency_kind)number(object, "latency"),
        .a_us = (uint32_t)number(object, "latency_a_us"),
        .b_us = (uint32_t)number(object, "latency_b_us"),
        .device = index,
        .seed = (uint64_t)number(object, "latency_seed"),
    };
    out->cut = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "cut"));
    return true;
}

static bool parse_shape(const cJSON *document, struct covey__lab_shape *out)
{
    double rate = number(document, "rate_mbit"), delay = number(document, "delay_ms");
    if (rate > 1e6 || delay > 1e6) {
        return false;
    }
    *out = (struct covey__lab_shape){.rate_mbit = (uint32_t)rate,
                                     .delay_ms = (uint32_t)delay,
                                     .loss_percent = number(document, "loss_percent"),
                                     .kernel_drops = number(document, "kernel_drops") != 0};
    return true;
}

static bool parse(struct covey__lab *lab, const cJSON *document)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "id"));
    const char *mode = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "mode"));
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(document, "nodes");
    int count = cJSON_GetArraySize(nodes);
    if (id == NULL || strlen(id) != 4 || strspn(id, "0123456789abcdef") != 4 || mode == NULL ||
        count < 1 || count > COVEY_LAB_NODES_MAX || !parse_shape(document, &lab->shape)) {
        return false;
    }
    memcpy(lab->id, id, sizeof(lab->id));
    lab->mode = strcmp(mode, "netns") == 0 ? COVEY_LAB_NETNS : COVEY_LAB_LOOPBACK;
    lab->count = (unsigned)count;
    unsigned index = 0;
    const cJSON *node;
    cJSON_ArrayForEach(node, nodes)
    {
        if (!parse_node(node, index, &lab->node[index])) {
            return false;
        }
        index++;
    }
    return true;
}

covey_err covey__lab_load(struct covey__lab *lab)
{
    char path[PATH_BYTES];
    uint8_t *text = NULL;
    size_t len = 0;
    covey_err err = check_dir(lab);
    if (err != COVEY_OK) {
        return err;
    }
    state_path(lab, path);
    err = covey_file_read(path, STATE_BYTES_MAX, &text, &len);
    if (err != COVEY_OK) {
        return refuse(lab, COVEY_ERR_CLOSED, "no lab there: make one with 'covey lab up'");
    }
    cJSON *document = cJSON_ParseWithLength((const char *)text, len);
    err = document != NULL && parse(lab, document)
              ? COVEY_OK
              : refuse(lab, COVEY_ERR_MALFORMED, "lab.json cannot be understood");
    cJSON_Delete(document);
    free(text);
    return err;
}

covey_err covey__lab_load_to_change(struct covey__lab *lab)
{
    /* Of a folder that is not there, or not ours, loading says what is wrong. */
    int fd = open(lab->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            close(fd);
            return refuse(lab, COVEY_ERR_IO, "cannot be locked");
        }
    }
    return covey__lab_load(lab); /* the lock goes with the process */
}

covey_err covey__lab_save(struct covey__lab *lab)
{
    char path[PATH_BYTES];
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "id", lab->id);
    cJSON_AddStringToObject(document, "mode", mode_names[lab->mode]);
    cJSON_AddNumberToObject(document, "rate_mbit", lab->shape.rate_mbit);
    cJSON_AddNumberToObject(document, "delay_ms", lab->shape.delay_ms);
    cJSON_AddNumberToObject(document, "loss_percent", lab->shape.loss_percent);
    cJSON_AddNumberToObject(document, "kernel_drops", lab->shape.kernel_drops);
    cJSON *nodes = cJSON_AddArrayToObject(document, "nodes");
    for (unsigned i = 0; i < lab->count; i++) {
        cJSON *node = cJSON_CreateObject();
        cJSON_AddNumberToObject(node, "pid", lab->node[i].pid);
        cJSON_AddNumberToObject(node, "start", (double)lab->node[i].start);
        cJSON_AddBoolToObject(node, "cut", lab->node[i].cut);
        cJSON_AddNumberToObject(node, "cpu", lab->node[i].cpu);
        cJSON_AddNumberToObject(node, "store_bytes", (double)lab->node[i].store_bytes);
        cJSON_AddNumberToObject(node, "memory_bytes", (double)lab->node[i].memory_bytes);
        cJSON_AddNumberToObject(node, "slow_ms", lab->node[i].slow_ms);
        cJSON_AddNumberToObject(node, "lie_percent", lab->node[i].lie_percent);
        cJSON_AddNumberToObject(node, "latency", lab->node[i].latency.kind);
        cJSON_AddNumberToObject(node, "latency_a_us", lab->node[i].latency.a_us);
        cJSON_AddNumberToObject(node, "latency_b_us", lab->node[i].latency.b_us);
        cJSON_AddNumberToObject(node, "latency_seed", (double)lab->node[i].latency.seed);
        cJSON_AddItemToArray(nodes, node);
    }
    char *text = cJSON_Print(document);
    cJSON_Delete(document);
    covey_err err = COVEY_ERR_NOMEM;
    if (text != NULL) {
        state_path(lab, path);
        err = covey_file_write(path, covey_bytes_of(text, strlen(text)), 0600);
    }
    free(text);
    return err == COVEY_OK ? err : refuse(lab, err, "cannot be written to");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    int ignored = remove(path); /* what cannot be removed stays; the rest goes on */
    (void)ignored;
    return 0;
}

void covey__lab_remove_dir(const struct covey__lab *lab)
{
    int ignored = nftw(lab->dir, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    (void)ignored;
}

void covey__lab_node_dir(const struct covey__lab *lab, unsigned index, char *out, size_t cap)
{
    snprintf(out, cap, "%s/node%u", lab->dir, index + 1);
}
