/* SPDX-License-Identifier: MIT */
#include "read_dataset.h"

#include <stdio.h>
#include <stdlib.h>

#include "read_file.h"
#include "read_set.h"
#include "read_typed.h"

void covey_dataset_done(struct covey_dataset *d)
{
    free(d->names);
    free(d->labels);
    free(d->bytes);
    free(d->floats);
    *d = (struct covey_dataset){0};
}

size_t covey_dataset_values(const struct covey_dataset *d)
{
    return (size_t)d->channels * d->height * d->width;
}

uint32_t covey_dataset_sample(const struct covey_dataset *d, size_t index, float *out)
{
    size_t values = covey_dataset_values(d);
    COVEY_ASSERT(index < d->count);
    if (d->floats) {
        memcpy(out, d->floats + index * values, values * sizeof *out);
        return d->labels[index];
    }
    const uint8_t *bytes = d->bytes + index * values;
    for (size_t i = 0; i < values; i++) {
        out[i] = (float)bytes[i];
    }
    return d->labels[index];
}

covey_err covey__set_new(const struct covey_dataset *form, bool floats, struct covey_dataset *out,
                         struct covey_nn_error *why)
{
    struct covey_shape shape = {3, {form->channels, form->height, form->width}};
    size_t values = 0;
    struct covey_dataset d = *form;
    size_t bytes = floats ? sizeof(float) : 1;
    covey_err err = covey_shape_count(&shape, &values);
    if (err || values == 0 || form->count == 0) {
        return covey__why(COVEY_ERR_LIMIT, why, "no samples, or they are empty or too large");
    }
    if (form->count > COVEY_DATASET_ITEMS_MAX || form->classes > COVEY_DATASET_CLASSES_MAX ||
        values > COVEY_DATASET_BYTES_MAX / bytes / form->count) {
        return covey__why(COVEY_ERR_LIMIT, why,
                          "%zu samples of %zu values: at most %d samples and %d bytes", form->count,
                          values, COVEY_DATASET_ITEMS_MAX, COVEY_DATASET_BYTES_MAX);
    }
    void *data = malloc(form->count * values * bytes);
    d.floats = floats ? data : NULL;
    d.bytes = floats ? NULL : data;
    d.names = NULL;
    d.labels = malloc(form->count * sizeof *d.labels);
    if (!data || !d.labels) {
        covey_dataset_done(&d);
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    *out = d;
    return COVEY_OK;
}

void covey__set_form(const struct covey_shape *shape, struct covey_dataset *out)
{
    struct covey_dataset form = {.channels = 1, .height = 1, .width = 1};
    uint32_t *const dims[3] = {&form.channels, &form.height, &form.width};
    COVEY_ASSERT(shape->rank >= 1 && shape->rank <= 4);
    for (size_t i = 1; i < shape->rank; i++) {
        *dims[3 + i - shape->rank] = shape->dims[i];
    }
    form.kind = COVEY_ITEM_TENSOR;
    form.count = shape->dims[0];
    *out = form;
}

size_t covey__set_train(size_t count)
{
    return count * 4 / 5;
}

static bool same_form(const struct covey_dataset *a, const struct covey_dataset *b)
{
    return a->channels == b->channels && a->height == b->height && a->width == b->width &&
           (a->floats == NULL) == (b->floats == NULL);
}

covey_err covey__set_append(struct covey_dataset *d, struct covey_dataset *take_more,
                            struct covey_nn_error *why)
{
    struct covey_dataset *more = take_more;
    struct covey_dataset sum = *d;
    if (!same_form(d, more)) {
        return covey__why(COVEY_ERR_RANGE, why, "its samples have another form than those before");
    }
    sum.count += more->count;
    sum.classes = d->classes > more->classes ? d->classes : more->classes;
    covey_err err = covey__set_new(&sum, d->floats != NULL, &sum, why);
    if (err) {
        return err;
    }
    size_t values = covey_dataset_values(d);
    memcpy(sum.labels, d->labels, d->count * sizeof *d->labels);
    memcpy(sum.labels + d->count, more->labels, more->count * sizeof *d->labels);
    if (d->floats) {
        memcpy(sum.floats, d->floats, d->count * values * sizeof(float));
        memcpy(sum.floats + d->count * values, more->floats, more->count * values * sizeof(float));
    } else {
        memcpy(sum.bytes, d->bytes, d->count * values);
        memcpy(sum.bytes + d->count * values, more->bytes, more->count * values);
    }
    sum.names = d->names;
    d->names = NULL;
    covey_dataset_done(d);
    covey_dataset_done(more);
    *d = sum;
    return COVEY_OK;
}

/* Keeps what the split has of a source that has none of its own. */
static covey_err cut(struct covey_dataset *d, enum covey_dataset_split split,
                     struct covey_nn_error *why)
{
    size_t train = covey__set_train(d->count);
    size_t values = covey_dataset_values(d) * (d->floats ? sizeof(float) : 1);
    size_t first = split == COVEY_SPLIT_TEST ? train : 0;
    size_t count = split == COVEY_SPLIT_TEST ? d->count - train : train;
    uint8_t *data = d->floats ? (uint8_t *)d->floats : d->bytes;
    if (split != COVEY_SPLIT_TRAIN && split != COVEY_SPLIT_TEST) {
        return COVEY_OK;
    }
    if (count == 0) {
        return covey__why(COVEY_ERR_RANGE, why, "%zu samples are too few to split", d->count);
    }
    memmove(data, data + first * values, count * values);
    memmove(d->labels, d->labels + first, count * sizeof *d->labels);
    d->count = count;
    return COVEY_OK;
}

static covey_err open_digits(const struct covey__place *place, struct covey_dataset *out,
                             struct covey_nn_error *why)
{
    struct covey_buf file = {0};
    struct covey_nn_error inner = {""};
    struct covey_dataset d = {0};
    covey_err err = covey__gzip_read(place->path, COVEY_DATASET_BYTES_MAX, &file, why);
    if (err) {
        return err;
    }
    err = covey__decode_digits(covey_bytes_of(file.ptr, file.len), &d, &inner);
    free(file.ptr);
    if (!err) {
        err = cut(&d, place->ask.split, &inner);
    }
    if (err) {
        covey_dataset_done(&d);
        return covey__why_file(err, why, place->path, &inner);
    }
    *out = d;
    return COVEY_OK;
}

static covey_err open_folder(const struct covey__place *place, struct covey_dataset *out,
                             struct covey_nn_error *why)
{
    struct covey__folder f = {0};
    covey_err err = covey__folder_list(place->path, place->ask.split, &f, why);
    if (!err) {
        err = covey__folder_load(&f, &place->ask, out, why);
    }
    covey__folder_done(&f);
    return err;
}

static covey_err npy_samples(struct covey_bytes file, struct covey_dataset *out,
                             struct covey_nn_error *why)
{
    struct covey_tensor x = {0};
    struct covey_dataset form = {0};
    covey_err err = covey__decode_npy(file, &x, why);
    if (err) {
        return err;
    }
    bool bytes = x.type == COVEY_TYPE_U8;
    if (x.shape.rank < 1 || x.shape.rank > 4) {
        err = covey__why(COVEY_ERR_RANGE, why, "its rank is %u, not 1 to 4", x.shape.rank);
    } else {
        covey__set_form(&x.shape, &form);
        form.top = bytes ? 255.0f : 0.0f;
        err = covey__set_new(&form, !bytes, out, why);
    }
    if (!err) {
        size_t count = form.count * covey_dataset_values(&form);
        if (bytes) {
            memcpy(out->bytes, x.data, count);
        } else {
            covey__typed_floats(&x, count, out->floats);
        }
        for (size_t i = 0; !bytes && !err && i < count; i++) {
            err = covey__finite(out->floats[i]) ? COVEY_OK : COVEY_ERR_RANGE;
        }
        if (err) {
            covey_dataset_done(out);
            (void)covey__why(err, why, "a value is not finite");
        }
    }
    free(x.data);
    return err;
}

static covey_err npy_labels(struct covey_bytes file, struct covey_dataset *d,
                            struct covey_nn_error *why)
{
    struct covey_tensor y = {0};
    covey_err err = covey__decode_npy(file, &y, why);
    if (err) {
        return err;
    }
    bool column = y.shape.rank == 1 || (y.shape.rank == 2 && y.shape.dims[1] == 1);
    if (covey_type_is_float(y.type) || !column || y.shape.dims[0] != d->count) {
        err = covey__why(COVEY_ERR_RANGE, why, "it is not one integer for each of %zu samples",
                         d->count);
    }
    for (size_t i = 0; !err && i < d->count; i++) {
        double label = covey_tensor_element(&y, i);
        if (label < 0 || label >= COVEY_DATASET_CLASSES_MAX) {
            err = covey__why(COVEY_ERR_RANGE, why, "label %zu is %.0f", i, label);
            break;
        }
        d->labels[i] = (uint16_t)label;
        d->classes = d->labels[i] >= d->classes ? d->labels[i] + 1U : d->classes;
    }
    free(y.data);
    return err;
}

static covey_err open_npy(const struct covey__place *place, struct covey_dataset *out,
                          struct covey_nn_error *why)
{
    char path[COVEY_READ_PATH];
    struct covey_nn_error inner = {""};
    struct covey_dataset d = {0};
    (void)snprintf(path, sizeof path, "%s", place->path);
    char *comma = strchr(path, ',');
    if (!comma) {
        return covey__why(COVEY_ERR_RANGE, why,
                          "npy:%.100s: a comma and the labels' file are "
                          "missing",
                          path);
    }
    *comma = '\0';
    const char *const names[2] = {path, comma + 1};
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < 2 && !err; i++) {
        struct covey_buf file = {0};
        err = covey__file_read(names[i], COVEY_DATASET_BYTES_MAX, &file, why);
        if (err) {
            break;
        }
        struct covey_bytes bytes = covey_bytes_of(file.ptr, file.len);
        err = i == 0 ? npy_samples(bytes, &d, &inner) : npy_labels(bytes, &d, &inner);
        free(file.ptr);
        (void)covey__why_file(err, why, names[i], &inner);
    }
    if (!err) {
        err = covey__why_file(cut(&d, place->ask.split, &inner), why, path, &inner);
    }
    if (err) {
        covey_dataset_done(&d);
        return err;
    }
    *out = d;
    return COVEY_OK;
}

