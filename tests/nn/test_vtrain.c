/* SPDX-License-Identifier: MIT
 *
 * test_vtrain.c - sums, batch normalisation and optimizers against plain loops.
 */
#include "vtest.h"

#include "../../nn/kernels/norm.h"
#include "../../nn/kernels/update.h"

static struct covey_threads *three_threads(void)
{
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    return threads;
}

/* Each reduction of each instruction set, for lengths around its vectors. */
static void test_reductions(void **state)
{
    (void)state;
    float *a = filled(300), *b = filled(300);
    for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
        const struct covey__vkernels *v = covey__vkernels_of(isa);
        for (size_t count = 1; v != NULL && count < 300; count++) {
            double sum = 0.0, squares = 0.0, product = 0.0, most = -INFINITY;
            for (size_t i = 0; i < count; i++) {
                sum += a[i];
                squares += ((double)a[i] - 0.25) * (a[i] - 0.25);
                product += a[i] * (b[i] - 0.5);
                most = a[i] > most ? a[i] : most;
            }
            assert_true(fabs(v->sum(a, count) - sum) < 1e-5);
            assert_true(fabs(v->squares(a, 0.25f, count) - squares) < 3e-5);
            assert_true(fabs(v->dot(a, b, 0.5f, count) - product) < 3e-5);
            assert_true(v->max(a, count) == (float)most);
        }
    }
    free(a);
    free(b);
}

struct norm_case {
    struct covey__norm_shape shape;
    size_t count, each; /* elements; elements of a channel */
    float *x, *dy, *mean, *variance, *inverse, *scale, *dx, *dscale, *dshift;
};

static size_t channel_of(const struct covey__norm_shape *s, size_t at)
{
    return at / s->pixels % s->channels;
}

static struct norm_case norm_case_of(const struct covey__norm_shape *s)
{
    struct norm_case c = {.shape = *s};
    c.each = s->batch * s->pixels;
    c.count = c.each * s->channels;
    c.x = filled(c.count);
    c.dy = filled(c.count);
    c.dx = filled(c.count);
    c.mean = filled(s->channels);
    c.variance = filled(s->channels);
    c.inverse = filled(s->channels);
    c.scale = filled(s->channels);
    c.dscale = filled(s->channels);
    c.dshift = filled(s->channels);
    for (size_t i = 0; i < c.count; i++) {
        c.x[i] += 3.0f; /* a mean that is larger than the deviation */
    }
    return c;
}

static void norm_case_done(struct norm_case *c)
{
    float *all[] = {c->x,       c->dy,    c->dx,     c->mean,  c->variance,
                    c->inverse, c->scale, c->dscale, c->dshift};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        free(all[i]);
    }
}

/* Sums in double precision of what f gives for the elements of a channel. */
static double channel_sum(const struct norm_case *c, size_t channel, unsigned kind)
{
    double sum = 0.0;
    for (size_t i = 0; i < c->count; i++) {
        double d = (double)c->x[i] - c->mean[channel];
        double values[] = {c->dy[i], c->x[i], d * d, c->dy[i] * d};
        sum += channel_of(&c->shape, i) == channel ? values[kind] : 0.0;
    }
    return sum;
}

static void run_norm(struct norm_case *c, struct covey_threads *threads)
{
    struct covey__norm_statistics_call s = {&c->shape, c->x, c->mean, c->variance, threads};
    covey__norm_statistics(&s);
    for (size_t i = 0; i < c->shape.channels; i++) {
        c->inverse[i] = 1.0f / sqrtf(c->variance[i] + 1e-5f);
    }
    struct covey__norm_back_call b = {&c->shape, c->x,  c->dy,     c->mean,   c->inverse,
                                      c->scale,  c->dx, c->dscale, c->dshift, threads};
    covey__norm_back(&b);
}

static void check_norm(const struct norm_case *c)
{
    double count = (double)c->each;
    for (size_t i = 0; i < c->shape.channels; i++) {
        double dshift = channel_sum(c, i, 0), dscale = channel_sum(c, i, 3) * c->inverse[i];
        assert_true(fabs(c->mean[i] - channel_sum(c, i, 1) / count) < 2e-6);
        assert_true(fabs(c->variance[i] - channel_sum(c, i, 2) / count) < 2e-6);
        assert_true(fabs(c->dshift[i] - dshift) < 1e-6 * count + 1e-5);
        assert_true(fabs(c->dscale[i] - dscale) < 2e-6 * count + 1e-5);
        for (size_t at = 0; at < c->count; at++) {
            if (channel_of(&c->shape, at) == i) {
                double hat = ((double)c->x[at] - c->mean[i]) * c->inverse[i];
                double e = (double)c->scale[i] * c->inverse[i] *
                           (c->dy[at] - dshift / count - hat * dscale / count);
                assert_true(fabs(c->dx[at] - e) < 1e-5 * (1.0 + fabs(e)));
            }
        }
    }
}

/* Statistics, gradients and sums of a channel, for planes and for single pixels; three threads
 * give the bits of one. */
static void test_norm(void **state)
{
    (void)state;
    static const struct covey__norm_shape shapes[] = {
        {3, 5, 49}, {50, 7, 1}, {130, 33, 1}, {1, 16, 17}, {2, 70, 1}, {4, 3, 5000}, {7, 100, 2}};
    struct covey_threads *threads = three_threads();
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct norm_case c = norm_case_of(&shapes[i]);
        run_norm(&c, NULL);
        check_norm(&c);
        float *dx = filled(c.count), *sums = filled(c.shape.channels);
        memcpy(dx, c.dx, c.count * sizeof(*dx));
        run_norm(&c, threads);
        assert_memory_equal(dx, c.dx, c.count * sizeof(*dx));
        covey__norm_sums(&c.shape, c.dy, sums, threads);
        assert_memory_equal(sums, c.dshift, c.shape.channels * sizeof(*sums));
        free(dx);
        free(sums);
        norm_case_done(&c);
    }
    covey_threads_free(threads);
}

