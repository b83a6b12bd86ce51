/* SPDX-License-Identifier: MIT */
#include "data_blob.h"

#include <stdlib.h>

#include "covey/cbor.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blobs are little-endian in memory");

enum { VERSION = 1, LABELS_MAX = 65536, DIGEST = sizeof(struct covey_digest) };

enum header_key {
    KEY_VERSION = 1,
    KEY_COUNT,
    KEY_SIZE,
    KEY_CLASSES,
    KEY_KIND,
    KEY_CHUNK,
    KEY_DIGESTS,
};

static size_t sample_bytes(const struct covey_data_header *h)
{
    return covey_samples_values(&h->samples) * (h->floats ? sizeof(float) : 1);
}

/* Samples of chunk `chunk`. */
static size_t chunk_samples(const struct covey_data_header *h, uint32_t chunk)
{
    size_t first = (size_t)chunk * h->chunk, left = h->samples.count - first;
    return left < h->chunk ? left : h->chunk;
}

size_t covey__data_chunk_bytes(const struct covey_data_header *h, uint32_t chunk)
{
    COVEY_ASSERT(chunk < h->chunks);
    return chunk_samples(h, chunk) * (sizeof(uint16_t) + sample_bytes(h));
}

/* Everything but the digests, so that no product below overflows: a dimension at a time, then the
 * whole. */
static covey_err check(const struct covey_data_header *h)
{
    const struct covey_samples *s = &h->samples;
    const uint64_t most = COVEY_TENSOR_ELEMENTS_MAX;
    if (s->count == 0 || s->count > UINT32_MAX || s->classes == 0 || s->classes > LABELS_MAX ||
        s->channels == 0 || s->height == 0 || s->width == 0) {
        return COVEY_ERR_RANGE;
    }
    if (s->channels > most || s->height > most || s->width > most ||
        (uint64_t)s->channels * s->height > most ||
        (uint64_t)s->channels * s->height * s->width > most) {
        return COVEY_ERR_LIMIT;
    }
    uint64_t one = sample_bytes(h) + sizeof(uint16_t);
    if (one > COVEY_BODY_MAX || s->count > COVEY_DATA_BYTES_MAX / one) {
        return COVEY_ERR_LIMIT;
    }
    return COVEY_OK;
}

/* ---- making ---- */

static covey_err header_encode(const struct covey_data_header *h, struct covey_buf out,
                               size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, KEY_DIGESTS);
    covey_cbor_put_uint(&w, KEY_VERSION);
    covey_cbor_put_uint(&w, VERSION);
    covey_cbor_put_uint(&w, KEY_COUNT);
    covey_cbor_put_uint(&w, h->samples.count);
    covey_cbor_put_uint(&w, KEY_SIZE);
    covey_cbor_put_array(&w, 3);
    covey_cbor_put_uint(&w, h->samples.channels);
    covey_cbor_put_uint(&w, h->samples.height);
    covey_cbor_put_uint(&w, h->samples.width);
    covey_cbor_put_uint(&w, KEY_CLASSES);
    covey_cbor_put_uint(&w, h->samples.classes);
    covey_cbor_put_uint(&w, KEY_KIND);
    covey_cbor_put_uint(&w, h->floats ? 1 : 0);
    covey_cbor_put_uint(&w, KEY_CHUNK);
    covey_cbor_put_uint(&w, h->chunk);
    covey_cbor_put_uint(&w, KEY_DIGESTS);
    covey_cbor_put_bytes(&w, covey_bytes_of(h->digests, (size_t)h->chunks * DIGEST));
    return covey_cbor_writer_done(&w, out_len);
}

static covey_err put_header(const struct covey_data_header *h, covey_data_put_fn put, void *user,
                            struct covey_digest *out)
{
    struct covey_buf buf = {NULL, 0};
    size_t len = 0;
    covey_err err = header_encode(h, buf, &len);
    if (err != COVEY_OK) {
        return err;
    }
    buf.ptr = malloc(len);
    buf.len = len;
    if (buf.ptr == NULL) {
        return COVEY_ERR_NOMEM;
    }
    err = header_encode(h, buf, &len);
    if (err == COVEY_OK) {
        err = put(user, covey_bytes_of(buf.ptr, len), out);
    }
    free(buf.ptr);
    return err;
}

