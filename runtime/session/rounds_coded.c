/* SPDX-License-Identifier: MIT */
#include "rounds_product.h"

#include <stdlib.h>
#include <string.h>

#include "covey/crypto.h"

/* Tasks that are encoded in one pass over A (covey_code_encode()); between passes answers are
 * looked at. */
enum { PASS = 8 };
/* LT: sums that lie ready for whoever is idle next. Later ones know more of what came. */
enum { READY = 2 };
/* Products that are kept: those of a network's layers. */
enum { KEPT_MAX = 1024 };

bool covey__product_is_exact(enum covey_code_kind kind)
{
    return kind == COVEY_CODE_FIELD || kind == COVEY_CODE_PRIVATE ||
           kind == COVEY_CODE_PRIVATE_INPUTS;
}

/* ---- products that are kept ---- */

static void product_free(struct covey__product *p)
{
    covey_decoder_free(p->decoder);
    covey_code_check_free(p->check);
    free(p->task);
    free(p->kept);
    free(p->came);
    free(p);
}

void covey__product_cache_free(struct covey__product_cache *cache)
{
    while (cache != NULL && cache->first != NULL) {
        struct covey__product *p = cache->first;
        cache->first = p->next;
        product_free(p);
    }
    if (cache != NULL) {
        covey__product_bodies_free(cache);
        covey__product_rooms_free(cache);
    }
    free(cache);
}

static bool is_same(const struct covey__product *p, const uint8_t *key,
                    const struct covey_code *code)
{
    const struct covey_code *c = &p->code;
    return !p->busy && memcmp(p->key, key, sizeof(p->key)) == 0 && c->kind == code->kind &&
           c->n == code->n && c->m == code->m && c->prime == code->prime && c->masks == code->masks;
}

static covey_err product_new(const struct covey_train_product *sizes, const struct covey_code *code,
                             struct covey__product **out)
{
    struct covey__product *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return COVEY_ERR_NOMEM;
    }
    bool exact = covey__product_is_exact(code->kind);
    p->sizes = *sizes;
    p->code = *code;
    covey_train_product_encode(sizes, p->key);
    p->task = calloc(code->m, sizeof(struct covey_body *));
    p->kept = calloc(code->m, sizeof(struct covey_body *));
    p->came = calloc(code->m, sizeof(bool));
    covey_err err =
        p->task != NULL && p->kept != NULL && p->came != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        err = covey_decoder_new(code, &p->decoder);
    }
    if (err == COVEY_OK && !exact) {
        err = covey_code_check_new(code, &p->check);
    }
    if (err != COVEY_OK) {
        product_free(p);
        return err;
    }
    *out = p;
    return COVEY_OK;
}

/* What is kept of this product, with as many blocks as there were for other workers. */
static void drop_idle(struct covey__product_cache *cache, const uint8_t *key, bool all)
{
    struct covey__product **link = &cache->first;
    while (*link != NULL) {
        struct covey__product *p = *link;
        if (p->busy || (!all && memcmp(p->key, key, sizeof(p->key)) != 0)) {
            link = &p->next;
            continue;
        }
        *link = p->next;
        product_free(p);
        cache->count--;
    }
}

