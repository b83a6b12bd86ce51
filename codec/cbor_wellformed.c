/* SPDX-License-Identifier: MIT */
#include "covey/cbor.h"

#include "cbor_item.h"

/* An open array or map. A definite one holds left more items; an indefinite map is odd between a
 * key and its value. */
struct level {
    uint64_t left;
    bool indefinite;
    bool is_map;
    bool odd;
};

struct walk {
    struct covey_bytes rest;
    struct level levels[COVEY_CBOR_DEPTH_MAX];
    unsigned depth;
    bool tagged; /* a tag waits for its content */
};

static covey_err next(struct walk *w, struct covey__cbor_item *out)
{
    covey_err err = covey__cbor_item_read(w->rest, out);
    if (err == COVEY_OK) {
        w->rest = covey_bytes_of(w->rest.ptr + out->size, w->rest.len - out->size);
    }
    return err;
}

/* RFC 8949 3.2.3: between the start of an indefinite string and its break are definite strings of
 * the same major type, and nothing else. */
static bool walk_chunks(struct walk *w, enum covey__cbor_kind kind)
{
    struct covey__cbor_item chunk;
    while (next(w, &chunk) == COVEY_OK) {
        if (chunk.kind == COVEY__CBOR_BREAK) {
            return true;
        }
        if (chunk.kind != kind || chunk.indefinite) {
            return false;
        }
    }
    return false;
}

static bool open_level(struct walk *w, const struct covey__cbor_item *item)
{
    if (w->depth == COVEY_CBOR_DEPTH_MAX) {
        return false;
    }
    bool is_map = item->kind == COVEY__CBOR_MAP;
    struct level level = {
        .left = is_map ? 2 * item->arg : item->arg,
        .indefinite = item->indefinite,
        .is_map = is_map,
    };
    w->levels[w->depth++] = level;
    return true;
}

/* RFC 8949 3.2.1: a break where an item is expected, in a definite array or map, after a key, or
 * after a tag, is not well-formed. */
static bool close_indefinite(struct walk *w)
{
    if (w->tagged || w->depth == 0) {
        return false;
    }
    const struct level *top = &w->levels[w->depth - 1];
    if (!top->indefinite || (top->is_map && top->odd)) {
        return false;
    }
    w->depth--;
    return true;
}

/* An item is complete: count it where it stands, and close what is full by that. */
static void count_item(struct walk *w)
{
    w->tagged = false;
    while (w->depth > 0) {
        struct level *top = &w->levels[w->depth - 1];
        if (top->indefinite) {
            top->odd = !top->odd;
            return;
        }
        top->left--;
        if (top->left > 0) {
            return;
        }
        w->depth--;
    }
}

/* One step; *out_complete tells whether an item ended with it. */
static bool step(struct walk *w, bool *out_complete)
{
    struct covey__cbor_item item;
    if (next(w, &item) != COVEY_OK) {
        return false;
    }
    *out_complete = true;
    if (item.kind == COVEY__CBOR_BREAK) {
        return close_indefinite(w);
    }
    if (item.kind == COVEY__CBOR_TAG) {
        w->tagged = true;
        *out_complete = false;
        return true;
    }
    if (item.kind == COVEY__CBOR_ARRAY || item.kind == COVEY__CBOR_MAP) {
        /* The content of the tag has begun: a break may follow. */
        w->tagged = false;
        if (!item.indefinite && item.arg == 0) {
            return w->depth < COVEY_CBOR_DEPTH_MAX;
        }
        *out_complete = false;
        return open_level(w, &item);
    }
    return !item.indefinite || walk_chunks(w, item.kind);
}

bool covey_cbor_well_formed(struct covey_bytes in)
{
    struct walk w = {.rest = in};
    bool complete = false;
    do {
        if (!step(&w, &complete)) {
            return false;
        }
        if (complete) {
            count_item(&w);
        }
    } while (!complete || w.depth > 0);
    return w.rest.len == 0;
}
