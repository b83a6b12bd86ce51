/* SPDX-License-Identifier: MIT */
#include "read_set.h"

#include <stdio.h>
#include <stdlib.h>

#include "read_file.h"

enum {
    CIFAR_SIDE = 32,
    CIFAR_PIXELS = 3 * CIFAR_SIDE * CIFAR_SIDE,
    /* Bytes of a table of labels: CIFAR-100's has 800. */
    NAMES_BYTES_MAX = 1 << 16,
};

covey_err covey__decode_cifar(struct covey_bytes in, const struct covey__cifar_form *form,
                              struct covey_dataset *out, struct covey_nn_error *why)
{
    struct covey_dataset d = {0};
    size_t record = form->label_bytes + CIFAR_PIXELS;
    struct covey_dataset shape = {.kind = COVEY_ITEM_PICTURE,
                                  .count = in.len / record,
                                  .channels = 3,
                                  .height = CIFAR_SIDE,
                                  .width = CIFAR_SIDE,
                                  .classes = form->classes,
                                  .top = 255};
    if (in.len == 0 || in.len % record != 0) {
        return covey__why(COVEY_ERR_MALFORMED, why, "%zu bytes are not whole records of %zu",
                          in.len, record);
    }
    covey_err err = covey__set_new(&shape, false, &d, why);
    if (err) {
        return err;
    }
    for (size_t i = 0; i < d.count; i++) {
        const uint8_t *r = in.ptr + i * record;
        d.labels[i] = r[form->label];
        if (d.labels[i] >= form->classes) {
            err = covey__why(COVEY_ERR_RANGE, why, "record %zu has the label %u", i, d.labels[i]);
            covey_dataset_done(&d);
            return err;
        }
        memcpy(d.bytes + i * CIFAR_PIXELS, r + form->label_bytes, CIFAR_PIXELS);
    }
    *out = d;
    return COVEY_OK;
}

/* A split's file: names tried in order, each plain or with .gz. */
static const char *const test_names[] = {"test_batch.bin", "test.bin", "test_first_1000.bin"};
static const char *const train_names[] = {"data_batch_1.bin", "train.bin", "train_first_20000.bin"};

static covey_err find_split(const char *where, bool train, char path[static COVEY_READ_PATH],
                            struct covey_nn_error *why)
{
    const char *const *names = train ? train_names : test_names;
    if (covey__is_file(where)) {
        (void)snprintf(path, COVEY_READ_PATH, "%s", where);
        return COVEY_OK;
    }
    for (size_t i = 0; i < 3; i++) {
        if (covey__find_file(where, names[i], path)) {
            return COVEY_OK;
        }
    }
    return covey__why(COVEY_ERR_NOT_FOUND, why, "%.100s: there is no %s, %s or %s, or .gz", where,
                      names[0], names[1], names[2]);
}

static covey_err read_batch(const char *path, const struct covey__cifar_form *form,
                            struct covey_dataset *out, struct covey_nn_error *why)
{
    struct covey_buf file = {0};
    struct covey_nn_error inner = {""};
    covey_err err = covey__gzip_read(path, COVEY_DATASET_BYTES_MAX, &file, why);
    if (err) {
        return err;
    }
    err = covey__decode_cifar(covey_bytes_of(file.ptr, file.len), form, out, &inner);
    free(file.ptr);
    return covey__why_file(err, why, path, &inner);
}

/* The training batches 2 to 5 behind the first, all that are there. */
static covey_err read_more(const char *dir, const struct covey__cifar_form *form,
                           struct covey_dataset *d, struct covey_nn_error *why)
{
    covey_err err = COVEY_OK;
    for (char batch = '2'; !err && batch <= '5'; batch++) {
        char path[COVEY_READ_PATH];
        char name[] = "data_batch_?.bin";
        struct covey_dataset more = {0};
        struct covey_nn_error inner = {""};
        name[11] = batch;
        if (!covey__find_file(dir, name, path)) {
            break;
        }
        err = read_batch(path, form, &more, why);
        if (!err) {
            err = covey__why_file(covey__set_append(d, &more, &inner), why, path, &inner);
        }
        covey_dataset_done(&more);
    }
    return err;
}

/* The table of labels, where there is one. */
static covey_err read_names(const char *dir, const char *file, struct covey_dataset *d,
                            struct covey_nn_error *why)
{
    char path[COVEY_READ_PATH];
    struct covey_buf text = {0};
    struct covey_nn_error inner = {""};
    if (!covey__find_file(dir, file, path)) {
        return COVEY_OK;
    }
    covey_err err = covey__gzip_read(path, NAMES_BYTES_MAX, &text, why);
    if (err) {
        return err;
    }
    err = covey__decode_names(covey_bytes_of(text.ptr, text.len), d->classes, &d->names, &inner);
    free(text.ptr);
    return covey__why_file(err, why, path, &inner);
}

covey_err covey__open_cifar(const struct covey__place *place, enum covey_dataset_split split,
                            bool hundred, struct covey_dataset *out, struct covey_nn_error *why)
{
    /* CIFAR-100 has the coarse label first, then the fine one. */
    static const struct covey__cifar_form ten = {1, 0, 10}, fine = {2, 1, 100}, coarse = {2, 0, 20};
    const struct covey__cifar_form *form = !hundred ? &ten : place->coarse ? &coarse : &fine;
    const char *table = !hundred        ? "batches.meta.txt"
                        : place->coarse ? "coarse_label_names.txt"
                                        : "fine_label_names.txt";
    char path[COVEY_READ_PATH];
    struct covey_dataset d = {0};
    covey_err err = find_split(place->path, split == COVEY_SPLIT_TRAIN, path, why);
    if (!err) {
        err = read_batch(path, form, &d, why);
    }
    if (!err && !covey__is_file(place->path) && strstr(path, "/data_batch_1.bin")) {
        err = read_more(place->path, form, &d, why);
    }
    if (!err && !covey__is_file(place->path)) {
        err = read_names(place->path, table, &d, why);
    }
    if (err) {
        covey_dataset_done(&d);
        return err;
    }
    *out = d;
    return COVEY_OK;
}
