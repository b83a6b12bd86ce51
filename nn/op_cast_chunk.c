/* SPDX-License-Identifier: MIT */
#include "op_cast_chunk.h"

/* Every plain type: its name, and its C type. float16 and booleans are told apart by hand. */
#define PLAIN_TYPES(X)                                                                             \
    X(F32, float)                                                                                  \
    X(F64, double)                                                                                 \
    X(U8, uint8_t)                                                                                 \
    X(I8, int8_t)                                                                                  \
    X(U16, uint16_t)                                                                               \
    X(I16, int16_t)                                                                                \
    X(U32, uint32_t)                                                                               \
    X(I32, int32_t)                                                                                \
    X(U64, uint64_t)                                                                               \
    X(I64, int64_t)

#define INTEGER_TYPES(X)                                                                           \
    X(U8, uint8_t)                                                                                 \
    X(I8, int8_t)                                                                                  \
    X(U16, uint16_t)                                                                               \
    X(I16, int16_t)                                                                                \
    X(U32, uint32_t)                                                                               \
    X(I32, int32_t)                                                                                \
    X(U64, uint64_t)                                                                               \
    X(I64, int64_t)

void covey__chunk_reals(const struct covey_tensor *t, size_t first, size_t count, double *out)
{
    switch (t->type) {
#define READ(name, plain)                                                                          \
    case COVEY_TYPE_##name: {                                                                      \
        const plain *at = (const plain *)t->data + first;                                          \
        for (size_t i = 0; i < count; i++) {                                                       \
            out[i] = (double)at[i];                                                                \
        }                                                                                          \
        break;                                                                                     \
    }
        PLAIN_TYPES(READ)
#undef READ
    case COVEY_TYPE_F16:
    case COVEY_TYPE_COUNT:
        for (size_t i = 0; i < count; i++) {
            out[i] = (double)covey__half_to_float(((const uint16_t *)t->data)[first + i]);
        }
        break;
    case COVEY_TYPE_BOOL:
        for (size_t i = 0; i < count; i++) {
            out[i] = ((const uint8_t *)t->data)[first + i] != 0 ? 1.0 : 0.0;
        }
        break;
    }
}

void covey__chunk_ints(const struct covey_tensor *t, size_t first, size_t count, int64_t *out)
{
    switch (t->type) {
#define READ(name, plain)                                                                          \
    case COVEY_TYPE_##name: {                                                                      \
        const plain *at = (const plain *)t->data + first;                                          \
        for (size_t i = 0; i < count; i++) {                                                       \
            out[i] = (int64_t)at[i];                                                               \
        }                                                                                          \
        break;                                                                                     \
    }
        INTEGER_TYPES(READ)
#undef READ
    case COVEY_TYPE_F32:
    case COVEY_TYPE_F64:
    case COVEY_TYPE_F16:
    case COVEY_TYPE_COUNT:
        for (size_t i = 0; i < count; i++) {
            out[i] = covey__load_int(t, first + i);
        }
        break;
    case COVEY_TYPE_BOOL:
        for (size_t i = 0; i < count; i++) {
            out[i] = ((const uint8_t *)t->data)[first + i] != 0;
        }
        break;
    }
}

void covey__chunk_put_reals(struct covey_tensor *t, size_t first, size_t count, const double *in)
{
    if (t->type == COVEY_TYPE_F32) {
        float *at = (float *)t->data + first;
        for (size_t i = 0; i < count; i++) {
            at[i] = (float)in[i];
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        covey__store_real(t, first + i, in[i]);
    }
}

void covey__chunk_put_ints(struct covey_tensor *t, size_t first, size_t count, const int64_t *in)
{
    switch (t->type) {
#define WRITE(name, plain)                                                                         \
    case COVEY_TYPE_##name: {                                                                      \
        plain *at = (plain *)t->data + first;                                                      \
        for (size_t i = 0; i < count; i++) {                                                       \
            at[i] = (plain)in[i];                                                                  \
        }                                                                                          \
        break;                                                                                     \
    }
        PLAIN_TYPES(WRITE)
#undef WRITE
    case COVEY_TYPE_F16:
    case COVEY_TYPE_COUNT:
        for (size_t i = 0; i < count; i++) {
            ((uint16_t *)t->data)[first + i] = covey__float_to_half((float)in[i]);
        }
        break;
    case COVEY_TYPE_BOOL:
        for (size_t i = 0; i < count; i++) {
            ((uint8_t *)t->data)[first + i] = in[i] != 0;
        }
        break;
    }
}
