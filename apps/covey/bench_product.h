/* SPDX-License-Identifier: MIT
 *
 * bench_product.h - a coded product by itself: what encoding, decoding and checking cost beside the
 * product, and how accurate what is decoded is.
 */
#ifndef COVEY_CLI_BENCH_PRODUCT_H
#define COVEY_CLI_BENCH_PRODUCT_H

#include "cli.h"
#include "covey/code.h"

struct covey__product_options {
    uint32_t rows, k, cols;                              /* A [rows x k] B [k x cols] */
    uint32_t blocks, tasks, rounds, threads, loss, seed; /* loss: per cent of the answers */
};

struct covey__product_part {
    double ms;       /* the least of all rounds, one thread */
    double gbytes_s; /* read and written, in the best round */
    double share;    /* of the whole product's time on one thread */
};

struct covey__product_result {
    enum covey_code_kind kind;
    uint32_t tasks, rounds, failed;   /* failed: too many answers were lost */
    double answers, rebuilt;          /* mean of a round: answers used, blocks decoded */
    double round_ms;                  /* median: computing on all threads, checking, decoding */
    double error_median, error_worst; /* Frobenius norm, of some rows of each block */
    uint32_t lies;                    /* honest answers that the check called wrong */
    struct covey__product_part encode, decode, check;
};

struct covey__product_base {
    double product_ms, field_ms; /* A B on one thread: float32, and modulo a prime */
    double copy_gbytes_s;        /* memcpy of the size of A: read and written */
};

/* What one code does with one product, over rounds in which answers are lost. */
covey_err covey__product_measure(const struct covey__product_options *o,
                                 const struct covey__product_base *base, enum covey_code_kind kind,
                                 struct covey__product_result *out) COVEY_CHECK;
covey_err covey__product_base_measure(const struct covey__product_options *o,
                                      struct covey__product_base *out) COVEY_CHECK;

/* Every loss of m - n of the m answers, of small blocks of similar norm. */
struct covey__product_accuracy {
    enum covey_code_kind kind;
    uint32_t n, m, patterns, exact; /* exact: patterns without any difference */
    double median, worst;           /* relative, Frobenius norm of the product */
    double block_worst;             /* of a block by that block's norm */
};
covey_err covey__product_accuracy(struct covey__product_accuracy *inout) COVEY_CHECK;

/* How often so many answers suffice: LT by peeling alone and with solving; and how many more than n
 * an MDS code awaits. */
struct covey__product_lt {
    uint32_t n, answers;
    double peeled, solved;
};
covey_err covey__product_lt(struct covey__product_lt *inout, uint32_t seeds) COVEY_CHECK;
covey_err covey__product_awaited(uint32_t n, uint32_t m, uint32_t rounds,
                                 double *out_more) COVEY_CHECK;

/* Both factors masked, so that no `masks` workers together learn anything: as many tasks as are
 * needed. Least times of one thread: encoding all tasks' parts of A and of B, one task's product,
 * checking and decoding all. exact: all answers were found right, and the result is A B. */
struct covey__product_private {
    uint32_t masks, tasks;
    double encode_a_ms, encode_b_ms, task_ms, check_ms, decode_ms;
    bool exact;
};
covey_err covey__product_private(const struct covey__product_options *o, uint32_t masks,
                                 struct covey__product_private *out) COVEY_CHECK;

/* The same over the mesh of this device's node: `bench train --product --mesh`. */
enum covey_exit covey__bench_mesh_product(struct covey__cli *cli, int argc, char **argv);

/* The next of a sequence of numbers, the same everywhere; the high bits are the good ones. */
static inline uint64_t covey__bench_draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed;
}

#endif /* COVEY_CLI_BENCH_PRODUCT_H */