static void fill_chunk(const struct covey_data_header *h, uint32_t chunk, uint8_t *to)
{
    const struct covey_samples *s = &h->samples;
    size_t count = chunk_samples(h, chunk), one = sample_bytes(h);
    size_t first = (size_t)chunk * h->chunk;
    const uint8_t *from = h->floats ? (const uint8_t *)s->floats : s->bytes;
    memcpy(to, s->labels + first, count * sizeof(uint16_t));
    memcpy(to + count * sizeof(uint16_t), from + first * one, count * one);
}

static covey_err put_all(struct covey_data_header *h, covey_data_put_fn put, void *user,
                         struct covey_digest *out)
{
    uint8_t *digests = calloc(h->chunks, DIGEST);
    uint8_t *room = malloc(covey__data_chunk_bytes(h, 0));
    covey_err err = digests != NULL && room != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    for (uint32_t i = 0; i < h->chunks && err == COVEY_OK; i++) {
        struct covey_digest digest;
        fill_chunk(h, i, room);
        err = put(user, covey_bytes_of(room, covey__data_chunk_bytes(h, i)), &digest);
        if (err == COVEY_OK) {
            memcpy(digests + (size_t)i * DIGEST, digest.bytes, DIGEST);
        }
    }
    if (err == COVEY_OK) {
        h->digests = digests;
        err = put_header(h, put, user, out);
    }
    free(digests);
    free(room);
    return err;
}

covey_err covey__data_encode(const struct covey_samples *s, covey_data_put_fn put, void *user,
                             struct covey_digest *out)
{
    struct covey_data_header h = {.samples = *s, .floats = s->floats != NULL};
    covey_err err = check(&h);
    if (err != COVEY_OK) {
        return err;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->labels[i] >= s->classes) {
            return COVEY_ERR_RANGE;
        }
    }
    size_t many = COVEY_DATA_CHUNK_BYTES / (sample_bytes(&h) + sizeof(uint16_t));
    h.chunk = many > 0 ? (uint32_t)many : 1;
    size_t chunks = (s->count + h.chunk - 1) / h.chunk;
    if (chunks > COVEY_DATA_CHUNKS_MAX) {
        return COVEY_ERR_LIMIT;
    }
    h.chunks = (uint32_t)chunks;
    return put_all(&h, put, user, out);
}

/* ---- reading ---- */

