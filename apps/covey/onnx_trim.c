/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "onnx_import.h"
#include "read_why.h"

struct span {
    const uint8_t *begin, *end;
};

static int by_begin(const void *x, const void *y)
{
    const struct span *a = x;
    const struct span *b = y;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

/* Gives back the whole pages of [begin, end). */
static void give_back(const uint8_t *begin, const uint8_t *end)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)begin + page - 1) / page * page;
    uintptr_t to = (uintptr_t)end / page * page;
    if (from < to) {
        /* Without it the model only needs more memory. */
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

/* Gives back what lies in file between the spans, which are sorted. */
static void trim_file(const struct covey_buf *file, const struct span *kept, size_t count)
{
    const uint8_t *at = file->ptr;
    const uint8_t *end = at + file->len;
    for (size_t i = 0; i < count; i++) {
        if (kept[i].begin >= at && kept[i].begin < end) {
            give_back(at, kept[i].begin);
        }
        if (kept[i].end > at && kept[i].begin < end) {
            at = kept[i].end < end ? kept[i].end : end;
        }
    }
    give_back(at, end);
}

static bool is_kept(const struct span *kept, size_t count, const uint8_t *data)
{
    for (size_t i = 0; i < count; i++) {
        if (kept[i].begin == data) {
            return true;
        }
    }
    return false;
}

void covey_onnx_trim(struct covey_onnx *onnx, const struct covey_model *model)
{
    struct covey_graph *g = onnx->graph;
    struct span *kept = calloc(g->value_count + 1, sizeof *kept);
    size_t count = 0;
    if (!kept) {
        return;
    }
    for (size_t i = 0; i < g->value_count; i++) {
        size_t elements = 0;
        struct covey_graph_value *v = &g->values[i];
        if (v->constant && v->data && covey_model_reads(model, (uint16_t)i) &&
            covey_shape_count(&v->shape, &elements) == COVEY_OK) {
            const uint8_t *data = v->data;
            kept[count++] = (struct span){data, data + elements * covey_type_size(v->type)};
        }
    }
    qsort(kept, count, sizeof *kept, by_begin);
    for (size_t i = 0; i < g->value_count; i++) {
        struct covey_graph_value *v = &g->values[i];
        if (v->constant && v->data && !is_kept(kept, count, v->data)) {
            covey_graph_release(g, v->data);
            v->data = NULL;
        }
    }
    trim_file(&onnx->file, kept, count);
    for (size_t i = 0; i < onnx->external_count; i++) {
        trim_file(&onnx->external[i].file, kept, count);
    }
    free(kept);
}
