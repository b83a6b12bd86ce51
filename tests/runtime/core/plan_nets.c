/* SPDX-License-Identifier: MIT */
#include "plan_nets.h"

const struct net_device net_tenth = {16384, 1448, 38, 100};

static struct covey_plan_cell *add_cell(struct covey_plan_request *r)
{
    struct covey_plan_cell *cell = &r->cell[r->cells++];
    COVEY_ASSERT(r->cells <= COVEY_CELLS_MAX);
    memset(cell, 0, sizeof(*cell));
    cell->first_layer = r->layers;
    return cell;
}

static uint64_t row_bytes(const struct net_shape *s)
{
    return (uint64_t)s->channels * s->width * sizeof(float);
}

static struct net_shape after(const struct net_shape *in, unsigned channels, struct net_window w)
{
    return (struct net_shape){channels, (in->height + 2 * w.pad - w.kernel) / w.stride + 1,
                              (in->width + 2 * w.pad - w.kernel) / w.stride + 1};
}

static struct covey_row_map map_of(const struct net_shape *in, const struct net_shape *out,
                                   struct net_window w)
{
    return (struct covey_row_map){
        .in_rows = (uint16_t)in->height,
        .out_rows = (uint16_t)out->height,
        .stride = (uint16_t)w.stride,
        .before = (uint16_t)w.pad,
        .after = (uint16_t)(w.kernel - 1 - w.pad),
        .in_row_bytes = (uint32_t)row_bytes(in),
        .out_row_bytes = (uint32_t)row_bytes(out),
    };
}

/* Units as nn cuts them: at most 64, of as many rows each. */
static void add_layer(struct covey_plan_request *r, const struct net_shape *in, uint64_t columns,
                      unsigned m, uint64_t k)
{
    struct covey_plan_cost *cost = &r->cost[r->layers++];
    unsigned rows = (m + COVEY_LAYER_UNITS_MAX - 1) / COVEY_LAYER_UNITS_MAX;
    COVEY_ASSERT(r->layers <= COVEY_LAYERS_MAX);
    *cost = (struct covey_plan_cost){
        .cell = (uint16_t)(r->cells - 1),
        .units = (uint16_t)((m + rows - 1) / rows),
        .unit_bytes = (uint32_t)(rows * k * sizeof(float)),
        .input_bytes = (uint32_t)(row_bytes(in) * in->height),
        .answer_bytes = (uint32_t)(rows * columns * sizeof(float)),
        .unit.flops = columns > 1 ? 2 * rows * k * columns : 0,
        .unit.bytes = rows * k * sizeof(float),
    };
    r->cell[r->cells - 1].layers++;
    r->cell[r->cells - 1].weight_bytes += m * k * sizeof(float);
}

void net_conv(struct covey_plan_request *r, struct net_shape *inout, unsigned filters,
              struct net_window window)
{
    struct covey_plan_cell *cell = add_cell(r);
    struct net_shape out = after(inout, filters, window);
    uint64_t k = (uint64_t)inout->channels * window.kernel * window.kernel;
    add_layer(r, inout, (uint64_t)out.height * out.width, filters, k);
    cell->map = map_of(inout, &out, window);
    cell->row.flops = 2 * k * filters * out.width;
    cell->strip.bytes = cell->weight_bytes;
    cell->whole.flops = cell->row.flops * out.height;
    cell->whole.bytes = cell->weight_bytes;
    r->cost[r->layers - 1].by_rows = (struct covey_plan_rows){.rows = (uint16_t)out.height,
                                                              .in_rows = (uint16_t)inout->height,
                                                              .stride = (uint16_t)window.stride,
                                                              .span = (uint16_t)window.kernel,
                                                              .row = cell->row,
                                                              .block = cell->strip};
    *inout = out;
}

void net_pool(struct covey_plan_request *r, struct net_shape *inout, struct net_window window)
{
    struct covey_plan_cell *cell = add_cell(r);
    struct net_shape out = after(inout, inout->channels, window);
    cell->map = map_of(inout, &out, window);
    cell->row.bytes = row_bytes(inout) * window.stride;
    cell->whole.bytes = cell->row.bytes * out.height;
    *inout = out;
}

void net_dense(struct covey_plan_request *r, struct net_shape *inout, unsigned outputs)
{
    struct covey_plan_cell *cell = add_cell(r);
    uint64_t inputs = (uint64_t)inout->channels * inout->height * inout->width;
    add_layer(r, inout, 1, outputs, inputs);
    cell->whole.bytes = cell->weight_bytes;
    *inout = (struct net_shape){outputs, 1, 1};
}

void net_vgg19(struct covey_plan_request *r)
{
    static const unsigned channels[5] = {64, 128, 256, 512, 512};
    static const unsigned repeated[5] = {2, 2, 4, 4, 4};
    struct net_shape s = {3, 224, 224};
    memset(r, 0, sizeof(*r));
    for (unsigned b = 0; b < 5; b++) {
        for (unsigned i = 0; i < repeated[b]; i++) {
            net_conv(r, &s, channels[b], (struct net_window){3, 1, 1});
        }
        net_pool(r, &s, (struct net_window){2, 2, 0});
    }
    net_dense(r, &s, 4096);
    net_dense(r, &s, 4096);
    net_dense(r, &s, 1000);
}

