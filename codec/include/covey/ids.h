/* SPDX-License-Identifier: MIT
 *
 * ids.h - identifiers that must not be swapped for one another, and network addresses.
 */
#ifndef COVEY_IDS_H
#define COVEY_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* First 16 bytes of BLAKE2b-256 of the device's Ed25519 public key (protocol.md, Identity). */
struct covey_node_id {
    uint8_t bytes[16];
};

/* First 16 bytes of BLAKE2b-256 of the authority's Ed25519 public key. */
struct covey_mesh_id {
    uint8_t bytes[16];
};

/* BLAKE2b-256 of some bytes: of a unit of weights, a certificate, a manifest. */
struct covey_digest {
    uint8_t bytes[32];
};

/* Chosen at random by the session's owner; of one that computes requests, which nobody else ever
 * owns, the second half is the first one of the owner's id. */
struct covey_session_id {
    uint8_t bytes[16];
};

/* IPv6, IPv4 as ::ffff:a.b.c.d; scope is the interface index of a link-local address, else 0. */
struct covey_addr {
    uint8_t ip[16];
    uint32_t scope;
    uint16_t port;
};

/* What a device measured of itself; 0: not known. */
struct covey_rates {
    uint32_t mflops;        /* of a large matrix product */
    uint32_t stream_mbytes; /* a second, of weights read once */
    uint32_t link_mbytes;   /* a second, of bodies to and from another device: AEAD, socket, link */
    uint32_t message_us;    /* what a small message costs its sender, and its receiver */
    uint32_t body_mbytes;   /* bodies without the link: what the processor alone would move */
    uint32_t round_us;      /* of a small message and its answer, the links' part: with whoever is
                             * nearest, at least 1 */
};

static inline bool covey_node_id_equal(const struct covey_node_id *a, const struct covey_node_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline int covey_node_id_compare(const struct covey_node_id *a,
                                        const struct covey_node_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static inline bool covey_digest_equal(const struct covey_digest *a, const struct covey_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline bool covey_session_id_equal(const struct covey_session_id *a,
                                          const struct covey_session_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Of two who say that a session is theirs, it is that one's. */
static inline bool covey_session_id_is_of(const struct covey_session_id *id,
                                          const struct covey_node_id *owner)
{
    size_t half = sizeof(id->bytes) / 2;
    return memcmp(id->bytes + half, owner->bytes, half) == 0;
}

static inline void covey_session_id_own(struct covey_session_id *id,
                                         const struct covey_node_id *owner)
{
    size_t half = sizeof(id->bytes) / 2;
    memcpy(id->bytes + half, owner->bytes, half);
}

static inline bool covey_addr_equal(const struct covey_addr *a, const struct covey_addr *b)
{
    return a->port == b->port && a->scope == b->scope && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

#endif /* COVEY_IDS_H */
