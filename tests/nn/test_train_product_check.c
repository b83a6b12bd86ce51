/* SPDX-License-Identifier: MIT */
#include "product_scene.h"

#include "builder.h"
#include "code_scene.h"
#include "covey/code_check.h"
#include "covey/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SECRETS = 12 };

static const enum covey_code_kind kinds[] = {COVEY_CODE_MDS, COVEY_CODE_LT, COVEY_CODE_FIELD};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct judge {
    struct product_scene scene;
    struct product_round round;
    struct covey_code_check *check;
    float largest; /* number of the product */
    bool exact;
};

static void open_judge(struct judge *j, const struct covey_train_product *p,
                       enum covey_code_kind kind)
{
    uint32_t rows = covey_train_product_rows(p), n = rows < 3 ? rows : 3;
    struct covey_code code = code_of(kind, n, 2 * n + 1, rows);
    *j = (struct judge){.exact = kind == COVEY_CODE_FIELD};
    product_scene_open(&j->scene, p, j->exact ? 1000.0f : 0.0f, 9);
    product_round_open(&j->round, &j->scene, &code, 0);
    assert_int_equal(covey_code_check_new(&j->round.code, &j->check), COVEY_OK);
    for (size_t i = 0; i < covey_train_product_c_floats(p); i++) {
        j->largest = fmaxf(j->largest, fabsf((float)j->scene.c[i]));
    }
}

static void close_judge(struct judge *j)
{
    covey_code_check_free(j->check);
    product_round_close(&j->round);
    product_scene_close(&j->scene);
}

static void start(struct judge *j, uint64_t secret)
{
    const float *s = covey_code_check_start(j->check, secret, j->round.code.seed);
    assert_int_equal(
        covey_train_product_check_start(&j->scene.product, j->scene.a, j->scene.b, j->check, s),
        COVEY_OK);
}

/* Every honest answer passes; with any one number of it a little off, or none, it does not. */
static unsigned judge_all(struct judge *j, uint64_t *seed)
{
    for (uint32_t t = 0; t < j->round.code.m; t++) {
        size_t floats = covey_code_answer_floats(&j->round.code, t);
        float *answer = j->round.answer[t], *lie = &answer[random_below(seed, (uint32_t)floats)];
        float kept = *lie, sign = random_float(seed) < 0 ? -1.0f : 1.0f;
        assert_true(covey_code_check_answer(j->check, t, answer, 0));
        *lie += j->exact ? (kept > 0 ? -1.0f : 1.0f) : sign * 0.01f * j->largest;
        assert_false(covey_code_check_answer(j->check, t, answer, 0));
        *lie = j->exact ? 0.5f : NAN;
        assert_false(covey_code_check_answer(j->check, t, answer, 0));
        *lie = kept;
    }
    return j->round.code.m;
}

/* No honest answer is called wrong and no lie is missed: of all products, coded over the reals and
 * in the field, with many secrets. */
static void test_answers_are_judged(void **state)
{
    unsigned judged = 0;
    uint64_t seed = 5;
    (void)state;
    for (const struct layer_case *l = product_cases; l->batch > 0; l++) {
        for (unsigned i = 0; i < COVEY_TRAIN_PRODUCT_KINDS * KINDS; i++) {
            struct covey_train_product p =
                product_of(l, (enum covey_train_product_kind)(i / KINDS));
            struct judge j;
            open_judge(&j, &p, kinds[i % KINDS]);
            for (unsigned secret = 0; secret < SECRETS; secret++) {
                start(&j, 100 * i + secret);
                judged += judge_all(&j, &seed);
            }
            close_judge(&j);
        }
    }
    assert_true(judged > 8000);
}

static void scale(float *v, size_t count, float by)
{
    for (size_t i = 0; i < count; i++) {
        v[i] *= by;
    }
}

/* Numbers whose squares are too small for floats, as the gradient of a sample that is known by
 * heart has them, make no honest answer wrong. */
static void test_small_numbers(void **state)
{
    static const float sizes[][2] = {{1e-16f, 1}, {1e-19f, 1},      {1e-21f, 1},
                                     {1e-34f, 1}, {1e-21f, 1e-21f}, {1, 1e-21f}};
    (void)state;
    for (unsigned i = 0; i < COVEY_TRAIN_PRODUCT_KINDS * 6 * 2; i++) {
        struct covey_train_product p =
            product_of(&product_cases[i % 2 * 11], (enum covey_train_product_kind)(i / 12));
        struct covey_code code = code_of(COVEY_CODE_MDS, 3, 7, covey_train_product_rows(&p));
        struct judge j;
        open_judge(&j, &p, COVEY_CODE_MDS);
        scale(j.scene.a, covey_train_product_a_floats(&p), sizes[i / 2 % 6][0]);
        scale(j.scene.b, covey_train_product_b_floats(&p), sizes[i / 2 % 6][1]);
        product_round_close(&j.round);
        product_round_open(&j.round, &j.scene, &code, 0);
        for (unsigned secret = 0; secret < SECRETS; secret++) {
            start(&j, secret);
            for (uint32_t t = 0; t < code.m; t++) {
                assert_true(covey_code_check_answer(j.check, t, j.round.answer[t], 0));
            }
        }
        close_judge(&j);
    }
}

static struct covey_code private_code(const struct covey_train_product *p,
                                      enum covey_code_kind kind, uint32_t masks)
{
    uint32_t rows = covey_train_product_rows(p), n = rows < 3 ? rows : 3;
    struct covey_code code = code_of(kind, n, 2 * (n + masks - 1) + 3, rows);
    code.masks = masks;
    code.prime = masks % COVEY_FIELD_PRIMES;
    return code;
}

/* Masked products of convolutions and dense layers are exact, whichever answers come. */
static void test_private_products(void **state)
{
    uint64_t seed = 6;
    (void)state;
    for (const struct layer_case *l = product_cases; l->batch > 0; l++) {
        for (unsigned i = 0; i < COVEY_TRAIN_PRODUCT_KINDS * 4; i++) {
            struct covey_train_product p = product_of(l, (enum covey_train_product_kind)(i / 4));
            enum covey_code_kind kind = i % 4 < 2 ? COVEY_CODE_PRIVATE : COVEY_CODE_PRIVATE_INPUTS;
            struct covey_code code = private_code(&p, kind, 1 + i % 2);
            struct product_scene s;
            struct product_round r;
            product_scene_open(&s, &p, 40, i);
            product_round_open(&r, &s, &code, 77 + i);
            (void)product_round_decode(&r, &seed, s.got);
            for (size_t k = 0; k < covey_train_product_c_floats(&p); k++) {
                assert_true((double)s.got[k] == s.c[k]);
            }
            product_round_close(&r);
            product_scene_close(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_judged),
        cmocka_unit_test(test_small_numbers),
        cmocka_unit_test(test_private_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
