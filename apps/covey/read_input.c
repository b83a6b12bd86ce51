/* SPDX-License-Identifier: MIT */
#include "read_input.h"

#include <stdlib.h>

#include "read_decode.h"
#include "read_file.h"

/* Either one decoded file or a data set; items are converted when they are asked for. */
struct covey_input {
    enum covey_item_kind kind;
    size_t count;
    struct covey_decoded whole; /* pictures and tensors */
    struct covey_dataset set;   /* pixels NULL: none */
    float *item;                /* of the data set */
};

void covey_input_close(struct covey_input *in)
{
    if (!in) {
        return;
    }
    free(in->whole.data);
    free(in->item);
    covey__dataset_done(&in->set);
    free(in);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text);
    size_t ending_len = strlen(ending);
    return len >= ending_len && strcmp(text + len - ending_len, ending) == 0;
}

static covey_err open_file(struct covey_input *in, const char *path, struct covey_nn_error *why)
{
    struct covey_buf file = {0};
    struct covey_nn_error inner = {""};
    covey_err err = covey__file_read(path, COVEY_FILE_INPUT_MAX, &file, why);
    if (err) {
        return err;
    }
    struct covey_bytes bytes = covey_bytes_of(file.ptr, file.len);
    in->count = 1;
    in->kind = COVEY_ITEM_TENSOR;
    if (covey__is_npy(bytes)) {
        err = covey__decode_npy(bytes, &in->whole, &inner);
    } else if (ends_with(path, ".pb")) {
        err = covey__decode_pb(bytes, &in->whole, &inner);
    } else {
        in->kind = COVEY_ITEM_PICTURE;
        err = covey__decode_picture(bytes, &in->whole, &inner);
    }
    free(file.ptr);
    return err ? covey__why(err, why, "%.100s: %.140s", path, inner.text) : COVEY_OK;
}

static covey_err open_set(struct covey_input *in, const char *kind, const char *where,
                          struct covey_nn_error *why)
{
    size_t floats = 0;
    covey_err err = covey__dataset_open(kind, where, &in->set, why);
    if (!err) {
        err = covey_shape_count(&in->set.shape, &floats);
    }
    if (err) {
        return err;
    }
    in->kind = strcmp(kind, "digits") == 0 ? COVEY_ITEM_DIGIT : COVEY_ITEM_PICTURE;
    in->count = in->set.count;
    in->item = malloc(floats * sizeof *in->item);
    return in->item ? COVEY_OK : covey__why(COVEY_ERR_NOMEM, why, "out of memory");
}

covey_err covey_input_open(const char *spec, struct covey_input **out,
                           struct covey_nn_error *out_why)
{
    static const char *const kinds[] = {"mnist", "cifar10", "cifar100", "digits"};
    struct covey_input *in = calloc(1, sizeof *in);
    if (!in) {
        return covey__why(COVEY_ERR_NOMEM, out_why, "out of memory");
    }
    const char *kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i]);
        if (strncmp(spec, kinds[i], len) == 0 && spec[len] == ':') {
            kind = kinds[i];
        }
    }
    covey_err err =
        kind ? open_set(in, kind, spec + strlen(kind) + 1, out_why) : open_file(in, spec, out_why);
    if (err) {
        covey_input_close(in);
        return err;
    }
    *out = in;
    return COVEY_OK;
}

size_t covey_input_count(const struct covey_input *in)
{
    return in->count;
}

void covey_input_split(struct covey_input *in, size_t count)
{
    size_t all = 0;
    const struct covey_shape *shape = &in->whole.shape;
    if (in->kind != COVEY_ITEM_TENSOR || count == 0 || shape->rank == 0 ||
        covey_shape_count(shape, &all)) {
        return;
    }
    if (all % count == 0 && all / count == shape->dims[0]) {
        in->count = shape->dims[0];
    }
}

static struct covey_item set_item(struct covey_input *in, size_t index, size_t floats)
{
    const uint8_t *pixels = in->set.pixels + index * floats;
    for (size_t i = 0; i < floats; i++) {
        in->item[i] = (float)pixels[i];
    }
    return (struct covey_item){in->kind, in->item, in->set.shape, in->set.labels[index]};
}

covey_err covey_input_item(struct covey_input *in, size_t index, struct covey_item *out,
                           struct covey_nn_error *out_why)
{
    bool set = in->set.pixels != NULL;
    struct covey_shape shape = set ? in->set.shape : in->whole.shape;
    size_t floats = 0;
    covey_err err = covey_shape_count(&shape, &floats);
    if (err || index >= in->count) {
        return covey__why(COVEY_ERR_RANGE, out_why, "item %zu of %zu", index, in->count);
    }
    if (set) {
        *out = set_item(in, index, floats);
        return COVEY_OK;
    }
    if (in->count > 1) {
        shape.dims[0] = 1;
        floats /= in->count;
    }
    *out = (struct covey_item){in->kind, in->whole.data + index * floats, shape, -1};
    return COVEY_OK;
}
