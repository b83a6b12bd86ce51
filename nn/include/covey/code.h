/* SPDX-License-Identifier: MIT
 *
 * code.h - coded matrix products: C = A B from the answers of some of many tasks
 * (coded-computing.md section 2; seed 000, section 3.3).
 *
 * The rows of A are cut into n blocks, the longer ones first, none longer by more than a row. Task
 * t is E_t = sum_j g_tj A_j, blocks padded with zeros to the same length; its answer is E_t B. A
 * worker needs E_t (or the coefficients and A) and B; the owner needs the decoder. Pure arithmetic:
 * no threads, no files; nothing is allocated but by the functions named _new.
 */
#ifndef COVEY_CODE_H
#define COVEY_CODE_H

#include "covey/threads.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum covey_code_kind {
    COVEY_CODE_UNCODED,     /* n tasks, all needed */
    COVEY_CODE_REPLICATION, /* m = r n tasks, task t is block t mod n */
    COVEY_CODE_MDS,         /* the blocks, then m - n parities; about any n answers */
    COVEY_CODE_VANDERMONDE, /* as published, g_tj = (t + 1)^j: loses all digits from n = 10
                             * on, and from about 20 on stays SHORT */
    COVEY_CODE_LT,      /* sums and differences of a random few; as many tasks as are asked for */
    COVEY_CODE_FIELD,   /* MDS modulo a prime, exact: see field.h for what goes in and out */
    COVEY_CODE_PRIVATE, /* both factors masked, and */
    COVEY_CODE_PRIVATE_INPUTS, /* A alone: see private.h, which encodes them */
    COVEY_CODE_KINDS
};
const char *covey_code_kind_name(enum covey_code_kind kind); /* constant */

/* Rounding that decoding magnifies by more than this waits for one more answer (2e-5 of relative
 * error at 2.4e-7 of a product's own). */
#define COVEY_CODE_BOUND 80.0f
enum { COVEY_CODE_BLOCKS_MAX = 256, COVEY_CODE_TASKS_MAX = 4096 };

/* A matrix's rows lie as [outer][rows][inner] floats. {1, k}: row-major, k columns. {k, 1}: the
 * transposed is stored, as A' of a weight gradient. {batch, pixels}: rows are channels of images
 * [batch channels pixels]. Encoded blocks and answers lie likewise, with fewer rows. */
struct covey_code_shape {
    size_t outer, inner;
};

struct covey_code {
    enum covey_code_kind kind;
    uint32_t n, m;                /* blocks and tasks; LT: the most tasks there may be */
    uint32_t rows;                /* of A, at least n */
    struct covey_code_shape a, c; /* of A and of the product */
    uint64_t seed;                /* LT: draws the sums; the same for all */
    float bound;                  /* 0: COVEY_CODE_BOUND. Vandermonde has none */
    unsigned prime;               /* FIELD, PRIVATE: which, below COVEY_FIELD_PRIMES */
    uint32_t masks;               /* PRIVATE: T, at least 1; n + T at most COVEY_CODE_BLOCKS_MAX */
};
/* Every code that came from outside: RANGE. The other functions assert it. */
covey_err covey_code_check(const struct covey_code *code) COVEY_CHECK;

/* Answers without which nothing decodes: n; of the private kinds what private.h says, and any do.
 */
uint32_t covey_code_needed(const struct covey_code *code);
uint32_t covey_code_block(const struct covey_code *code, uint32_t j, uint32_t *out_first_row);
/* Rows of E_t: of its longest block. */
uint32_t covey_code_task_rows(const struct covey_code *code, uint32_t t);
size_t covey_code_task_floats(const struct covey_code *code, uint32_t t);   /* of E_t */
size_t covey_code_answer_floats(const struct covey_code *code, uint32_t t); /* of E_t B */
/* g_t [n]: floats; FIELD and PRIVATE: integers of the field, without those of the masks. */
void covey_code_coefficients(const struct covey_code *code, uint32_t t, float *out);
/* Where E_t lies in A already (a block by itself, outer 1): nothing is to be encoded. Else NULL. */
const float *covey_code_plain(const struct covey_code *code, uint32_t t, const float *a);
/* out[i]: E of task first + i, for count of them; A is read once for every eight. Not PRIVATE. */
void covey_code_encode(const struct covey_code *code, uint32_t first, uint32_t count,
                       const float *a, float *const *out);
