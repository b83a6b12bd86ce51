/* SPDX-License-Identifier: MIT
 *
 * plan_nets.h - plan requests of known networks, counted by hand from their shapes.
 */
#ifndef COVEY_TESTS_PLAN_NETS_H
#define COVEY_TESTS_PLAN_NETS_H

#include "covey/plan.h"

struct net_shape {
    unsigned channels, height, width;
};

struct net_window {
    unsigned kernel, stride, pad;
};

/* A device with a tenth of a core, as issue and design measured it. */
struct net_device {
    uint32_t mflops, stream_mbytes, link_mbytes, message_us;
};
extern const struct net_device net_tenth;

/* Each adds a cell to the request; *inout is the shape that goes on. */
void net_conv(struct covey_plan_request *r, struct net_shape *inout, unsigned filters,
              struct net_window window);
void net_pool(struct covey_plan_request *r, struct net_shape *inout, struct net_window window);
void net_dense(struct covey_plan_request *r, struct net_shape *inout, unsigned outputs);

void net_vgg19(struct covey_plan_request *r);
void net_alexnet(struct covey_plan_request *r);
void net_resnet50(struct covey_plan_request *r); /* blocks as one cell each */
/* One dense layer of two units, 30 MB each; the devices stay. */
void net_halves(struct covey_plan_request *r);
void net_mlp(struct covey_plan_request *r, unsigned width);
/* count devices at `percent` tenths of net_tenth each; the first is the owner. */
void net_devices(struct covey_plan_request *r, const struct net_device *each,
                 const unsigned *percent, unsigned count);
void net_equal(struct covey_plan_request *r, const struct net_device *each, unsigned count);

#endif /* COVEY_TESTS_PLAN_NETS_H */
