/* SPDX-License-Identifier: MIT */
#include "layouts_private.h"

#include <pthread.h>
#include <stdlib.h>

#include "covey/large.h"
#include "graph_private.h"

enum { BUCKETS = 1024 };

/* A layout is decided first; the first model that needs it makes it, others wait meanwhile. */
enum progress { DECIDED, FILLING, FILLED };

/* The plan's height is only that of the first use. */
struct layout {
    struct layout *next;
    struct covey__conv_plan plan;
    enum progress progress;
    float *packed;
};

struct constant {
    struct constant *next;
    const void *data;
    bool read; /* by some node as it is */
    struct layout *layouts;
};

struct covey_layouts {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    uint64_t max_bytes, more_bytes; /* beyond the constants' own, as decided */
    uint64_t bytes;                 /* filled */
    struct constant *buckets[BUCKETS];
};

/* To another algorithm: cycles saved for each byte more. */
struct step {
    struct layout *layout;
    enum covey__conv_algorithm from, to;
    double gain;
};

/* The decisions of one graph. */
struct choice {
    struct covey_layouts *l;
    struct step *steps;
    size_t count;
};

covey_err covey_layouts_new(uint64_t max_bytes, struct covey_layouts **out)
{
    struct covey_layouts *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return COVEY_ERR_NOMEM;
    }
    if (pthread_mutex_init(&l->lock, NULL) != 0) {
        free(l);
        return COVEY_ERR_NOMEM;
    }
    if (pthread_cond_init(&l->filled, NULL) != 0) {
        pthread_mutex_destroy(&l->lock);
        free(l);
        return COVEY_ERR_NOMEM;
    }
    l->max_bytes = max_bytes == 0 ? UINT64_MAX : max_bytes;
    *out = l;
    return COVEY_OK;
}

static void free_constant(struct constant *c)
{
    for (struct layout *y = c->layouts; y != NULL;) {
        struct layout *next = y->next;
        free(y->packed);
        free(y);
        y = next;
    }
    free(c);
}

void covey_layouts_free(struct covey_layouts *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while (l->buckets[i] != NULL) {
            struct constant *c = l->buckets[i];
            l->buckets[i] = c->next;
            free_constant(c);
        }
    }
    pthread_cond_destroy(&l->filled);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Constants start on lines of 64 bytes, large ones on pages. */
static struct constant **bucket_of(struct covey_layouts *l, const void *data)
{
    uint64_t hash = ((uint64_t)(uintptr_t)data >> 6) * 0x9e3779b97f4a7c15u;
    return &l->buckets[hash >> 54];
}

static struct constant *find_constant(struct covey_layouts *l, const void *data)
{
    struct constant *c = *bucket_of(l, data);
    while (c != NULL && c->data != data) {
        c = c->next;
    }
    return c;
}

static struct constant *add_constant(struct covey_layouts *l, const void *data)
{
    struct constant *c = find_constant(l, data);
    if (c == NULL) {
        c = calloc(1, sizeof(*c));
        if (c != NULL) {
            struct constant **bucket = bucket_of(l, data);
            *c = (struct constant){.next = *bucket, .data = data};
            *bucket = c;
        }
    }
    return c;
}

/* The layout that serves a use: of the same weights, by an algorithm that fits. */
static struct layout *find_layout(struct covey_layouts *l, const struct covey__layout_use *use)
{
    const struct constant *c = find_constant(l, use->data);
    const struct covey__conv_shape *s = &use->shape;
    for (struct layout *y = c != NULL ? c->layouts : NULL; y != NULL; y = y->next) {
        const struct covey__conv_shape *t = &y->plan.shape;
        if (s->groups == t->groups && s->in_channels == t->in_channels &&
            s->out_channels == t->out_channels && s->kernel[0] == t->kernel[0] &&
            s->kernel[1] == t->kernel[1] && covey__conv_fits(s, y->plan.algorithm)) {
            return y;
        }
    }
    return NULL;
}

static uint64_t weight_bytes(const struct covey__conv_shape *s)
{
    return (uint64_t)s->out_channels * (s->in_channels / s->groups) * s->kernel[0] * s->kernel[1] *
           sizeof(float);
}

/* Bytes beyond the constant's own, which is given back once it is laid out. */
static uint64_t more_bytes(const struct covey__conv_shape *s, enum covey__conv_algorithm algorithm)
{
    struct covey__conv_plan plan;
    covey__conv_plan_with(&plan, s, algorithm, 1);
    uint64_t bytes = plan.packed_floats * sizeof(float), own = weight_bytes(s);
    return bytes > own ? bytes - own : 0;
}

