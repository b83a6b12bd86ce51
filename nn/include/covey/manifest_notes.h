/* SPDX-License-Identifier: MIT
 *
 * manifest_notes.h - what a manifest says besides the graph: what pictures must be brought to, and
 * what the outputs are called.
 *
 * Notes do not change what is computed: who has an input of the right shape needs none of them.
 */
#ifndef COVEY_MANIFEST_NOTES_H
#define COVEY_MANIFEST_NOTES_H

#include "covey/manifest.h"

enum {
    COVEY_LABELS_BYTES_MAX = 1 << 20,
    COVEY_LABELS_MAX = 100000, /* lines */
    COVEY_NOTES_LAYOUT_MAX = 3,
};

struct covey_manifest_notes {
    bool has_labels;
    struct covey_blob labels; /* UTF-8, one name a line; the last of the manifest's blobs */
    bool has_prepare;         /* x becomes (x * scale - mean) / std */
    float scale, mean[3], std[3];
    uint8_t layout; /* of the channels: as the picture has them, rgb, bgr, gray */
};

/* A copy of a manifest without notes, with these; heap, freed by the caller. RANGE: numbers that
 * are not finite, a std of 0, an empty or too large labels blob; STATE: it has notes. */
covey_err covey_manifest_annotate(struct covey_bytes manifest,
                                  const struct covey_manifest_notes *notes, uint8_t **out,
                                  size_t *out_len) COVEY_CHECK;
const struct covey_manifest_notes *covey_manifest_notes(const struct covey_manifest *mf);

#endif /* COVEY_MANIFEST_NOTES_H */
