/* SPDX-License-Identifier: MIT
 *
 * product_bench.h - rounds of coded products for one who wants to measure them
 * (covey/product_bench.h). Each has a thread and a session of its own. Calls are on the loop.
 */
#ifndef COVEY_SESSION_PRODUCT_BENCH_H
#define COVEY_SESSION_PRODUCT_BENCH_H

#include "covey/product_bench.h"
#include "rounds.h"

struct covey_product_benches;

struct covey_product_bench_config {
    struct covey_product_bench bench;
    void *user; /* who asked */
    uint32_t tag;
    /* result NULL unless err is OK. */
    void (*done)(void *user, uint32_t tag, covey_err err,
                 const struct covey_product_bench_result *result);
};

covey_err covey__product_benches_new(struct covey_services *services,
                                     struct covey_product_benches **out) COVEY_CHECK;
/* Stops all; nobody is told. */
void covey__product_benches_free(struct covey_product_benches *b);
covey_err covey__product_benches_start(struct covey_product_benches *b,
                                       const struct covey_product_bench_config *config) COVEY_CHECK;
/* Stops what this user asked for and tells it no more. */
void covey__product_benches_forget(struct covey_product_benches *b, const void *user);
/* TRAIN_WORKER, ROUND_HUNGRY, ROUND_RESULT; false: of no session of these. */
bool covey__product_benches_action(struct covey_product_benches *b,
                                   const struct covey_action *action);

#endif /* COVEY_SESSION_PRODUCT_BENCH_H */
