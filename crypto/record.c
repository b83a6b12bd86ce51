/* SPDX-License-Identifier: MIT */
#include "covey/channel.h"

#include "covey/limits.h"

enum { RECORD_TAG = COVEY_RECORD_OVERHEAD - COVEY_RECORD_HEADER, LENGTH = 2 };

static bool kind_known(unsigned kind)
{
    return kind >= COVEY_RECORD_CONTROL && kind <= COVEY_RECORD_SHARED;
}

static void count_record(struct covey_sealer *s)
{
    s->records++;
    if (s->records % COVEY_REKEY_RECORDS == 0) {
        covey_noise_rekey(&s->cipher);
    }
}

covey_err covey_record_seal(struct covey_sealer *s, enum covey_record_kind kind, uint16_t stream,
                            struct covey_bytes in, struct covey_buf out, size_t *out_len)
{
    if (kind != COVEY_RECORD_CONTROL && kind != COVEY_RECORD_BODY) {
        return COVEY_ERR_RANGE;
    }
    if (in.len > COVEY_RECORD_MAX) {
        return COVEY_ERR_LIMIT;
    }
    if (out.len < in.len + COVEY_RECORD_OVERHEAD) {
        return COVEY_ERR_SPACE;
    }
    uint8_t header[COVEY_RECORD_HEADER];
    covey_store16(header, (uint16_t)(in.len + RECORD_TAG));
    header[LENGTH] = (uint8_t)kind;
    covey_store16(header + LENGTH + 1, stream);
    /* The plaintext may lie in out where its ciphertext goes, so the header is written last. */
    covey_err err =
        covey_noise_seal(&s->cipher, covey_bytes_of(header + LENGTH, COVEY_RECORD_HEADER - LENGTH),
                         in, out.ptr + COVEY_RECORD_HEADER);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(out.ptr, header, sizeof(header));
    count_record(s);
    *out_len = in.len + COVEY_RECORD_OVERHEAD;
    return COVEY_OK;
}

covey_err covey_record_wrap(struct covey_sealer *s, uint16_t stream, struct covey_bytes sealed,
                            struct covey_buf out, size_t *out_len)
{
    if (sealed.len > COVEY_RECORD_MAX) {
        return COVEY_ERR_LIMIT;
    }
    if (out.len < sealed.len + COVEY_RECORD_OVERHEAD) {
        return COVEY_ERR_SPACE;
    }
    covey_store16(out.ptr, (uint16_t)(sealed.len + RECORD_TAG));
    out.ptr[LENGTH] = COVEY_RECORD_SHARED;
    covey_store16(out.ptr + LENGTH + 1, stream);
    if (sealed.len > 0) {
        memcpy(out.ptr + COVEY_RECORD_HEADER, sealed.ptr, sealed.len);
    }
    size_t ad = COVEY_RECORD_HEADER - LENGTH + sealed.len;
    covey_err err = covey_noise_seal(&s->cipher, covey_bytes_of(out.ptr + LENGTH, ad),
                                     covey_bytes_of(out.ptr, 0), out.ptr + LENGTH + ad);
    if (err != COVEY_OK) {
        return err;
    }
    count_record(s);
    *out_len = sealed.len + COVEY_RECORD_OVERHEAD;
    return COVEY_OK;
}

covey_err covey_record_peek(struct covey_bytes in, struct covey_record *out_record)
{
    if (in.len < COVEY_RECORD_HEADER) {
        return COVEY_ERR_SHORT;
    }
    size_t len = covey_load16(in.ptr);
    unsigned kind = in.ptr[LENGTH];
    if (len < RECORD_TAG || len > COVEY_RECORD_MAX + RECORD_TAG || !kind_known(kind)) {
        return COVEY_ERR_MALFORMED;
    }
    if (in.len < COVEY_RECORD_HEADER + len) {
        return COVEY_ERR_SHORT;
    }
    *out_record = (struct covey_record){.kind = (enum covey_record_kind)kind,
                                        .stream = covey_load16(in.ptr + LENGTH + 1),
                                        .len = len - RECORD_TAG,
                                        .used = COVEY_RECORD_HEADER + len};
    return COVEY_OK;
}

/* Verified as associated data of nothing; what it is stays sealed. */
static covey_err open_shared(struct covey_sealer *s, struct covey_bytes in, size_t len,
                             uint8_t *out)
{
    size_t ad = COVEY_RECORD_HEADER - LENGTH + len;
    uint8_t nothing[1];
    covey_err err = covey_noise_open(&s->cipher, covey_bytes_of(in.ptr + LENGTH, ad),
                                     covey_bytes_of(in.ptr + LENGTH + ad, RECORD_TAG), nothing);
    if (err == COVEY_OK && len > 0) {
        memcpy(out, in.ptr + COVEY_RECORD_HEADER, len);
    }
    return err;
}

covey_err covey_record_open(struct covey_sealer *s, struct covey_bytes in, struct covey_buf out,
                            struct covey_record *out_record)
{
    struct covey_record record;
    covey_err err = covey_record_peek(in, &record);
    if (err != COVEY_OK) {
        return err;
    }
    if (out.len < record.len) {
        return COVEY_ERR_SPACE;
    }
    if (record.kind == COVEY_RECORD_SHARED) {
        err = open_shared(s, in, record.len, out.ptr);
    } else {
        struct covey_bytes sealed =
            covey_bytes_of(in.ptr + COVEY_RECORD_HEADER, record.len + RECORD_TAG);
        struct covey_bytes ad = covey_bytes_of(in.ptr + LENGTH, COVEY_RECORD_HEADER - LENGTH);
        err = covey_noise_open(&s->cipher, ad, sealed, out.ptr);
    }
    if (err != COVEY_OK) {
        return err;
    }
    count_record(s);
    *out_record = record;
    return COVEY_OK;
}

void covey_sealer_done(struct covey_sealer *s)
{
    covey_wipe(s, sizeof(*s));
}
