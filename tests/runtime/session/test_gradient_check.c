/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "gradient_check.h"
#include "gradient_scene.h"
#include "scratch.h"

enum { PARTS = 2, TENSORS_MAX = 64, UNITS = 24 };

/* A task of a scene, what is true of it, and where its tensors end in an answer. */
struct checked {
    struct gradient_scene s;
    struct covey_gradient_check *check;
    struct covey_round_spec round;
    struct covey_task_spec spec;
    struct covey__gradient_task task;
    struct covey_body *shared, *body, *truth;
    size_t end[TENSORS_MAX], tensors;
};

static const _Atomic bool go_on = false;

static struct covey_body *compute(struct checked *c)
{
    struct covey_body *out = NULL;
    assert_int_equal(covey__gradient_check_compute(c->check, &c->task, &out), COVEY_OK);
    assert_int_equal(out->len, covey__gradient_check_bytes(c->check, PARTS));
    return out;
}

static void checked_open(struct checked *c, void **state, struct covey_graph *take_g)
{
    gradient_scene_open(&c->s, state, take_g, (const uint32_t[2]){24, 6});
    assert_int_equal(covey__gradient_check_new(&c->s.services, &c->s.spec, &c->check), COVEY_OK);
    c->round = (struct covey_round_spec){.mode = COVEY_TRAIN_DATA};
    c->spec = (struct covey_task_spec){.count = PARTS, .part = {2, 3}, .coefficient = {1.0f, 1.0f}};
    c->shared = gradient_scene_shared(&c->s);
    c->body = gradient_scene_task(&c->s, &c->spec);
    c->task = (struct covey__gradient_task){
        .round = &c->round, .spec = &c->spec, .shared = c->shared, .body = c->body, .stop = &go_on};
    c->truth = compute(c);
    size_t ends[TENSORS_MAX + 1] = {0}, all = c->s.parameters + c->s.statistics;
    size_t statistics = covey_trainer_ends(c->s.whole, true, c->end, TENSORS_MAX);
    size_t tensors = covey_trainer_ends(c->s.whole, false, ends + 1, TENSORS_MAX);
    for (size_t i = 0; i < tensors; i++) {
        c->end[statistics + i] = all - ends[tensors - 1 - i];
    }
    c->tensors = statistics + tensors;
    assert_int_equal(c->end[c->tensors - 1], all);
}

static void checked_close(struct checked *c)
{
    covey_body_unref(c->truth);
    covey_body_unref(c->shared);
    covey_body_unref(c->body);
    covey__gradient_check_free(c->check);
    gradient_scene_close(&c->s);
}

static struct covey_body *copy_of(const struct covey_body *from)
{
    struct covey_body *b = NULL;
    assert_int_equal(covey_body_new(from->len, &b), COVEY_OK);
    memcpy(b->data, from->data, from->len);
    return b;
}

static float *sums_of(const struct covey_body *b)
{
    return (float *)(void *)(b->data + covey__gradient_answer_bytes(0, PARTS));
}

/* Changes each number of a tensor at random, by so much of its norm in all. */
static void lie(const struct checked *c, struct covey_body *answer, size_t tensor, double by)
{
    size_t begin = tensor > 0 ? c->end[tensor - 1] : 0, count = c->end[tensor] - begin;
    float *x = sums_of(answer) + begin;
    uint64_t seed = 5 + tensor;
    double norm = 0.0;
    for (size_t i = 0; i < count; i++) {
        norm += (double)x[i] * (double)x[i];
    }
    for (size_t i = 0; i < count; i++) {
        double each = by * sqrt(norm / (double)count);
        x[i] += (float)(random_below(&seed, 2) == 0 ? each : -each);
    }
}

static bool is_same(const struct checked *c, const struct covey_body *answer)
{
    return covey__gradient_check_same(c->check, c->truth, answer, PARTS);
}

static bool is_right(struct checked *c, const struct covey_body *answer)
{
    bool right = false;
    assert_int_equal(covey__gradient_check_judge(c->check, &c->task, c->truth, answer, &right),
                     COVEY_OK);
    return right;
}

