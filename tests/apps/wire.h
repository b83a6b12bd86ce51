/* SPDX-License-Identifier: MIT
 *
 * wire.h - writes ONNX files by hand, so that tests need no model of others and can write bad ones.
 */
#ifndef COVEY_TESTS_APPS_WIRE_H
#define COVEY_TESTS_APPS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of one message, fixed room; running over fails the test. */
struct wire {
    uint8_t bytes[16384];
    size_t len;
};

void wire_number(struct wire *w, unsigned field, int64_t value);
void wire_float(struct wire *w, unsigned field, float value);
void wire_bytes(struct wire *w, unsigned field, const void *bytes, size_t len);
void wire_text(struct wire *w, unsigned field, const char *text);
void wire_message(struct wire *w, unsigned field, const struct wire *sub);

/* Attributes collect in a wire of their own, given to onnx_node(). */
void onnx_attr_int(struct wire *attrs, const char *name, int64_t value);
void onnx_attr_float(struct wire *attrs, const char *name, float value);
void onnx_attr_text(struct wire *attrs, const char *name, const char *value);
void onnx_attr_ints(struct wire *attrs, const char *name, const int64_t *list, size_t count);

/* inputs: names with spaces between them; "-" is an input left out. attrs may be NULL. */
void onnx_node(struct wire *graph, const char *op, const char *inputs, const char *output,
               const struct wire *attrs);
/* dims: rank numbers. */
void onnx_floats(struct wire *graph, const char *name, const int64_t *dims, size_t rank,
                 const float *data, size_t count);
void onnx_ints(struct wire *graph, const char *name, const int64_t *list, size_t count);
void onnx_value(struct wire *graph, bool output, const char *name, const int64_t *dims,
                size_t rank);
void onnx_model(const struct wire *graph, int64_t opset, struct wire *out);

#endif /* COVEY_TESTS_APPS_WIRE_H */
