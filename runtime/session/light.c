/* SPDX-License-Identifier: MIT */
#include "light.h"

enum { FLOPS = 1 << 21 }; /* as covey_model_node_work() counts them */

bool covey__light_product(const struct covey_layer *l, size_t slots)
{
    uint64_t bytes = (uint64_t)slots * covey_layer_unit_floats(l) * sizeof(float);
    return l->kind == COVEY_LAYER_DENSE && l->exact == 0 && bytes * l->batch <= COVEY_LIGHT_WEIGHTS;
}

bool covey__light_slots(const struct covey_version *v, size_t layer,
                        const uint64_t slots[static COVEY_LAYER_SLOTS_MAX / 64])
{
    size_t count = 0;
    for (size_t i = 0; i < COVEY_LAYER_SLOTS_MAX / 64; i++) {
        for (uint64_t left = slots[i]; left != 0; left &= left - 1) {
            count++;
        }
    }
    return !v->file->sparse &&
           covey__light_product(covey_model_layer(v->file->model, layer), count);
}

static bool is_fed(const struct covey_version *v, size_t layer)
{
    bool fed = v->plan.layer[layer].relayed;
    for (unsigned i = 0; i < v->plan.runs; i++) {
        fed = fed || v->plan.run[i].feeds == layer + 1;
    }
    return fed;
}

/* Putting its answer together; at the end the last layer's answers are checked as well. */
static uint64_t answer_moved(const struct covey_version *v, size_t stage)
{
    const struct covey_version_stage *at = &v->at[stage];
    if (at->tiles) {
        const struct covey_plan_run *run = &v->plan.run[at->index];
        const struct covey_cell *last = &v->file->cell[run->first_cell + run->cells - 1U];
        return (uint64_t)last->out_planes * last->out_rows * last->out_width * sizeof(float);
    }
    const struct covey_layer *l = covey_model_layer(v->file->model, at->index);
    uint64_t checked = (uint64_t)covey_layer_input_floats(l) * sizeof(float) * v->plan.devices;
    uint64_t answer = (uint64_t)covey_layer_answer_floats(l) * l->units * sizeof(float);
    return answer + (stage + 1 == v->stages ? checked : 0);
}

/* Making a layer's input what can be sent; that of a run is cut elsewhere. */
static uint64_t input_moved(const struct covey_version *v, size_t stage)
{
    const struct covey_version_stage *at = &v->at[stage];
    if (at->tiles) {
        return 0;
    }
    const struct covey_layer *l = covey_model_layer(v->file->model, at->index);
    uint64_t copies = is_fed(v, at->index) ? 2 : 2 + COVEY_LIGHT_SEALED;
    return (uint64_t)covey_layer_input_floats(l) * sizeof(float) * copies;
}

static bool are_light(const struct covey_version *v, size_t first_node, size_t last_node)
{
    struct covey_work sum = {0};
    for (size_t i = first_node; i < last_node && sum.flops <= FLOPS; i++) {
        struct covey_work work;
        covey_model_node_work(v->file->model, i, &work);
        sum.flops += work.flops;
        sum.bytes += work.bytes;
    }
    return sum.flops <= FLOPS && sum.bytes <= COVEY_LIGHT_WEIGHTS;
}

/* Integers are checked before they are used, what is made twice is compared, and at the end blocks
 * of rows are checked, which takes longer than vectors. */
static bool is_plain(const struct covey_version *v, size_t stage)
{
    const struct covey_version_stage *at = &v->at[stage];
    if (at->streamed || v->plan.half) {
        return false;
    }
    if (at->tiles) {
        return !v->plan.run[at->index].twice;
    }
    bool blocks = v->plan.layer[at->index].by_rows && stage + 1 == v->stages;
    return !blocks && covey_model_layer(v->file->model, at->index)->exact == 0;
}

static uint64_t model_input_bytes(const struct covey_version *v)
{
    size_t floats = 0;
    covey_err err = covey_shape_count(covey_model_input(v->file->model), &floats);
    return err == COVEY_OK ? (uint64_t)floats * sizeof(float) : UINT64_MAX / 2;
}

/* The nodes of a stage: [*out_first, *out_last). */
static void nodes_of(const struct covey_version *v, size_t stage, size_t *out_first,
                     size_t *out_last)
{
    const struct covey_stage *s = &v->stage[stage];
    size_t node = s->nodes ? s->first_node : covey__model_file_node(v->file, s->layer);
    *out_first = node;
    *out_last = s->nodes ? s->last_node : node + 1;
}

/* Rows that border on others' go to several, and zeros are looked for: twice the input. */
static bool is_cut_light(const struct covey_version *v, size_t stage)
{
    if (!v->at[stage].tiles || !is_plain(v, stage)) {
        return false;
    }
    const struct covey_cell *first = &v->file->cell[v->plan.run[v->at[stage].index].first_cell];
    uint64_t floats = (uint64_t)first->in_planes * first->in_rows * first->in_width;
    return floats * sizeof(float) * 2 <= COVEY_LIGHT_MOVED;
}

void covey__light_stages(struct covey_version *v)
{
    size_t behind = 0, nodes = v->file->graph->node_count;
    uint64_t moved = model_input_bytes(v);
    for (size_t s = 0; s < v->stages; s++) {
        size_t first, last;
        nodes_of(v, s, &first, &last);
        v->at[s].light_cut = is_cut_light(v, s);
        bool light = is_plain(v, s) && moved + input_moved(v, s) <= COVEY_LIGHT_MOVED &&
                     are_light(v, behind, first);
        if (s == 0) {
            v->light_start = light;
        } else {
            v->at[s - 1].light = light && is_plain(v, s - 1);
        }
        behind = last;
        moved = answer_moved(v, s);
    }
    if (v->stages > 0) {
        v->at[v->stages - 1].light =
            is_plain(v, v->stages - 1) && moved <= COVEY_LIGHT_MOVED && are_light(v, behind, nodes);
    }
}
