/* SPDX-License-Identifier: MIT */
#include "graph_private.h"
#include "train/trainer_private.h"

size_t covey_trainer_statistics(const struct covey_trainer *t)
{
    return t->plan.statistics;
}

float *covey_trainer_statistics_values(struct covey_trainer *t)
{
    return covey__trainer_running(t);
}

covey_err covey_trainer_store(struct covey_trainer *t)
{
    for (size_t v = 0; v < t->g->value_count; v++) {
        struct covey_graph_value *value = &t->g->values[v];
        void *data = NULL;
        if (!t->plan.place[v].parameter && !t->plan.place[v].statistic) {
            continue;
        }
        size_t bytes = covey__graph_bytes(value);
        covey_err err = covey_graph_alloc(t->g, bytes, &data);
        if (err != COVEY_OK) {
            return err;
        }
        memcpy(data, t->tensors[v].data, bytes);
        covey_graph_release(t->g, value->data);
        value->data = data;
    }
    return COVEY_OK;
}

/* steps, parameters, statistics and optimizer, then the vectors but the gradient. */
enum { HEADER_WORDS = 4 };

static void header(const struct covey_trainer *t, uint64_t out[HEADER_WORDS])
{
    out[0] = t->steps;
    out[1] = t->plan.parameters;
    out[2] = t->plan.statistics;
    out[3] = (uint64_t)t->options.optimizer;
}

size_t covey_trainer_state_bytes(const struct covey_trainer *t)
{
    return HEADER_WORDS * sizeof(uint64_t) +
           (covey__trainer_floats(t) - t->plan.parameters) * sizeof(float);
}

void covey_trainer_save(const struct covey_trainer *t, uint8_t *out)
{
    uint64_t words[HEADER_WORDS];
    size_t part = t->plan.parameters * sizeof(float);
    header(t, words);
    memcpy(out, words, sizeof(words));
    out += sizeof(words);
    memcpy(out, covey__trainer_vector(t, COVEY__VALUES), part);
    memcpy(out + part, covey__trainer_vector(t, COVEY__FIRST_MOMENT), part);
    memcpy(out + 2 * part, covey__trainer_vector(t, COVEY__SECOND_MOMENT), part);
    memcpy(out + 3 * part, covey__trainer_running(t), t->plan.statistics * sizeof(float));
}

covey_err covey_trainer_load(struct covey_trainer *t, struct covey_bytes in)
{
    uint64_t have[HEADER_WORDS], mine[HEADER_WORDS];
    size_t part = t->plan.parameters * sizeof(float);
    if (in.len != covey_trainer_state_bytes(t)) {
        return COVEY_ERR_RANGE;
    }
    memcpy(have, in.ptr, sizeof(have));
    header(t, mine);
    if (memcmp(have + 1, mine + 1, sizeof(mine) - sizeof(mine[0])) != 0) {
        return COVEY_ERR_RANGE;
    }
    const uint8_t *at = in.ptr + sizeof(have);
    t->steps = have[0];
    memcpy(covey__trainer_vector(t, COVEY__VALUES), at, part);
    memcpy(covey__trainer_vector(t, COVEY__FIRST_MOMENT), at + part, part);
    memcpy(covey__trainer_vector(t, COVEY__SECOND_MOMENT), at + 2 * part, part);
    memcpy(covey__trainer_running(t), at + 3 * part, t->plan.statistics * sizeof(float));
    return COVEY_OK;
}
