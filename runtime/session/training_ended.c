/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* syncfs() */
#include "training_ended.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "covey/cbor.h"
#include "covey/files.h"
#include "covey/manifest.h"
#include "training_progress.h"

enum {
    VERSION = 1,
    FIELDS = 7,
    FILE_MODE = 0600,
    ID_HEX = 2 * sizeof(struct covey_session_id), /* a file's name */
    PATH_LEN = sizeof(((struct covey_store *)NULL)->dir) + 320,
};

/* ---- the form ---- */

static void put(struct covey_cbor_writer *w, const struct covey_training_ended *e,
                struct covey_bytes job, struct covey_bytes progress, struct covey_bytes record)
{
    covey_cbor_put_array(w, FIELDS);
    covey_cbor_put_uint(w, VERSION);
    covey_cbor_put_bytes(w, covey_bytes_of(e->fence.session.bytes, sizeof(e->fence.session.bytes)));
    covey_cbor_put_uint(w, e->fence.epoch);
    covey_cbor_put_bytes(w, covey_bytes_of(e->result.bytes, sizeof(e->result.bytes)));
    covey_cbor_put_bytes(w, job);
    covey_cbor_put_bytes(w, progress);
    covey_cbor_put_bytes(w, record);
}

covey_err covey__training_ended_encode(const struct covey_training_ended *e, uint8_t **out,
                                       size_t *out_len)
{
    uint8_t job[COVEY_TRAINING_JOB_MAX], progress[COVEY_TRAINING_PROGRESS_MAX];
    size_t job_len = 0, progress_len = 0, record_len = 0;
    uint8_t *record = malloc(COVEY_TRAINING_RECORD_MAX);
    uint8_t *bytes = malloc(COVEY__TRAINING_ENDED_BYTES);
    struct covey_cbor_writer w;
    covey_err err = record != NULL && bytes != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        err = covey__training_job_encode(&e->job, (struct covey_buf){job, sizeof(job)}, &job_len);
    }
    if (err == COVEY_OK) {
        err = covey__training_progress_encode(
            &e->progress, (struct covey_buf){progress, sizeof(progress)}, &progress_len);
    }
    if (err == COVEY_OK) {
        err = covey__training_record_encode(
            &e->record, (struct covey_buf){record, COVEY_TRAINING_RECORD_MAX}, &record_len);
    }
    if (err == COVEY_OK) {
        covey_cbor_writer_init(&w, (struct covey_buf){bytes, COVEY__TRAINING_ENDED_BYTES});
        put(&w, e, covey_bytes_of(job, job_len), covey_bytes_of(progress, progress_len),
            covey_bytes_of(record, record_len));
        err = covey_cbor_writer_done(&w, out_len);
    }
    free(record);
    if (err != COVEY_OK) {
        free(bytes);
        return err;
    }
    *out = bytes;
    return COVEY_OK;
}

/* What is inside, each of its own form. */
static covey_err get_parts(struct covey_bytes job, struct covey_bytes progress,
                           struct covey_bytes record, struct covey_training_ended *e)
{
    covey_err err = covey__training_job_decode(job, &e->job);
    if (err == COVEY_OK) {
        err = covey__training_progress_decode(progress, &e->progress);
    }
    if (err == COVEY_OK && e->progress.state != COVEY_TRAINING_DONE) {
        err = COVEY_ERR_RANGE;
    }
    return err == COVEY_OK ? covey__training_record_decode(record, e->job.epochs, &e->record) : err;
}

covey_err covey__training_ended_decode(struct covey_bytes in, struct covey_training_ended *out)
{
    struct covey_training_ended e = {.record = {.history = NULL}};
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    if (covey_cbor_enter_array(&r, FIELDS) != FIELDS && r.err == COVEY_OK) {
        r.err = COVEY_ERR_MALFORMED;
    }
    covey_training_version_get(&r, VERSION);
    covey_cbor_get_fixed(&r, e.fence.session.bytes, sizeof(e.fence.session.bytes));
    e.fence.epoch = (uint32_t)covey_cbor_get_uint(&r, UINT32_MAX);
    covey_cbor_get_fixed(&r, e.result.bytes, sizeof(e.result.bytes));
    struct covey_bytes job = covey_cbor_get_bytes(&r, COVEY_TRAINING_JOB_MAX);
    struct covey_bytes progress = covey_cbor_get_bytes(&r, COVEY_TRAINING_PROGRESS_MAX);
    struct covey_bytes record = covey_cbor_get_bytes(&r, COVEY_TRAINING_RECORD_MAX);
    covey_cbor_leave(&r);
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK) {
        err = get_parts(job, progress, record, &e);
    }
    if (err != COVEY_OK) {
        covey__training_ended_done(&e);
        return err;
    }
    *out = e;
    return COVEY_OK;
}

void covey__training_ended_done(struct covey_training_ended *e)
{
    covey__training_record_done(&e->record);
}

/* ---- files ---- */

static void path_of(const struct covey_store *store, const char *name, char out[static PATH_LEN])
{
    snprintf(out, PATH_LEN, "%s/trained/%.255s", store->dir, name);
}

static void name_of(const struct covey_session_id *id, char out[static ID_HEX + 1])
{
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
    }
}