static double gain(const struct covey__conv_shape *s, enum covey__conv_algorithm from,
                   enum covey__conv_algorithm to)
{
    double saved = covey__conv_cycles(s, from) - covey__conv_cycles(s, to);
    return saved / (double)(more_bytes(s, to) - more_bytes(s, from) + 1);
}

static void add_steps(struct choice *choice, struct layout *y)
{
    const enum covey__conv_algorithm ways[3][2] = {
        {y->plan.algorithm, COVEY__CONV_WINOGRAD2},
        {y->plan.algorithm, COVEY__CONV_WINOGRAD4},
        {COVEY__CONV_WINOGRAD2, COVEY__CONV_WINOGRAD4},
    };
    for (size_t i = 0; i < 3; i++) {
        double g = gain(&y->plan.shape, ways[i][0], ways[i][1]);
        if (g > 0.0) {
            choice->steps[choice->count++] =
                (struct step){.layout = y, .from = ways[i][0], .to = ways[i][1], .gain = g};
        }
    }
}

static void decide(struct layout *y, enum covey__conv_algorithm algorithm)
{
    const struct covey__conv_shape shape = y->plan.shape;
    covey__conv_plan_with(&y->plan, &shape, algorithm, 1);
}

/* The faster one of those that are hardly larger than the constant; as it is if none fits. */
static void decide_small(struct covey_layouts *l, struct layout *y)
{
    const struct covey__conv_shape shape = y->plan.shape;
    static const enum covey__conv_algorithm ways[] = {COVEY__CONV_PACKED,
                                                      COVEY__CONV_WINOGRAD_LIVE};
    enum covey__conv_algorithm best = COVEY__CONV_IM2COL;
    for (size_t i = 0; i < 2; i++) {
        bool fits = covey__conv_fits(&shape, ways[i]) &&
                    more_bytes(&shape, ways[i]) <= l->max_bytes - l->more_bytes;
        if (fits && (best == COVEY__CONV_IM2COL ||
                     covey__conv_cycles(&shape, ways[i]) < covey__conv_cycles(&shape, best))) {
            best = ways[i];
        }
    }
    decide(y, best);
    l->more_bytes += best != COVEY__CONV_IM2COL ? more_bytes(&shape, best) : 0;
}

/* What is no larger than the constant at first; what may be larger if it pays is noted. */
static covey_err decide_use(struct choice *choice, const struct covey__layout_use *use)
{
    struct covey_layouts *l = choice->l;
    if (find_layout(l, use) != NULL) {
        return COVEY_OK;
    }
    struct constant *c = add_constant(l, use->data);
    struct layout *y = c != NULL ? calloc(1, sizeof(*y)) : NULL;
    if (y == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey__conv_plan_init(&y->plan, &use->shape, false, 1);
    y->next = c->layouts;
    c->layouts = y;
    bool bounded = l->max_bytes != UINT64_MAX;
    if (bounded && y->plan.algorithm != COVEY__CONV_DEPTHWISE) {
        decide_small(l, y);
        if (y->plan.algorithm != COVEY__CONV_IM2COL &&
            covey__conv_fits(&use->shape, COVEY__CONV_WINOGRAD2)) {
            add_steps(choice, y);
        }
    }
    return COVEY_OK;
}

static int by_gain(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    return (y->gain > x->gain) - (y->gain < x->gain);
}

/* The best first, as far as they fit. */
static void take_steps(struct choice *choice)
{
    struct covey_layouts *l = choice->l;
    qsort(choice->steps, choice->count, sizeof(*choice->steps), by_gain);
    for (size_t i = 0; i < choice->count; i++) {
        const struct step *step = &choice->steps[i];
        struct layout *y = step->layout;
        uint64_t more = more_bytes(&y->plan.shape, step->to);
        uint64_t less = more_bytes(&y->plan.shape, step->from);
        if (y->plan.algorithm == step->from && more <= l->max_bytes - (l->more_bytes - less)) {
            l->more_bytes += more - less;
            decide(y, step->to);
        }
    }
}

static bool lays_out(const struct covey_graph *g, const struct covey_graph_node *node, unsigned i)
{
    return node->op == COVEY_OP_CONV && i == 1 && g->values[node->input[1]].data != NULL;
}

/* What other nodes, or convolutions without a layout of their own, take as it is. */
static covey_err note_reads(struct choice *choice, const struct covey_graph *g,
                            const struct covey_graph_node *node)
{
    for (unsigned i = 0; i < node->inputs; i++) {
        uint16_t v = node->input[i];
        if (v == COVEY_VALUE_NONE || !g->values[v].constant || lays_out(g, node, i)) {
            continue;
        }
        struct constant *c = add_constant(choice->l, g->values[v].data);
        if (c == NULL) {
            return COVEY_ERR_NOMEM;
        }
        c->read = true;
    }
    return COVEY_OK;
}

static covey_err choose_node(struct choice *choice, const struct covey_graph *g,
                             const struct covey_graph_node *node)
{
    bool constant = node->op == COVEY_OP_CONV && g->values[node->input[1]].constant;
    if (constant && lays_out(g, node, 1)) {
        struct covey__graph_frame frame;
        struct covey__layout_use use = {.data = g->values[node->input[1]].data};
        covey__graph_frame(g, node, &frame);
        covey__conv_call_shape(&frame.call, &use.shape);
        covey_err err = decide_use(choice, &use);
        if (err != COVEY_OK) {
            return err;
        }
    }
    return note_reads(choice, g, node);
}

covey_err covey_layouts_choose(struct covey_layouts *l, const struct covey_graph *g)
{
    struct choice choice = {.l = l, .steps = calloc(3 * g->node_count + 1, sizeof(struct step))};
    covey_err err = COVEY_OK;
    if (choice.steps == NULL) {
        return COVEY_ERR_NOMEM;
    }
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < g->node_count && err == COVEY_OK; i++) {
        err = choose_node(&choice, g, &g->nodes[i]);
    }
    take_steps(&choice);
    pthread_mutex_unlock(&l->lock);
    free(choice.steps);
    return err;
}

