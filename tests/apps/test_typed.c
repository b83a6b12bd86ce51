/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdlib.h>

#include "read_typed.h"

/* One form of the elements 1, 0 and (where there is a sign) -2 or 200. */
struct form {
    const char *descr; /* numpy's name; NULL: none */
    int onnx;
    enum covey_type type;
    const void *data;
    size_t len;
    double last;
};

static const struct form forms[] = {
    {"<f4", 1, COVEY_TYPE_F32, (const float[]){1, 0, -2}, 12, -2},
    {"<f8", 11, COVEY_TYPE_F64, (const double[]){1, 0, -2}, 24, -2},
    {"<f2", 10, COVEY_TYPE_F16, (const uint16_t[]){0x3c00, 0, 0xc000}, 6, -2},
    {"|u1", 2, COVEY_TYPE_U8, (const uint8_t[]){1, 0, 200}, 3, 200},
    {"|i1", 3, COVEY_TYPE_I8, (const int8_t[]){1, 0, -2}, 3, -2},
    {"<u2", 4, COVEY_TYPE_U16, (const uint16_t[]){1, 0, 65000}, 6, 65000},
    {"<i2", 5, COVEY_TYPE_I16, (const int16_t[]){1, 0, -2}, 6, -2},
    {"<u4", 12, COVEY_TYPE_U32, (const uint32_t[]){1, 0, 4000000000U}, 12, 4e9},
    {"<i4", 6, COVEY_TYPE_I32, (const int32_t[]){1, 0, -2}, 12, -2},
    {"<u8", 13, COVEY_TYPE_U64, (const uint64_t[]){1, 0, 1ULL << 63}, 24, 9223372036854775808.0},
    {"<i8", 7, COVEY_TYPE_I64, (const int64_t[]){1, 0, -2}, 24, -2},
    {"|b1", 9, COVEY_TYPE_BOOL, (const uint8_t[]){1, 0, 1}, 3, 1},
};

static void expect_form(void **state, const char *name, const void *bytes, size_t len,
                        const struct form *form)
{
    char path[FIXTURE_PATH];
    struct covey_tensor t = {0};
    struct covey_nn_error why = {""};
    scratch_write(state, name, bytes, len, path);
    expect_ok(covey_read_typed(path, &t.type, &t.shape, &t.data, &why), &why);
    assert_int_equal(t.type, form->type);
    assert_int_equal(t.shape.rank, 2);
    assert_int_equal(t.shape.dims[0], 3);
    assert_int_equal(t.shape.dims[1], 1);
    assert_memory_equal(t.data, form->data, form->len);
    assert_true(covey_tensor_element(&t, 0) == 1.0);
    assert_true(covey_tensor_element(&t, 1) == 0.0);
    assert_true(covey_tensor_element(&t, 2) == form->last);
    free(t.data);
}

static void refuse(void **state, const char *name, const void *bytes, size_t len)
{
    char path[FIXTURE_PATH];
    struct covey_tensor t = {0};
    struct covey_nn_error why = {""};
    scratch_write(state, name, bytes, len, path);
    expect_line(covey_read_typed(path, &t.type, &t.shape, &t.data, &why), &why);
    assert_non_null(strstr(why.text, name));
    assert_null(t.data);
}

static size_t make_npy(uint8_t out[256], unsigned version, const char *header, const void *data,
                       size_t len)
{
    size_t at = version == 1 ? 10 : 12;
    size_t header_len = strlen(header);
    assert_true(at + header_len + len <= 256);
    memset(out, 0, 256);
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[8] = (uint8_t)header_len;
    memcpy(out + at, header, header_len);
    memcpy(out + at + header_len, data, len);
    return at + header_len + len;
}

/* .npy of every type and version keeps type and elements; cut off it is refused. */
static void test_npy(void **state)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        uint8_t bytes[256];
        char header[128];
        (void)snprintf(header, sizeof header,
                       "{'descr': '%s', 'fortran_order': False, 'shape': (3, 1), }",
                       forms[i].descr);
        for (unsigned version = 1; version <= 3; version++) {
            size_t len = make_npy(bytes, version, header, forms[i].data, forms[i].len);
            expect_form(state, "a.npy", bytes, len, &forms[i]);
            refuse(state, "cut.npy", bytes, len - 1);
        }
        size_t len = make_npy(bytes, 4, header, forms[i].data, forms[i].len);
        refuse(state, "version.npy", bytes, len);
    }
}

/* Other orders and types are refused in words, not read wrongly. */
static void test_npy_refused(void **state)
{
    static const char *const bad[] = {
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t bytes[256];
        size_t len = make_npy(bytes, 1, bad[i], "\0\0\0\0", 4);
        refuse(state, "bad.npy", bytes, len);
    }
}

static void start_pb(struct wire *t, int onnx)
{
    t->len = 0;
    wire_number(t, 1, 3);
    wire_number(t, 1, 1);
    wire_number(t, 2, onnx);
}