covey_err covey__product_open(struct covey_rounds *r, const struct covey_train_product *sizes,
                              const struct covey_code *code, struct covey__product **out)
{
    if (r->products == NULL) {
        r->products = calloc(1, sizeof(*r->products));
        if (r->products == NULL) {
            return COVEY_ERR_NOMEM;
        }
        uint64_t most = r->config.services->memory.limit_bytes / COVEY__SPARE_SHARE;
        r->products->spare_most = most < COVEY__SPARE_BYTES ? (size_t)most : COVEY__SPARE_BYTES;
    }
    uint8_t key[COVEY_TRAIN_PRODUCT_BYTES];
    covey_train_product_encode(sizes, key);
    struct covey__product *p = r->products->first;
    while (p != NULL && !is_same(p, key, code)) {
        p = p->next;
    }
    if (p == NULL) {
        drop_idle(r->products, key, r->products->count == KEPT_MAX);
        covey_err err = product_new(sizes, code, &p);
        if (err != COVEY_OK) {
            return err;
        }
        p->next = r->products->first;
        r->products->first = p;
        r->products->count++;
    }
    p->busy = true;
    p->over = p->decoded = p->begun = p->checking = p->rough = false;
    p->made = p->answers = p->wanted = p->refused = p->unused = 0;
    memset(p->came, 0, p->code.m * sizeof(*p->came));
    if (covey__product_is_exact(code->kind)) {
        covey_err err = covey__product_field_open(r->products, p);
        if (err != COVEY_OK) {
            p->busy = false;
            return err;
        }
    }
    *out = p;
    return COVEY_OK;
}

/* ---- encoding ---- */

static size_t task_floats(const struct covey__product *p, uint32_t t)
{
    size_t b = p->code.kind == COVEY_CODE_PRIVATE ? covey_train_product_b_floats(&p->sizes) : 0;
    return covey_code_task_floats(&p->code, t) + b;
}

bool covey__product_has_more(const struct covey__product *p)
{
    return !p->over && p->made < p->wanted && p->unused < p->code.m;
}

static covey_err send_task(struct covey_rounds *r, struct covey__product *p, uint32_t t,
                           struct covey_body *take_body)
{
    const struct covey_task_spec spec = {.rows = covey_code_task_rows(&p->code, t)};
    if (covey__product_is_exact(p->code.kind)) {
        p->task[t] = covey_body_ref(take_body);
    }
    p->made++;
    return covey__rounds_task(r, p->round, t, &spec, take_body);
}

/* LT is rateless: sums are made as they are asked for, one for each worker and few beside, so that
 * they can be chosen by what came (covey_decoder_next()). As many as must be needed may go ahead.
 */
void covey__product_hungry(struct covey_rounds *r, struct covey__product *p, uint32_t credit)
{
    uint32_t more = p->made + credit;
    if (p->code.kind == COVEY_CODE_LT) {
        struct covey_rounds_report now;
        covey__rounds_report(r, &now);
        uint32_t each = p->answers + now.workers + READY;
        more = p->made + (credit < READY ? credit : READY);
        more = more > each ? more : each;
    }
    more = more < p->code.m ? more : p->code.m;
    p->wanted = more > p->wanted ? more : p->wanted;
}

/* Returns how many were found. */
static uint32_t choose_tasks(struct covey__product *p, uint32_t task[static PASS])
{
    uint32_t count = 0;
    while (count < PASS && p->made + count < p->wanted && p->unused < p->code.m) {
        uint32_t t = covey_decoder_next(p->decoder, p->unused);
        p->unused = t < p->code.m ? t + 1 : t;
        if (t < p->code.m) {
            task[count++] = t;
        }
    }
    return count;
}

covey_err covey__product_more(struct covey_rounds *r, struct covey__product *p)
{
    struct covey_body *body[PASS] = {NULL};
    float *at[PASS] = {NULL};
    uint32_t task[PASS] = {0};
    uint64_t start = covey_thread_cpu_ns();
    uint32_t count = choose_tasks(p, task);
    covey_err err = COVEY_OK;
    for (uint32_t i = 0; i < count && err == COVEY_OK; i++) {
        size_t bytes = task_floats(p, task[i]) * sizeof(float);
        err = covey__product_body(r->products, bytes, &body[i]);
        at[i] = err == COVEY_OK ? (float *)(void *)body[i]->data : NULL;
    }
    if (err == COVEY_OK && covey__product_is_exact(p->code.kind)) {
        covey__product_field_encode(p, task[0], count, at); /* no task is left out */
    } else if (err == COVEY_OK) {
        covey_code_encode_these(&p->code, task, count, p->a, at);
    }
    covey__rounds_count(r,
                        &(struct covey_rounds_report){.encode_ns = covey_thread_cpu_ns() - start});
    covey_pace_leave(); /* tasks leave a paced device when they would be made */
    covey_pace_enter();
    for (uint32_t i = 0; i < count; i++) {
        if (err != COVEY_OK) {
            covey_body_unref(body[i]);
        } else {
            err = send_task(r, p, task[i], body[i]);
        }
    }
    return err;
}

