/* SPDX-License-Identifier: MIT */
#include "read_typed.h"

#include <stdio.h>
#include <stdlib.h>

#include "read_file.h"
#include "read_input.h"
#include "read_why.h"

enum { HEADER_MAX = 4096 };

bool covey__is_npy(struct covey_bytes in)
{
    return in.len >= 6 && memcmp(in.ptr, "\x93NUMPY", 6) == 0;
}

/* Finds 'key': in the header and returns what follows it, spaces skipped; NULL when absent. */
static const char *find_key(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at) {
        return NULL;
    }
    at += strlen(key);
    while (*at == ' ' || *at == ':') {
        at++;
    }
    return at;
}

struct type {
    const char *name;
    enum covey_type type;
};

/* A byte has no order: numpy writes '|', other programs '<'. */
static const struct type types[] = {
    {"'<f4'", COVEY_TYPE_F32}, {"'<f8'", COVEY_TYPE_F64},  {"'<f2'", COVEY_TYPE_F16},
    {"'|u1'", COVEY_TYPE_U8},  {"'<u1'", COVEY_TYPE_U8},   {"'|i1'", COVEY_TYPE_I8},
    {"'<i1'", COVEY_TYPE_I8},  {"'<u2'", COVEY_TYPE_U16},  {"'<i2'", COVEY_TYPE_I16},
    {"'<u4'", COVEY_TYPE_U32}, {"'<i4'", COVEY_TYPE_I32},  {"'<u8'", COVEY_TYPE_U64},
    {"'<i8'", COVEY_TYPE_I64}, {"'|b1'", COVEY_TYPE_BOOL},
};

static const struct type *find_type(const char *descr)
{
    for (size_t i = 0; descr && i < sizeof types / sizeof types[0]; i++) {
        if (strncmp(descr, types[i].name, strlen(types[i].name)) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

static covey_err parse_shape(const char *at, struct covey_shape *out, struct covey_nn_error *why)
{
    struct covey_shape shape = {0};
    size_t count = 0;
    bool ok = at && *at == '(';
    if (ok) {
        at++;
    }
    while (ok && *at != ')') {
        uint64_t value = 0;
        size_t digits = 0;
        for (; *at >= '0' && *at <= '9' && digits < 10; at++, digits++) {
            value = value * 10 + (uint64_t)(*at - '0');
        }
        ok = digits > 0 && value <= COVEY_TENSOR_ELEMENTS_MAX && shape.rank < COVEY_RANK_MAX;
        if (ok) {
            shape.dims[shape.rank++] = (uint32_t)value;
        }
        while (*at == ',' || *at == ' ') {
            at++;
        }
    }
    if (!ok || covey_shape_count(&shape, &count)) {
        return covey__why(COVEY_ERR_MALFORMED, why, "its shape is malformed or too large");
    }
    *out = shape;
    return COVEY_OK;
}

/* The header as text, and where the data starts. */
static covey_err read_header(struct covey_bytes in, char out[HEADER_MAX + 1], size_t *out_at,
                             struct covey_nn_error *why)
{
    size_t at = 10;
    if (!covey__is_npy(in) || in.len < 12 || in.ptr[6] < 1 || in.ptr[6] > 3) {
        return covey__why(COVEY_ERR_MALFORMED, why, "it is not a .npy file of version 1 to 3");
    }
    size_t len = covey_load16(in.ptr + 8);
    if (in.ptr[6] > 1) {
        len = covey_load32(in.ptr + 8);
        at = 12;
    }
    if (len > HEADER_MAX || len > in.len - at) {
        return covey__why(COVEY_ERR_SHORT, why, "its header of %zu bytes is cut off or too long",
                          len);
    }
    memcpy(out, in.ptr + at, len);
    out[len] = '\0';
    *out_at = at + len;
    return COVEY_OK;
}

covey_err covey__decode_npy(struct covey_bytes in, struct covey_tensor *out,
                            struct covey_nn_error *why)
{
    char header[HEADER_MAX + 1];
    struct covey_shape shape = {0};
    size_t at = 0;
    size_t count = 0;
    covey_err err = read_header(in, header, &at, why);
    if (err) {
        return err;
    }
    const struct type *type = find_type(find_key(header, "'descr'"));
    const char *order = find_key(header, "'fortran_order'");
    if (!type) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why,
                          "its element type is not little-endian f2 f4 f8, u or i 1 2 4 8, or b1");
    }
    if (!order || strncmp(order, "False", 5) != 0) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why, "it is in Fortran order");
    }
    err = parse_shape(find_key(header, "'shape'"), &shape, why);
    if (err || covey_shape_count(&shape, &count)) {
        return err ? err : COVEY_ERR_LIMIT;
    }
    size_t len = count * covey_type_size(type->type);
    if (in.len - at != len) {
        return covey__why(COVEY_ERR_MALFORMED, why, "%zu bytes of data, its shape needs %zu",
                          in.len - at, len);
    }
    uint8_t *data = malloc(len + 1);
    if (!data) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    memcpy(data, in.ptr + at, len);
    for (size_t i = 0; type->type == COVEY_TYPE_BOOL && i < len; i++) {
        data[i] = data[i] != 0;
    }
    *out = (struct covey_tensor){type->type, shape, data};
    return COVEY_OK;
}

covey_err covey_output_npy(const char *path, const struct covey_shape *shape, const float *data,
                           struct covey_nn_error *out_why)
{
    enum { HEADER_BYTES = 192 };
    uint8_t header[HEADER_BYTES];
    char text[HEADER_BYTES - 10];
    struct covey_file_writer w;
    size_t count = 0;
    covey_err err = covey_shape_count(shape, &count);
    if (err) {
        return covey__why(err, out_why, "%.120s: the tensor is too large", path);
    }
    int used = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (size_t i = 0; i < shape->rank; i++) {
        used += snprintf(text + used, sizeof text - (size_t)used, "%u,", shape->dims[i]);
    }
    used += snprintf(text + used, sizeof text - (size_t)used, "), }");
    /* Spaces up to a multiple of 64, then a line end: what numpy writes. */
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    covey_store16(header + 8, HEADER_BYTES - 10);
    memcpy(header + 10, text, (size_t)used);
    header[HEADER_BYTES - 1] = '\n';
    err = covey__file_create(path, &w, out_why);
    if (err) {
        return err;
    }
    covey__file_write(&w, header, sizeof header);
    covey__file_write(&w, data, count * sizeof *data);
    return covey__file_commit(&w, path, out_why);
}
