/* SPDX-License-Identifier: MIT */
#include "gradient_check.h"

#include <math.h>
#include <stdlib.h>

#include "covey/trainer.h"

/* Of a tensor's norm. Kernels of other instructions differ by 1e-6 to 1e-5, unless rounding decides
 * something: docs/coding.md has what was measured. */
#define SAME 1e-3
/* What may be left of a difference, of all tensors together. */
#define EXPLAINED 2e-3
/* Of the norm of all: a gradient that should be 0, such as that of a bias in front of a
 * normalisation, is nothing but rounding of what cancelled. */
#define SAME_OF_ALL 1e-5
/* Nothing that such a difference does is seen. */
#define NOTHING 1e-7
/* Hits may differ by one in so many, and one: rounding decides between logits that are equal. */
enum { HITS_ONE_IN = 32 };
/* Numbers that stand for a difference; times that a task is computed again, at most and when
 * nothing new comes of it. */
enum { SKETCH = 64, TRIES = 20, IN_VAIN = 8 };
/* What a task's numbers are changed by when it is: some times what kernels round. */
#define SHAKE 4e-6f

struct covey_gradient_check {
    struct covey_gradient_work *work;
    uint32_t part; /* samples */
    size_t *end;   /* [count], floats of an answer's sums: statistics, then tensors back to front */
    size_t count, statistics; /* of ends */
};

/* Tensors of the vector from its back. */
static covey_err find_ends(struct covey_gradient_check *c)
{
    const struct covey_trainer *t = covey__gradient_work_trainer(c->work);
    const size_t floats = covey_trainer_statistics(t) + covey_trainer_parameters(t);
    const size_t tensors = covey_trainer_ends(t, false, NULL, 0);
    c->statistics = covey_trainer_ends(t, true, NULL, 0);
    c->count = c->statistics + tensors;
    c->end = calloc(c->count + 1, sizeof(*c->end));
    size_t *ends = calloc(tensors + 1, sizeof(*ends));
    if (c->end == NULL || ends == NULL) {
        free(ends);
        return COVEY_ERR_NOMEM;
    }
    covey_trainer_ends(t, true, c->end, c->statistics);
    covey_trainer_ends(t, false, ends + 1, tensors); /* ends[0]: 0, where the first one begins */
    for (size_t i = 0; i < tensors; i++) {
        c->end[c->statistics + i] = floats - ends[tensors - 1 - i];
    }
    free(ends);
    return COVEY_OK;
}

covey_err covey__gradient_check_new(struct covey_services *services,
                                    const struct covey_enlist_spec *spec,
                                    struct covey_gradient_check **out)
{
    struct covey_nn_error why;
    struct covey_gradient_check *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return COVEY_ERR_NOMEM;
    }
    c->part = spec->part;
    covey_err err = covey__gradient_work_new(services, spec, &c->work, &why);
    if (err == COVEY_OK) {
        err = find_ends(c);
    }
    if (err != COVEY_OK) {
        covey__gradient_check_free(c);
        return err;
    }
    *out = c;
    return COVEY_OK;
}

void covey__gradient_check_free(struct covey_gradient_check *c)
{
    if (c == NULL) {
        return;
    }
    covey__gradient_work_free(c->work);
    free(c->end);
    free(c);
}

covey_err covey__gradient_check_compute(struct covey_gradient_check *c,
                                        const struct covey__gradient_task *task,
                                        struct covey_body **out)
{
    return covey__gradient_work_compute(c->work, task, out);
}

static size_t floats_of(const struct covey_gradient_check *c)
{
    return c->count > 0 ? c->end[c->count - 1] : 0;
}

size_t covey__gradient_check_bytes(const struct covey_gradient_check *c, uint32_t parts)
{
    return covey__gradient_answer_bytes(floats_of(c), parts);
}

static const float *sums_of(const struct covey_body *b, uint32_t parts)
{
    return (const float *)(const void *)(b->data + covey__gradient_answer_bytes(0, parts));
}

static void read_head(const struct covey_body *b, uint32_t part, float *out_loss,
                      uint32_t *out_hits)
{
    const uint8_t *head = b->data + covey__gradient_answer_bytes(0, part);
    uint32_t bits = covey_load32(head);
    memcpy(out_loss, &bits, sizeof(bits));
    *out_hits = covey_load32(head + sizeof(float));
}

