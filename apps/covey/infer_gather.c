/* SPDX-License-Identifier: MIT */
#include "infer_gather.h"

#include <stdio.h>
#include <stdlib.h>

/* How many inputs, and outputs, one message holds. */
static uint32_t most(const struct covey__target *t)
{
    size_t floats = t->input_floats > t->output_floats ? t->input_floats : t->output_floats;
    size_t fit = floats > 0 ? COVEY_BODY_MAX / sizeof(float) / floats : 1;
    fit = fit < COVEY_BATCH_MAX ? fit : COVEY_BATCH_MAX;
    return t->is_local || fit == 0 ? 1 : (uint32_t)fit;
}

static covey_err set_width(struct covey__gather *g, const struct covey__target *t, uint32_t width)
{
    float *inputs = calloc((size_t)2 * width * t->input_floats, sizeof(*inputs));
    int32_t *labels = calloc((size_t)2 * width, sizeof(*labels));
    if (inputs == NULL || labels == NULL) {
        free(inputs);
        free(labels);
        return COVEY_ERR_NOMEM;
    }
    free(g->inputs);
    free(g->labels);
    g->inputs = inputs;
    g->labels = labels;
    g->width = width;
    return COVEY_OK;
}

covey_err covey__gather_init(struct covey__gather *g, struct covey__target *t, uint32_t asked)
{
    uint32_t limit = most(t);
    if (asked > limit && !t->is_local) {
        snprintf(t->why.text, sizeof(t->why.text),
                 "a batch of %u is too large: at most %u inputs of this model fit a message",
                 (unsigned)asked, (unsigned)limit);
        return COVEY_ERR_LIMIT;
    }
    g->fixed = asked > 0;
    return set_width(g, t, asked > 0 && !t->is_local ? asked : 1);
}

void covey__gather_done(struct covey__gather *g)
{
    free(g->inputs);
    free(g->labels);
    g->inputs = NULL;
    g->labels = NULL;
}

covey_err covey__gather_widen(struct covey__gather *g, struct covey__target *t, size_t inputs)
{
    if (g->fixed || g->count > 0 || inputs == 0) {
        return COVEY_OK;
    }
    size_t limit = most(t), requests = (inputs + limit - 1) / limit;
    uint32_t width = (uint32_t)((inputs + requests - 1) / requests);
    return width == g->width ? COVEY_OK : set_width(g, t, width);
}

float *covey__gather_next(const struct covey__gather *g, const struct covey__target *t)
{
    COVEY_ASSERT(g->count < g->width);
    return g->inputs + g->count * t->input_floats;
}

void covey__gather_add(struct covey__gather *g, size_t index, int32_t label)
{
    g->first = g->count == 0 ? index : g->first;
    g->labels[g->count++] = label;
}

/* Half of it where that much is too large or finds no memory, none where no batch goes. */
static bool shrink(struct covey__gather *g, covey_err err)
{
    bool large = err == COVEY_ERR_LIMIT || err == COVEY_ERR_NOMEM;
    if (g->fixed || g->width == 1 || (!large && err != COVEY_ERR_UNSUPPORTED)) {
        return false;
    }
    g->width = large ? (g->width + 1) / 2 : 1;
    return true;
}

/* A request has its full size, whatever is left: another size would be another session. */
static void fill_up(const struct covey__gather *g, const struct covey__target *t, size_t done)
{
    const float *last = g->inputs + (g->count - 1) * t->input_floats;
    for (size_t i = g->count; i < done + g->width; i++) {
        memcpy(g->inputs + i * t->input_floats, last, t->input_floats * sizeof(float));
    }
}

covey_err covey__gather_ask(struct covey__gather *g, struct covey__target *t, size_t done,
                            struct covey__answer *out, size_t *out_count)
{
    COVEY_ASSERT(done < g->count);
    covey_err err = COVEY_OK;
    do {
        fill_up(g, t, done);
        t->infer.batch = (uint16_t)g->width;
        err = covey__target_ask(t, g->inputs + done * t->input_floats, out);
    } while (err != COVEY_OK && shrink(g, err));
    size_t left = g->count - done;
    *out_count = left < g->width ? left : g->width;
    g->requests += err == COVEY_OK;
    return err;
}
