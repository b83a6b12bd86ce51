/* SPDX-License-Identifier: MIT
 *
 * code_scene.h - a coded product with all its tasks' answers at hand.
 */
#ifndef COVEY_TESTS_NN_CODE_SCENE_H
#define COVEY_TESTS_NN_CODE_SCENE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "choice.h"
#include "covey/code.h"

struct code_scene {
    struct covey_code code;
    uint32_t k, cols;
    float shift;     /* of A's and B's numbers, which are of [-1, 1) */
    float *a, *b;    /* [rows x k], [k x cols]; of the field: integers up to 2000 */
    float **encoded; /* [m] */
    float **answer;  /* [m], exactly as long as they are */
    double *exact;   /* A B */
    float *c;        /* filled with NaN by code_scene_decode() */
    struct covey_decoder *decoder;
    size_t fed; /* answers, until it was ready */
};

/* {kind, n, m, rows}; k and cols in the shapes, row-major. */
struct covey_code code_of(enum covey_code_kind kind, uint32_t n, uint32_t m, uint32_t rows);
void code_scene_open(struct code_scene *s, const struct covey_code *code, uint64_t seed);
void code_scene_open_shifted(struct code_scene *s, const struct covey_code *code, uint64_t seed,
                             float shift);
void code_scene_close(struct code_scene *s);
/* Feeds the answers to tasks until it is ready, or all; returns the state before finishing. */
enum covey_decoder_state code_scene_decode(struct code_scene *s, const uint32_t *tasks,
                                           size_t count);
/* Of C in the Frobenius norm; and of its worst block by that block's norm. */
double code_scene_error(const struct code_scene *s);
double code_scene_block_error(const struct code_scene *s);

/* A random order of all tasks. */
void shuffle_tasks(uint64_t *seed, uint32_t count, uint32_t *out);

#endif /* COVEY_TESTS_NN_CODE_SCENE_H */