/* B goes sealed once to all; masked, each task has its own. */
static covey_err make_shared(struct covey_rounds *r, const struct covey__product *p,
                             struct covey_body **out)
{
    struct covey_body *body = NULL;
    uint64_t start = covey_thread_cpu_ns();
    size_t bytes = covey_train_product_b_floats(&p->sizes) * sizeof(float);
    covey_err err = covey_body_new(bytes, &body);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(body->data, p->b, bytes);
    struct covey__round_worker workers[COVEY_WORKERS_MAX];
    if (covey__rounds_workers(r, workers) >= 2) {
        covey_err ignored = covey_body_share(body); /* then it is sealed for each */
        (void)ignored;
    }
    covey__rounds_count(r,
                        &(struct covey_rounds_report){.encode_ns = covey_thread_cpu_ns() - start});
    *out = body;
    return COVEY_OK;
}

static uint64_t lt_seed(const struct covey_rounds *r)
{
    return r->config.seed + (r->next_round + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

covey_err covey__product_begin(struct covey_rounds *r, struct covey__product *p)
{
    struct covey_body *shared = NULL;
    bool own_b = p->code.kind == COVEY_CODE_PRIVATE;
    covey_err err = own_b ? COVEY_OK : make_shared(r, p, &shared);
    if (err != COVEY_OK) {
        return err;
    }
    p->code.seed = lt_seed(r);
    covey_decoder_start(p->decoder, p->c, p->code.seed);
    bool exact = covey__product_is_exact(p->code.kind);
    const struct covey_round_spec spec = {.mode = COVEY_TRAIN_PRODUCTS,
                                          .product = p->sizes,
                                          .prime = exact ? (uint8_t)p->code.prime
                                                         : (uint8_t)COVEY_FIELD_PRIMES,
                                          .own_b = own_b};
    err = covey__rounds_begin(r, &spec, shared, &p->round);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_rounds_report now;
    covey__rounds_report(r, &now);
    p->team = now.workers;
    p->lost_before = now.lost;
    p->begun = true;
    p->wanted = p->code.kind == COVEY_CODE_LT ? p->code.n : p->code.m;
    covey__product_hungry(r, p, 0);
    return covey__product_more(r, p);
}

/* ---- answers ---- */

/* Nobody knows s before the answers are in: it is drawn when the first one came. */
static covey_err start_check(struct covey__product *p)
{
    uint64_t secret;
    covey_random(&secret, sizeof(secret));
    const float *s = covey_code_check_start(p->check, secret, p->code.seed);
    covey_err err = covey_train_product_check_start(&p->sizes, p->a, p->b, p->check, s);
    p->checking = err == COVEY_OK;
    return err;
}

static covey_err is_right(struct covey_rounds *r, struct covey__product *p,
                          const struct covey__round_news *news, bool *out)
{
    bool check = covey__rounds_doubts(r, &news->peer);
    uint32_t t = news->task;
    if (news->body->len != covey_code_answer_floats(&p->code, t) * sizeof(float)) {
        *out = false;
        return COVEY_OK;
    }
    uint64_t start = covey_thread_cpu_ns();
    covey_err err = COVEY_OK;
    *out = true;
    if (covey__product_is_exact(p->code.kind)) {
        *out = covey__product_field_right(p, t, news->body, check);
    } else if (check) {
        err = p->checking ? COVEY_OK : start_check(p);
        *out =
            err != COVEY_OK ||
            covey_code_check_answer(p->check, t, (const float *)(const void *)news->body->data, 0);
    }
    covey__rounds_count(r,
                        &(struct covey_rounds_report){.check_ns = covey_thread_cpu_ns() - start});
    return err;
}

/* Completes C. */
static void decode(struct covey_rounds *r, struct covey__product *p)
{
    uint64_t start = covey_thread_cpu_ns();
    p->decoded = covey_decoder_finish(p->decoder) == COVEY_OK;
    covey__rounds_count(r,
                        &(struct covey_rounds_report){.decode_ns = covey_thread_cpu_ns() - start});
    covey__product_end(r, p);
}

static bool can_more_come(const struct covey__product *p)
{
    return p->answers < p->made || p->unused < p->code.m;
}

static void look(struct covey_rounds *r, struct covey__product *p)
{
    enum covey_decoder_state state = covey_decoder_state(p->decoder);
    if (state == COVEY_DECODER_READY || (state == COVEY_DECODER_ROUGH && !can_more_come(p))) {
        decode(r, p);
    } else if (state == COVEY_DECODER_ROUGH && !p->rough) {
        p->rough = true;
        covey__rounds_count(r, &(struct covey_rounds_report){.rough = 1});
    }
}

void covey__product_settle(struct covey_rounds *r, struct covey__product *p)
{
    if (!p->over && covey_decoder_state(p->decoder) != COVEY_DECODER_SHORT) {
        decode(r, p);
    } else {
        covey__product_end(r, p);
    }
}

static covey_err take(struct covey_rounds *r, struct covey__product *p,
                      const struct covey__round_news *news, bool *out_kept)
{
    enum covey_answer_use use = COVEY_ANSWER_USELESS;
    uint64_t start = covey_thread_cpu_ns();
    covey_err err = covey_decoder_add(p->decoder, news->task,
                                      (const float *)(const void *)news->body->data, &use);
    covey__rounds_count(r, &(struct covey_rounds_report){.decode_ns = covey_thread_cpu_ns() - start,
                                                         .answers = use != COVEY_ANSWER_USELESS,
                                                         .late = use == COVEY_ANSWER_USELESS});
    *out_kept = use == COVEY_ANSWER_KEPT;
    return err;
}

covey_err covey__product_answer(struct covey_rounds *r, struct covey__product *p,
                                const struct covey__round_news *news)
{
    covey_err err = COVEY_OK;
    bool kept = false, right = true;
    uint32_t t = news->task;
    if (t >= p->code.m || p->came[t] || p->over) { /* it was handed out twice */
        covey_body_unref(news->body);
        return COVEY_OK;
    }
    if (news->body == NULL) { /* refused: it is done again by another; or never sent */
        p->came[t] = news->count > 0;
        p->answers += news->count;
        p->refused++;
        covey__rounds_count(r, &(struct covey_rounds_report){.refused = 1});
        return COVEY_OK;
    }
    err = is_right(r, p, news, &right);
    if (err == COVEY_OK && right) {
        p->came[t] = true;
        p->answers++;
        err = take(r, p, news, &kept);
        covey__product_hungry(r, p, 0);
    } else if (err == COVEY_OK) {
        covey__rounds_lied(r, p->round, &news->peer);
        covey__rounds_count(r, &(struct covey_rounds_report){.reissued = 1});
    }
    if (kept) {
        p->kept[t] = news->body;
    } else {
        covey_body_unref(news->body);
    }
    if (err == COVEY_OK) {
        look(r, p);
    }
    return err;
}

void covey__product_end(struct covey_rounds *r, struct covey__product *p)
{
    if (p->begun && !p->over) {
        covey__rounds_end(r, p->round);
    }
    p->over = true;
    for (uint32_t t = 0; t < p->code.m; t++) {
        covey_body_unref(p->kept[t]);
        covey_body_unref(p->task[t]);
        p->kept[t] = p->task[t] = NULL;
    }
}
