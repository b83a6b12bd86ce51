/* SPDX-License-Identifier: MIT */
#include "rounds_product.h"

#include <stdlib.h>
#include <string.h>

#include "covey/crypto.h"
#include "covey/large.h"

/* Random bytes drawn at a time. */
enum { DRAWN = 48 * 1024 };

static bool masks_b(const struct covey_code *c)
{
    return c->kind == COVEY_CODE_PRIVATE;
}

static covey_err grow(struct covey__product_room *room, unsigned part, size_t bytes)
{
    if (room->part[part] != NULL && room->bytes[part] >= bytes) {
        return COVEY_OK;
    }
    free(room->part[part]);
    room->part[part] = covey_large_new((uint64_t)bytes + 1);
    room->bytes[part] = room->part[part] != NULL ? bytes : 0;
    return room->part[part] != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
}

covey_err covey__product_field_open(struct covey__product_cache *cache, struct covey__product *p)
{
    struct covey__product_field *f = &p->field;
    const struct covey_code *c = &p->code;
    struct covey__product_room *room = cache->room;
    size_t b = covey_train_product_b_floats(&p->sizes);
    uint32_t rows = covey_train_product_rows(&p->sizes);
    struct {
        float **at;
        size_t floats;
    } const parts[] = {
        {&f->a, covey_train_product_a_floats(&p->sizes)},
        {&f->b, b},
        {&f->c, covey_train_product_c_floats(&p->sizes)},
        {&f->mask_a, c->masks > 0 ? covey_private_mask_floats(c) : 0},
        {&f->mask_b, masks_b(c) ? c->masks * b : 0},
        {&f->row_e, c->a.outer * c->a.inner},
        {&f->row_c, 2 * c->c.outer * c->c.inner},
        {&f->row_u, rows},
    };
    enum { FLOATS = sizeof(parts) / sizeof(parts[0]) };
    _Static_assert(FLOATS + 1 == COVEY__ROOM_PARTS, "a part for each, and scratch");
    while (room->used) { /* there is one for each round that goes on */
        room++;
        COVEY_ASSERT(room < cache->room + COVEY_ROUNDS_MAX);
    }
    covey_err err = COVEY_OK;
    for (unsigned i = 0; i < FLOATS && err == COVEY_OK; i++) {
        err = grow(room, i, parts[i].floats * sizeof(float));
        *parts[i].at = room->part[i];
    }
    if (err == COVEY_OK) {
        err = grow(room, FLOATS, covey_train_product_scratch(&p->sizes, rows, c->prime, 1));
    }
    f->scratch = room->part[FLOATS];
    f->room = err == COVEY_OK ? room : NULL;
    room->used = err == COVEY_OK;
    return err;
}

void covey__product_field_close(struct covey__product *p)
{
    if (p->field.room != NULL) {
        p->field.room->used = false;
    }
    p->field = (struct covey__product_field){.room = NULL};
}

void covey__product_rooms_free(struct covey__product_cache *cache)
{
    for (unsigned i = 0; i < COVEY_ROUNDS_MAX; i++) {
        for (unsigned k = 0; k < COVEY__ROOM_PARTS; k++) {
            free(cache->room[i].part[k]);
        }
    }
}

/* Uniform numbers of the field that nobody else knows. */
static void draw(unsigned prime, float *out, size_t count)
{
    uint8_t bytes[DRAWN];
    for (size_t made = 0; made < count;) {
        size_t left = (count - made) * 3, len = left < sizeof(bytes) ? left : sizeof(bytes);
        covey_random(bytes, len);
        made += covey_private_mask(bytes, len, prime, out + made, count - made);
    }
    covey_wipe(bytes, sizeof(bytes));
}

covey_err covey__product_field_load(struct covey__product *p, const struct covey_product_call *call,
                                    double scale_a, double scale_b)
{
    struct covey__product_field *f = &p->field;
    const struct covey_code *c = &p->code;
    float most = (float)covey_field_most(COVEY_FIELD_PRIMES - 1);
    size_t a = covey_train_product_a_floats(&p->sizes), b = covey_train_product_b_floats(&p->sizes);
    covey_err err = covey_field_from_floats(call->a, a, scale_a, most, f->a);
    if (err == COVEY_OK) {
        err = covey_field_from_floats(call->b, b, scale_b, most, f->b);
    }
    if (err != COVEY_OK) {
        return err;
    }
    f->scale = scale_a * scale_b;
    if (c->masks > 0) { /* private.h: uniform, secret, used once */
        draw(c->prime, f->mask_a, covey_private_mask_floats(c));
    }
    if (masks_b(c)) {
        draw(c->prime, f->mask_b, c->masks * b);
    }
    p->a = f->a;
    p->b = f->b;
    p->c = f->c;
    return COVEY_OK;
}

