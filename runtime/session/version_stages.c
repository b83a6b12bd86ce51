/* SPDX-License-Identifier: MIT */
#include "version.h"

static void add_stage(struct covey_version *v, const struct covey_stage *stage,
                      struct covey_version_stage at)
{
    v->stage[v->stages] = *stage;
    v->at[v->stages++] = at;
}

/* A split layer that the owner has not in memory stops the run as well: it is streamed. */
static void add_layer(struct covey_version *v, uint16_t layer)
{
    const struct covey_model_file *f = v->file;
    bool coded = layer < v->plan.layers && v->plan.layer[layer].slots > 0;
    bool away = false;
    for (size_t i = 0; i < f->layer_stages; i++) {
        away = away || f->layers[i].layer == layer;
    }
    if (coded || away) {
        struct covey_stage stage = {.layer = layer};
        struct covey_version_stage at = {.streamed = !coded, .index = layer};
        add_stage(v, &stage, at);
    }
}

/* In running order: by cells, and layers within. */
covey_err covey__version_stages(struct covey_version *v)
{
    const struct covey_model_file *f = v->file;
    unsigned run = 0;
    for (size_t i = 0; i < f->cells; i++) {
        const struct covey_cell *cell = &f->cell[i];
        const struct covey_plan_run *r = run < v->plan.runs ? &v->plan.run[run] : NULL;
        if (r != NULL && r->first_cell == i) {
            if (r->cells == 0 || i + r->cells > f->cells) {
                return COVEY_ERR_RANGE;
            }
            const struct covey_cell *last = cell + r->cells - 1;
            struct covey_stage stage = {.nodes = true,
                                        .first_node = cell->first_node,
                                        .last_node = last->last_node,
                                        .in = cell->in,
                                        .out = last->out};
            struct covey_version_stage at = {.tiles = true, .index = (uint16_t)run++};
            add_stage(v, &stage, at);
            i += r->cells - 1u;
            continue;
        }
        for (uint16_t l = cell->first_layer; l < cell->first_layer + cell->layers; l++) {
            add_layer(v, l);
        }
    }
    return run == v->plan.runs ? COVEY_OK : COVEY_ERR_RANGE;
}
