/* SPDX-License-Identifier: MIT */
#include "layers_codec.h"

#include "covey/cbor.h"

enum { LAYER_FIELDS = 23 };

static void layer_fields(const struct covey_layer *l, uint32_t f[static LAYER_FIELDS])
{
    const uint32_t values[LAYER_FIELDS] = {
        0,
        (uint32_t)l->kind,
        l->m,
        l->unit_rows,
        l->units,
        l->k,
        l->channels,
        l->height,
        l->width,
        l->kernel[0],
        l->kernel[1],
        l->stride[0],
        l->stride[1],
        l->dilation[0],
        l->dilation[1],
        l->pads[0],
        l->pads[1],
        l->pads[2],
        l->pads[3],
        l->out_height,
        l->out_width,
        l->batch,
        l->exact,
    };
    memcpy(f, values, sizeof(values));
}

static void fields_layer(const uint32_t f[static LAYER_FIELDS], struct covey_layer *l)
{
    *l = (struct covey_layer){
        .kind = f[1] == COVEY_LAYER_DENSE ? COVEY_LAYER_DENSE : COVEY_LAYER_CONV,
        .m = f[2],
        .unit_rows = f[3],
        .units = f[4],
        .k = f[5],
        .channels = f[6],
        .height = f[7],
        .width = f[8],
        .kernel = {f[9], f[10]},
        .stride = {f[11], f[12]},
        .dilation = {f[13], f[14]},
        .pads = {f[15], f[16], f[17], f[18]},
        .out_height = f[19],
        .out_width = f[20],
        .batch = f[21],
        .exact = f[22],
    };
}

covey_err covey__layers_encode(const struct covey_layer *const *layers, size_t count,
                               struct covey_buf out, size_t *out_len)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        chosen += layers[i] != NULL;
    }
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_array(&w, chosen);
    for (size_t i = 0; i < count; i++) {
        if (layers[i] == NULL) {
            continue;
        }
        uint32_t f[LAYER_FIELDS];
        layer_fields(layers[i], f);
        f[0] = (uint32_t)i;
        covey_cbor_put_array(&w, LAYER_FIELDS);
        for (size_t j = 0; j < LAYER_FIELDS; j++) {
            covey_cbor_put_uint(&w, f[j]);
        }
    }
    return covey_cbor_writer_done(&w, out_len);
}

static covey_err decode_one(struct covey_cbor_reader *r, struct covey_layer *layers, bool *present,
                            size_t max)
{
    uint32_t f[LAYER_FIELDS];
    size_t fields = covey_cbor_enter_array(r, LAYER_FIELDS);
    if (r->err != COVEY_OK || fields != LAYER_FIELDS) {
        return COVEY_ERR_MALFORMED;
    }
    for (size_t j = 0; j < LAYER_FIELDS; j++) {
        f[j] = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
    }
    covey_cbor_leave(r);
    if (r->err != COVEY_OK || f[0] >= max || f[1] > COVEY_LAYER_CONV || present[f[0]]) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey_layer layer;
    fields_layer(f, &layer);
    covey_err err = covey_layer_check(&layer);
    if (err == COVEY_OK) {
        layers[f[0]] = layer;
        present[f[0]] = true;
    }
    return err;
}

covey_err covey__layers_decode(struct covey_bytes in, struct covey_layer *layers, bool *present,
                               size_t max)
{
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    size_t count = covey_cbor_enter_array(&r, max);
    for (size_t i = 0; i < count && r.err == COVEY_OK; i++) {
        covey_err err = decode_one(&r, layers, present, max);
        if (err != COVEY_OK) {
            return err;
        }
    }
    covey_cbor_leave(&r);
    return covey_cbor_reader_done(&r);
}
