/* SPDX-License-Identifier: MIT */
#include "gradient_scene.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "../../nn/builder.h"
#include "covey/builder.h"
#include "covey/pack.h"
#include "scratch.h"

const struct gradient_case gradient_cases[GRADIENT_CASES] = {
    {{12, 1}, 0}, {{12, 4}, 0}, {{12, 6}, 0}, {{14, 7}, 0},
    {{12, 6}, 1}, {{12, 6}, 2}, {{10, 5}, 1}, {{14, 7}, 2},
};

struct covey_graph *gradient_lenet(void)
{
    const struct covey_build_options o = {
        .channels = 1, .height = 28, .width = 28, .classes = GRADIENT_CLASSES, .seed = 3};
    struct covey_graph *g = NULL;
    struct covey_nn_error why = {""};
    expect_ok(covey_build("lenet5", &o, &g, &why), &why);
    return g;
}

struct covey_graph *gradient_perceptron(uint32_t units, bool normalised, uint64_t seed)
{
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 8, 0, 0));
    struct covey_op_attrs relu = attrs_default();
    uint16_t x = add_dense(g, g->input[0], 8, units, &seed);
    x = normalised ? add_batchnorm(g, x, units, &seed) : add_op(g, COVEY_OP_RELU, &relu, &x, 1);
    add_dense(g, x, units, GRADIENT_CLASSES, &seed);
    return g;
}

static covey_err put_blob(void *user, const struct covey_digest *digest, struct covey_bytes blob)
{
    return covey__store_put(user, digest, blob);
}

static void publish(struct gradient_scene *s)
{
    struct covey_nn_error why = {""};
    uint8_t *manifest = NULL;
    size_t len = 0;
    expect_ok(covey_pack_plain(s->graph, "small", put_blob, &s->services.store, &manifest, &len,
                               &s->spec.model, &why),
              &why);
    assert_int_equal(covey__store_put_manifest(&s->services.store, &s->spec.model,
                                               covey_bytes_of(manifest, len)),
                     COVEY_OK);
    free(manifest);
}

static void make_batch(struct gradient_scene *s)
{
    uint64_t seed = 21;
    s->input = random_floats(&seed, s->batch * s->values);
    s->labels = calloc(s->batch, sizeof(*s->labels));
    s->shared = calloc(s->parameters + s->statistics, sizeof(*s->shared));
    assert_true(s->labels != NULL && s->shared != NULL);
    for (uint32_t i = 0; i < s->batch; i++) {
        s->labels[i] = random_below(&seed, GRADIENT_CLASSES);
    }
    memcpy(s->shared, covey_trainer_values(s->whole), s->parameters * sizeof(float));
    memcpy(s->shared + s->parameters, covey_trainer_statistics_values(s->whole),
           s->statistics * sizeof(float));
}

void gradient_scene_open(struct gradient_scene *s, void **state, struct covey_graph *take_g,
                         const uint32_t batch_parts[2])
{
    const struct covey_pool_config one = {1, 0, COVEY_PACE_COMPUTE, NULL};
    struct covey_train_options o;
    struct covey_nn_error why = {""};
    char dir[SCRATCH_PATH];
    *s = (struct gradient_scene){.graph = take_g, .batch = batch_parts[0], .parts = batch_parts[1]};
    s->spec = (struct covey_enlist_spec){.mode = COVEY_TRAIN_DATA,
                                         .part = covey__gradient_part(s->batch, s->parts),
                                         .label_smoothing = 0.1f,
                                         .seed = 99};
    scratch_folder(state, dir);
    s->services.memory.limit_bytes = UINT64_MAX;
    assert_int_equal(covey__store_open(&s->services.store, dir), COVEY_OK);
    assert_int_equal(covey_loop_new(&s->loop), COVEY_OK);
    assert_int_equal(covey__pool_new(s->loop, &one, &s->services.compute), COVEY_OK);
    publish(s);
    covey_train_options_init(&o);
    o.batch = s->batch;
    o.label_smoothing = s->spec.label_smoothing;
    o.seed = s->spec.seed;
    expect_ok(covey_trainer_new(s->graph, &o, &s->whole, &why), &why);
    s->parameters = covey_trainer_parameters(s->whole);
    s->statistics = covey_trainer_statistics(s->whole);
    s->values = covey_trainer_input_floats(s->whole);
    make_batch(s);
    expect_ok(covey_trainer_step(s->whole, s->input, s->labels, &s->step), NULL);
    expect_ok(covey__gradient_work_new(&s->services, &s->spec, &s->work, &why), &why);
}

void gradient_scene_close(struct gradient_scene *s)
{
    covey__gradient_work_free(s->work);
    covey_trainer_free(s->whole);
    covey_graph_free(s->graph);
    covey__pool_free(s->services.compute);
    covey_loop_free(s->loop);
    covey__store_close(&s->services.store);
    free(s->input);
    free(s->labels);
    free(s->shared);
}

struct covey_body *gradient_scene_shared(const struct gradient_scene *s)
{
    struct covey_body *body = NULL;
    size_t bytes = (s->parameters + s->statistics) * sizeof(float);
    assert_int_equal(covey_body_new(bytes, &body), COVEY_OK);
    memcpy(body->data, s->shared, bytes);
    return body;
}

struct covey_body *gradient_scene_task(const struct gradient_scene *s,
                                       const struct covey_task_spec *task)
{
    struct covey_body *body = NULL;
    size_t part = s->spec.part, bytes = part * s->values * sizeof(float);
    assert_int_equal(covey_body_new(task->count * (bytes + part * sizeof(uint32_t)), &body),
                     COVEY_OK);
    uint8_t *labels = body->data + task->count * bytes;
    for (size_t i = 0; i < task->count; i++) {
        memcpy(body->data + i * bytes, s->input + task->part[i] * part * s->values, bytes);
        memcpy(labels + i * part * sizeof(uint32_t), s->labels + task->part[i] * part,
               part * sizeof(uint32_t));
    }
    return body;
}

double gradient_difference(const float *a, const float *b, size_t count)
{
    double off = 0.0, norm = 0.0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        off += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(off / norm);
}
