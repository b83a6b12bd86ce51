/* SPDX-License-Identifier: MIT */
#include "covey/tile.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Rows that somebody says he has left the zeros out of: those that are taken are written again in
 * no more bytes (his may hold zeros all the same), and come back bit by bit. The first byte says
 * how many. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint32_t how = data[0], rows = 1 + how / 4 % 4;
    const struct covey_plane_rows r = {1 + how % 4, rows, 1 + how / 16 * 5, 0, rows};
    size_t floats = (size_t)r.planes * r.rows * r.width, bytes = size - 1;
    float *strip = malloc(bytes + 1), *tensor = calloc(floats, sizeof(float));
    float *again = malloc(covey_rows_sparse_most(&r)), *back = calloc(floats, sizeof(float));
    if (strip != NULL && tensor != NULL && again != NULL && back != NULL) {
        memcpy(strip, data + 1, bytes);
        if (covey_rows_join_sparse(&r, strip, bytes, tensor)) {
            size_t written = covey_rows_cut_sparse(&r, tensor, again);
            COVEY_ASSERT(written <= bytes);
            COVEY_ASSERT(covey_rows_join_sparse(&r, again, written, back));
            COVEY_ASSERT(memcmp(back, tensor, floats * sizeof(float)) == 0);
        }
    }
    free(back);
    free(again);
    free(strip);
    free(tensor);
    return 0;
}
