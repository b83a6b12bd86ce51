/* SPDX-License-Identifier: MIT */
#include "onnx_build.h"

enum { ATTRIBUTES_MAX = 64 };

const Onnx__AttributeProto *covey__onnx_attribute(struct covey_onnx_build *b, const char *name)
{
    for (size_t i = 0; i < b->node->n_attribute && i < ATTRIBUTES_MAX; i++) {
        const Onnx__AttributeProto *a = b->node->attribute[i];
        if (a->name && strcmp(a->name, name) == 0) {
            b->attributes_seen |= UINT64_C(1) << i;
            return a;
        }
    }
    return NULL;
}

void covey__onnx_ignore(struct covey_onnx_build *b, const char *name)
{
    (void)covey__onnx_attribute(b, name);
}

/* The attribute when it has a number of that kind; NULL: absent. Some writers leave out a field
 * that is zero and give only the type. */
static const Onnx__AttributeProto *typed(struct covey_onnx_build *b, const char *name,
                                         Onnx__AttributeProto__AttributeType type)
{
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, name);
    if (!a) {
        return NULL;
    }
    bool number = a->has_i || a->has_f || a->has_s;
    bool there = type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT      ? a->has_i
                 : type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT  ? a->has_f
                 : type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING ? a->has_s
                                                                         : !number;
    if (!there && !(a->has_type && a->type == type)) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "attribute %s has the wrong type", name);
        return NULL;
    }
    return a;
}

int64_t covey__onnx_int(struct covey_onnx_build *b, const char *name, int64_t fallback)
{
    const Onnx__AttributeProto *a = typed(b, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    return a ? a->i : fallback;
}

int64_t covey__onnx_int_in(struct covey_onnx_build *b, const char *name, int64_t fallback,
                           const int64_t range[2])
{
    int64_t v = covey__onnx_int(b, name, fallback);
    if (v < range[0] || v > range[1]) {
        covey__onnx_fail(b, COVEY_ERR_RANGE, "%s is %lld", name, (long long)v);
        return range[0];
    }
    return v;
}

bool covey__onnx_flag(struct covey_onnx_build *b, const char *name, bool fallback)
{
    return covey__onnx_int(b, name, fallback) != 0;
}

float covey__onnx_float(struct covey_onnx_build *b, const char *name, float fallback)
{
    const Onnx__AttributeProto *a = typed(b, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    return a ? a->f : fallback;
}

size_t covey__onnx_ints(struct covey_onnx_build *b, const char *name, int64_t *out, size_t max)
{
    const Onnx__AttributeProto *a = typed(b, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    if (!a) {
        return 0;
    }
    if (a->n_ints > max) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "attribute %s has %zu numbers, at most %zu fit", name,
                         a->n_ints, max);
        return 0;
    }
    for (size_t i = 0; i < a->n_ints; i++) {
        out[i] = a->ints[i];
    }
    return a->n_ints;
}

unsigned covey__onnx_choice(struct covey_onnx_build *b, const char *name, const char *const *words)
{
    const Onnx__AttributeProto *a = typed(b, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    if (!a || a->s.len == 0) {
        return 0;
    }
    for (unsigned i = 0; words[i]; i++) {
        if (strlen(words[i]) == a->s.len && memcmp(words[i], a->s.data, a->s.len) == 0) {
            return i;
        }
    }
    int shown = a->s.len < 40 ? (int)a->s.len : 40;
    covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "%s '%.*s' is not supported", name, shown,
                     (const char *)a->s.data);
    return 0;
}

void covey__onnx_attributes_done(struct covey_onnx_build *b)
{
    if (b->node->n_attribute > ATTRIBUTES_MAX) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "more than %d attributes", ATTRIBUTES_MAX);
    }
    for (size_t i = 0; i < b->node->n_attribute && !b->err; i++) {
        if (!(b->attributes_seen & (UINT64_C(1) << i))) {
            const char *name = b->node->attribute[i]->name;
            covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "attribute '%.40s' is not supported",
                             name ? name : "");
        }
    }
}
