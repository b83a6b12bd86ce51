/* SPDX-License-Identifier: MIT
 *
 * manifest.h - a graph as deterministic CBOR, its constants by digest.
 *
 * The constants of split layers are cut into units, each named by its digest; every other constant
 * is one blob. The manifest's own digest is the model's id. Schema: docs/messages.cddl.
 */
#ifndef COVEY_MANIFEST_H
#define COVEY_MANIFEST_H

#include "covey/ids.h"
#include "covey/model.h"

struct covey_manifest;

/* Told each blob once, in order: floats as little-endian bytes; returns its digest. Used on encode
 * to hash and to hand the bytes on. */
typedef covey_err (*covey_blob_fn)(void *user, struct covey_bytes blob, struct covey_digest *out);

/* From a model (of a graph optimised and checked): calls put for every blob, then writes the
 * manifest, heap, freed by the caller with free(). */
covey_err covey_manifest_encode(const struct covey_graph *g, const struct covey_model *m,
                                const char *name, covey_blob_fn put, void *user, uint8_t **out,
                                size_t *out_len) COVEY_CHECK;

/* Bounded decode of bytes from outside. The graph inside has no constant data yet: bind it. */
covey_err covey_manifest_decode(struct covey_bytes in, struct covey_manifest **out,
                                struct covey_nn_error *out_why) COVEY_CHECK;
void covey_manifest_free(struct covey_manifest *mf);
const char *covey_manifest_name(const struct covey_manifest *mf);

/* Shapes of the model's input and output, known before any weights are. */
const struct covey_shape *covey_manifest_input(const struct covey_manifest *mf);
const struct covey_shape *covey_manifest_output(const struct covey_manifest *mf);

/* All blobs: digest and length in bytes. */
struct covey_blob {
    struct covey_digest digest;
    size_t len;
};
size_t covey_manifest_blobs(const struct covey_manifest *mf);
const struct covey_blob *covey_manifest_blob(const struct covey_manifest *mf, size_t index);
/* Digest of unit `unit` of split layer `layer` (numbering of covey_model_layer) that is not exact.
 */
const struct covey_digest *covey_manifest_unit(const struct covey_manifest *mf, size_t layer,
                                               size_t unit);

/* The weights of split layers are bound with the zero padding of their last unit behind the rows.
 * Gives the blobs' bytes (copied, length and finiteness of shapes checked): fetch is called for
 * each blob and fills data with exactly len bytes. Then the graph is checked for batch and a model
 * can be made of it. The graph belongs to the manifest. */
typedef covey_err (*covey_fetch_fn)(void *user, const struct covey_digest *digest, void *data,
                                    size_t len);
covey_err covey_manifest_bind(struct covey_manifest *mf, uint32_t batch, covey_fetch_fn fetch,
                              void *user, struct covey_graph **out_graph,
                              struct covey_nn_error *out_why) COVEY_CHECK;

/* The range of blobs, as covey_manifest_blob() numbers them, that make up a constant of the graph;
 * no blobs when the value is none. */
void covey_manifest_value_blobs(const struct covey_manifest *mf, uint16_t value, size_t *out_first,
                                size_t *out_count);

/* The same without most of the weights: only constants of at most COVEY_MANIFEST_SMALL bytes are
 * fetched. The others have an address that stays as long as the manifest, but take no memory and
 * read as zeros until they are loaded. A model of plan_only does without them; what another model
 * lays out must be loaded before it is made. A later bind loads what is missing. */
enum { COVEY_MANIFEST_SMALL = 4096 };
covey_err covey_manifest_reserve(struct covey_manifest *mf, uint32_t batch, covey_fetch_fn fetch,
                                 void *user, struct covey_graph **out_graph,
                                 struct covey_nn_error *out_why) COVEY_CHECK;

/* After bind or reserve. Different constants may be loaded and unloaded by different threads. */
/* Fetches a constant's blobs to their place; nothing to do when it is loaded. After a failure it is
 * not. RANGE: the value is no constant. */
covey_err covey_manifest_load(struct covey_manifest *mf, uint16_t value, covey_fetch_fn fetch,
                              void *user) COVEY_CHECK;
/* Gives the memory back, not the address. Small constants, and those that bind fetched without a
 * reserve before, stay. */
void covey_manifest_unload(struct covey_manifest *mf, uint16_t value);
bool covey_manifest_loaded(const struct covey_manifest *mf, uint16_t value);

#endif /* COVEY_MANIFEST_H */
