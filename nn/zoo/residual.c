/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "ops.h"

/* He, Zhang, Ren, Sun 2015. The shortcut is projected where the shape changes. */
static void shortcut(struct covey__build *b, uint16_t from, uint32_t filters, uint32_t stride)
{
    uint16_t branch = b->x;
    b->x = from;
    if (b->err == COVEY_OK && (stride != 1 || covey__build_channels(b) != filters)) {
        covey__build_conv_bn(
            b, (struct covey__build_conv){.filters = filters, .kernel = 1, .stride = stride});
    }
    covey__build_add(b, branch);
    covey__build_relu(b);
}

static void basic_block(struct covey__build *b, uint32_t filters, uint32_t stride)
{
    uint16_t from = b->x;
    covey__build_conv_bn(
        b, (struct covey__build_conv){.filters = filters, .kernel = 3, .stride = stride, .pad = 1});
    covey__build_relu(b);
    covey__build_conv_bn(b, (struct covey__build_conv){.filters = filters, .kernel = 3, .pad = 1});
    shortcut(b, from, filters, stride);
}

/* The stride is at the 3 x 3 convolution, as everybody has it since (version 1.5). */
static void bottleneck(struct covey__build *b, uint32_t filters, uint32_t stride)
{
    uint16_t from = b->x;
    covey__build_conv_bn(b, (struct covey__build_conv){.filters = filters, .kernel = 1});
    covey__build_relu(b);
    covey__build_conv_bn(
        b, (struct covey__build_conv){.filters = filters, .kernel = 3, .stride = stride, .pad = 1});
    covey__build_relu(b);
    covey__build_conv_bn(b, (struct covey__build_conv){.filters = 4 * filters, .kernel = 1});
    shortcut(b, from, 4 * filters, stride);
}

static void stem(struct covey__build *b)
{
    if (covey__build_side(b) < 64) {
        covey__build_conv_bn(b, (struct covey__build_conv){.filters = 64, .kernel = 3, .pad = 1});
        covey__build_relu(b);
        return;
    }
    covey__build_conv_bn(
        b, (struct covey__build_conv){.filters = 64, .kernel = 7, .stride = 2, .pad = 3});
    covey__build_relu(b);
    covey__build_maxpool(b, (struct covey__build_pool){.kernel = 3, .stride = 2, .pad = 1});
}

typedef void (*block_fn)(struct covey__build *b, uint32_t filters, uint32_t stride);

static void resnet(struct covey__build *b, block_fn block, const uint8_t counts[4])
{
    stem(b);
    for (unsigned stage = 0; stage < 4; stage++) {
        for (unsigned i = 0; i < counts[stage]; i++) {
            block(b, 64u << stage, stage > 0 && i == 0 ? 2 : 1);
        }
    }
    covey__build_global_pool(b);
    covey__build_dense(b, b->options->classes);
}

void covey__build_resnet34(struct covey__build *b)
{
    resnet(b, basic_block, (const uint8_t[4]){3, 4, 6, 3});
}

void covey__build_resnet50(struct covey__build *b)
{
    resnet(b, bottleneck, (const uint8_t[4]){3, 4, 6, 3});
}

/* Section 4.2: 6 n + 2 layers, n = 3, of 16, 32 and 64 filters. */
void covey__build_resnet20(struct covey__build *b)
{
    covey__build_conv_bn(b, (struct covey__build_conv){.filters = 16, .kernel = 3, .pad = 1});
    covey__build_relu(b);
    for (unsigned stage = 0; stage < 3; stage++) {
        for (unsigned i = 0; i < 3; i++) {
            basic_block(b, 16u << stage, stage > 0 && i == 0 ? 2 : 1);
        }
    }
    covey__build_global_pool(b);
    covey__build_dense(b, b->options->classes);
}

/* Zagoruyko, Komodakis 2016: norm and rectifier in front of each convolution. */
static void wide_block(struct covey__build *b, uint32_t filters, uint32_t stride)
{
    uint16_t from = b->x;
    if (b->err != COVEY_OK) {
        return;
    }
    bool project = stride != 1 || covey__build_channels(b) != filters;
    covey__build_batchnorm(b);
    covey__build_relu(b);
    from = project ? b->x : from;
    covey__build_conv_bn(
        b, (struct covey__build_conv){.filters = filters, .kernel = 3, .stride = stride, .pad = 1});
    covey__build_relu(b);
    covey__build_conv(
        b, (struct covey__build_conv){.filters = filters, .kernel = 3, .pad = 1, .no_bias = true});
    uint16_t branch = b->x;
    b->x = from;
    if (project) {
        covey__build_conv(b,
                          (struct covey__build_conv){
                              .filters = filters, .kernel = 1, .stride = stride, .no_bias = true});
    }
    covey__build_add(b, branch);
}

void covey__build_wrn(struct covey__build *b)
{
    uint32_t depth = b->options->depth == 0 ? 16 : b->options->depth;
    float width = b->options->scale > 0.0f ? b->options->scale : 2.0f;
    if (depth < 10 || depth % 6 != 4) {
        b->err = covey__nn_fail(b->why, COVEY_ERR_RANGE, "its depth is 6 n + 4, n at least 1");
        return;
    }
    covey__build_conv(
        b, (struct covey__build_conv){.filters = 16, .kernel = 3, .pad = 1, .no_bias = true});
    for (unsigned stage = 0; stage < 3; stage++) {
        for (unsigned i = 0; i < (depth - 4) / 6; i++) {
            wide_block(b, (uint32_t)(width * (float)(16u << stage)), stage > 0 && i == 0 ? 2 : 1);
        }
    }
    covey__build_batchnorm(b);
    covey__build_relu(b);
    covey__build_global_pool(b);
    covey__build_dense(b, b->options->classes);
}
