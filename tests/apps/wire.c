/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

static void put(struct wire *w, const void *bytes, size_t len)
{
    if (len > sizeof w->bytes - w->len) {
        abort();
    }
    memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

static void put_varint(struct wire *w, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(w, &byte, 1);
        value >>= 7;
    } while (value > 0);
}

void wire_number(struct wire *w, unsigned field, int64_t value)
{
    put_varint(w, field << 3);
    put_varint(w, (uint64_t)value);
}

void wire_float(struct wire *w, unsigned field, float value)
{
    put_varint(w, field << 3 | 5);
    put(w, &value, sizeof value);
}

void wire_bytes(struct wire *w, unsigned field, const void *bytes, size_t len)
{
    put_varint(w, field << 3 | 2);
    put_varint(w, len);
    put(w, bytes, len);
}

void wire_text(struct wire *w, unsigned field, const char *text)
{
    wire_bytes(w, field, text, strlen(text));
}

void wire_message(struct wire *w, unsigned field, const struct wire *sub)
{
    wire_bytes(w, field, sub->bytes, sub->len);
}

void onnx_attr_int(struct wire *attrs, const char *name, int64_t value)
{
    struct wire a = {.len = 0};
    wire_text(&a, 1, name);
    wire_number(&a, 3, value);
    wire_number(&a, 20, 2);
    wire_message(attrs, 5, &a);
}

void onnx_attr_float(struct wire *attrs, const char *name, float value)
{
    struct wire a = {.len = 0};
    wire_text(&a, 1, name);
    wire_float(&a, 2, value);
    wire_number(&a, 20, 1);
    wire_message(attrs, 5, &a);
}

void onnx_attr_text(struct wire *attrs, const char *name, const char *value)
{
    struct wire a = {.len = 0};
    wire_text(&a, 1, name);
    wire_text(&a, 4, value);
    wire_number(&a, 20, 3);
    wire_message(attrs, 5, &a);
}

void onnx_attr_ints(struct wire *attrs, const char *name, const int64_t *list, size_t count)
{
    struct wire a = {.len = 0};
    wire_text(&a, 1, name);
    for (size_t i = 0; i < count; i++) {
        wire_number(&a, 8, list[i]);
    }
    wire_number(&a, 20, 7);
    wire_message(attrs, 5, &a);
}

void onnx_node(struct wire *graph, const char *op, const char *inputs, const char *output,
               const struct wire *attrs)
{
    struct wire n = {.len = 0};
    while (*inputs) {
        size_t len = strcspn(inputs, " ");
        bool none = len == 1 && *inputs == '-';
        wire_bytes(&n, 1, inputs, none ? 0 : len);
        inputs += len;
        inputs += *inputs == ' ';
    }
    wire_text(&n, 2, output);
    wire_text(&n, 4, op);
    if (attrs) {
        put(&n, attrs->bytes, attrs->len);
    }
    wire_message(graph, 1, &n);
}

void onnx_floats(struct wire *graph, const char *name, const int64_t *dims, size_t rank,
                 const float *data, size_t count)
{
    struct wire t = {.len = 0};
    for (size_t i = 0; i < rank; i++) {
        wire_number(&t, 1, dims[i]);
    }
    wire_number(&t, 2, 1);
    wire_text(&t, 8, name);
    wire_bytes(&t, 9, data, count * sizeof *data);
    wire_message(graph, 5, &t);
}

void onnx_ints(struct wire *graph, const char *name, const int64_t *list, size_t count)
{
    struct wire t = {.len = 0};
    wire_number(&t, 1, (int64_t)count);
    wire_number(&t, 2, 7);
    for (size_t i = 0; i < count; i++) {
        wire_number(&t, 7, list[i]);
    }
    wire_text(&t, 8, name);
    wire_message(graph, 5, &t);
}

void onnx_value(struct wire *graph, bool output, const char *name, const int64_t *dims, size_t rank)
{
    struct wire shape = {.len = 0};
    struct wire tensor = {.len = 0};
    struct wire type = {.len = 0};
    struct wire info = {.len = 0};
    for (size_t i = 0; i < rank; i++) {
        struct wire dim = {.len = 0};
        if (dims[i] > 0) {
            wire_number(&dim, 1, dims[i]);
        } else {
            wire_text(&dim, 2, "batch");
        }
        wire_message(&shape, 1, &dim);
    }
    wire_number(&tensor, 1, 1);
    wire_message(&tensor, 2, &shape);
    wire_message(&type, 1, &tensor);
    wire_text(&info, 1, name);
    wire_message(&info, 2, &type);
    wire_message(graph, output ? 12 : 11, &info);
}

void onnx_model(const struct wire *graph, int64_t opset, struct wire *out)
{
    struct wire set = {.len = 0};
    wire_number(&set, 2, opset);
    out->len = 0;
    wire_number(out, 1, 8);
    wire_message(out, 8, &set);
    wire_message(out, 7, graph);
}
