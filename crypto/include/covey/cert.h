/* SPDX-License-Identifier: MIT
 *
 * cert.h - certificates that the mesh authority signs (protocol.md, Identity and trust).
 *
 * Signatures cover label || mesh id || the exact bytes received; nothing is re-encoded to verify.
 */
#ifndef COVEY_CERT_H
#define COVEY_CERT_H

#include "covey/crypto.h"
#include "covey/limits.h"

enum covey_tier { COVEY_TIER_END, COVEY_TIER_EDGE, COVEY_TIER_CLOUD };
enum covey_trust { COVEY_TRUST_NONE, COVEY_TRUST_FULL };

#define COVEY_CERT_LABEL "covey certificate 1"

struct covey_cert {
    struct covey_mesh_id mesh;
    struct covey_node_id node;
    uint8_t sign_public[COVEY_SIGN_PUBLIC_BYTES];
    uint8_t noise_public[COVEY_KEY_BYTES];  /* handshakes only */
    uint8_t gossip_public[COVEY_KEY_BYTES]; /* datagrams only */
    char name[COVEY_NAME_MAX + 1];
    enum covey_tier tier;
    enum covey_trust trust;
    uint64_t not_before_s; /* seconds since 1970 */
    uint64_t not_after_s;
    uint64_t serial;
};

/* Encodes and signs; wire form = CBOR body || signature. *out_len <= COVEY_CERT_MAX. */
covey_err covey_cert_sign(const struct covey_cert *cert,
                          const uint8_t authority_secret[static COVEY_SIGN_SECRET_BYTES],
                          uint8_t out[static COVEY_CERT_MAX], size_t *out_len) COVEY_CHECK;

/* Decodes and verifies against the mesh's authority: signature, mesh id, node id = hash of
 * sign_public, and validity at wall_s (a day of grace on not_before). AUTH, EXPIRED, MALFORMED. */
covey_err covey_cert_verify(struct covey_bytes wire,
                            const uint8_t authority_public[static COVEY_SIGN_PUBLIC_BYTES],
                            uint64_t wall_s, struct covey_cert *out) COVEY_CHECK;

/* First 16 bytes of BLAKE2b-256 of the authority's public key. */
void covey_mesh_id_of(struct covey_mesh_id *out,
                      const uint8_t authority_public[static COVEY_SIGN_PUBLIC_BYTES]);

/* Whether name is 1..63 of [A-Za-z0-9._-], with something other than dots in it. */
bool covey_name_valid(const char *name);

/* BLAKE2b-256 of the wire form. */
void covey_cert_digest(struct covey_digest *out, struct covey_bytes wire);

/* Statements: Ed25519 over label || zero byte || mesh id || body. Labels are short constant
 * strings. */
void covey_statement_sign(uint8_t out[static COVEY_SIGNATURE_BYTES], const char *label,
                          const struct covey_mesh_id *mesh, struct covey_bytes body,
                          const uint8_t secret[static COVEY_SIGN_SECRET_BYTES]);
bool covey_statement_verify(const uint8_t signature[static COVEY_SIGNATURE_BYTES],
                            const char *label, const struct covey_mesh_id *mesh,
                            struct covey_bytes body,
                            const uint8_t pub[static COVEY_SIGN_PUBLIC_BYTES]);

#endif /* COVEY_CERT_H */
