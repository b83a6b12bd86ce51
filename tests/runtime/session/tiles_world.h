/* SPDX-License-Identifier: MIT
 *
 * tiles_world.h - what the tests of holders' tiles live in: a small model, a plan of one tile run
 * over three holders, and each holder's assignment. Tiles are driven as core drives them.
 */
#ifndef COVEY_TESTS_SESSION_TILES_WORLD_H
#define COVEY_TESTS_SESSION_TILES_WORLD_H

#include "../../nn/builder.h"
#include "tiles.h"

enum { HOLDERS = 3, BLOBS = 1024, MEMORY = 64 << 20 };

struct blob {
    struct covey_digest digest;
    uint8_t *data;
    size_t len;
};

struct holder {
    struct covey_assignment *assignment;
    struct covey_tiling *tiling;
};

struct world {
    struct blob blob[BLOBS];
    uint8_t *manifest_bytes;
    size_t blobs, manifest_len;
    /* the whole model, and its cells */
    struct covey_manifest *manifest;
    struct covey_model *model;
    struct covey_cell *cell;
    size_t cells, tiled;
    uint32_t batch;
    float *input, *expected; /* of the tile run */
    struct covey_plan plan;
    struct covey_services services;
    struct holder holder[HOLDERS];
    struct covey_network_table networks[HOLDERS];
    size_t fetched;
    _Atomic uint64_t used_bytes;
    /* the last event */
    covey_err err;
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1];
};

struct covey_graph *tiles_vgg(uint64_t seed);
/* Takes the graph. Segments of `cells` cells each; device 1 has no rows of every third segment. */
void tiles_world_init(struct world *w, struct covey_graph *take_g, unsigned cells, uint32_t batch);
/* What was held for others is given back, to the byte. */
void tiles_world_done(struct world *w);

struct covey_node_id tiles_id(unsigned d);
covey_err tiles_open(struct world *w, unsigned d, uint32_t version, uint64_t limit,
                     struct covey_assignment **out);
covey_err tiles_open_holder(struct world *w, unsigned d, uint64_t limit);
void tiles_open_holders(struct world *w);
struct covey_network *tiles_network(const struct world *w, unsigned d);

covey_handle tiles_put(struct world *w, const float *tensor, struct covey_plane_rows part);
void tiles_begin(const struct world *w, unsigned d, uint8_t attempt,
                 const struct covey_tile_layout *layout, struct covey_tile_task *task);
struct covey_action tiles_action(struct world *w, unsigned d, const struct covey_tile_task *task);
/* Until the event that tells of it, which is in w then. */
void tiles_compute(struct world *w, unsigned d, const struct covey_tile_task *task);
/* The relative error of a request's tile run. */
double tiles_run(struct world *w, uint8_t attempt, const struct covey_tile_layout *layout);

#endif /* COVEY_TESTS_SESSION_TILES_WORLD_H */
