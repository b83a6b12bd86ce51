/* SPDX-License-Identifier: MIT
 *
 * decoder.h - the decoder's state, shared by the files that plan and that carry out.
 */
#ifndef COVEY_NN_DECODER_H
#define COVEY_NN_DECODER_H

#include "code_private.h"
#include "mix.h"

/* An answer that is not in C yet. */
struct covey__kept {
    uint32_t task, unknown; /* unknown: its blocks that are not in C */
    const float *answer;
    double squares; /* |g|^2, what its rounding is in proportion to */
};

struct covey_decoder {
    struct covey_code code;
    float *c;
    enum covey_decoder_state state;
    double growth;
    uint32_t answers, known_count, kept_count, peeled;
    uint32_t solved;          /* kept answers that the weights are of */
    bool *seen;               /* [m] */
    bool *known;              /* [n], in C */
    double *rounding;         /* [n] of known blocks: the square, in units of an answer's own */
    float *row;               /* [n] */
    struct covey__span span;  /* LT only: of the answers */
    struct covey__span asked; /* and of what was handed out, since that spanned all the last time */
    struct covey__kept *kept; /* [m] */
    float *rows;              /* [m x n], of kept answers */
    /* Solving: of what is kept and not used up, at most solve_max. */
    uint32_t solve_max;
    uint32_t *used, *unknown; /* [solve_max] of kept; [n] */
    uint32_t *points;         /* [solve_max] */
    float *matrix;            /* [solve_max x n] */
    double *noise, *room, *weights;
    /* Carrying out. */
    struct covey__mix_term *term; /* [solve_max + n] */
    struct covey__mix_out *out;   /* [n] */
    float *factor;                /* [n x (solve_max + n)] */
};

/* Finds weights for all unknown blocks; false: there are none. Sets growth and solved. */
bool covey__decoder_solve(struct covey_decoder *d);
/* The same in C. */
void covey__decoder_carry_out(struct covey_decoder *d);
/* Block j in C = (answer - sum of known blocks) / g_j, row g of an answer. */
void covey__decoder_peel(struct covey_decoder *d, const struct covey__kept *k, const float *row,
                         uint32_t j);

#endif /* COVEY_NN_DECODER_H */
