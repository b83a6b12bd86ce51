/* SPDX-License-Identifier: MIT */
#include "covey/product_bench.h"
#include "fuzz.h"
#include "runtime/session/train_spec.h"

enum { ENLIST, ROUND, TASK, BENCH, RESULT, KINDS, RESULT_MAX = 4096 };

static void again(const uint8_t *was, const uint8_t *now, size_t len)
{
    COVEY_ASSERT(memcmp(was, now, len) == 0);
}

/* The first byte says which. What was decoded encodes to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union {
        struct covey_enlist_spec enlist;
        struct covey_round_spec round;
        struct covey_task_spec task;
        struct covey_product_bench bench;
        struct covey_product_bench_result result;
    } d;
    uint8_t out[RESULT_MAX];
    if (size == 0) {
        return 0;
    }
    const struct covey_bytes in = covey_bytes_of(data + 1, size - 1);
    switch (data[0] % KINDS) {
    case ENLIST:
        if (covey__enlist_spec_decode(in, &d.enlist) == COVEY_OK) {
            covey__enlist_spec_encode(&d.enlist, out);
            again(in.ptr, out, in.len);
        }
        break;
    case ROUND:
        if (covey__round_spec_decode(in, &d.round) == COVEY_OK) {
            covey__round_spec_encode(&d.round, out);
            again(in.ptr, out, in.len);
        }
        break;
    case TASK:
        if (covey__task_spec_decode(in, &d.task) == COVEY_OK) {
            covey__task_spec_encode(&d.task, out);
            again(in.ptr, out, in.len);
        }
        break;
    case BENCH:
        if (covey_product_bench_decode(in, &d.bench) == COVEY_OK) {
            covey_product_bench_encode(&d.bench, out);
            again(in.ptr, out, in.len);
        }
        break;
    default:
        if (in.len <= sizeof(out) && covey_product_bench_result_decode(in, &d.result) == COVEY_OK) {
            covey_product_bench_result_encode(&d.result, out);
            again(in.ptr, out, in.len);
        }
        break;
    }
    return 0;
}
