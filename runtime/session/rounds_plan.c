/* SPDX-License-Identifier: MIT */
#include "rounds_product.h"

/* What devices that have not measured themselves yet are taken for. */
enum { LINK_MBYTES = 85, MESSAGE_US = 300 };
/* A product modulo a prime takes so much longer (coded-computing.md section 1: 2.1 times). */
#define FIELD_COST 2.1
/* LT: sums there are for each block. Some two are handed out, and as many left out as they say
 * nothing new. */
enum { LT_TASKS = 16 };

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t bounded(uint32_t v, uint32_t low, uint32_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* ---- how many blocks and tasks ---- */

/* Workers pull, so that uneven devices need no tuning, as long as there are more blocks than
 * devices: two for each where every block is needed. A coded round has one task a worker and needs
 * half of them: whoever is slower than the median costs nothing. */
static void choose_counts(const struct covey_strategy *s, uint32_t workers, struct covey_code *c)
{
    uint32_t n = s->blocks, m = s->tasks, masks = s->masks > 0 ? s->masks : 1;
    switch (c->kind) {
    case COVEY_CODE_UNCODED:
        n = n > 0 ? n : 2 * workers;
        m = n;
        break;
    case COVEY_CODE_REPLICATION:
        n = n > 0 ? n : m > 0 ? (m + 1) / 2 : workers;
        break;
    case COVEY_CODE_LT:
        n = n > 0 ? n : m > 0 ? (m + 1) / 2 : workers;
        m = least(n * LT_TASKS, COVEY_ROUND_TASKS_MAX);
        break;
    case COVEY_CODE_PRIVATE: /* 2 (n + T - 1) + 1 answers of m */
        m = m > 0 ? m : workers;
        n = n > 0 ? n : m > 2 * masks ? (m - 1) / 2 + 1 - masks : 1;
        break;
    case COVEY_CODE_PRIVATE_INPUTS: /* n + T of m */
        m = m > 0 ? m : workers;
        n = n > 0 ? n : m > 2 * masks ? m / 2 : m > masks ? m - masks : 1;
        break;
    case COVEY_CODE_MDS:
    case COVEY_CODE_VANDERMONDE:
    case COVEY_CODE_FIELD:
    case COVEY_CODE_KINDS:
        m = m > 0 ? m : workers;
        n = n > 0 ? n : (m + 1) / 2;
        break;
    }
    c->masks = covey__product_is_exact(c->kind) && c->kind != COVEY_CODE_FIELD ? masks : 0;
    c->n = bounded(n, 1, least(c->rows, COVEY_CODE_BLOCKS_MAX));
    /* Fewer rows than blocks: as many tasks for each block as were asked for. */
    uint32_t copies = c->kind == COVEY_CODE_REPLICATION ? (m > n ? m / n : 2) : 1;
    c->m = c->kind == COVEY_CODE_REPLICATION ? c->n * copies
           : c->kind == COVEY_CODE_UNCODED   ? c->n
           : c->n < n                        ? c->n * (m / n > 0 ? m / n : 1)
                                             : m;
    c->m = bounded(c->m, c->n, COVEY_ROUND_TASKS_MAX);
}

/* ---- what it would take ---- */

static double or_else(uint32_t rate, double other)
{
    return rate > 0 ? (double)rate : other;
}

/* When the needed answers are there, as each device pulls its next task when it has computed one.
 * Microseconds; bytes divided by MB/s are microseconds. */
static double pulled_us(const struct covey__round_team *t, const struct covey_code *c, double flops,
                        double task_bytes, double shared_bytes)
{
    double next[COVEY_WORKERS_MAX], each[COVEY_WORKERS_MAX], last = 0;
    double task_flops = flops / c->n;
    for (uint32_t w = 0; w < t->count; w++) {
        const struct covey_rates *r = &t->worker[w].rates;
        double link = or_else(r->link_mbytes, LINK_MBYTES);
        each[w] = task_flops / or_else(r->mflops, 1) + task_bytes / link +
                  2 * or_else(r->message_us, MESSAGE_US);
        next[w] = shared_bytes / link + each[w];
    }
    uint32_t needed = covey_code_needed(c);
    for (uint32_t i = 0; i < needed; i++) {
        uint32_t first = 0;
        for (uint32_t w = 1; w < t->count; w++) {
            first = next[w] < next[first] ? w : first;
        }
        last = next[first];
        next[first] += each[first];
    }
    return last;
}

static double mesh_us(const struct covey__round_team *t, const struct covey_code *c,
                      const struct covey_train_product *p, double flops)
{
    double a = 4.0 * (double)covey_train_product_a_floats(p);
    double b = 4.0 * (double)covey_train_product_b_floats(p);
    double out = 4.0 * (double)covey_train_product_c_floats(p);
    double link = or_else(t->own.link_mbytes, LINK_MBYTES);
    double stream = or_else(t->own.stream_mbytes, 1000);
    bool own_b = c->kind == COVEY_CODE_PRIVATE;
    double task = a / c->n + out / c->n + (own_b ? b : 0), shared = own_b ? 0 : b;
    uint32_t used = least(t->count, c->m), needed = covey_code_needed(c);
    double moved = used * shared + needed * task;
    double coding = (a * c->m / c->n + a * (c->m - c->n) / 8 + 2 * out) / stream;
    double pulled = pulled_us(t, c, flops, task, shared);
    double messages = (used + 2.0 * needed) * or_else(t->own.message_us, MESSAGE_US);
    double owner = coding + moved / link + messages;
    return owner > pulled ? owner : pulled;
}

static bool fits_bodies(const struct covey_train_product *p, const struct covey_code *c)
{
    size_t b = covey_train_product_b_floats(p), e = covey_code_task_floats(c, 0);
    size_t own = c->kind == COVEY_CODE_PRIVATE ? b : 0, most = COVEY_BODY_MAX / sizeof(float);
    return b <= most && e <= most - own && covey_code_answer_floats(c, 0) <= most;
}

/* Masked tasks: no device gets two of a round, so there must be as many as answers are needed. The
 * weight gradient's B is the output's gradient, which workers of PRIVATE_INPUTS would see beside
 * the weights: it stays here (coded-computing.md section 3). */
static bool may_go(const struct covey__round_team *t, const struct covey_code *c,
                   const struct covey_train_product *p)
{
    if (c->masks == 0) {
        return true;
    }
    bool inputs_only = c->kind == COVEY_CODE_PRIVATE_INPUTS;
    return t->count >= covey_code_needed(c) &&
           !(inputs_only && p->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT);
}

/* The code that a team gives a product, and how long that takes; false: it cannot. */
static bool cut(const struct covey_strategy *s, const struct covey__round_team *t,
                const struct covey_train_product *p, struct covey_code *out, double *out_us)
{
    struct covey_code c = {.kind = s->kind};
    if (t->count == 0) {
        return false;
    }
    covey_train_product_shape(p, &c);
    choose_counts(s, t->count, &c);
    if (covey_code_check(&c) != COVEY_OK || !fits_bodies(p, &c) || !may_go(t, &c, p)) {
        return false;
    }
    double flops = covey_train_product_flops(p);
    *out_us = mesh_us(t, &c, p, covey__product_is_exact(c.kind) ? FIELD_COST * flops : flops);
    *out = c;
    return true;
}

static double here_us(const struct covey__round_team *t, enum covey_code_kind kind,
                      const struct covey_train_product *p)
{
    double flops = covey_train_product_flops(p);
    return (covey__product_is_exact(kind) ? FIELD_COST * flops : flops) / or_else(t->own.mflops, 1);
}

bool covey__product_plan(struct covey_rounds *r, const struct covey_train_product *p,
                         struct covey_code *out)
{
    const struct covey_strategy *s = &r->config.strategy;
    struct covey_code c;
    struct covey__round_team t;
    double us = 0;
    t.count = covey__rounds_workers(r, t.worker);
    pthread_mutex_lock(&r->mutex);
    t.own = r->own;
    pthread_mutex_unlock(&r->mutex);
    if (r->config.mode != COVEY_TRAINING_PRODUCTS || !cut(s, &t, p, &c, &us) ||
        (!s->all && us >= here_us(&t, s->kind, p))) {
        return false;
    }
    *out = c;
    return true;
}

struct covey__product_forecast covey__product_forecast(const struct covey_strategy *s,
                                                       const struct covey__round_team *team,
                                                       const struct covey_train_product *p)
{
    struct covey__product_forecast f = {.spread = false};
    struct covey_code c;
    double us = 0;
    f.here_us = here_us(team, s->kind, p);
    f.us = f.here_us;
    if (cut(s, team, p, &c, &us) && (s->all || us < f.here_us)) {
        f.spread = true;
        f.us = us;
    }
    return f;
}
