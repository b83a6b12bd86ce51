/* SPDX-License-Identifier: MIT */
#include "rounds_product.h"

#include <string.h>

/* Calls whose rounds go on beside one another: both gradients of a layer. Each may have a round for
 * each prime: no more than COVEY_ROUNDS_MAX. */
enum { BESIDE = 2 };
_Static_assert(BESIDE *(int)COVEY_FIELD_PRIMES <= (int)COVEY_ROUNDS_MAX, "too many rounds");

/* Exact kinds: below so many bits for the largest number of A and of B a second prime is used. One
 * prime leaves 8 or 9 to a convolution of some hundred channels. */
enum { BITS_MIN = 12 };

struct call {
    struct covey_product_call *call;
    struct covey__product *run[COVEY_FIELD_PRIMES];
    unsigned runs;          /* 0: it is left to the caller */
    uint64_t counted_bytes; /* of the node's account, while it is spread */
    bool here;              /* of an exact kind, and faster here: no round, but the same numbers */
};

struct group {
    struct covey_rounds *rounds;
    struct call call[BESIDE];
    unsigned calls;
};

/* ---- opening ---- */

static float largest(const float *v, size_t count)
{
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        float size = v[i] < 0 ? -v[i] : v[i];
        most = size > most ? size : most;
    }
    return most;
}

static covey_err open_plain(struct covey_rounds *r, struct call *c, const struct covey_code *code)
{
    covey_err err = covey__product_open(r, &c->call->product, code, &c->run[0]);
    if (err == COVEY_OK) {
        c->run[0]->a = c->call->a;
        c->run[0]->b = c->call->b;
        c->run[0]->c = c->call->c;
        c->runs = 1;
    }
    return err;
}

/* coded-computing.md section 3: fixed-point numbers with a scale per tensor; a second prime when
 * one leaves them too few bits. */
static covey_err open_exact(struct covey_rounds *r, struct call *c, struct covey_code *code)
{
    const struct covey_product_call *call = c->call;
    const struct covey_train_product *p = &call->product;
    double scale_a = 1, scale_b = 1;
    unsigned primes = 1;
    uint64_t start = covey_thread_cpu_ns();
    covey_err err = covey_train_product_scales(p, call->a, call->b, 0, &scale_a, &scale_b);
    double a = (double)largest(call->a, covey_train_product_a_floats(p)) * scale_a;
    double b = (double)largest(call->b, covey_train_product_b_floats(p)) * scale_b;
    double least = a < b ? a : b;
    if (err == COVEY_ERR_RANGE || (err == COVEY_OK && least < (double)(1u << (BITS_MIN - 1)))) {
        primes = COVEY_FIELD_PRIMES;
        err = covey_train_product_scales(p, call->a, call->b, COVEY_FIELD_BOTH, &scale_a, &scale_b);
    }
    for (code->prime = 0; code->prime < primes && err == COVEY_OK; code->prime++) {
        struct covey__product *run = NULL;
        err = covey__product_open(r, p, code, &run);
        if (err == COVEY_OK) {
            c->run[c->runs++] = run;
            err = covey__product_field_load(run, call, scale_a, scale_b);
        }
    }
    covey__rounds_count(r,
                        &(struct covey_rounds_report){.encode_ns = covey_thread_cpu_ns() - start});
    return err;
}

/* An exact product that stays here is of the same integers. */
static covey_err open_here(struct covey_rounds *r, struct call *c)
{
    struct covey_code code = {.kind = COVEY_CODE_FIELD, .n = 1, .m = 1};
    covey_train_product_shape(&c->call->product, &code);
    c->here = true;
    return open_exact(r, c, &code);
}

/* What is there while it is spread: B as it is and sealed, tasks, answers; of an exact kind also
 * the integers, and all of it for two primes. Of LT's sums few more are made than it takes. */