/* The field that onnx.proto names for the type, one number after the other. */
static void add_elements(struct wire *t, const struct form *form)
{
    for (size_t i = 0; i < 3; i++) {
        switch (form->type) {
        case COVEY_TYPE_F32:
            wire_float(t, 4, ((const float *)form->data)[i]);
            break;
        case COVEY_TYPE_F64:
            wire_bytes(t, 10, (const double *)form->data + i, 8);
            break;
        case COVEY_TYPE_I64:
            wire_number(t, 7, ((const int64_t *)form->data)[i]);
            break;
        case COVEY_TYPE_U64:
            wire_number(t, 11, (int64_t)((const uint64_t *)form->data)[i]);
            break;
        case COVEY_TYPE_U32:
            wire_number(t, 11, ((const uint32_t *)form->data)[i]);
            break;
        case COVEY_TYPE_F16:
            wire_number(t, 5, ((const uint16_t *)form->data)[i]);
            break;
        case COVEY_TYPE_U8:
        case COVEY_TYPE_I8:
        case COVEY_TYPE_U16:
        case COVEY_TYPE_I16:
        case COVEY_TYPE_I32:
        case COVEY_TYPE_BOOL:
        case COVEY_TYPE_COUNT: {
            struct covey_tensor whole = {.type = form->type, .data = (void *)(uintptr_t)form->data};
            wire_number(t, 5, (int64_t)covey_tensor_element(&whole, i));
            break;
        }
        }
    }
}

/* A TensorProto of every type, with raw data and with its typed field; cut off it is refused. */
static void test_pb(void **state)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct wire t = {.len = 0};
        start_pb(&t, forms[i].onnx);
        wire_bytes(&t, 9, forms[i].data, forms[i].len);
        expect_form(state, "raw.pb", t.bytes, t.len, &forms[i]);
        refuse(state, "cut.pb", t.bytes, t.len - 1);
        start_pb(&t, forms[i].onnx);
        add_elements(&t, &forms[i]);
        expect_form(state, "typed.pb", t.bytes, t.len, &forms[i]);
        refuse(state, "cut.pb", t.bytes, t.len - 1);
    }
}

/* Elements outside their type, strings, complex numbers and data elsewhere are refused. */
static void test_pb_refused(void **state)
{
    static const struct {
        int onnx;
        int64_t value;
    } wide[] = {{2, 256},   {2, -1},    {3, 128}, {3, -129},
                {4, 65536}, {5, 32768}, {9, 2},   {10, 65536}};
    struct wire t = {.len = 0};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        start_pb(&t, wide[i].onnx);
        for (size_t k = 0; k < 3; k++) {
            wire_number(&t, 5, wide[i].value);
        }
        refuse(state, "wide.pb", t.bytes, t.len);
    }
    static const int other[] = {0, 8, 14, 15, 99};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        start_pb(&t, other[i]);
        wire_bytes(&t, 9, "123456789012345678901234", 24);
        refuse(state, "other.pb", t.bytes, t.len);
    }
    start_pb(&t, 1);
    wire_bytes(&t, 9, "123456789012", 12);
    wire_number(&t, 14, 1);
    refuse(state, "elsewhere.pb", t.bytes, t.len);
    refuse(state, "text.pb", "Dear reader,\n", 13);
}

/* A scalar and a tensor without elements are tensors too. */
static void test_small(void **state)
{
    char path[FIXTURE_PATH];
    struct covey_nn_error why = {""};
    for (int empty = 0; empty < 2; empty++) {
        struct wire w = {.len = 0};
        struct covey_tensor t = {0};
        if (empty) {
            wire_number(&w, 1, 0);
        }
        wire_number(&w, 2, 7);
        wire_bytes(&w, 9, (const int64_t[]){5}, empty ? 0 : 8);
        scratch_write(state, "small.pb", w.bytes, w.len, path);
        expect_ok(covey_read_typed(path, &t.type, &t.shape, &t.data, &why), &why);
        assert_int_equal(t.shape.rank, empty);
        assert_non_null(t.data);
        assert_true(empty || covey_tensor_element(&t, 0) == 5.0);
        free(t.data);
    }
}

/* Halves become the numbers that they stand for, small, infinite and negative ones too. */
static void test_halves(void **state)
{
    (void)state;
    static const uint16_t bits[] = {0x0001, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x8000, 0x3555};
    static const float want[] = {0x1p-24f,          0x1p-14f, 65504,      __builtin_inff(),
                                 -__builtin_inff(), -0.0f,    0x1.554p-2f};
    const struct covey_tensor t = {
        .type = COVEY_TYPE_F16, .shape = {1, {7}}, .data = (void *)(uintptr_t)bits};
    float have[7];
    covey__typed_floats(&t, 7, have);
    assert_memory_equal(have, want, sizeof want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy),   cmocka_unit_test(test_npy_refused),
        cmocka_unit_test(test_pb),    cmocka_unit_test(test_pb_refused),
        cmocka_unit_test(test_small), cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
