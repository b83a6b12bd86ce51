/* SPDX-License-Identifier: MIT
 *
 * product_bench.h - coded products over a mesh, to be measured: what `covey bench train --product
 * --mesh` asks its node for and what comes back, as bodies of PRODUCT and PRODUCT_REPLY.
 */
#ifndef COVEY_PRODUCT_BENCH_H
#define COVEY_PRODUCT_BENCH_H

#include "covey/ids.h"
#include "covey/train_product.h"

enum {
    COVEY_PRODUCT_BENCH_ROUNDS_MAX = 100000,
    COVEY_PRODUCT_BENCH_BYTES = COVEY_TRAIN_PRODUCT_BYTES + 24, /* of a request */
    COVEY_PRODUCT_BENCH_LIARS_MAX = 8,
};

struct covey_product_bench {
    struct covey_train_product product; /* of random numbers by the seed */
    enum covey_code_kind kind;
    uint32_t blocks, tasks, masks; /* blocks, tasks 0: by the number of workers */
    uint32_t rounds, seed;
    uint8_t devices; /* workers at most; 0: all */
    uint8_t await;   /* it begins when so many pull, at least 1 */
    bool check_all, any_trust, own_work;
    bool model; /* what the cost model says is faster here stays here */
};

struct covey_product_bench_result {
    uint32_t rounds, here;   /* here: computed by this device alone */
    uint32_t workers, lost;  /* at the end */
    uint64_t tasks, answers; /* handed out; used */
    uint64_t late, reissued, refused, rough;
    uint64_t encode_ns, decode_ns, check_ns; /* of the owner's processor */
    double error;                            /* the worst round's, in the Frobenius norm */
    double local_ms;                         /* the product on one thread of this device */
    bool exact;                              /* every round was bit for bit what is computed here */
    uint8_t liars;
    struct covey_node_id liar[COVEY_PRODUCT_BENCH_LIARS_MAX];
    const uint8_t *ms; /* [rounds] float32, little-endian; borrowed */
};

void covey_product_bench_encode(const struct covey_product_bench *b,
                                uint8_t out[static COVEY_PRODUCT_BENCH_BYTES]);
/* RANGE, MALFORMED. */
covey_err covey_product_bench_decode(struct covey_bytes in,
                                     struct covey_product_bench *out) COVEY_CHECK;

size_t covey_product_bench_result_bytes(const struct covey_product_bench_result *r);
/* out: that many bytes. */
void covey_product_bench_result_encode(const struct covey_product_bench_result *r, uint8_t *out);
covey_err covey_product_bench_result_decode(struct covey_bytes in,
                                            struct covey_product_bench_result *out) COVEY_CHECK;

#endif /* COVEY_PRODUCT_BENCH_H */
