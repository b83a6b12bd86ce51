/* SPDX-License-Identifier: MIT */
#include "read_set.h"

#include <stdio.h>
#include <stdlib.h>

#include "read_typed.h"

/* The IDX format, as the page of MNIST defines it: two zero bytes, the element type, the rank, the
 * dimensions as 32-bit numbers, then the elements; all big-endian. */
enum {
    IDX_U8 = 0x08,
    IDX_I8 = 0x09,
    IDX_I16 = 0x0b,
    IDX_I32 = 0x0c,
    IDX_F32 = 0x0d,
    IDX_F64 = 0x0e,
    IDX_RANK_MAX = 4,
    DIGIT_CLASSES = 10,
};

struct idx {
    uint8_t type;
    size_t bytes; /* of an element */
    size_t count; /* of elements */
    struct covey_shape shape;
    const uint8_t *data;
};

static uint32_t load_big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static size_t element_bytes(uint8_t type)
{
    switch (type) {
    case IDX_U8:
    case IDX_I8:
        return 1;
    case IDX_I16:
        return 2;
    case IDX_I32:
    case IDX_F32:
        return 4;
    case IDX_F64:
        return 8;
    default:
        return 0;
    }
}

static double element(const struct idx *x, size_t i)
{
    const uint8_t *p = x->data + i * x->bytes;
    switch (x->type) {
    case IDX_I8:
        return (int8_t)p[0];
    case IDX_I16:
        return (int16_t)(p[0] << 8 | p[1]);
    case IDX_I32:
        return (int32_t)load_big(p);
    case IDX_F32: {
        uint32_t bits = load_big(p);
        float v;
        memcpy(&v, &bits, sizeof v);
        return (double)v;
    }
    case IDX_F64: {
        uint64_t bits = (uint64_t)load_big(p) << 32 | load_big(p + 4);
        double v;
        memcpy(&v, &bits, sizeof v);
        return v;
    }
    default:
        return p[0];
    }
}

/* Checks the header against the length of the file. */
static covey_err parse(struct covey_bytes in, struct idx *out, struct covey_nn_error *why)
{
    struct idx x = {0};
    if (in.len < 4 || in.ptr[0] != 0 || in.ptr[1] != 0 || element_bytes(in.ptr[2]) == 0) {
        return covey__why(COVEY_ERR_MALFORMED, why, "it is not an IDX file");
    }
    x.type = in.ptr[2];
    x.bytes = element_bytes(x.type);
    x.shape.rank = in.ptr[3];
    size_t header = 4 + 4 * (size_t)x.shape.rank;
    if (x.shape.rank < 1 || x.shape.rank > IDX_RANK_MAX) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why, "its rank is %u, not 1 to %d", x.shape.rank,
                          IDX_RANK_MAX);
    }
    if (in.len < header) {
        return covey__why(COVEY_ERR_SHORT, why, "its header is cut off");
    }
    for (size_t i = 0; i < x.shape.rank; i++) {
        x.shape.dims[i] = load_big(in.ptr + 4 + 4 * i);
    }
    if (covey_shape_count(&x.shape, &x.count)) {
        return covey__why(COVEY_ERR_LIMIT, why, "more than %d elements are declared",
                          COVEY_TENSOR_ELEMENTS_MAX);
    }
    if (in.len - header != x.count * x.bytes) {
        return covey__why(COVEY_ERR_MALFORMED, why, "%zu bytes of elements, %zu are declared",
                          in.len - header, x.count * x.bytes);
    }
    x.data = in.ptr + header;
    *out = x;
    return COVEY_OK;
}

static covey_err fill_samples(const struct idx *x, struct covey_dataset *d,
                              struct covey_nn_error *why)
{
    if (d->bytes) {
        memcpy(d->bytes, x->data, x->count);
        return COVEY_OK;
    }
    for (size_t i = 0; i < x->count; i++) {
        d->floats[i] = covey__to_float(element(x, i));
        if (!covey__finite(d->floats[i])) {
            return covey__why(COVEY_ERR_RANGE, why, "element %zu is not finite", i);
        }
    }
    return COVEY_OK;
}