bool covey__layouts_algorithm(struct covey_layouts *l, const struct covey__layout_use *use,
                              enum covey__conv_algorithm *out)
{
    pthread_mutex_lock(&l->lock);
    const struct layout *y = find_layout(l, use);
    if (y != NULL) {
        *out = y->plan.algorithm;
    }
    pthread_mutex_unlock(&l->lock);
    return y != NULL;
}

/* Locked; while it is made the lock is not held. */
static covey_err fill(struct covey_layouts *l, struct layout *y, const void *data)
{
    while (y->progress == FILLING) {
        pthread_cond_wait(&l->filled, &l->lock);
    }
    uint64_t bytes = y->plan.packed_floats * sizeof(float);
    if (y->progress == FILLED || bytes == 0) {
        return COVEY_OK;
    }
    y->progress = FILLING;
    pthread_mutex_unlock(&l->lock);
    float *packed = covey_large_new(bytes);
    if (packed != NULL) {
        covey__conv_pack(&y->plan, data, packed);
    }
    pthread_mutex_lock(&l->lock);
    y->packed = packed;
    y->progress = packed != NULL ? FILLED : DECIDED;
    l->bytes += packed != NULL ? bytes : 0;
    pthread_cond_broadcast(&l->filled);
    return packed != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
}

covey_err covey__layouts_fill(struct covey_layouts *l, const struct covey__layout_use *use)
{
    pthread_mutex_lock(&l->lock);
    struct layout *y = find_layout(l, use);
    covey_err err = y != NULL ? fill(l, y, use->data) : COVEY_ERR_STATE;
    pthread_mutex_unlock(&l->lock);
    return err;
}

covey_err covey_layouts_fill(struct covey_layouts *l, const void *data)
{
    covey_err err = COVEY_OK;
    pthread_mutex_lock(&l->lock);
    const struct constant *c = find_constant(l, data);
    for (struct layout *y = c != NULL ? c->layouts : NULL; y != NULL && err == COVEY_OK;
         y = y->next) {
        err = fill(l, y, data);
    }
    pthread_mutex_unlock(&l->lock);
    return err;
}

const float *covey__layouts_packed(struct covey_layouts *l, const struct covey__layout_use *use)
{
    pthread_mutex_lock(&l->lock);
    const struct layout *y = find_layout(l, use);
    const float *packed = y != NULL ? y->packed : NULL;
    pthread_mutex_unlock(&l->lock);
    return packed;
}

/* The lock is the only thing that changes. */
static struct covey_layouts *lock(const struct covey_layouts *l)
{
    union {
        const struct covey_layouts *in;
        struct covey_layouts *l;
    } bridge = {.in = l};
    pthread_mutex_lock(&bridge.l->lock);
    return bridge.l;
}

uint64_t covey_layouts_bytes(const struct covey_layouts *l)
{
    struct covey_layouts *locked = lock(l);
    uint64_t bytes = locked->bytes;
    pthread_mutex_unlock(&locked->lock);
    return bytes;
}

bool covey_layouts_has(const struct covey_layouts *l, const void *data)
{
    struct covey_layouts *locked = lock(l);
    const struct constant *c = find_constant(locked, data);
    bool has = c != NULL && c->layouts != NULL && !c->read;
    for (const struct layout *y = c != NULL ? c->layouts : NULL; y != NULL; y = y->next) {
        has = has && y->progress == FILLED;
    }
    pthread_mutex_unlock(&locked->lock);
    return has;
}
