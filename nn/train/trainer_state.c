/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

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

static int compare(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

size_t covey_trainer_ends(const struct covey_trainer *t, bool statistics, size_t *out, size_t max)
{
    size_t count = 0;
    for (size_t v = 0; v < t->g->value_count; v++) {
        const struct covey__train_place *place = &t->plan.place[v];
        if (!(statistics ? place->statistic : place->parameter)) {
            continue;
        }
        if (out != NULL && count < max) {
            out[count] = place->at + covey__shape_elements(&t->g->values[v].shape);
        }
        count++;
    }
    if (out != NULL) {
        qsort(out, count < max ? count : max, sizeof(*out), compare);
    }
    return count;
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

/* steps, parameters, statistics and optimizer, then the vectors but the gradient (and what only
 * Adam has). */
enum { HEADER_WORDS = 4, REGIONS = 5 };
_Static_assert(HEADER_WORDS * sizeof(uint64_t) == COVEY_TRAINER_STATE_HEAD, "as the header says");

static void header(const struct covey_trainer *t, uint64_t out[HEADER_WORDS])
{
    out[0] = t->steps;
    out[1] = t->plan.parameters;
    out[2] = t->plan.statistics;
    out[3] = (uint64_t)t->options.optimizer;
}

/* Where the state lies, in its order. */
struct region {
    uint8_t *bytes;
    size_t len;
};

static void regions(const struct covey_trainer *t, uint64_t words[HEADER_WORDS],
                    struct region out[REGIONS])
{
    size_t part = t->plan.parameters * sizeof(float);
    bool second = t->options.optimizer == COVEY_OPTIMIZER_ADAM;
    out[0] = (struct region){(uint8_t *)words, HEADER_WORDS * sizeof(uint64_t)};
    out[1] = (struct region){(uint8_t *)covey__trainer_vector(t, COVEY__VALUES), part};
    out[2] = (struct region){(uint8_t *)covey__trainer_vector(t, COVEY__FIRST_MOMENT), part};
    out[3] = (struct region){(uint8_t *)covey__trainer_vector(t, COVEY__SECOND_MOMENT),
                             second ? part : 0};
    out[4] =
        (struct region){(uint8_t *)covey__trainer_running(t), t->plan.statistics * sizeof(float)};
}

/* The bytes at .. at + len, region by region: out, or in. */
static void move(const struct region region[REGIONS], size_t at, struct covey_buf out,
                 struct covey_bytes in)
{
    size_t done = 0, len = out.ptr != NULL ? out.len : in.len;
    for (unsigned i = 0; i < REGIONS && done < len; i++) {
        if (at >= region[i].len) {
            at -= region[i].len;
            continue;
        }
        size_t left = len - done, room = region[i].len - at;
        size_t part = left < room ? left : room;
        if (out.ptr != NULL) {
            memcpy(out.ptr + done, region[i].bytes + at, part);
        } else {
            memcpy(region[i].bytes + at, in.ptr + done, part);
        }
        done += part;
        at = 0;
    }
}

size_t covey_trainer_state_bytes(const struct covey_trainer *t)
{
    uint64_t words[HEADER_WORDS];
    struct region region[REGIONS];
    size_t bytes = 0;
    regions(t, words, region);
    for (unsigned i = 0; i < REGIONS; i++) {
        bytes += region[i].len; /* less than the trainer takes */
    }
    return bytes;
}

void covey_trainer_save_part(const struct covey_trainer *t, size_t at, struct covey_buf out)
{
    uint64_t words[HEADER_WORDS];
    struct region region[REGIONS];
    COVEY_ASSERT(out.len <= covey_trainer_state_bytes(t) &&
                 at <= covey_trainer_state_bytes(t) - out.len);
    header(t, words);
    regions(t, words, region);
    move(region, at, out, covey_bytes_of(NULL, 0));
}

void covey_trainer_save(const struct covey_trainer *t, uint8_t *out)
{
    covey_trainer_save_part(t, 0, (struct covey_buf){out, covey_trainer_state_bytes(t)});
}

covey_err covey_trainer_load_part(struct covey_trainer *t, size_t at, struct covey_bytes in)
{
    uint64_t words[HEADER_WORDS], mine[HEADER_WORDS];
    struct region region[REGIONS];
    size_t all = covey_trainer_state_bytes(t);
    header(t, mine);
    memcpy(words, mine, sizeof(words));
    bool torn = at == 0 ? in.len < sizeof(words) : at < sizeof(words);
    if (torn || in.len > all || at > all - in.len) {
        return COVEY_ERR_RANGE;
    }
    if (at == 0) {
        memcpy(words, in.ptr, sizeof(words));
    }
    if (memcmp(words + 1, mine + 1, sizeof(mine) - sizeof(mine[0])) != 0) {
        return COVEY_ERR_RANGE;
    }
    regions(t, words, region);
    move(region, at, (struct covey_buf){NULL, 0}, in);
    t->steps = words[0];
    return COVEY_OK;
}

covey_err covey_trainer_load(struct covey_trainer *t, struct covey_bytes in)
{
    return in.len == covey_trainer_state_bytes(t) ? covey_trainer_load_part(t, 0, in)
                                                  : COVEY_ERR_RANGE;
}
