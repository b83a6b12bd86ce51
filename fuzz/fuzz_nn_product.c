/* SPDX-License-Identifier: MIT */
#include "covey/field.h"
#include "covey/train_product.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* What is computed at all: more would only take longer. */
#define FLOPS_MAX 1e6
enum { FLOATS_MAX = 1 << 18 };

/* One row of A in memory exactly as large as it must be. */
static void compute(const struct covey_train_product *p, unsigned prime)
{
    uint32_t rows = covey_train_product_rows(p);
    size_t bytes = covey_train_product_scratch(p, 1, prime, 1);
    float *a = calloc(covey_train_product_a_floats(p) / rows, sizeof(float));
    float *b = calloc(covey_train_product_b_floats(p), sizeof(float));
    float *c = calloc(covey_train_product_c_floats(p) / rows, sizeof(float));
    void *scratch = aligned_alloc(64, bytes == 0 ? 64 : (bytes + 63) / 64 * 64);
    if (a != NULL && b != NULL && c != NULL && scratch != NULL) {
        covey_train_product_compute(&(struct covey_train_product_run){
            .product = p, .rows = 1, .prime = prime, .a = a, .b = b, .c = c, .scratch = scratch});
    }
    free(a);
    free(b);
    free(c);
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[COVEY_TRAIN_PRODUCT_BYTES];
    struct covey_train_product p;
    if (covey_train_product_decode(covey_bytes_of(data, size), &p) != COVEY_OK) {
        return 0;
    }
    covey_train_product_encode(&p, again);
    COVEY_ASSERT(memcmp(again, data, sizeof(again)) == 0);
    if (covey_train_product_flops(&p) <= FLOPS_MAX &&
        covey_train_product_a_floats(&p) <= FLOATS_MAX &&
        covey_train_product_b_floats(&p) <= FLOATS_MAX &&
        covey_train_product_scratch(&p, 1, COVEY_FIELD_PRIMES, 1) <= FLOATS_MAX * 64) {
        compute(&p, COVEY_FIELD_PRIMES);
        compute(&p, 0);
    }
    return 0;
}
