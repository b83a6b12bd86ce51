/* SPDX-License-Identifier: MIT */
#include "covey/tile.h"

#include "kernels/half.h"
#include "kernels/sparse.h"

static size_t strip_floats(const struct covey_plane_rows *r)
{
    return (size_t)(r->end - r->begin) * r->width;
}

/* Where plane p of the strip starts in the tensor. */
static size_t plane_at(const struct covey_plane_rows *r, uint32_t p)
{
    return ((size_t)p * r->rows + r->begin) * r->width;
}

void covey_rows_cut(const struct covey_plane_rows *r, const float *tensor, float *strip)
{
    size_t count = strip_floats(r);
    for (uint32_t p = 0; p < r->planes && count > 0; p++) {
        memcpy(strip + p * count, tensor + plane_at(r, p), count * sizeof(float));
    }
}

void covey_rows_join(const struct covey_plane_rows *r, const float *strip, float *tensor)
{
    size_t count = strip_floats(r);
    for (uint32_t p = 0; p < r->planes && count > 0; p++) {
        memcpy(tensor + plane_at(r, p), strip + p * count, count * sizeof(float));
    }
}

void covey_rows_cut_half(const struct covey_plane_rows *r, const float *tensor, uint16_t *strip)
{
    size_t count = strip_floats(r);
    for (uint32_t p = 0; p < r->planes && count > 0; p++) {
        covey__half_from_floats(tensor + plane_at(r, p), strip + p * count, count);
    }
}

void covey_rows_join_half(const struct covey_plane_rows *r, const uint16_t *strip, float *tensor)
{
    size_t count = strip_floats(r);
    for (uint32_t p = 0; p < r->planes && count > 0; p++) {
        covey__half_to_floats(strip + p * count, tensor + plane_at(r, p), count);
    }
}

size_t covey_rows_sparse_most(const struct covey_plane_rows *r)
{
    return r->planes * covey__sparse_most(strip_floats(r)) * sizeof(float);
}

size_t covey_rows_cut_sparse(const struct covey_plane_rows *r, const float *tensor, float *strip)
{
    size_t count = strip_floats(r), size = 0;
    for (uint32_t p = 0; p < r->planes && count > 0; p++) {
        size += covey__sparse_put(tensor + plane_at(r, p), count, strip + size);
    }
    return size * sizeof(float);
}

bool covey_rows_join_sparse(const struct covey_plane_rows *r, const float *strip, size_t bytes,
                            float *tensor)
{
    size_t count = strip_floats(r), left = bytes / sizeof(float);
    for (uint32_t p = 0; p < r->planes && count > 0; p++) {
        size_t taken = covey__sparse_take(strip, left, tensor + plane_at(r, p), count);
        if (taken == 0) {
            return false;
        }
        strip += taken;
        left -= taken;
    }
    return left == 0 && bytes % sizeof(float) == 0;
}
