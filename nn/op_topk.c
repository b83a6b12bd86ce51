/* SPDX-License-Identifier: MIT */
#include "covey/large.h"
#include "op_rows.h"

#include "ops_window.h"

/* key: larger is better. */
struct entry {
    uint64_t key;
    size_t index;
};

covey_err covey__infer_topk(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    unsigned axis = 0;
    covey_err err = covey__axis(c->attrs->axis, x->rank, &axis, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (c->attrs->size > x->dims[axis]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "%u of %u elements",
                              (unsigned)c->attrs->size, (unsigned)x->dims[axis]);
    }
    out[0].shape = *x;
    out[0].shape.dims[axis] = c->attrs->size;
    if (c->outputs > 1) {
        out[1] = (struct covey_tensor){.type = COVEY_TYPE_I64, .shape = out[0].shape};
    }
    return COVEY_OK;
}

size_t covey__scratch_topk(const struct covey__op_call *c)
{
    return covey_size_of((uint64_t)c->attrs->size * sizeof(struct entry));
}

/* Of equals the first is better. */
static bool better(const struct entry *a, const struct entry *b)
{
    return a->key != b->key ? a->key > b->key : a->index < b->index;
}

/* The heap's root is its worst entry; entry 0 sinks to where it belongs. */
static void sink(struct entry *heap, size_t count)
{
    struct entry moving = heap[0];
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && better(&heap[child], &heap[child + 1])) {
            child++;
        }
        if (!better(&moving, &heap[child])) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void rise(struct entry *heap, size_t at)
{
    struct entry moving = heap[at];
    while (at > 0 && better(&heap[(at - 1) / 2], &moving)) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moving;
}

static void run_line(const struct covey__op_call *c, struct covey__lines l, size_t line)
{
    size_t k = c->attrs->size, first = line / l.inner * l.count * l.inner + line % l.inner;
    size_t to = line / l.inner * k * l.inner + line % l.inner;
    struct entry *heap = c->scratch;
    for (size_t i = 0; i < l.count; i++) {
        uint64_t key = covey__order_key(c->in[0], first + i * l.inner);
        struct entry e = {(c->attrs->mode & 1) != 0 ? key : ~key, i};
        if (i < k) {
            heap[i] = e;
            rise(heap, i);
        } else if (better(&e, &heap[0])) {
            heap[0] = e;
            sink(heap, k);
        }
    }
    /* The worst first, from the end: sorted, whether or not that was asked for. */
    size_t size = covey_type_size(c->in[0]->type);
    for (size_t left = k; left > 0; left--) {
        size_t at = to + (left - 1) * l.inner;
        memcpy((uint8_t *)c->out[0]->data + at * size,
               (const uint8_t *)c->in[0]->data + (first + heap[0].index * l.inner) * size, size);
        if (c->outputs > 1 && c->out[1] != NULL) {
            ((int64_t *)c->out[1]->data)[at] = (int64_t)heap[0].index;
        }
        heap[0] = heap[left - 1];
        sink(heap, left - 1);
    }
}

void covey__op_topk(const struct covey__op_call *c)
{
    struct covey__lines l = covey__lines_of(&c->in[0]->shape, c->attrs->axis);
    for (size_t line = 0; line < l.outer * l.inner && c->attrs->size > 0; line++) {
        run_line(c, l, line);
    }
}