static void get_size(struct covey_cbor_reader *r, struct covey_samples *s)
{
    size_t count = covey_cbor_enter_array(r, 3);
    if (r->err == COVEY_OK && count != 3) {
        r->err = COVEY_ERR_MALFORMED;
    }
    s->channels = (uint32_t)covey_cbor_get_uint(r, COVEY_TENSOR_ELEMENTS_MAX);
    s->height = (uint32_t)covey_cbor_get_uint(r, COVEY_TENSOR_ELEMENTS_MAX);
    s->width = (uint32_t)covey_cbor_get_uint(r, COVEY_TENSOR_ELEMENTS_MAX);
    covey_cbor_leave(r);
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, struct covey_data_header *h,
                      struct covey_bytes *digests)
{
    switch (key) {
    case KEY_VERSION:
        if (covey_cbor_get_uint(r, UINT32_MAX) != VERSION && r->err == COVEY_OK) {
            r->err = COVEY_ERR_UNSUPPORTED;
        }
        break;
    case KEY_COUNT:
        h->samples.count = (size_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_SIZE:
        get_size(r, &h->samples);
        break;
    case KEY_CLASSES:
        h->samples.classes = (uint32_t)covey_cbor_get_uint(r, LABELS_MAX);
        break;
    case KEY_KIND:
        h->floats = covey_cbor_get_uint(r, 1) == 1;
        break;
    case KEY_CHUNK:
        h->chunk = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_DIGESTS:
        *digests = covey_cbor_get_bytes(r, (size_t)COVEY_DATA_CHUNKS_MAX * DIGEST);
        break;
    default:
        r->err = COVEY_ERR_UNSUPPORTED;
    }
}

covey_err covey__data_header_decode(struct covey_bytes in, struct covey_data_header *out)
{
    struct covey_data_header h = {.chunk = 0};
    struct covey_bytes digests = {NULL, 0};
    struct covey_cbor_reader r;
    uint64_t key = 0;
    covey_cbor_reader_init(&r, in);
    size_t fields = covey_cbor_enter_map(&r, KEY_DIGESTS);
    while (covey_cbor_next_key(&r, &key)) {
        get_field(&r, key, &h, &digests);
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK) {
        err = fields == KEY_DIGESTS ? check(&h) : COVEY_ERR_MALFORMED;
    }
    if (err != COVEY_OK) {
        return err;
    }
    if (h.chunk == 0 || h.chunk > COVEY_BODY_MAX / (sample_bytes(&h) + sizeof(uint16_t))) {
        return COVEY_ERR_RANGE;
    }
    uint64_t chunks = (h.samples.count + (uint64_t)h.chunk - 1) / h.chunk;
    if (digests.len != chunks * DIGEST) {
        return COVEY_ERR_MALFORMED;
    }
    h.chunks = (uint32_t)chunks;
    h.digests = digests.ptr;
    *out = h;
    return COVEY_OK;
}

uint64_t covey__data_bytes(const struct covey_data_header *h)
{
    return h->samples.count * (uint64_t)(sample_bytes(h) + sizeof(uint16_t));
}

/* ---- loading ---- */

/* What is being loaded; its memory becomes the samples'. */
struct load {
    const struct covey_data_header *header;
    uint16_t *labels;
    uint8_t *values;
    uint8_t *room; /* a chunk */
};

static covey_err take_chunk(struct load *l, uint32_t chunk)
{
    const struct covey_data_header *h = l->header;
    size_t count = chunk_samples(h, chunk), one = sample_bytes(h);
    size_t first = (size_t)chunk * h->chunk;
    memcpy(l->labels + first, l->room, count * sizeof(uint16_t));
    memcpy(l->values + first * one, l->room + count * sizeof(uint16_t), count * one);
    for (size_t i = 0; i < count; i++) {
        if (l->labels[first + i] >= h->samples.classes) {
            return COVEY_ERR_RANGE;
        }
    }
    return COVEY_OK;
}

covey_err covey__data_load(const struct covey_data_header *h, covey_data_get_fn get, void *user,
                           struct covey_samples *out)
{
    struct load l = {.header = h};
    size_t count = h->samples.count;
    l.labels = calloc(count, sizeof(*l.labels));
    l.values = malloc(count * sample_bytes(h));
    l.room = malloc(covey__data_chunk_bytes(h, 0));
    bool there = l.labels != NULL && l.values != NULL && l.room != NULL;
    covey_err err = there ? COVEY_OK : COVEY_ERR_NOMEM;
    for (uint32_t i = 0; i < h->chunks && err == COVEY_OK; i++) {
        struct covey_digest digest;
        memcpy(digest.bytes, h->digests + (size_t)i * DIGEST, DIGEST);
        err = get(user, &digest, l.room, covey__data_chunk_bytes(h, i));
        if (err == COVEY_OK) {
            err = take_chunk(&l, i);
        }
    }
    free(l.room);
    if (err != COVEY_OK) {
        free(l.labels);
        free(l.values);
        return err;
    }
    *out = h->samples;
    out->labels = l.labels;
    out->bytes = h->floats ? NULL : l.values;
    out->floats = h->floats ? (const float *)(const void *)l.values : NULL;
    return COVEY_OK;
}

void covey__data_done(struct covey_samples *s)
{
    free((void *)(uintptr_t)s->labels);
    free((void *)(uintptr_t)s->bytes);
    free((void *)(uintptr_t)s->floats);
    *s = (struct covey_samples){.count = 0};
}