bool covey__gradient_check_sound(const struct covey_gradient_check *c,
                                 const struct covey_body *answer, uint32_t parts)
{
    const float *sums = sums_of(answer, parts);
    const size_t count = floats_of(c);
    for (uint32_t p = 0; p < parts; p++) {
        float loss;
        uint32_t hits;
        read_head(answer, p, &loss, &hits);
        if (!isfinite(loss) || hits > c->part) {
            return false;
        }
    }
    unsigned wrong = 0;
    for (size_t i = 0; i < count; i++) {
        wrong |= !(fabsf(sums[i]) <= 3.4e38f); /* NaN is not, either */
    }
    return wrong == 0;
}

/* Squares of norms, and of the difference. */
struct norms {
    double a, b, off;
};

/* In pieces that a compiler makes vectors of. */
static struct norms norms_of(const float *a, const float *b, size_t count)
{
    struct norms n = {0.0, 0.0, 0.0};
    for (size_t i = 0; i < count; i++) {
        double x = (double)a[i], y = (double)b[i], d = x - y;
        n.a += x * x;
        n.b += y * y;
        n.off += d * d;
    }
    return n;
}

static double smaller(const struct norms *n)
{
    return sqrt(n->a < n->b ? n->a : n->b);
}

static double floor_of(const struct norms *all)
{
    return SAME_OF_ALL * smaller(all) + NOTHING;
}

/* Sums of two answers. */
struct pair {
    const float *a, *b;
};

/* Tensors [first, last). */
static bool tensors_same(const struct covey_gradient_check *c, const struct pair *p,
                         const size_t first_last[2])
{
    const size_t first = first_last[0], last = first_last[1];
    size_t begin = first > 0 ? c->end[first - 1] : 0;
    if (first == last) {
        return true;
    }
    struct norms all = norms_of(p->a + begin, p->b + begin, c->end[last - 1] - begin);
    const double floor = floor_of(&all);
    for (size_t i = first; i < last && sqrt(all.off) > floor; i++) {
        struct norms n = norms_of(p->a + begin, p->b + begin, c->end[i] - begin);
        if (!(sqrt(n.off) <= SAME * smaller(&n) + floor)) {
            return false;
        }
        begin = c->end[i];
    }
    return true;
}

static bool heads_same(const struct covey_gradient_check *c, const struct covey_body *a,
                       const struct covey_body *b, uint32_t parts)
{
    for (uint32_t p = 0; p < parts; p++) {
        float x, y;
        uint32_t m, n;
        read_head(a, p, &x, &m);
        read_head(b, p, &y, &n);
        uint32_t apart = m > n ? m - n : n - m;
        if (!(fabs((double)x - (double)y) <= SAME * (fabs((double)x) + NOTHING)) ||
            apart > 1 + c->part / HITS_ONE_IN) {
            return false;
        }
    }
    return true;
}

bool covey__gradient_check_same(const struct covey_gradient_check *c, const struct covey_body *a,
                                const struct covey_body *b, uint32_t parts)
{
    const struct pair p = {sums_of(a, parts), sums_of(b, parts)};
    return heads_same(c, a, b, parts) && tensors_same(c, &p, (const size_t[2]){0, c->statistics}) &&
           tensors_same(c, &p, (const size_t[2]){c->statistics, c->count});
}

/* ---- what rounding may do ---- */

/* What is looked at again: the task, what is true of it, and the numbers of a difference from that.
 */