static void check_lies(struct checked *c)
{
    for (size_t i = 0; i < c->tensors; i++) {
        size_t begin = i > 0 ? c->end[i - 1] : 0;
        double norm = 0.0;
        for (size_t k = begin; k < c->end[i]; k++) {
            norm += fabs((double)sums_of(c->truth)[k]);
        }
        struct covey_body *answer = copy_of(c->truth);
        lie(c, answer, i, 1e-5); /* as kernels round */
        assert_true(is_same(c, answer) && is_right(c, answer));
        covey_body_unref(answer);
        answer = copy_of(c->truth);
        lie(c, answer, i, 1e-2);
        if (norm > 1e-3 && (is_same(c, answer) || is_right(c, answer))) {
            fail_msg("a lie in tensor %zu (%zu numbers) was not seen", i, c->end[i] - begin);
        }
        covey_body_unref(answer);
    }
}

/* In whichever tensor a hundredth of it is wrong, it is seen; a hundred-thousandth is rounding. */
static void test_lies_are_seen(void **state)
{
    struct checked c;
    checked_open(&c, state, gradient_lenet());
    check_lies(&c);
    checked_close(&c);
    checked_open(&c, state, gradient_perceptron(16, true, 12));
    check_lies(&c);
    checked_close(&c);
}

/* The same with numbers that are none, with losses and with hits. */
static void test_heads(void **state)
{
    struct checked c;
    checked_open(&c, state, gradient_perceptron(16, true, 12));
    struct covey_body *answer = copy_of(c.truth);
    const uint32_t hits = covey_load32(c.truth->data + COVEY__GRADIENT_HEAD + sizeof(float));
    assert_true(covey__gradient_check_sound(c.check, answer, PARTS) && is_same(&c, answer));
    covey_store32(answer->data + COVEY__GRADIENT_HEAD + sizeof(float), c.s.spec.part + 1);
    assert_false(covey__gradient_check_sound(c.check, answer, PARTS));
    covey_store32(answer->data + COVEY__GRADIENT_HEAD + sizeof(float), hits);
    float loss = NAN;
    memcpy(answer->data, &loss, sizeof(loss));
    assert_false(covey__gradient_check_sound(c.check, answer, PARTS));
    memcpy(&loss, c.truth->data, sizeof(loss));
    loss *= 1.01f;
    memcpy(answer->data, &loss, sizeof(loss));
    assert_true(covey__gradient_check_sound(c.check, answer, PARTS));
    assert_false(is_same(&c, answer) || is_right(&c, answer));
    memcpy(answer->data, c.truth->data, sizeof(loss));
    sums_of(answer)[c.end[c.tensors - 1] - 1] = INFINITY;
    assert_false(covey__gradient_check_sound(c.check, answer, PARTS));
    covey_body_unref(answer);
    checked_close(&c);
}

/* Brings a neuron so near to 0 for one sample of the task that rounding decides, by its bias. */
static void undecide(struct checked *c, uint32_t neuron, uint32_t sample)
{
    float *values = (float *)(void *)c->shared->data;
    const float *x = (const float *)(const void *)c->body->data + sample * c->s.values;
    double z = 0.0;
    for (size_t i = 0; i < c->s.values; i++) {
        z += (double)values[neuron * c->s.values + i] * (double)x[i];
    }
    values[UNITS * c->s.values + neuron] = (float)-z;
}

/* Where rounding decides whether a neuron is on, two answers differ by hundredths, and neither is a
 * lie; a lie that is as small beside it still is one. */
static void test_rounding_may_decide(void **state)
{
    struct checked c;
    unsigned differ = 0;
    checked_open(&c, state, gradient_perceptron(UNITS, false, 13));
    for (uint32_t n = 0; n < 3; n++) {
        undecide(&c, 5 * n, n);
    }
    covey_body_unref(c.truth);
    c.truth = compute(&c);
    for (unsigned i = 0; i < 8; i++) {
        float *bias = (float *)(void *)c.shared->data + UNITS * c.s.values;
        float before[UNITS];
        memcpy(before, bias, sizeof(before));
        for (uint32_t n = 0; n < 3; n++) { /* what another order of a sum does */
            bias[5 * n] += (i >> n & 1) != 0 ? 2e-7f : -2e-7f;
        }
        struct covey_body *other = compute(&c);
        memcpy(bias, before, sizeof(before));
        differ += !is_same(&c, other);
        assert_true(is_right(&c, other));
        lie(&c, other, c.tensors - 1, 2e-2);
        assert_false(is_right(&c, other));
        covey_body_unref(other);
    }
    assert_true(differ >= 4);
    checked_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lies_are_seen),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_rounding_may_decide),
    };
    if (covey_crypto_init() != COVEY_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
