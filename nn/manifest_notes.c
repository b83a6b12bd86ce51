/* SPDX-License-Identifier: MIT */
#include "covey/manifest_notes.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "manifest_private.h"

enum {
    BARE = 0xa0 | COVEY__MANIFEST_KEYS, /* how a manifest without notes begins: a map of so many */
    NOTES_BYTES = 256,                  /* more than all notes take */
    PREPARE_FIELDS = 4,
    LABELS_FIELDS = 2,
};

static bool is_fine(const struct covey_manifest_notes *n)
{
    bool fine = !n->has_labels || (n->labels.len > 0 && n->labels.len <= COVEY_LABELS_BYTES_MAX);
    if (!n->has_prepare) {
        return fine;
    }
    fine = fine && isfinite(n->scale) && n->layout <= COVEY_NOTES_LAYOUT_MAX;
    for (size_t i = 0; i < 3; i++) {
        fine = fine && isfinite(n->mean[i]) && isfinite(n->std[i]) && n->std[i] != 0.0f;
    }
    return fine;
}

/* ---- writing ---- */

static void put_three(struct covey_cbor_writer *w, const float *values)
{
    covey_cbor_put_array(w, 3);
    for (size_t i = 0; i < 3; i++) {
        covey_cbor_put_float(w, (double)values[i]);
    }
}

static void put_notes(struct covey_cbor_writer *w, const struct covey_manifest_notes *n)
{
    if (n->has_labels) {
        covey_cbor_put_uint(w, COVEY__MANIFEST_KEY_LABELS);
        covey_cbor_put_array(w, LABELS_FIELDS);
        covey_cbor_put_bytes(
            w, covey_bytes_of(n->labels.digest.bytes, sizeof(n->labels.digest.bytes)));
        covey_cbor_put_uint(w, n->labels.len);
    }
    if (n->has_prepare) {
        covey_cbor_put_uint(w, COVEY__MANIFEST_KEY_PREPARE);
        covey_cbor_put_array(w, PREPARE_FIELDS);
        covey_cbor_put_float(w, (double)n->scale);
        put_three(w, n->mean);
        put_three(w, n->std);
        covey_cbor_put_uint(w, n->layout);
    }
}

covey_err covey_manifest_annotate(struct covey_bytes manifest,
                                  const struct covey_manifest_notes *notes, uint8_t **out,
                                  size_t *out_len)
{
    uint8_t tail[NOTES_BYTES];
    struct covey_cbor_writer w;
    size_t len = 0;
    if (!is_fine(notes)) {
        return COVEY_ERR_RANGE;
    }
    if (manifest.len == 0 || manifest.ptr[0] != BARE) {
        return COVEY_ERR_STATE;
    }
    /* Their keys are the greatest, so they stand last: the map only grows at its end. */
    unsigned count = (unsigned)notes->has_labels + (unsigned)notes->has_prepare;
    covey_cbor_writer_init(&w, (struct covey_buf){tail, sizeof(tail)});
    put_notes(&w, notes);
    covey_err err = covey_cbor_writer_done(&w, &len);
    uint8_t *copy = err == COVEY_OK ? malloc(manifest.len + len) : NULL;
    if (copy == NULL) {
        return err == COVEY_OK ? COVEY_ERR_NOMEM : err;
    }
    memcpy(copy, manifest.ptr, manifest.len);
    if (len > 0) {
        memcpy(copy + manifest.len, tail, len);
    }
    copy[0] = (uint8_t)(BARE + count);
    *out = copy;
    *out_len = manifest.len + len;
    return COVEY_OK;
}

/* ---- reading ---- */

/* Only what a float holds exactly: anything else would not be written back the same. */
static float get_float(struct covey_cbor_reader *r)
{
    double v = covey_cbor_get_float(r);
    if (r->err == COVEY_OK && !(fabs(v) <= (double)FLT_MAX && (double)(float)v == v)) {
        r->err = COVEY_ERR_MALFORMED;
    }
    return r->err == COVEY_OK ? (float)v : 0.0f;
}

static void enter(struct covey_cbor_reader *r, size_t fields)
{
    size_t count = covey_cbor_enter_array(r, fields);
    if (r->err == COVEY_OK && count != fields) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static void get_three(struct covey_cbor_reader *r, float *out)
{
    enter(r, 3);
    for (size_t i = 0; i < 3; i++) {
        out[i] = get_float(r);
    }
    covey_cbor_leave(r);
}

static void check(struct covey_cbor_reader *r, const struct covey_manifest_notes *n)
{
    if (r->err == COVEY_OK && !is_fine(n)) {
        r->err = COVEY_ERR_RANGE;
    }
}

void covey__manifest_get_labels(struct covey_cbor_reader *r, struct covey_manifest *mf)
{
    struct covey_manifest_notes *n = &mf->notes;
    enter(r, LABELS_FIELDS);
    covey_cbor_get_fixed(r, n->labels.digest.bytes, sizeof(n->labels.digest.bytes));
    n->labels.len = (size_t)covey_cbor_get_uint(r, COVEY_LABELS_BYTES_MAX);
    covey_cbor_leave(r);
    n->has_labels = true;
    check(r, n);
    if (r->err != COVEY_OK) {
        return;
    }
    struct covey_blob *more = realloc(mf->blobs, (mf->blob_count + 1) * sizeof(*mf->blobs));
    if (more == NULL) {
        r->err = COVEY_ERR_NOMEM;
        return;
    }
    mf->blobs = more;
    mf->blobs[mf->blob_count++] = n->labels;
}

void covey__manifest_get_prepare(struct covey_cbor_reader *r, struct covey_manifest *mf)
{
    struct covey_manifest_notes *n = &mf->notes;
    enter(r, PREPARE_FIELDS);
    n->scale = get_float(r);
    get_three(r, n->mean);
    get_three(r, n->std);
    n->layout = (uint8_t)covey_cbor_get_uint(r, COVEY_NOTES_LAYOUT_MAX);
    covey_cbor_leave(r);
    n->has_prepare = true;
    check(r, n);
}

const struct covey_manifest_notes *covey_manifest_notes(const struct covey_manifest *mf)
{
    return &mf->notes;
}
