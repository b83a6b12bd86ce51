/* SPDX-License-Identifier: MIT */
#include "build.h"

void covey__build_mlp(struct covey__build *b)
{
    uint32_t depth = b->options->depth == 0 ? 3 : b->options->depth;
    uint32_t units = b->options->units == 0 ? 256 : b->options->units;
    covey__build_flatten(b);
    for (uint32_t i = 0; i < depth; i++) {
        covey__build_dense(b, units);
        covey__build_relu(b);
    }
    covey__build_dense(b, b->options->classes);
}

/* LeCun, Bottou, Bengio, Haffner 1998, with rectifiers and maxima. */
void covey__build_lenet5(struct covey__build *b)
{
    covey__build_conv(b, (struct covey__build_conv){.filters = 6, .kernel = 5, .pad = 2});
    covey__build_relu(b);
    if (covey__build_side(b) >= 10) { /* else the next window would not fit */
        covey__build_maxpool(b, (struct covey__build_pool){.kernel = 2, .stride = 2});
    }
    covey__build_conv(b, (struct covey__build_conv){.filters = 16, .kernel = 5});
    covey__build_relu(b);
    covey__build_maxpool(b, (struct covey__build_pool){.kernel = 2, .stride = 2});
    covey__build_flatten(b);
    covey__build_dense(b, 120);
    covey__build_relu(b);
    covey__build_dense(b, 84);
    covey__build_relu(b);
    covey__build_dense(b, b->options->classes);
}

/* 3 x 3 convolutions with these filters; 0 is a pooling. */
static void vgg_features(struct covey__build *b, const uint16_t *filters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (filters[i] == 0) {
            covey__build_maxpool(b, (struct covey__build_pool){.kernel = 2, .stride = 2});
            continue;
        }
        covey__build_conv(b,
                          (struct covey__build_conv){.filters = filters[i], .kernel = 3, .pad = 1});
        covey__build_relu(b);
    }
    covey__build_flatten(b);
}

static void vgg_dense(struct covey__build *b, uint32_t units, bool dropout)
{
    covey__build_dense(b, units);
    covey__build_relu(b);
    if (dropout) {
        covey__build_dropout(b, 0.5f);
    }
}

void covey__build_vgg8(struct covey__build *b)
{
    static const uint16_t filters[] = {64, 64, 0, 128, 128, 0, 256, 256, 0};
    vgg_features(b, filters, sizeof(filters) / sizeof(filters[0]));
    vgg_dense(b, 512, false);
    covey__build_dense(b, b->options->classes);
}

/* Simonyan, Zisserman 2014, configurations A, D, E. Small images get one small dense layer. */
static void vgg(struct covey__build *b, const uint16_t *filters, size_t count)
{
    bool small = covey__build_side(b) < 64;
    vgg_features(b, filters, count);
    vgg_dense(b, small ? 512 : 4096, true);
    if (!small) {
        vgg_dense(b, 4096, true);
    }
    covey__build_dense(b, b->options->classes);
}

void covey__build_vgg11(struct covey__build *b)
{
    static const uint16_t filters[] = {64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0};
    vgg(b, filters, sizeof(filters) / sizeof(filters[0]));
}

void covey__build_vgg16(struct covey__build *b)
{
    static const uint16_t filters[] = {64, 64,  0,   128, 128, 0,   256, 256, 256,
                                       0,  512, 512, 512, 0,   512, 512, 512, 0};
    vgg(b, filters, sizeof(filters) / sizeof(filters[0]));
}

void covey__build_vgg19(struct covey__build *b)
{
    static const uint16_t filters[] = {64,  64,  0,   128, 128, 0,   256, 256, 256, 256, 0,
                                       512, 512, 512, 512, 0,   512, 512, 512, 512, 0};
    vgg(b, filters, sizeof(filters) / sizeof(filters[0]));
}

/* Krizhevsky 2014 ("one weird trick"): one column. */
void covey__build_alexnet(struct covey__build *b)
{
    bool small = covey__build_side(b) < 64;
    struct covey__build_conv first = {.filters = 64, .kernel = 11, .stride = 4, .pad = 2};
    if (small) {
        first = (struct covey__build_conv){.filters = 64, .kernel = 3, .pad = 1};
    }
    covey__build_conv(b, first);
    covey__build_relu(b);
    covey__build_maxpool(b, (struct covey__build_pool){.kernel = 3, .stride = 2});
    covey__build_conv(b, (struct covey__build_conv){.filters = 192, .kernel = 5, .pad = 2});
    covey__build_relu(b);
    covey__build_maxpool(b, (struct covey__build_pool){.kernel = 3, .stride = 2});
    covey__build_conv(b, (struct covey__build_conv){.filters = 384, .kernel = 3, .pad = 1});
    covey__build_relu(b);
    covey__build_conv(b, (struct covey__build_conv){.filters = 256, .kernel = 3, .pad = 1});
    covey__build_relu(b);
    covey__build_conv(b, (struct covey__build_conv){.filters = 256, .kernel = 3, .pad = 1});
    covey__build_relu(b);
    covey__build_maxpool(b, (struct covey__build_pool){.kernel = 3, .stride = 2});
    covey__build_flatten(b);
    covey__build_dropout(b, 0.5f);
    vgg_dense(b, small ? 512 : 4096, true);
    vgg_dense(b, small ? 512 : 4096, false);
    covey__build_dense(b, b->options->classes);
}

/* Iandola et al. 2016: squeeze by 1 x 1, expand by 1 x 1 beside 3 x 3. */
static void fire(struct covey__build *b, uint32_t squeeze, uint32_t expand)
{
    covey__build_conv(b, (struct covey__build_conv){.filters = squeeze, .kernel = 1});
    covey__build_relu(b);
    uint16_t squeezed = b->x;
    covey__build_conv(b, (struct covey__build_conv){.filters = expand, .kernel = 1});
    covey__build_relu(b);
    uint16_t left = b->x;
    b->x = squeezed;
    covey__build_conv(b, (struct covey__build_conv){.filters = expand, .kernel = 3, .pad = 1});
    covey__build_relu(b);
    covey__build_concat(b, left);
}

/* Version 1.1. */
void covey__build_squeezenet(struct covey__build *b)
{
    bool small = covey__build_side(b) < 64;
    covey__build_conv(
        b, (struct covey__build_conv){
               .filters = 64, .kernel = 3, .stride = small ? 1 : 2, .pad = small ? 1 : 0});
    covey__build_relu(b);
    covey__build_maxpool(b,
                         (struct covey__build_pool){.kernel = 3, .stride = 2, .ceil_mode = true});
    fire(b, 16, 64);
    fire(b, 16, 64);
    covey__build_maxpool(b,
                         (struct covey__build_pool){.kernel = 3, .stride = 2, .ceil_mode = true});
    fire(b, 32, 128);
    fire(b, 32, 128);
    covey__build_maxpool(b,
                         (struct covey__build_pool){.kernel = 3, .stride = 2, .ceil_mode = true});
    fire(b, 48, 192);
    fire(b, 48, 192);
    fire(b, 64, 256);
    fire(b, 64, 256);
    covey__build_dropout(b, 0.5f);
    covey__build_conv(b, (struct covey__build_conv){.filters = b->options->classes, .kernel = 1});
    covey__build_relu(b);
    covey__build_global_pool(b);
}