static covey_err open_split(const char *kind, const struct covey__place *place,
                            enum covey_dataset_split split, struct covey_dataset *out,
                            struct covey_nn_error *why)
{
    return strcmp(kind, "mnist") == 0
               ? covey__open_mnist(place, split, out, why)
               : covey__open_cifar(place, split, strcmp(kind, "cifar100") == 0, out, why);
}

/* Sources that are two files: the test one unless something else is asked. */
static covey_err open_parts(const char *kind, const struct covey__place *place,
                            struct covey_dataset *out, struct covey_nn_error *why)
{
    struct covey_dataset more = {0};
    struct covey_nn_error inner = {""};
    if (place->ask.split != COVEY_SPLIT_BOTH) {
        return open_split(
            kind, place,
            place->ask.split == COVEY_SPLIT_TRAIN ? COVEY_SPLIT_TRAIN : COVEY_SPLIT_TEST, out, why);
    }
    struct covey_dataset d = {0};
    covey_err err = open_split(kind, place, COVEY_SPLIT_TRAIN, &d, why);
    if (!err) {
        err = open_split(kind, place, COVEY_SPLIT_TEST, &more, why);
    }
    if (!err) {
        err = covey__why_file(covey__set_append(&d, &more, &inner), why, place->path, &inner);
    }
    if (err) {
        covey_dataset_done(&d);
        covey_dataset_done(&more);
        return err;
    }
    *out = d;
    return COVEY_OK;
}

covey_err covey_dataset_load(const char *spec, const struct covey_dataset_config *config,
                             struct covey_dataset *out, struct covey_nn_error *out_why)
{
    const char *kind = covey__spec_kind(spec);
    if (!kind) {
        return covey__why(
            COVEY_ERR_UNSUPPORTED, out_why,
            "%.80s is no data set: mnist:DIR, cifar10:DIR, cifar100:DIR, digits:FILE, "
            "folder:DIR or npy:X,Y",
            spec);
    }
    struct covey__place *place = malloc(sizeof *place);
    if (!place) {
        return covey__why(COVEY_ERR_NOMEM, out_why, "out of memory");
    }
    covey_err err = covey__spec_place(spec, config, place, out_why);
    if (!err && strcmp(kind, "digits") == 0) {
        err = open_digits(place, out, out_why);
    } else if (!err && strcmp(kind, "npy") == 0) {
        err = open_npy(place, out, out_why);
    } else if (!err && strcmp(kind, "folder") == 0) {
        err = open_folder(place, out, out_why);
    } else if (!err) {
        err = open_parts(kind, place, out, out_why);
    }
    free(place);
    return err;
}
