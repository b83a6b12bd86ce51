/* SPDX-License-Identifier: MIT */
#include "covey/code.h"

#include "../gemm.h"

void covey_code_multiply(const struct covey_code_product *p)
{
    const struct covey__gemm gemm = {.m = p->m,
                                     .n = p->n,
                                     .k = p->k,
                                     .a = p->a,
                                     .lda = p->trans_a ? p->m : p->k,
                                     .b = p->b,
                                     .ldb = p->trans_b ? p->k : p->n,
                                     .trans_a = p->trans_a,
                                     .trans_b = p->trans_b,
                                     .c = p->c,
                                     .ldc = p->n};
    if (p->threads != NULL) {
        covey__gemm_threads(&gemm, p->threads);
    } else {
        covey__gemm(&gemm);
    }
}
