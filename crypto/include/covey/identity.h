/* SPDX-License-Identifier: MIT
 *
 * identity.h - a device's keys and state directory, and the authority's.
 *
 * Every file is a line that says what it holds, the bytes, and 16 bytes of BLAKE2b of both, so that
 * a half-written one is known. Files are owner-only (0600 in a 0700 folder); anything looser is
 * refused with COVEY_ERR_PERMISSIONS. Secrets live in locked memory and are wiped. Writes are
 * atomic.
 */
#ifndef COVEY_IDENTITY_H
#define COVEY_IDENTITY_H

#include "covey/cert.h"

/* All of it in one sodium_malloc block: covey_identity_new() to covey_identity_free(). */
struct covey_identity {
    struct covey_cert cert; /* own, verified */
    uint8_t cert_wire[COVEY_CERT_MAX];
    size_t cert_len;
    struct covey_digest cert_digest;
    uint8_t authority_public[COVEY_SIGN_PUBLIC_BYTES];
    uint8_t sign_secret[COVEY_SIGN_SECRET_BYTES];
    uint8_t noise_secret[COVEY_KEY_BYTES];
    uint8_t gossip_secret[COVEY_KEY_BYTES];
    uint8_t mesh_key[COVEY_KEY_BYTES]; /* pre-shared: MAC of hellos, psk of handshakes */
    uint64_t boot_counter;             /* of this start */
    uint8_t boot_nonce[COVEY_NONCE_BYTES];
    uint64_t *gossip_sessions; /* made in this boot; counted atomically, see datagram.h */
};

/* What went wrong, for people: one line, no newline. */
struct covey_identity_error {
    char text[256];
};

/* Makes DIR with a new authority: authority.key, authority.pub, mesh.key, mesh.name, serial.
 * EXISTS if DIR holds one. */
covey_err covey_authority_create(const char *dir, const char *name,
                                 struct covey_identity_error *out_why) COVEY_CHECK;

struct covey_enrol_config {
    const char *authority_dir;
    const char *device_name; /* 1..63 of [A-Za-z0-9._-] */
    enum covey_tier tier;
    enum covey_trust trust;
    unsigned valid_days;   /* 0: 3650 */
    const char *state_dir; /* made; EXISTS if it holds a device */
    uint64_t now_s;
};

/* Makes a device's state directory: device.key, device.cert, authority.pub, mesh.key, boot. Keeps
 * its certificate as enrolled.NAME beside the authority's files: EXISTS while one of a device of
 * this name is valid. Nothing half-written is left behind on failure. */
covey_err covey_enrol(const struct covey_enrol_config *config,
                      struct covey_identity_error *out_why) COVEY_CHECK;

/* Loads and checks a state directory and verifies the own certificate at wall_s. When count_boot,
 * the boot counter is raised and persisted (fsync) before this returns. */
covey_err covey_identity_load(const char *state_dir, bool count_boot, uint64_t wall_s,
                              struct covey_identity **out,
                              struct covey_identity_error *out_why) COVEY_CHECK;

/* A fresh identity in memory, without files, signed by the given authority: for simulations and
 * tests. */
covey_err covey_identity_new(const char *name, enum covey_tier tier, enum covey_trust trust,
                             const uint8_t authority_secret[static COVEY_SIGN_SECRET_BYTES],
                             const uint8_t mesh_key[static COVEY_KEY_BYTES], uint64_t now_s,
                             struct covey_identity **out) COVEY_CHECK;
void covey_identity_free(struct covey_identity *identity);

/* A random authority key pair, for the same. */
void covey_authority_keypair(uint8_t pub[static COVEY_SIGN_PUBLIC_BYTES],
                             uint8_t secret[static COVEY_SIGN_SECRET_BYTES]);

#endif /* COVEY_IDENTITY_H */
