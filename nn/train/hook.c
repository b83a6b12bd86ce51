/* SPDX-License-Identifier: MIT */
#include "train/hook.h"

#include "graph_private.h"
#include "train/trainer_private.h"

/* The inputs of layers, and the gradients that are products: of the input, of the weights. */
enum { X, WEIGHTS, BIAS, GRADIENTS = 2 };

static const enum covey_train_product_kind kinds[GRADIENTS] = {
    [X] = COVEY_TRAIN_PRODUCT_INPUT_GRADIENT, [WEIGHTS] = COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT};

/* False: the node is no product that can be computed elsewhere. */
static bool find_product(const struct covey__grad *row, const struct covey__op_call *c,
                         struct covey_train_product *out)
{
    struct covey_train_product p;
    if (row == NULL || row->product == NULL || c->attrs->act != COVEY_ACT_NONE) {
        return false;
    }
    for (unsigned i = 0; i < c->inputs; i++) {
        bool missing = i <= WEIGHTS ? c->in[i] == NULL : i > BIAS && c->in[i] != NULL;
        if (missing || (c->in[i] != NULL && c->in[i]->type != COVEY_TYPE_F32)) {
            return false;
        }
    }
    if (!row->product(c, &p)) {
        return false;
    }
    for (unsigned kind = 0; kind < COVEY_TRAIN_PRODUCT_KINDS; kind++) {
        p.kind = (enum covey_train_product_kind)kind;
        if (covey_train_product_check(&p) != COVEY_OK) {
            return false;
        }
    }
    *out = p;
    return true;
}

static const struct covey__grad *row_of(const struct covey_trainer *t, size_t node)
{
    return covey__grad_find(t->g->nodes[node].op);
}

/* Y [batch][channels][pixels] += bias */
static void add_bias(const struct covey_train_product *p, const float *bias, float *y)
{
    size_t pixels = (size_t)p->out_height * p->out_width;
    for (size_t i = 0; i < p->batch * (size_t)p->out_channels; i++, y += pixels) {
        float b = bias[i % p->out_channels];
        for (size_t j = 0; j < pixels; j++) {
            y[j] += b;
        }
    }
}

covey_err covey__hook_forward(const struct covey_trainer_hook *hook, uint32_t node,
                              const struct covey__op_call *c, const struct covey__grad *row,
                              bool *out_done)
{
    struct covey_product_call call = {.node = node};
    *out_done = false;
    if (!find_product(row, c, &call.product)) {
        return COVEY_OK;
    }
    call.product.kind = COVEY_TRAIN_PRODUCT_FORWARD;
    call.a = covey__in(c, X);
    call.b = covey__in(c, WEIGHTS);
    call.c = covey__out(c);
    covey_err err = hook->products(hook->user, &call, 1);
    if (err == COVEY_OK && call.done && covey__in(c, BIAS) != NULL) {
        add_bias(&call.product, covey__in(c, BIAS), call.c);
    }
    *out_done = err == COVEY_OK && call.done;
    return err;
}

/* dX = dY (*)' W and dW = X' (*) dY, of those that are asked for. */
static unsigned list_gradients(const struct covey_train_product *p, uint32_t node,
                               const bool wanted[GRADIENTS],
                               struct covey_product_call out[GRADIENTS])
{
    unsigned count = 0;
    for (unsigned i = 0; i < GRADIENTS; i++) {
        if (wanted[i]) {
            out[count] = (struct covey_product_call){.product = *p, .node = node};
            out[count++].product.kind = kinds[i];
        }
    }
    return count;
}

covey_err covey__hook_backward(const struct covey_trainer_hook *hook, uint32_t node,
                               const struct covey__grad *row, struct covey__grad_call *inout)
{
    const bool wanted[GRADIENTS] = {inout->dx[X] != NULL, inout->dx[WEIGHTS] != NULL};
    struct covey_product_call calls[GRADIENTS];
    struct covey_train_product p;
    if ((!wanted[X] && !wanted[WEIGHTS]) || !find_product(row, inout->op, &p)) {
        return COVEY_OK;
    }
    unsigned count = list_gradients(&p, node, wanted, calls);
    for (unsigned i = 0; i < count; i++) {
        bool weights = calls[i].product.kind == kinds[WEIGHTS];
        calls[i].a = weights ? covey__in(inout->op, X) : inout->dy;
        calls[i].b = weights ? inout->dy : covey__in(inout->op, WEIGHTS);
        calls[i].c = inout->dx[weights ? WEIGHTS : X];
    }
    covey_err err = hook->products(hook->user, calls, count);
    for (unsigned i = 0; i < count; i++) {
        if (calls[i].done) {
            inout->dx[calls[i].product.kind == kinds[WEIGHTS] ? WEIGHTS : X] = NULL;
        }
    }
    return err;
}

void covey_trainer_set_hook(struct covey_trainer *t, const struct covey_trainer_hook *hook)
{
    t->hook = hook != NULL ? *hook : (struct covey_trainer_hook){.products = NULL};
}

struct list {
    struct covey_product_call *calls;
    size_t max, count;
};

static void list_add(struct list *l, const struct covey_product_call *calls, unsigned count)
{
    for (unsigned i = 0; i < count; i++, l->count++) {
        if (l->calls != NULL && l->count < l->max) {
            l->calls[l->count] = calls[i];
        }
    }
}

/* In the order of backward_node(): what is added elsewhere, what is made in its place, what is
 * added to that. */
static void list_back(const struct covey_trainer *t, const struct covey__train_back *b,
                      struct list *l)
{
    struct covey_product_call calls[GRADIENTS];
    struct covey_train_product p;
    bool together[GRADIENTS] = {false, false};
    if (!find_product(row_of(t, b->node), &t->calls[b->node], &p)) {
        return;
    }
    for (unsigned again = 0; again < 2; again++) {
        for (uint32_t i = 0; i < b->count; i++) {
            const struct covey__train_want *w = &t->plan.wants[b->first + i];
            bool alone[GRADIENTS] = {w->input == X, w->input == WEIGHTS};
            if (w->input < GRADIENTS && w->add && w->again == (again == 1)) {
                list_add(l, calls, list_gradients(&p, b->node, alone, calls));
            } else if (w->input < GRADIENTS && !w->add) {
                together[w->input] = true;
            }
        }
        if (again == 0) {
            list_add(l, calls, list_gradients(&p, b->node, together, calls));
        }
    }
}

size_t covey_trainer_products(const struct covey_trainer *t, struct covey_product_call *calls,
                              size_t max)
{
    struct list l = {.calls = calls, .max = max};
    for (size_t i = 0; i < t->plan.last; i++) {
        struct covey_product_call call = {.node = (uint32_t)i};
        if (find_product(row_of(t, i), &t->calls[i], &call.product)) {
            call.product.kind = COVEY_TRAIN_PRODUCT_FORWARD;
            list_add(&l, &call, 1);
        }
    }
    for (size_t i = 0; i < t->plan.back_count; i++) {
        list_back(t, &t->plan.backs[i], &l);
    }
    return l.count;
}
