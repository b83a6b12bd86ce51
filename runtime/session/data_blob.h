/* SPDX-License-Identifier: MIT
 *
 * data_blob.h - labelled samples in the content store: a header blob that names chunks, each of
 * whole samples with their labels. The header's digest is the data set's name.
 *
 * Header, deterministic CBOR: count, channels, height, width, classes, kind (bytes or float32),
 * samples of a chunk (the last may have fewer), digests of the chunks in one byte string; schema:
 * docs/messages.cddl. A chunk: the labels as u16, then the samples, little-endian.
 */
#ifndef COVEY_SESSION_DATA_BLOB_H
#define COVEY_SESSION_DATA_BLOB_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/samples.h"

enum {
    COVEY_DATA_CHUNK_BYTES = 4 * 1024 * 1024, /* about: of a chunk */
    COVEY_DATA_CHUNKS_MAX = 4096,
    COVEY_DATA_BYTES_MAX = 1 << 30, /* of all samples: twice what `covey` reads from files */
};

/* Any process: calls put for each chunk, then for the header. RANGE: no samples, or a label that is
 * no class; LIMIT: too much. */
typedef covey_err (*covey_data_put_fn)(void *user, struct covey_bytes blob,
                                       struct covey_digest *out);
covey_err covey__data_encode(const struct covey_samples *s, covey_data_put_fn put, void *user,
                             struct covey_digest *out) COVEY_CHECK;

/* A header from outside. */
struct covey_data_header {
    struct covey_samples samples; /* sizes; no data */
    bool floats;
    uint32_t chunk; /* samples */
    uint32_t chunks;
    const uint8_t *digests; /* [chunks][32], borrowed */
};
covey_err covey__data_header_decode(struct covey_bytes in,
                                    struct covey_data_header *out) COVEY_CHECK;
uint64_t covey__data_bytes(const struct covey_data_header *h); /* of labels and samples */
size_t covey__data_chunk_bytes(const struct covey_data_header *h, uint32_t chunk);

/* All of it in memory; fetch as for manifests: exactly len bytes of a blob. Labels are checked.
 * Heap: labels and samples freed with covey__data_done(). */
typedef covey_err (*covey_data_get_fn)(void *user, const struct covey_digest *digest, void *data,
                                       size_t len);
covey_err covey__data_load(const struct covey_data_header *h, covey_data_get_fn get, void *user,
                           struct covey_samples *out) COVEY_CHECK;
void covey__data_done(struct covey_samples *s);

#endif /* COVEY_SESSION_DATA_BLOB_H */
