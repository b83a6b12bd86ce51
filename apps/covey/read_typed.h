/* SPDX-License-Identifier: MIT
 *
 * read_typed.h - tensors in files, with the element type that the file declares.
 *
 * .npy (versions 1 to 3, C order, little-endian) and ONNX TensorProto. Every size that a file
 * declares is checked against what is there before memory for it is taken.
 */
#ifndef COVEY_READ_TYPED_H
#define COVEY_READ_TYPED_H

#include "covey/graph.h"

/* Elements are as they are in memory, BOOL 0 or 1; data is heap, never NULL, free()d by the caller.
 * A tensor may have no elements. */

/* .npy by its first bytes, else a TensorProto. *out_data is the caller's, with free(). The reason
 * names the file. */
covey_err covey_read_typed(const char *path, enum covey_type *out_type,
                           struct covey_shape *out_shape, void **out_data,
                           struct covey_nn_error *out_why) COVEY_CHECK;

/* Decoders of bytes in memory: the reason does not name the file. */
covey_err covey__decode_npy(struct covey_bytes in, struct covey_tensor *out,
                            struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__decode_pb(struct covey_bytes in, struct covey_tensor *out,
                           struct covey_nn_error *why) COVEY_CHECK;
bool covey__is_npy(struct covey_bytes in);

/* The first count elements; what is beyond float's range becomes infinite, as numpy has it. */
void covey__typed_floats(const struct covey_tensor *t, size_t count, float *out);
float covey__to_float(double v);
bool covey__finite(float v);

#endif /* COVEY_READ_TYPED_H */