static uint64_t spread_bytes(const struct covey_train_product *p, const struct covey_code *code)
{
    uint32_t few = 2 * code->n, tasks = code->m;
    uint64_t b = covey_train_product_b_floats(p), own = code->kind == COVEY_CODE_PRIVATE ? b : 0;
    uint64_t floats = 2 * b;
    tasks = code->kind == COVEY_CODE_LT && few < tasks ? few : tasks;
    for (uint32_t t = 0; t < tasks; t++) {
        floats += covey_code_task_floats(code, t) + own + covey_code_answer_floats(code, t);
    }
    if (covey__product_is_exact(code->kind)) {
        floats += covey_train_product_a_floats(p) + b + covey_train_product_c_floats(p);
        floats *= COVEY_FIELD_PRIMES;
    }
    return floats * sizeof(float);
}

/* Where there is none it stays here. */
static bool take_room(struct covey_rounds *r, struct call *c, const struct covey_code *code)
{
    uint64_t bytes = spread_bytes(&c->call->product, code);
    bool room = covey__account_take(&r->config.services->memory, bytes);
    c->counted_bytes = room ? bytes : 0;
    return room;
}

static covey_err open_call(struct covey_rounds *r, struct call *c)
{
    enum covey_code_kind kind = r->config.strategy.kind;
    struct covey_code code = {.prime = 0};
    bool plain = !covey__product_is_exact(kind) ||
                 (kind == COVEY_CODE_PRIVATE_INPUTS &&
                  c->call->product.kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT);
    bool spread = covey__product_plan(r, &c->call->product, &code) && take_room(r, c, &code);
    covey__rounds_count(r, &(struct covey_rounds_report){.spread = spread, .here = !spread});
    if (spread) {
        return plain ? open_plain(r, c, &code) : open_exact(r, c, &code);
    }
    return plain ? COVEY_OK : open_here(r, c);
}

/* ---- under way ---- */

static struct covey__product *find_run(struct group *g, uint64_t round)
{
    for (unsigned i = 0; i < g->calls; i++) {
        for (unsigned k = 0; k < g->call[i].runs; k++) {
            struct covey__product *p = g->call[i].run[k];
            if (p->begun && !p->over && p->round == round) {
                return p;
            }
        }
    }
    return NULL;
}

static covey_err on_news(struct group *g, const struct covey__round_news *news)
{
    struct covey_rounds *r = g->rounds;
    struct covey__product *p = find_run(g, news->round);
    switch (news->type) {
    case COVEY__NEWS_WORKERS:
        break;
    case COVEY__NEWS_HUNGRY:
        if (p != NULL) {
            covey__product_hungry(r, p, news->count);
        }
        break;
    case COVEY__NEWS_ANSWER:
        if (p != NULL) {
            return covey__product_answer(r, p, news);
        }
        covey_body_unref(news->body);
        covey__rounds_count(r, &(struct covey_rounds_report){.late = 1});
        break;
    }
    return COVEY_OK;
}

/* No device gets two masked tasks of a round: when too many have gone since it began, or refused,
 * what they held goes to nobody. */
static bool is_lost(const struct covey_rounds_report *now, const struct covey__product *p)
{
    uint32_t gone = now->lost - p->lost_before + p->refused;
    return now->workers == 0 || (p->code.masks > 0 && p->team < covey_code_needed(&p->code) + gone);
}

/* Its next tasks; and where nothing can come any more, what can be had of it. */
static covey_err advance(struct group *g, struct covey__product *p)
{
    struct covey_rounds_report now;
    if (p->over) {
        return COVEY_OK;
    }
    covey__rounds_report(g->rounds, &now);
    if (is_lost(&now, p) || (p->answers == p->made && p->unused == p->code.m)) {
        covey__product_settle(g->rounds, p);
        return COVEY_OK;
    }
    return covey__product_has_more(p) ? covey__product_more(g->rounds, p) : COVEY_OK;
}

/* One turn of all rounds. */
static covey_err advance_all(struct group *g, bool *out_over, bool *out_waits)
{
    bool over = true, encodes = false;
    covey_err err = COVEY_OK;
    for (unsigned i = 0; i < g->calls * COVEY_FIELD_PRIMES && err == COVEY_OK; i++) {
        const struct call *c = &g->call[i / COVEY_FIELD_PRIMES];
        unsigned k = i % COVEY_FIELD_PRIMES;
        if (!c->here && k < c->runs) {
            err = advance(g, c->run[k]);
            over = over && c->run[k]->over;
            encodes = encodes || covey__product_has_more(c->run[k]);
        }
    }
    *out_over = over;
    *out_waits = !over && !encodes;
    return err;
}

