/* SPDX-License-Identifier: MIT */
#include "read_input.h"

#include <stdlib.h>

#include "read_file.h"
#include "read_set.h"
#include "read_typed.h"

/* One decoded file, a data set in memory, or a folder whose pictures are read when they are asked
 * for. */
struct covey_input {
    enum covey_item_kind kind;
    size_t count;
    struct covey_decoded whole;  /* a picture or a tensor */
    struct covey_dataset set;    /* count 0: none */
    struct covey__folder folder; /* count 0: none */
    float *item;                 /* of the data set */
    bool by_folder;              /* of either: sub-folders are the classes */
    int32_t *label;              /* of each class, NULL: as they are counted */
};

void covey_input_close(struct covey_input *in)
{
    if (!in) {
        return;
    }
    free(in->whole.data);
    free(in->item);
    free(in->label);
    covey_dataset_done(&in->set);
    covey__folder_done(&in->folder);
    free(in);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text);
    size_t ending_len = strlen(ending);
    return len >= ending_len && strcmp(text + len - ending_len, ending) == 0;
}

/* Takes t's data. */
static covey_err floats_of(struct covey_tensor *t, struct covey_decoded *out,
                           struct covey_nn_error *why)
{
    size_t count = 0;
    covey_err err = covey_shape_count(&t->shape, &count);
    if (err || count == 0) {
        err = covey__why(COVEY_ERR_UNSUPPORTED, why, "it is empty");
        goto out;
    }
    float *data = malloc(count * sizeof *data);
    if (!data) {
        err = covey__why(COVEY_ERR_NOMEM, why, "out of memory");
        goto out;
    }
    covey__typed_floats(t, count, data);
    *out = (struct covey_decoded){t->shape, data};
out:
    free(t->data);
    return err;
}

static covey_err open_file(struct covey_input *in, const char *path, struct covey_nn_error *why)
{
    struct covey_buf file = {0};
    struct covey_tensor t = {.data = NULL};
    struct covey_nn_error inner = {""};
    if (covey__is_folder(path)) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why,
                          "%.100s is a folder: its pictures are 'folder:%.100s'", path, path);
    }
    covey_err err = covey__file_read(path, COVEY_FILE_INPUT_MAX, &file, why);
    if (err) {
        return err;
    }
    struct covey_bytes bytes = covey_bytes_of(file.ptr, file.len);
    bool npy = covey__is_npy(bytes);
    in->count = 1;
    in->kind = npy || ends_with(path, ".pb") ? COVEY_ITEM_TENSOR : COVEY_ITEM_PICTURE;
    if (in->kind == COVEY_ITEM_PICTURE) {
        err = covey__decode_picture(bytes, &in->whole, &inner);
    } else {
        err = npy ? covey__decode_npy(bytes, &t, &inner) : covey__decode_pb(bytes, &t, &inner);
        err = err ? err : floats_of(&t, &in->whole, &inner);
    }
    free(file.ptr);
    return covey__why_file(err, why, path, &inner);
}

static covey_err open_set(struct covey_input *in, const char *spec, struct covey_nn_error *why)
{
    covey_err err = covey_dataset_load(spec, NULL, &in->set, why);
    if (err) {
        return err;
    }
    in->kind = in->set.kind;
    in->count = in->set.count;
    in->item = malloc(covey_dataset_values(&in->set) * sizeof *in->item);
    return in->item ? COVEY_OK : covey__why(COVEY_ERR_NOMEM, why, "out of memory");
}

static covey_err open_folder(struct covey_input *in, const char *spec, struct covey_nn_error *why)
{
    struct covey__place *place = malloc(sizeof *place);
    if (!place) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    covey_err err = covey__spec_place(spec, NULL, place, why);
    bool sized = !err && place->ask.height != 0;
    in->by_folder = true;
    if (!err && !sized) {
        err = covey__folder_list(place->path, place->ask.split, &in->folder, why);
    }
    free(place);
    if (sized) {
        return open_set(in, spec, why);
    }
    in->kind = COVEY_ITEM_PICTURE;
    in->count = in->folder.count;
    return err;
}

covey_err covey_input_open(const char *spec, struct covey_input **out,
                           struct covey_nn_error *out_why)
{
    struct covey_input *in = calloc(1, sizeof *in);
    if (!in) {
        return covey__why(COVEY_ERR_NOMEM, out_why, "out of memory");
    }
    const char *kind = covey__spec_kind(spec);
    covey_err err = !kind                         ? open_file(in, spec, out_why)
                    : strcmp(kind, "folder") == 0 ? open_folder(in, spec, out_why)
                                                  : open_set(in, spec, out_why);
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

bool covey_input_is_tensor(const struct covey_input *in)
{
    return in->kind == COVEY_ITEM_TENSOR && in->set.count == 0;
}

void covey_input_split(struct covey_input *in, size_t count)
{
    size_t all = 0;
    const struct covey_shape *shape = &in->whole.shape;
    if (in->kind != COVEY_ITEM_TENSOR || !in->whole.data || count == 0 || shape->rank == 0 ||
        covey_shape_count(shape, &all)) {
        return;
    }
    if (all % count == 0 && all / count == shape->dims[0]) {
        in->count = shape->dims[0];
    }
}

static const struct covey_dataset_name *names_of(const struct covey_input *in)
{
    return in->folder.count > 0 ? in->folder.names : in->set.names;
}

size_t covey_input_classes(const struct covey_input *in)
{
    size_t count = in->folder.count > 0 ? in->folder.classes : in->set.classes;
    return in->by_folder && names_of(in) != NULL ? count : 0;
}

const char *covey_input_class(const struct covey_input *in, size_t index)
{
    return names_of(in)[index].text;
}

void covey_input_relabel(struct covey_input *in, int32_t *take_label)
{
    free(in->label);
    in->label = take_label;
}

static int32_t label_of(const struct covey_input *in, uint32_t index)
{
    return in->label != NULL ? in->label[index] : (int32_t)index;
}

static covey_err folder_item(struct covey_input *in, size_t index, struct covey_item *out,
                             struct covey_nn_error *why)
{
    struct covey_decoded picture = {.data = NULL};
    covey_err err = covey__picture_read(in->folder.paths[index], &picture, why);
    if (err) {
        return err;
    }
    free(in->whole.data);
    in->whole = picture;
    *out = (struct covey_item){in->kind, picture.data, picture.shape,
                               label_of(in, in->folder.labels[index])};
    return COVEY_OK;
}

covey_err covey_input_item(struct covey_input *in, size_t index, struct covey_item *out,
                           struct covey_nn_error *out_why)
{
    if (index >= in->count) {
        return covey__why(COVEY_ERR_RANGE, out_why, "item %zu of %zu", index, in->count);
    }
    if (in->folder.count > 0) {
        return folder_item(in, index, out, out_why);
    }
    if (in->set.count > 0) {
        const struct covey_dataset *d = &in->set;
        uint32_t label = covey_dataset_sample(d, index, in->item);
        *out = (struct covey_item){
            in->kind, in->item, {3, {d->channels, d->height, d->width}}, label_of(in, label)};
        return COVEY_OK;
    }
    struct covey_shape shape = in->whole.shape;
    size_t floats = 0;
    covey_err err = covey_shape_count(&shape, &floats);
    if (err) {
        return covey__why(err, out_why, "item %zu of %zu", index, in->count);
    }
    if (in->count > 1) {
        shape.dims[0] = 1;
        floats /= in->count;
    }
    *out = (struct covey_item){in->kind, in->whole.data + index * floats, shape, -1};
    return COVEY_OK;
}