static void check_sgd(const struct covey__update_sgd *u, const float *w, const float *m)
{
    for (size_t i = 0; i < u->count; i++) {
        double d = u->gradient[i] + (double)u->decay * w[i];
        double velocity = (double)u->momentum * m[i] + d;
        double step = u->nesterov ? d + u->momentum * velocity : velocity;
        assert_true(fabs(u->velocity[i] - velocity) < 1e-6);
        assert_true(fabs(u->weights[i] - (w[i] - u->rate * step)) < 1e-6);
    }
}

/* One step of gradient descent with momentum, plain and as Nesterov has it. */
static void test_sgd(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 15, 16, 17, 33, 40000};
    struct covey_threads *threads = three_threads();
    for (size_t i = 0; i < 2 * sizeof(counts) / sizeof(counts[0]); i++) {
        size_t n = counts[i / 2];
        float *w = filled(n), *m = filled(n), *g = filled(n), *new_w = filled(n),
              *new_m = filled(n);
        memcpy(new_w, w, n * sizeof(*w));
        memcpy(new_m, m, n * sizeof(*m));
        struct covey__update_sgd u = {0.1f, 0.9f, 0.01f, i % 2 == 1, g, new_w, new_m, n, threads};
        covey__update_sgd(&u);
        check_sgd(&u, w, m);
        covey__update_axpy(-2.0f, g, w, n, threads);
        memcpy(new_w, w, n * sizeof(*w));
        covey__update_axpy(0.5f, g, new_w, n, NULL);
        for (size_t j = 0; j < n; j++) {
            assert_true(fabs(new_w[j] - (w[j] + 0.5 * g[j])) < 1e-6);
        }
        free(w);
        free(m);
        free(g);
        free(new_w);
        free(new_m);
    }
    covey_threads_free(threads);
}

/* Three steps of Adam follow the paper's formula, with both kinds of decay. */
static void test_adam(void **state)
{
    (void)state;
    enum { COUNT = 133 };
    for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
        const struct covey__vkernels *v = covey__vkernels_of(isa);
        for (unsigned decoupled = 0; v != NULL && decoupled < 2; decoupled++) {
            float *w = filled(COUNT), *g = filled(COUNT), m[COUNT] = {0}, s[COUNT] = {0};
            double dw[COUNT], dm[COUNT] = {0}, ds[COUNT] = {0};
            for (size_t i = 0; i < COUNT; i++) {
                dw[i] = w[i];
            }
            struct covey__update_adam u = {
                0.01f, {0.9f, 0.999f}, 1e-8f, 0.1f, decoupled == 1, 0, g, w, m, s, COUNT, NULL};
            for (u.step = 1; u.step <= 3; u.step++) {
                double b[2] = {u.beta[0], u.beta[1]};
                double c[2] = {1 / (1 - pow(b[0], (double)u.step)),
                               1 / (1 - pow(b[1], (double)u.step))};
                float corrections[2] = {(float)c[0], (float)c[1]};
                v->update_adam(&u, corrections, 0, COUNT);
                for (size_t i = 0; i < COUNT; i++) {
                    double d = g[i] + (decoupled ? 0.0 : u.decay * dw[i]);
                    dw[i] -= decoupled ? (double)u.rate * u.decay * dw[i] : 0.0;
                    dm[i] = b[0] * dm[i] + (1 - b[0]) * d;
                    ds[i] = b[1] * ds[i] + (1 - b[1]) * d * d;
                    dw[i] -= u.rate * dm[i] * c[0] / (sqrt(ds[i] * c[1]) + u.epsilon);
                    assert_true(fabs(w[i] - dw[i]) < 1e-5);
                }
            }
            free(w);
            free(g);
        }
    }
}

/* Adam over a long vector gives the bits of one thread with three. */
static void test_adam_threads(void **state)
{
    (void)state;
    enum { COUNT = 50001 };
    struct covey_threads *threads = three_threads();
    float *g = filled(COUNT), *w[2], *m[2], *s[2];
    for (unsigned i = 0; i < 2; i++) {
        w[i] = calloc(COUNT, sizeof(float));
        m[i] = calloc(COUNT, sizeof(float));
        s[i] = calloc(COUNT, sizeof(float));
        assert_true(w[i] != NULL && m[i] != NULL && s[i] != NULL);
        struct covey__update_adam u = {
            0.01f, {0.9f, 0.999f}, 1e-8f, 0.1f, false, 1,
            g,     w[i],           m[i],  s[i], COUNT, i == 0 ? NULL : threads};
        covey__update_adam(&u);
    }
    /* The first step moves every weight by the rate, against the gradient's sign. */
    assert_true(fabs(fabs(w[0][7]) - 0.01) < 1e-5 && (w[0][7] < 0.0f) == (g[7] > 0.0f));
    assert_memory_equal(w[0], w[1], COUNT * sizeof(float));
    for (unsigned i = 0; i < 2; i++) {
        free(w[i]);
        free(m[i]);
        free(s[i]);
    }
    free(g);
    covey_threads_free(threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions),   cmocka_unit_test(test_norm),
        cmocka_unit_test(test_sgd),          cmocka_unit_test(test_adam),
        cmocka_unit_test(test_adam_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
