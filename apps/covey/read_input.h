/* SPDX-License-Identifier: MIT
 *
 * read_input.h - pictures, tensors and data sets that people bring, and how they become a model's
 * input; results as files.
 *
 * Every size that a file declares is checked against what is there before it is used. Every failure
 * is one line that names the file.
 */
#ifndef COVEY_READ_INPUT_H
#define COVEY_READ_INPUT_H

#include "covey/graph.h"

enum covey_input_limits {
    /* Pixels of a picture: more than any camera board takes, 400 MB as floats. */
    COVEY_PICTURE_PIXELS_MAX = 1 << 25,
};

enum covey_item_kind {
    COVEY_ITEM_PICTURE, /* [c h w], values 0..255 */
    COVEY_ITEM_DIGIT,   /* [1 8 8], values 0..16 */
    COVEY_ITEM_TENSOR,  /* any shape; it is given to the model as it is */
};

/* data is valid until the next item is read or the input is closed. */
struct covey_item {
    enum covey_item_kind kind;
    const float *data;
    struct covey_shape shape;
    int32_t label; /* -1: unknown */
};

struct covey_input;

/* spec is a file (PNG, JPEG, PGM, PPM, BMP by content; .npy by content; an ONNX TensorProto by the
 * ending .pb), or a data set as read_dataset.h describes it. The pictures of a folder come in their
 * own sizes, one at a time, unless the spec gives one. */
covey_err covey_input_open(const char *spec, struct covey_input **out,
                           struct covey_nn_error *out_why) COVEY_CHECK;
/* close(NULL) is a no-op. */
void covey_input_close(struct covey_input *in);
size_t covey_input_count(const struct covey_input *in);
/* A tensor of a file: what it holds belongs together. */
bool covey_input_is_tensor(const struct covey_input *in);
/* Tensors [k ...] that hold several items for a model: splits them along the first axis, if that
 * gives whole inputs of count elements each. Other inputs stay as they are. */
void covey_input_split(struct covey_input *in, size_t count);
/* Sub-folders of a folder of pictures, and what they are called; 0: it is none. */
size_t covey_input_classes(const struct covey_input *in);
const char *covey_input_class(const struct covey_input *in, size_t index);
/* From now on items of class i have label take_label[i], -1: unknown. Heap, freed by in. */
void covey_input_relabel(struct covey_input *in, int32_t *take_label);
covey_err covey_input_item(struct covey_input *in, size_t index, struct covey_item *out,
                           struct covey_nn_error *out_why) COVEY_CHECK;

enum covey_layout {
    COVEY_LAYOUT_AUTO, /* as the item has it; grey for models with one channel */
    COVEY_LAYOUT_RGB,
    COVEY_LAYOUT_BGR,
    COVEY_LAYOUT_GRAY,
};

/* y = (x * scale - mean[c]) / std[c], channels in the order of the layout. */
struct covey_prepare {
    float scale;
    float mean[3], std[3];
    enum covey_layout layout;
};
void covey_prepare_init(struct covey_prepare *p); /* y = x */
/* std finite and not 0, the others finite: RANGE. */
covey_err covey_prepare_check(const struct covey_prepare *p,
                              struct covey_nn_error *out_why) COVEY_CHECK;

/* One item as one input of the model, whose declared shape is model_input ([n c h w], [n h w c]
 * or [n k]; n is ignored). Pictures and digits are brought to c channels and to h x w (bilinear);
 * for [n k] they must have the size. Tensors are copied when the number of elements fits. Writes
 * the elements of one input. */
covey_err covey_prepare_item(const struct covey_prepare *p, const struct covey_item *item,
                             const struct covey_shape *model_input, float *out,
                             struct covey_nn_error *out_why) COVEY_CHECK;

/* A tensor as a file, which appears complete or not at all: .npy version 1, or TensorProto. */
covey_err covey_output_npy(const char *path, const struct covey_shape *shape, const float *data,
                           struct covey_nn_error *out_why) COVEY_CHECK;
covey_err covey_output_pb(const char *path, const struct covey_shape *shape, const float *data,
                          struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_READ_INPUT_H */
