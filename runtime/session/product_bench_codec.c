/* SPDX-License-Identifier: MIT */
#include "covey/product_bench.h"

#include <math.h>
#include <string.h>

#include "covey/limits.h"

/* A request, behind its product: kind, blocks, tasks, masks, rounds, seed, devices, await, flags.
 * Fixed width, little-endian. */
enum {
    KIND = COVEY_TRAIN_PRODUCT_BYTES,
    NUMBERS = KIND + 1,
    NUMBER_COUNT = 5,
    DEVICES = NUMBERS + 4 * NUMBER_COUNT,
    FLAGS = DEVICES + 2,
    FLAG_CHECK_ALL = 1,
    FLAG_ANY_TRUST = 2,
    FLAG_OWN_WORK = 4,
    FLAG_MODEL = 8,
    FLAGS_ALL = 15,
};
_Static_assert(FLAGS + 1 == COVEY_PRODUCT_BENCH_BYTES, "a request has these bytes");

void covey_product_bench_encode(const struct covey_product_bench *b,
                                uint8_t out[static COVEY_PRODUCT_BENCH_BYTES])
{
    const uint32_t numbers[NUMBER_COUNT] = {b->blocks, b->tasks, b->masks, b->rounds, b->seed};
    covey_train_product_encode(&b->product, out);
    out[KIND] = (uint8_t)b->kind;
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        covey_store32(out + NUMBERS + 4 * i, numbers[i]);
    }
    out[DEVICES] = b->devices;
    out[DEVICES + 1] = b->await;
    out[FLAGS] =
        (uint8_t)((b->check_all ? FLAG_CHECK_ALL : 0) | (b->any_trust ? FLAG_ANY_TRUST : 0) |
                  (b->own_work ? FLAG_OWN_WORK : 0) | (b->model ? FLAG_MODEL : 0));
}

covey_err covey_product_bench_decode(struct covey_bytes in, struct covey_product_bench *out)
{
    if (in.len != COVEY_PRODUCT_BENCH_BYTES) {
        return COVEY_ERR_MALFORMED;
    }
    uint32_t number[NUMBER_COUNT];
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        number[i] = covey_load32(in.ptr + NUMBERS + 4 * i);
    }
    uint8_t flags = in.ptr[FLAGS];
    struct covey_product_bench b = {.kind = (enum covey_code_kind)in.ptr[KIND],
                                    .blocks = number[0],
                                    .tasks = number[1],
                                    .masks = number[2],
                                    .rounds = number[3],
                                    .seed = number[4],
                                    .devices = in.ptr[DEVICES],
                                    .await = in.ptr[DEVICES + 1],
                                    .check_all = (flags & FLAG_CHECK_ALL) != 0,
                                    .any_trust = (flags & FLAG_ANY_TRUST) != 0,
                                    .own_work = (flags & FLAG_OWN_WORK) != 0,
                                    .model = (flags & FLAG_MODEL) != 0};
    covey_err err =
        covey_train_product_decode(covey_bytes_of(in.ptr, COVEY_TRAIN_PRODUCT_BYTES), &b.product);
    if (err != COVEY_OK) {
        return err;
    }
    if ((unsigned)b.kind >= COVEY_CODE_KINDS || b.blocks > COVEY_CODE_BLOCKS_MAX ||
        b.tasks > COVEY_ROUND_TASKS_MAX || b.masks >= COVEY_CODE_BLOCKS_MAX || b.rounds == 0 ||
        b.rounds > COVEY_PRODUCT_BENCH_ROUNDS_MAX || b.devices > COVEY_WORKERS_MAX ||
        b.await == 0 || b.await > COVEY_WORKERS_MAX || (flags & ~FLAGS_ALL) != 0) {
        return COVEY_ERR_RANGE;
    }
    *out = b;
    return COVEY_OK;
}

/* ---- the result: counters, error, times, liars, milliseconds ---- */

enum { COUNTERS = 13, HEAD = 8 * COUNTERS + 2 * 8 + 2, ID = sizeof(struct covey_node_id) };

static void store_double(uint8_t *p, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    covey_store64(p, bits);
}

static double load_double(const uint8_t *p)
{
    uint64_t bits = covey_load64(p);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

size_t covey_product_bench_result_bytes(const struct covey_product_bench_result *r)
{
    return HEAD + (size_t)r->liars * ID + (size_t)r->rounds * sizeof(float);
}

void covey_product_bench_result_encode(const struct covey_product_bench_result *r, uint8_t *out)
{
    const uint64_t counter[COUNTERS] = {
        r->rounds,   r->here,    r->workers, r->lost,      r->tasks,     r->answers, r->late,
        r->reissued, r->refused, r->rough,   r->encode_ns, r->decode_ns, r->check_ns};
    for (size_t i = 0; i < COUNTERS; i++, out += 8) {
        covey_store64(out, counter[i]);
    }
    store_double(out, r->error);
    store_double(out + 8, r->local_ms);
    out[16] = r->exact;
    out[17] = r->liars;
    out += 18;
    for (uint8_t i = 0; i < r->liars; i++, out += ID) {
        memcpy(out, r->liar[i].bytes, ID);
    }
    memcpy(out, r->ms, (size_t)r->rounds * sizeof(float));
}

covey_err covey_product_bench_result_decode(struct covey_bytes in,
                                            struct covey_product_bench_result *out)
{
    uint64_t counter[COUNTERS];
    if (in.len < HEAD) {
        return COVEY_ERR_SHORT;
    }
    for (size_t i = 0; i < COUNTERS; i++) {
        counter[i] = covey_load64(in.ptr + 8 * i);
    }
    const uint8_t *at = in.ptr + 8 * COUNTERS;
    struct covey_product_bench_result r = {.tasks = counter[4],
                                           .answers = counter[5],
                                           .late = counter[6],
                                           .reissued = counter[7],
                                           .refused = counter[8],
                                           .rough = counter[9],
                                           .encode_ns = counter[10],
                                           .decode_ns = counter[11],
                                           .check_ns = counter[12],
                                           .error = load_double(at),
                                           .local_ms = load_double(at + 8),
                                           .exact = at[16] == 1,
                                           .liars = at[17]};
    if (counter[0] > COVEY_PRODUCT_BENCH_ROUNDS_MAX || counter[1] > counter[0] ||
        counter[2] > COVEY_WORKERS_MAX || counter[3] > UINT32_MAX || at[16] > 1 ||
        r.liars > COVEY_PRODUCT_BENCH_LIARS_MAX) {
        return COVEY_ERR_RANGE;
    }
    r.rounds = (uint32_t)counter[0];
    r.here = (uint32_t)counter[1];
    r.workers = (uint32_t)counter[2];
    r.lost = (uint32_t)counter[3];
    if (in.len != covey_product_bench_result_bytes(&r)) {
        return COVEY_ERR_MALFORMED;
    }
    for (uint8_t i = 0; i < r.liars; i++) {
        memcpy(r.liar[i].bytes, in.ptr + HEAD + (size_t)i * ID, ID);
    }
    r.ms = in.ptr + HEAD + (size_t)r.liars * ID;
    *out = r;
    return COVEY_OK;
}