void covey__product_field_encode(const struct covey__product *p, uint32_t first, uint32_t count,
                                 float *const *out)
{
    const struct covey_code *c = &p->code;
    const struct covey__product_field *f = &p->field;
    float *own[COVEY_CODE_BLOCKS_MAX];
    if (c->kind == COVEY_CODE_FIELD) {
        covey_code_encode(c, first, count, f->a, out);
        return;
    }
    const struct covey_private_factor a = {.at = f->a, .masks = f->mask_a};
    covey_private_encode(c, first, count, &a, out);
    if (masks_b(c)) {
        const struct covey_private_factor b = {
            .at = f->b, .masks = f->mask_b, .floats = covey_train_product_b_floats(&p->sizes)};
        for (uint32_t i = 0; i < count; i++) {
            own[i] = out[i] + covey_code_task_floats(c, first + i);
        }
        covey_private_encode_b(c, first, count, &b, own);
    }
}

void covey__product_field_compute(struct covey__product *p)
{
    const struct covey__product_field *f = &p->field;
    covey_train_product_compute(
        &(struct covey_train_product_run){.product = &p->sizes,
                                          .rows = covey_train_product_rows(&p->sizes),
                                          .prime = p->code.prime,
                                          .a = f->a,
                                          .b = f->b,
                                          .c = f->c,
                                          .scratch = f->scratch});
}

/* ---- the check ---- */

/* sum_i u_i M_i modulo p of M [outer][rows][inner]. Numbers are below 2^23, their products below
 * 2^46: sums of 2^16 of them fit. */
static void sum_rows(const float *m, struct covey_code_shape shape, uint32_t rows,
                     const struct covey__product *p, float *out)
{
    const float *u = p->field.row_u;
    const int64_t prime = covey_field_prime(p->code.prime), half = prime / 2;
    enum { COLUMNS = 256 };
    for (size_t o = 0; o < shape.outer; o++) {
        const float *piece = m + o * rows * shape.inner;
        for (size_t first = 0; first < shape.inner; first += COLUMNS) {
            size_t count = shape.inner - first < COLUMNS ? shape.inner - first : COLUMNS;
            int64_t sum[COLUMNS] = {0};
            for (uint32_t i = 0; i < rows; i++) {
                const float *row = piece + i * shape.inner + first;
                int64_t factor = (int64_t)u[i];
                for (size_t x = 0; x < count; x++) {
                    sum[x] += factor * (int64_t)row[x];
                }
            }
            for (size_t x = 0; x < count; x++) {
                int64_t v = sum[x] % prime;
                v += v < -half ? prime : v > half ? -prime : 0;
                out[o * shape.inner + first + x] = (float)v;
            }
        }
    }
}

/* Freivalds from the left, which is exact for any linear product: for random secret u the row u' C
 * is the product of the row u' E. A wrong answer passes with a chance of 1 / p. */
bool covey__product_field_right(struct covey__product *p, uint32_t task,
                                const struct covey_body *answer, bool check)
{
    const struct covey__product_field *f = &p->field;
    const struct covey_code *c = &p->code;
    const float *e = (const float *)(const void *)p->task[task]->data;
    const float *got = (const float *)(const void *)answer->data;
    size_t columns = c->c.outer * c->c.inner;
    if (!covey_field_holds(got, covey_code_answer_floats(c, task), c->prime)) {
        return false;
    }
    if (!check) {
        return true;
    }
    uint32_t rows = covey_code_task_rows(c, task);
    draw(c->prime, f->row_u, rows);
    sum_rows(e, c->a, rows, p, f->row_e);
    sum_rows(got, c->c, rows, p, f->row_c);
    covey_train_product_compute(&(struct covey_train_product_run){
        .product = &p->sizes,
        .rows = 1,
        .prime = c->prime,
        .a = f->row_e,
        .b = masks_b(c) ? e + covey_code_task_floats(c, task) : f->b,
        .c = f->row_c + columns,
        .scratch = f->scratch});
    return memcmp(f->row_c, f->row_c + columns, columns * sizeof(float)) == 0;
}