struct doubt {
    struct covey_gradient_check *c;
    const struct covey__gradient_task *task;
    const float *truth;
    double left[SKETCH];         /* of the answer's difference, that nothing has explained yet */
    double known[TRIES][SKETCH]; /* of changes that rounding makes, orthonormal */
    uint32_t count;
    uint32_t closed; /* changes one after another that nearly are made up of those before */
    double length;   /* of the answer's difference */
    double longest;  /* of the changes */
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Johnson and Lindenstrauss: out_r = sum_i +-d_i / sqrt(SKETCH) keeps lengths and angles. Each
 * tensor's difference is in units of its norm. */
static void sketch(const struct doubt *d, const float *other, double out[SKETCH])
{
    const struct covey_gradient_check *c = d->c;
    uint64_t signs = 1;
    size_t begin = 0;
    double floor = 0.0;
    memset(out, 0, SKETCH * sizeof(*out));
    for (size_t i = 0; i < c->count; i++) {
        if (i == 0 || i == c->statistics) {
            size_t end = c->end[i < c->statistics ? c->statistics - 1 : c->count - 1];
            struct norms all = norms_of(d->truth + begin, d->truth + begin, end - begin);
            floor = floor_of(&all) / SAME;
        }
        float sum[SKETCH] = {0.0f};
        struct norms n = norms_of(d->truth + begin, d->truth + begin, c->end[i] - begin);
        for (size_t k = begin; k < c->end[i]; k++) {
            float x = other[k] - d->truth[k];
            uint64_t bits = next_random(&signs);
            for (unsigned r = 0; r < SKETCH; r++) {
                sum[r] += (bits >> r & 1) != 0 ? x : -x;
            }
        }
        double scale = 1.0 / ((smaller(&n) + floor) * sqrt((double)SKETCH));
        for (unsigned r = 0; r < SKETCH; r++) {
            out[r] += scale * (double)sum[r];
        }
        begin = c->end[i];
    }
}

static double dot(const double a[SKETCH], const double b[SKETCH])
{
    double sum = 0.0;
    for (unsigned r = 0; r < SKETCH; r++) {
        sum += a[r] * b[r];
    }
    return sum;
}

static void take_out(double from[SKETCH], const double unit[SKETCH])
{
    double times = dot(from, unit);
    for (unsigned r = 0; r < SKETCH; r++) {
        from[r] -= times * unit[r];
    }
}

/* One more change that rounding makes (Gram and Schmidt, twice). */
static void learn(struct doubt *d, double change[SKETCH])
{
    double before = sqrt(dot(change, change));
    d->longest = before > d->longest ? before : d->longest;
    for (uint32_t k = 0; k < 2 * d->count; k++) {
        take_out(change, d->known[k % d->count]);
    }
    double length = sqrt(dot(change, change));
    d->closed = length <= EXPLAINED ? d->closed + 1 : 0;
    if (length > NOTHING) {
        double *unit = d->known[d->count++];
        for (unsigned r = 0; r < SKETCH; r++) {
            unit[r] = change[r] / length;
        }
        take_out(d->left, unit);
    }
}

/* What is known has taken its share of the numbers of whatever difference. */
static bool is_explained(const struct doubt *d)
{
    double share = (double)(SKETCH - d->count) / SKETCH;
    return dot(d->left, d->left) <= EXPLAINED * EXPLAINED * share;
}

static covey_err shaken(const struct covey_body *body, size_t floats, uint64_t *seed,
                        struct covey_body **out)
{
    struct covey_body *b = NULL;
    covey_err err = covey_body_new(body->len, &b);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(b->data, body->data, body->len);
    float *x = (float *)(void *)b->data;
    for (size_t i = 0; i < floats; i++) {
        double u = (double)(int64_t)next_random(seed) * 0x1p-63; /* -1 to 1 */
        x[i] *= 1.0f + SHAKE * (float)u;
    }
    *out = b;
    return COVEY_OK;
}

static covey_err try_again(struct doubt *d, uint64_t *seed)
{
    const struct covey__gradient_task *task = d->task;
    const struct covey_trainer *trainer = covey__gradient_work_trainer(d->c->work);
    const uint32_t parts = task->spec->count;
    struct covey_body *shared = NULL, *body = NULL, *answer = NULL;
    double change[SKETCH];
    size_t samples = (size_t)parts * d->c->part;
    covey_err err = shaken(task->shared, covey_trainer_parameters(trainer), seed, &shared);
    if (err == COVEY_OK) {
        err = shaken(task->body, samples * covey_trainer_input_floats(trainer), seed, &body);
    }
    if (err == COVEY_OK) {
        struct covey__gradient_task other = *task;
        other.shared = shared;
        other.body = body;
        err = covey__gradient_work_compute(d->c->work, &other, &answer);
    }
    if (err == COVEY_OK && covey__gradient_check_sound(d->c, answer, parts)) {
        sketch(d, sums_of(answer, parts), change);
        learn(d, change);
    }
    covey_body_unref(shared);
    covey_body_unref(body);
    covey_body_unref(answer);
    return err;
}

covey_err covey__gradient_check_judge(struct covey_gradient_check *c,
                                      const struct covey__gradient_task *task,
                                      const struct covey_body *truth,
                                      const struct covey_body *answer, bool *out_right)
{
    const uint32_t parts = task->spec->count;
    bool right = covey__gradient_check_same(c, truth, answer, parts);
    uint64_t seed = task->round->step;
    covey_err err = COVEY_OK;
    if (!right && heads_same(c, truth, answer, parts)) {
        struct doubt d = {.c = c, .task = task, .truth = sums_of(truth, parts)};
        sketch(&d, sums_of(answer, parts), d.left);
        d.length = sqrt(dot(d.left, d.left));
        for (unsigned i = 0; i < TRIES && d.closed < IN_VAIN && !right; i++) {
            err = try_again(&d, &seed);
            if (err != COVEY_OK) {
                return err;
            }
            right = is_explained(&d);
        }
        /* So much is undecided that there are no tries for all of it: then by size. */
        right = right || (d.closed < IN_VAIN / 2 && d.length <= 2.0 * d.longest);
    }
    *out_right = right;
    return err;
}