void net_alexnet(struct covey_plan_request *r)
{
    const struct net_window pool = {3, 2, 0};
    struct net_shape s = {3, 224, 224};
    memset(r, 0, sizeof(*r));
    net_conv(r, &s, 64, (struct net_window){11, 4, 2});
    net_pool(r, &s, pool);
    net_conv(r, &s, 192, (struct net_window){5, 1, 2});
    net_pool(r, &s, pool);
    net_conv(r, &s, 384, (struct net_window){3, 1, 1});
    net_conv(r, &s, 256, (struct net_window){3, 1, 1});
    net_conv(r, &s, 256, (struct net_window){3, 1, 1});
    net_pool(r, &s, pool);
    net_dense(r, &s, 4096);
    net_dense(r, &s, 4096);
    net_dense(r, &s, 1000);
}

/* A bottleneck: 1x1, 3x3, 1x1 and a way past them; between blocks only one tensor goes on. */
static void bottleneck(struct covey_plan_request *r, struct net_shape *inout, unsigned width,
                       unsigned stride, bool project)
{
    struct covey_plan_cell *cell = add_cell(r);
    struct net_window window = {3, stride, 1};
    struct net_shape out = after(inout, 4 * width, window);
    struct net_shape mid = {width, inout->height, inout->width};
    struct net_shape small = {width, out.height, out.width};
    uint64_t pixels = (uint64_t)out.height * out.width;
    add_layer(r, inout, (uint64_t)mid.height * mid.width, width, inout->channels);
    add_layer(r, &mid, pixels, width, 9 * (uint64_t)width);
    add_layer(r, &small, pixels, 4 * width, width);
    if (project) {
        add_layer(r, inout, pixels, 4 * width, inout->channels);
    }
    cell->map = map_of(inout, &out, window);
    cell->row.flops =
        2 * (uint64_t)out.width *
        ((uint64_t)stride * stride * width * inout->channels + 9 * (uint64_t)width * width +
         4 * (uint64_t)width * width + (project ? 4 * (uint64_t)width * inout->channels : 0));
    cell->strip.bytes = cell->weight_bytes;
    cell->whole.flops = cell->row.flops * out.height;
    cell->whole.bytes = cell->weight_bytes;
    *inout = out;
}

void net_resnet50(struct covey_plan_request *r)
{
    static const unsigned repeated[4] = {3, 4, 6, 3};
    struct net_shape s = {3, 224, 224};
    memset(r, 0, sizeof(*r));
    net_conv(r, &s, 64, (struct net_window){7, 2, 3});
    net_pool(r, &s, (struct net_window){3, 2, 1});
    for (unsigned b = 0; b < 4; b++) {
        for (unsigned i = 0; i < repeated[b]; i++) {
            bottleneck(r, &s, 64U << b, i == 0 && b > 0 ? 2 : 1, i == 0);
        }
    }
    s.height = s.width = 1;
    net_dense(r, &s, 1000);
}

void net_mlp(struct covey_plan_request *r, unsigned width)
{
    struct net_shape s = {784, 1, 1};
    memset(r, 0, sizeof(*r));
    net_dense(r, &s, width);
    net_dense(r, &s, width);
    net_dense(r, &s, width);
    net_dense(r, &s, 10);
}

void net_devices(struct covey_plan_request *r, const struct net_device *each,
                 const unsigned *percent, unsigned count)
{
    r->devices = (uint8_t)count;
    for (unsigned d = 0; d < count; d++) {
        r->device[d] = (struct covey_plan_device){
            .mflops = each->mflops / 10 * percent[d],
            .stream_mbytes = each->stream_mbytes / 10 * percent[d],
            .link_mbytes = each->link_mbytes * percent[d] / 10,
            .message_us = each->message_us * 10 / percent[d],
            .memory_bytes = UINT64_MAX,
            .owner = d == 0,
        };
        r->device[d].id.bytes[0] = (uint8_t)(d * 37 + 1);
        r->device[d].id.bytes[1] = (uint8_t)d;
    }
}

void net_equal(struct covey_plan_request *r, const struct net_device *each, unsigned count)
{
    unsigned percent[COVEY_PLAN_DEVICES_MAX];
    for (unsigned d = 0; d < count; d++) {
        percent[d] = 10;
    }
    net_devices(r, each, percent, count);
}

void net_halves(struct covey_plan_request *r)
{
    r->layers = r->cells = r->cell[0].layers = 1;
    r->cost[0] = (struct covey_plan_cost){.units = 2,
                                          .unit_bytes = 30000000,
                                          .input_bytes = 4000,
                                          .answer_bytes = 4,
                                          .unit.bytes = 30000000};
    r->cell[0].whole.bytes = r->cell[0].weight_bytes = 60000000;
}
