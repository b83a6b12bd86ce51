/* SPDX-License-Identifier: MIT
 *
 * wants.h - the list of blobs that an assignment lacks, as bytes of an event: the number of sources
 * (1 byte), their node ids, then for each blob its length (4 bytes, 0: unknown), which of the
 * sources have it too (4 bytes, a bit each), its digest.
 *
 * The owner of the assignment is always a source. The others are devices of its plan that hold, or
 * are fetching, the same blobs; their lists name the same sources in the same order.
 */
#ifndef COVEY_WANTS_H
#define COVEY_WANTS_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/limits.h"

enum {
    COVEY_WANTS_ENTRY_BYTES = 8 + sizeof(struct covey_digest),
    COVEY_WANTS_MAX = 4096, /* blobs of one list; the rest is named after these have come */
    COVEY_WANTS_BYTES_MAX = 1 + COVEY_PLAN_DEVICES_MAX * sizeof(struct covey_node_id) +
                            COVEY_WANTS_MAX * COVEY_WANTS_ENTRY_BYTES,
};

struct covey_want {
    struct covey_digest digest;
    uint32_t len;     /* bytes; 0: unknown */
    uint32_t sources; /* bit i: source i of the list has it too; beyond the list: ignored */
};

#define COVEY_WANTS_ALL UINT32_MAX /* all sources of the list */

/* out: room for what is written. Number of bytes. */
static inline size_t covey_wants_begin(uint8_t *out, const struct covey_node_id *sources,
                                       uint8_t count)
{
    out[0] = count;
    for (size_t i = 0; i < count; i++) {
        memcpy(out + 1 + i * sizeof(*sources), sources[i].bytes, sizeof(*sources));
    }
    return 1 + count * sizeof(*sources);
}

static inline size_t covey_wants_put(uint8_t *out, const struct covey_want *want)
{
    covey_store32(out, want->len);
    covey_store32(out + 4, want->sources);
    memcpy(out + 8, want->digest.bytes, sizeof(want->digest.bytes));
    return COVEY_WANTS_ENTRY_BYTES;
}

/* Of a list that covey_wants_begin() and covey_wants_put() wrote. */
static inline size_t covey_wants_count(struct covey_bytes list)
{
    size_t head = list.len > 0 ? 1 + list.ptr[0] * sizeof(struct covey_node_id) : 0;
    return list.len < head ? 0 : (list.len - head) / COVEY_WANTS_ENTRY_BYTES;
}

static inline struct covey_node_id covey_wants_source(struct covey_bytes list, size_t index)
{
    struct covey_node_id id;
    memcpy(id.bytes, list.ptr + 1 + index * sizeof(id), sizeof(id.bytes));
    return id;
}

static inline struct covey_want covey_wants_get(struct covey_bytes list, size_t index)
{
    const uint8_t *p =
        list.ptr + 1 + list.ptr[0] * sizeof(struct covey_node_id) + index * COVEY_WANTS_ENTRY_BYTES;
    struct covey_want want = {.len = covey_load32(p), .sources = covey_load32(p + 4)};
    memcpy(want.digest.bytes, p + 8, sizeof(want.digest.bytes));
    return want;
}

#endif /* COVEY_WANTS_H */