static covey_err fill_labels(const struct idx *x, struct covey_dataset *d,
                             struct covey_nn_error *why)
{
    for (size_t i = 0; i < x->count; i++) {
        double label = element(x, i);
        if (label < 0 || label >= COVEY_DATASET_CLASSES_MAX) {
            return covey__why(COVEY_ERR_RANGE, why, "label %zu is %.0f", i, label);
        }
        d->labels[i] = (uint16_t)label;
        d->classes = d->labels[i] >= d->classes ? d->labels[i] + 1U : d->classes;
    }
    return COVEY_OK;
}

covey_err covey__decode_idx(const struct covey_bytes files[static 2], struct covey_dataset *out,
                            size_t *out_bad, struct covey_nn_error *why)
{
    struct idx x = {0};
    struct idx y = {0};
    struct covey_dataset form = {0};
    struct covey_dataset d = {0};
    *out_bad = 0;
    covey_err err = parse(files[0], &x, why);
    if (err) {
        return err;
    }
    covey__set_form(&x.shape, &form);
    form.classes = DIGIT_CLASSES;
    form.top = x.type == IDX_U8 ? 255.0f : 0.0f;
    form.kind = form.channels == 1 || form.channels == 3 ? COVEY_ITEM_PICTURE : COVEY_ITEM_TENSOR;
    *out_bad = 1;
    err = parse(files[1], &y, why);
    if (!err && (y.type == IDX_F32 || y.type == IDX_F64 || y.shape.rank != 1)) {
        err = covey__why(COVEY_ERR_RANGE, why, "its labels are not one integer each");
    }
    if (!err && y.count != form.count) {
        err = covey__why(COVEY_ERR_RANGE, why, "%zu labels for %zu samples", y.count, form.count);
    }
    if (err) {
        return err;
    }
    *out_bad = 0;
    err = covey__set_new(&form, x.type != IDX_U8, &d, why);
    if (!err) {
        err = fill_samples(&x, &d, why);
    }
    if (!err) {
        *out_bad = 1;
        err = fill_labels(&y, &d, why);
    }
    if (err) {
        covey_dataset_done(&d);
        return err;
    }
    *out = d;
    return COVEY_OK;
}

/* One file of a split, under either of its names: the original one or with a dot. */
static bool find_part(const char *dir, bool train, bool labels, char out[static COVEY_READ_PATH])
{
    static const char *const joints[] = {"-", "."};
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s-%s%sidx%d-ubyte", train ? "train" : "t10k",
                       labels ? "labels" : "images", joints[i], labels ? 1 : 3);
        if (covey__find_file(dir, name, out)) {
            return true;
        }
    }
    return false;
}

covey_err covey__open_mnist(const struct covey__place *place, enum covey_dataset_split split,
                            struct covey_dataset *out, struct covey_nn_error *why)
{
    char path[2][COVEY_READ_PATH];
    struct covey_buf files[2] = {{0}};
    struct covey_bytes bytes[2] = {{0}};
    struct covey_nn_error inner = {""};
    bool train = split == COVEY_SPLIT_TRAIN;
    size_t bad = 0;
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < 2 && !err; i++) {
        if (!find_part(place->path, train, i == 1, path[i])) {
            err = covey__why(COVEY_ERR_NOT_FOUND, why, "%.100s: there is no %s-%s-ubyte, or .gz",
                             place->path, train ? "train" : "t10k",
                             i == 0 ? "images-idx3" : "labels-idx1");
            break;
        }
        err = covey__gzip_read(path[i], COVEY_DATASET_BYTES_MAX, &files[i], why);
        bytes[i] = covey_bytes_of(files[i].ptr, files[i].len);
    }
    if (!err) {
        err = covey__decode_idx(bytes, out, &bad, &inner);
        (void)covey__why_file(err, why, path[bad], &inner);
    }
    free(files[0].ptr);
    free(files[1].ptr);
    return err;
}
