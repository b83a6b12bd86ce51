/* SPDX-License-Identifier: MIT */
#include "covey/spatial.h"

#include <string.h>

covey_err covey_spatial_block(const struct covey_layer *layer, unsigned blocks,
                              struct covey_layer *out)
{
    covey_err err = covey_layer_check(layer);
    if (err != COVEY_OK) {
        return err;
    }
    if (layer->kind != COVEY_LAYER_CONV || blocks == 0 || blocks > COVEY_GROUP_UNITS_MAX) {
        return COVEY_ERR_RANGE;
    }
    uint32_t rows = (layer->out_height + blocks - 1) / blocks;
    if (rows * (blocks - 1) >= layer->out_height) {
        return COVEY_ERR_RANGE;
    }
    struct covey_layer block = *layer;
    block.out_height = rows;
    block.height = (rows - 1) * layer->stride[0] + (layer->kernel[0] - 1) * layer->dilation[0] + 1;
    block.pads[0] = block.pads[2] = 0;
    err = covey_layer_check(&block);
    if (err == COVEY_OK) {
        *out = block;
    }
    return err;
}

void covey_spatial_cut(const struct covey_layer *layer, const struct covey_layer *block, unsigned i,
                       const float *input, float *out)
{
    size_t planes = (size_t)layer->batch * layer->channels, width = layer->width;
    int64_t first = (int64_t)i * block->out_height * layer->stride[0] - (int64_t)layer->pads[0];
    for (size_t row = 0; row < planes * block->height; row++) {
        size_t plane = row / block->height;
        int64_t y = first + (int64_t)(row % block->height);
        float *to = out + row * width;
        if (y >= 0 && y < (int64_t)layer->height) {
            memcpy(to, input + (plane * layer->height + (size_t)y) * width, width * sizeof(*to));
        } else {
            memset(to, 0, width * sizeof(*to));
        }
    }
}

void covey_spatial_join(const struct covey_layer *layer, const struct covey_layer *block,
                        unsigned i, const float *answer, float *out)
{
    size_t planes = (size_t)layer->units * layer->unit_rows * layer->batch;
    size_t width = layer->out_width, first = (size_t)i * block->out_height;
    size_t left = layer->out_height - first;
    size_t rows = left < block->out_height ? left : block->out_height;
    for (size_t plane = 0; plane < planes; plane++) {
        memcpy(out + (plane * layer->out_height + first) * width,
               answer + plane * block->out_height * width, rows * width * sizeof(*out));
    }
}
