/* SPDX-License-Identifier: MIT */
#include "onnx_build.h"

const Onnx__AttributeProto *covey__onnx_attribute(struct covey_onnx_build *b, const char *name)
{
    for (size_t i = 0; i < b->node->n_attribute && i < 64; i++) {
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

/* Some writers leave out a field that is zero and give only the type. */
static bool is_type(const Onnx__AttributeProto *a, Onnx__AttributeProto__AttributeType type)
{
    return a->has_type && a->type == type;
}

static covey_err wrong_type(struct covey_onnx_build *b, const char *name)
{
    return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "attribute %s has the wrong type", name);
}

covey_err covey__onnx_int(struct covey_onnx_build *b, const char *name, int64_t fallback,
                          int64_t *out)
{
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, name);
    if (a && !a->has_i && !is_type(a, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT)) {
        return wrong_type(b, name);
    }
    *out = a ? a->i : fallback;
    return COVEY_OK;
}

covey_err covey__onnx_float(struct covey_onnx_build *b, const char *name, float fallback,
                            float *out)
{
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, name);
    if (a && !a->has_f && !is_type(a, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT)) {
        return wrong_type(b, name);
    }
    *out = a ? a->f : fallback;
    return COVEY_OK;
}

covey_err covey__onnx_ints(struct covey_onnx_build *b, const char *name, int64_t *out, size_t max,
                           size_t *out_count)
{
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, name);
    size_t count = a ? a->n_ints : 0;
    if (a && (a->has_i || a->has_f || a->has_s)) {
        return wrong_type(b, name);
    }
    if (count > max) {
        return covey__onnx_fail(b, COVEY_ERR_LIMIT, "attribute %s has %zu numbers, at most %zu fit",
                                name, count, max);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = a->ints[i];
    }
    *out_count = count;
    return COVEY_OK;
}

covey_err covey__onnx_text(struct covey_onnx_build *b, const char *name, char *out, size_t room)
{
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, name);
    if (a && !a->has_s && !is_type(a, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING)) {
        return wrong_type(b, name);
    }
    size_t len = a ? a->s.len : 0;
    if (len >= room) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED,
                                "attribute %s has a value that is not known", name);
    }
    if (len > 0) {
        memcpy(out, a->s.data, len);
    }
    out[len] = '\0';
    return COVEY_OK;
}

covey_err covey__onnx_attributes_done(struct covey_onnx_build *b)
{
    if (b->node->n_attribute > 64) {
        return covey__onnx_fail(b, COVEY_ERR_LIMIT, "more than 64 attributes");
    }
    for (size_t i = 0; i < b->node->n_attribute; i++) {
        if (!(b->attributes_seen & (UINT64_C(1) << i))) {
            const char *name = b->node->attribute[i]->name;
            return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "attribute '%.40s' is not supported",
                                    name ? name : "");
        }
    }
    return COVEY_OK;
}