/* The model's blobs were renamed into place without it; there may be thousands of them. */
static covey_err sync_all(const struct covey_store *store)
{
    int fd = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    covey_err err = fd >= 0 && syncfs(fd) == 0 ? COVEY_OK : COVEY_ERR_IO;
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

covey_err covey__training_ended_write(const struct covey_store *store,
                                      const struct covey_training_ended *e)
{
    char path[PATH_LEN], name[ID_HEX + 1];
    uint8_t *bytes = NULL;
    size_t len = 0;
    path_of(store, "", path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return COVEY_ERR_IO;
    }
    name_of(&e->fence.session, name);
    path_of(store, name, path);
    covey_err err = sync_all(store);
    if (err == COVEY_OK) {
        err = covey__training_ended_encode(e, &bytes, &len);
    }
    if (err == COVEY_OK) {
        err = covey_file_write(path, covey_bytes_of(bytes, len), FILE_MODE);
    }
    free(bytes);
    return err;
}

void covey__training_ended_remove(const struct covey_store *store,
                                  const struct covey_session_id *id)
{
    char path[PATH_LEN], name[ID_HEX + 1];
    name_of(id, name);
    path_of(store, name, path);
    unlink(path);
}

struct file {
    char name[ID_HEX + 1];
    struct timespec time;
};

static bool is_older(const struct file *a, const struct file *b)
{
    return a->time.tv_sec != b->time.tv_sec ? a->time.tv_sec < b->time.tv_sec
                                            : a->time.tv_nsec < b->time.tv_nsec;
}

/* The oldest first; where there are too many the oldest goes. */
static void insert(const struct covey_store *store, struct file *files, size_t *inout_count,
                   const struct file *file)
{
    char path[PATH_LEN];
    size_t at = 0;
    while (at < *inout_count && !is_older(file, &files[at])) {
        at++;
    }
    if (*inout_count < COVEY__TRAINING_ENDED_MAX) {
        memmove(&files[at + 1], &files[at], (*inout_count - at) * sizeof(*files));
        files[at] = *file;
        (*inout_count)++;
        return;
    }
    path_of(store, at == 0 ? file->name : files[0].name, path);
    unlink(path);
    if (at > 0) {
        memmove(&files[0], &files[1], (at - 1) * sizeof(*files));
        files[at - 1] = *file;
    }
}

/* A file's name is an id; what begins with one was left half-written by a crash. */
static void look_at(const struct covey_store *store, const char *name, struct file *files,
                    size_t *inout_count)
{
    char path[PATH_LEN];
    struct file file = {.name = ""};
    struct stat st;
    if (strspn(name, "0123456789abcdef") != ID_HEX) {
        return;
    }
    path_of(store, name, path);
    if (name[ID_HEX] != 0) {
        unlink(path);
    } else if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        memcpy(file.name, name, ID_HEX + 1);
        file.time = st.st_mtim;
        insert(store, files, inout_count, &file);
    }
}

static covey_err read_one(const struct covey_store *store, const char *name,
                          struct covey_training_ended *out)
{
    char path[PATH_LEN], own[ID_HEX + 1];
    uint8_t *bytes = NULL;
    size_t len = 0;
    path_of(store, name, path);
    covey_err err = covey_file_read(path, COVEY__TRAINING_ENDED_BYTES, &bytes, &len);
    if (err == COVEY_OK) {
        err = covey__training_ended_decode(covey_bytes_of(bytes, len), out);
    }
    free(bytes);
    if (err != COVEY_OK) {
        return err;
    }
    name_of(&out->fence.session, own);
    if (strcmp(own, name) != 0) {
        covey__training_ended_done(out);
        return COVEY_ERR_MALFORMED;
    }
    return COVEY_OK;
}

void covey__training_ended_read(const struct covey_store *store, covey_training_ended_fn each,
                                void *user)
{
    char path[PATH_LEN];
    struct file files[COVEY__TRAINING_ENDED_MAX];
    struct dirent *entry;
    size_t count = 0;
    path_of(store, "", path);
    DIR *dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        look_at(store, entry->d_name, files, &count);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    for (size_t i = 0; i < count; i++) {
        struct covey_training_ended ended = {.record = {.history = NULL}};
        covey_err err = read_one(store, files[i].name, &ended);
        each(user, err, files[i].name, &ended);
        covey__training_ended_done(&ended);
    }
}

/* ---- the model ---- */

static covey_err list(struct covey_bytes manifest, const struct covey_digest *id,
                      struct covey_checkpoint_parts *out)
{
    struct covey_manifest *mf = NULL;
    struct covey_nn_error why;
    covey_err err = covey_manifest_decode(manifest, &mf, &why);
    if (err != COVEY_OK) {
        return err;
    }
    size_t count = covey_manifest_blobs(mf);
    out->digest = calloc(count + 1, sizeof(*out->digest));
    if (out->digest != NULL) {
        for (size_t i = 0; i < count; i++) {
            out->digest[i] = covey_manifest_blob(mf, i)->digest;
        }
        out->digest[count] = *id;
        out->count = count + 1;
    }
    covey_manifest_free(mf);
    return out->digest != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
}

covey_err covey__training_result_parts(const struct covey_store *store,
                                       const struct covey_digest *manifest,
                                       struct covey_checkpoint_parts *out)
{
    struct covey_body *body = NULL;
    covey_err err = covey__store_body(store, manifest, &body);
    if (err == COVEY_OK) {
        err = list(covey_bytes_of(body->data, body->len), manifest, out);
    }
    covey_body_unref(body);
    return err;
}