/* Until all rounds are over. The thread waits only where there is nothing to encode. */
static covey_err drive(struct group *g)
{
    struct covey__round_news news;
    for (;;) {
        bool over, waits;
        covey_err err = advance_all(g, &over, &waits);
        if (err != COVEY_OK || over) {
            return err;
        }
        if (waits) {
            err = covey__rounds_wait(g->rounds, &news);
            err = err == COVEY_OK ? on_news(g, &news) : err;
        }
        while (err == COVEY_OK && covey__rounds_poll(g->rounds, &news)) {
            err = on_news(g, &news);
        }
        if (err != COVEY_OK) {
            return err;
        }
    }
}

/* ---- results ---- */

static bool is_exact_call(const struct call *c)
{
    return c->runs > 0 && covey__product_is_exact(c->run[0]->code.kind);
}

/* Exact kinds are the same wherever they are computed. */
static void finish_call(struct call *c)
{
    struct covey_product_call *call = c->call;
    size_t floats = covey_train_product_c_floats(&call->product);
    if (!is_exact_call(c)) {
        call->done = c->runs > 0 && c->run[0]->decoded;
        return;
    }
    for (unsigned k = 0; k < c->runs; k++) {
        if (!c->run[k]->decoded) {
            covey__product_field_compute(c->run[k]);
        }
    }
    const struct covey__product_field *f = &c->run[0]->field;
    if (c->runs == 1) {
        covey_field_to_floats(f->c, floats, f->scale, call->c);
    } else {
        covey_field_join(f->c, c->run[1]->field.c, floats, f->scale, call->c);
    }
    call->done = true;
}

static void close_call(struct covey_rounds *r, struct call *c)
{
    for (unsigned k = 0; k < c->runs; k++) {
        covey__product_end(r, c->run[k]);
        covey__product_field_close(c->run[k]);
        c->run[k]->busy = false;
    }
    covey__account_give(&r->config.services->memory, c->counted_bytes);
    c->counted_bytes = 0;
}

static covey_err run_group(struct group *g)
{
    covey_err err = COVEY_OK;
    for (unsigned i = 0; i < g->calls && err == COVEY_OK; i++) {
        struct call *c = &g->call[i];
        err = open_call(g->rounds, c);
        for (unsigned k = 0; !c->here && k < c->runs && err == COVEY_OK; k++) {
            err = covey__product_begin(g->rounds, c->run[k]);
        }
    }
    if (err == COVEY_OK) {
        err = drive(g);
    }
    for (unsigned i = 0; i < g->calls; i++) {
        if (err == COVEY_OK) {
            finish_call(&g->call[i]);
        }
        close_call(g->rounds, &g->call[i]);
    }
    return err;
}

covey_err covey__rounds_here(struct covey_rounds *r, struct covey_product_call *call)
{
    struct call c = {.call = call};
    covey_err err = open_here(r, &c);
    if (err == COVEY_OK) {
        finish_call(&c);
    }
    close_call(r, &c);
    return err;
}

covey_err covey__rounds_products(void *user, struct covey_product_call *calls, unsigned count)
{
    struct covey_rounds *r = user;
    uint64_t start = covey_clock_ns();
    covey_err err = COVEY_OK;
    covey_pace_enter();
    for (unsigned first = 0; first < count && err == COVEY_OK; first += BESIDE) {
        struct group g = {.rounds = r};
        for (unsigned i = first; i < count && g.calls < BESIDE; i++) {
            g.call[g.calls++].call = &calls[i];
        }
        err = run_group(&g);
    }
    covey_pace_leave();
    covey__rounds_count(r, &(struct covey_rounds_report){.wall_ns = covey_clock_ns() - start});
    return err;
}
