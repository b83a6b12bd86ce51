/* SPDX-License-Identifier: MIT
 *
 * layers_codec.h - layer descriptions inside an assignment, as CBOR.
 *
 * array of [index, kind, m, unit_rows, units, k, channels, height, width, kernel x 2, stride x 2,
 * dilation x 2, pads x 4, out_height, out_width, batch, exact], ascending index.
 */
#ifndef COVEY_SESSION_LAYERS_CODEC_H
#define COVEY_SESSION_LAYERS_CODEC_H

#include "covey/model.h"

/* By index; NULL: not among them. */
covey_err covey__layers_encode(const struct covey_layer *const *layers, size_t count,
                               struct covey_buf out, size_t *out_len) COVEY_CHECK;
/* layers[index] is filled and present[index] set; each is checked with covey_layer_check. */
covey_err covey__layers_decode(struct covey_bytes in, struct covey_layer *layers, bool *present,
                               size_t max) COVEY_CHECK;

#endif /* COVEY_SESSION_LAYERS_CODEC_H */
