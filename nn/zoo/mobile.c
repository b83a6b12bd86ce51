/* SPDX-License-Identifier: MIT */
#include "build.h"

/* Filters times the width multiplier, to a multiple of 8, never more than a tenth below. */
static uint32_t scaled(const struct covey__build *b, uint32_t filters)
{
    float scale = b->options->scale > 0.0f ? b->options->scale : 1.0f;
    float exact = scale * (float)filters;
    uint32_t rounded = (uint32_t)(exact + 4.0f) / 8 * 8;
    rounded = rounded < 8 ? 8 : rounded;
    return (float)rounded < 0.9f * exact ? rounded + 8 : rounded;
}

static void conv_relu6(struct covey__build *b, struct covey__build_conv conv)
{
    covey__build_conv_bn(b, conv);
    covey__build_relu6(b);
}

static void depthwise(struct covey__build *b, uint32_t stride)
{
    if (b->err == COVEY_OK) {
        uint32_t channels = covey__build_channels(b);
        conv_relu6(
            b,
            (struct covey__build_conv){
                .filters = channels, .kernel = 3, .stride = stride, .pad = 1, .groups = channels});
    }
}

/* Howard et al. 2017: depthwise, then 1 x 1. Small images skip the first strides. */
void covey__build_mobilenet(struct covey__build *b)
{
    static const struct {
        uint16_t filters;
        uint8_t stride;
    } rows[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
    bool small = covey__build_side(b) < 64;
    conv_relu6(b, (struct covey__build_conv){
                      .filters = scaled(b, 32), .kernel = 3, .stride = small ? 1 : 2, .pad = 1});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        depthwise(b, small && i < 2 ? 1 : rows[i].stride);
        conv_relu6(b,
                   (struct covey__build_conv){.filters = scaled(b, rows[i].filters), .kernel = 1});
    }
    covey__build_global_pool(b);
    covey__build_dense(b, b->options->classes);
}

/* Sandler et al. 2018: expand by 1 x 1, depthwise, project by 1 x 1 without activation. */
static void inverted(struct covey__build *b, uint32_t expand, uint32_t filters, uint32_t stride)
{
    uint16_t from = b->x;
    if (b->err != COVEY_OK) {
        return;
    }
    uint32_t channels = covey__build_channels(b);
    if (expand != 1) {
        conv_relu6(b, (struct covey__build_conv){.filters = expand * channels, .kernel = 1});
    }
    depthwise(b, stride);
    covey__build_conv_bn(b, (struct covey__build_conv){.filters = filters, .kernel = 1});
    if (stride == 1 && channels == filters) {
        covey__build_add(b, from);
    }
}

void covey__build_mobilenet_v2(struct covey__build *b)
{
    static const struct {
        uint16_t expand, filters, count, stride;
    } rows[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    bool small = covey__build_side(b) < 64;
    float scale = b->options->scale > 1.0f ? b->options->scale : 1.0f;
    conv_relu6(b, (struct covey__build_conv){
                      .filters = scaled(b, 32), .kernel = 3, .stride = small ? 1 : 2, .pad = 1});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned j = 0; j < rows[i].count; j++) {
            uint32_t stride = j > 0 || (small && i < 2) ? 1 : rows[i].stride;
            inverted(b, rows[i].expand, scaled(b, rows[i].filters), stride);
        }
    }
    conv_relu6(b, (struct covey__build_conv){.filters = (uint32_t)(1280.0f * scale), .kernel = 1});
    covey__build_global_pool(b);
    covey__build_dropout(b, 0.2f);
    covey__build_dense(b, b->options->classes);
}
