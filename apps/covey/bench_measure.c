/* SPDX-License-Identifier: MIT */
#include "bench_measure.h"

#include "covey/blas.h"
#include "covey/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Repeated until this much time has gone by, at least GEMM_RUNS_MIN times. */
enum { GEMM_RUNS_MIN = 3, READ_RUNS = 5 };
static const uint64_t gemm_ns = 150000000;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t covey__now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t covey__cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double covey__percentile(double *values, size_t count, double share)
{
    if (count == 0) {
        return 0;
    }
    qsort(values, count, sizeof(*values), by_size);
    double at = share * (double)(count - 1);
    size_t below = (size_t)at;
    size_t above = below + 1 < count ? below + 1 : below;
    return values[below] + (at - (double)below) * (values[above] - values[below]);
}

struct covey__memory covey__memory_now(void)
{
    struct covey__memory memory = {0};
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            memory.resident = strtoull(line + 6, NULL, 10) * 1024;
        } else if (strncmp(line, "VmHWM:", 6) == 0) {
            memory.peak = strtoull(line + 6, NULL, 10) * 1024;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return memory;
}

void covey__memory_restart(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file != NULL) {
        fputs("5", file); /* proc(5): resets the peak */
        fclose(file);
    }
}

struct products {
    struct covey_blas_product *product; /* one of each thread */
};

static void multiply(void *ctx, size_t part, unsigned thread)
{
    const struct products *p = ctx;
    (void)thread;
    covey_blas_multiply(&p->product[part]);
}

static float *filled(size_t count)
{
    float *data = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    for (size_t i = 0; data != NULL && i < count; i++) {
        data[i] = (float)(i % 17) / 17.0f;
    }
    return data;
}

static void time_products(struct covey__gemm_speed *s, struct products *p, unsigned count,
                          struct covey_threads *threads)
{
    double best = 0;
    uint64_t begin = covey__now_ns();
    for (unsigned run = 0; run < GEMM_RUNS_MIN || covey__now_ns() - begin < gemm_ns; run++) {
        uint64_t start = covey__now_ns();
        covey_threads_run(threads, count, multiply, p);
        double ns = (double)(covey__now_ns() - start);
        best = run == 0 || ns < best ? ns : best;
    }
    s->ms = best / 1e6;
    s->gflops = 2.0 * (double)s->m * (double)s->n * (double)s->k * count / best;
}

covey_err covey__measure_gemm(struct covey__gemm_speed *inout_speed, unsigned threads)
{
    struct covey__gemm_speed *s = inout_speed;
    struct covey_threads *pool = NULL;
    struct covey_blas_product product[COVEY_THREADS_MAX] = {0};
    struct products p = {.product = product};
    float *a = filled(s->m * s->k), *b = filled(s->k * s->n), *c = filled(s->m * s->n * threads);
    covey_err err = a != NULL && b != NULL && c != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        err = covey_threads_new(threads, &pool);
    }
    if (err == COVEY_OK) {
        for (unsigned i = 0; i < threads; i++) {
            product[i] = (struct covey_blas_product){s->m, s->n, s->k, a, b, c + i * s->m * s->n};
        }
        time_products(s, &p, threads, pool);
    }
    covey_threads_free(pool);
    free(a);
    free(b);
    free(c);
    return err;
}

covey_err covey__measure_peak(unsigned threads, double *out_gflops)
{
    static const size_t sizes[] = {384, 768, 1152};
    double best = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct covey__gemm_speed s = {.m = sizes[i], .n = sizes[i], .k = sizes[i]};
        covey_err err = covey__measure_gemm(&s, threads);
        if (err != COVEY_OK) {
            return err;
        }
        best = s.gflops > best ? s.gflops : best;
    }
    *out_gflops = best;
    return COVEY_OK;
}

covey_err covey__measure_reading(size_t bytes, double *out_bytes_s)
{
    size_t words = bytes / sizeof(uint64_t);
    uint64_t *data = malloc(words * sizeof(*data));
    volatile uint64_t seen = 0; /* what is summed is used */
    double best = 0;
    if (data == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memset(data, 1, words * sizeof(*data));
    for (int run = 0; run < READ_RUNS; run++) {
        uint64_t start = covey__now_ns(), sum = 0;
        for (size_t i = 0; i < words; i++) {
            sum += data[i];
        }
        seen += sum;
        double ns = (double)(covey__now_ns() - start);
        best = run == 0 || ns < best ? ns : best;
    }
    free(data);
    *out_bytes_s = (double)(words * sizeof(*data)) / best * 1e9;
    return COVEY_OK;
}