/* out[i]: E of task[i]. */
void covey_code_encode_these(const struct covey_code *c, const uint32_t *task, uint32_t count,
                             const float *a, float *const *out);

/* A worker: C [m x n] = A [m x k] B [k x n] by the engine's own kernels; trans_a: A is stored
 * [k x m]; trans_b: B is stored [n x k], as weights of dense layers are. threads may be NULL. */
struct covey_code_product {
    size_t m, n, k;
    const float *a, *b;
    bool trans_a, trans_b;
    float *c;
    struct covey_threads *threads;
};
void covey_code_multiply(const struct covey_code_product *p);

/* Takes answers in any order; one thread at a time. */
struct covey_decoder;

enum covey_decoder_state {
    COVEY_DECODER_SHORT, /* not enough */
    COVEY_DECODER_ROUGH, /* decodes, but rounding beyond the bound: one more answer is worth it */
    COVEY_DECODER_READY,
};
enum covey_answer_use {
    COVEY_ANSWER_USELESS, /* came before, brings nothing new, or all is there: drop it */
    COVEY_ANSWER_TAKEN,   /* is in C now: the buffer is free */
    COVEY_ANSWER_KEPT,    /* is read again by covey_decoder_finish(): leave it where it is */
};

covey_err covey_decoder_new(const struct covey_code *code, struct covey_decoder **out) COVEY_CHECK;
void covey_decoder_free(struct covey_decoder *d); /* NULL is a no-op */
/* A round begins; nothing is allocated from here on. c: all rows; NULL: answers are only counted,
 * as planning does. seed: as in the code. */
void covey_decoder_start(struct covey_decoder *d, float *c, uint64_t seed);

/* Whether an answer to t would help: false for what should be cancelled or not even be sent. */
bool covey_decoder_wants(const struct covey_decoder *d, uint32_t t);
/* The task at or above `from` that is worth handing out next, and notes that it was; m: there is
 * none. LT: sums that bring nothing new beside what was handed out before are left out. Other
 * codes: from. */
uint32_t covey_decoder_next(struct covey_decoder *d, uint32_t from);
/* Where in C the answer to t may be received: added from there it is not copied. Nobody may write
 * there any more once a copy of the block was added or covey_decoder_finish() was called; what came
 * in part or was not added does no harm. NULL: it is no block by itself, or not wanted. */
float *covey_decoder_place(const struct covey_decoder *d, uint32_t t);
/* answer: covey_code_answer_floats(). RANGE: there is no task t. */
covey_err covey_decoder_add(struct covey_decoder *d, uint32_t t, const float *answer,
                            enum covey_answer_use *out_use) COVEY_CHECK;
enum covey_decoder_state covey_decoder_state(const struct covey_decoder *d);
/* How much rounding is magnified, at least 1; HUGE_VAL while SHORT. */
double covey_decoder_growth(const struct covey_decoder *d);
/* Answers that count so far, and blocks that peeling alone would know. */
uint32_t covey_decoder_answers(const struct covey_decoder *d);
uint32_t covey_decoder_peeled(const struct covey_decoder *d);
/* Completes C, also when ROUGH; STATE while SHORT. Kept answers are free after it. */
covey_err covey_decoder_finish(struct covey_decoder *d) COVEY_CHECK;

/* Whether the answers to these tasks (no task twice) suffice with rounding magnified by at most
 * bound. RANGE: no such task. */
covey_err covey_code_suffices(const struct covey_code *code, const uint32_t *tasks, size_t count,
                              double bound, bool *out) COVEY_CHECK;

#endif /* COVEY_CODE_H */
