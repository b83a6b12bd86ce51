/* SPDX-License-Identifier: MIT */
#include "covey/identity.h"

#include <sodium.h>

#include "issue.h"
#include "keyfile.h"

enum { YEAR_S = 365 * 24 * 60 * 60 };

/* One locked block. */
struct block {
    struct covey_identity identity;
    uint64_t gossip_sessions;
};

static struct covey_identity *identity_alloc(void)
{
    struct block *block = sodium_malloc(sizeof(*block));
    if (block == NULL) {
        return NULL;
    }
    memset(block, 0, sizeof(*block));
    block->identity.gossip_sessions = &block->gossip_sessions;
    randombytes_buf(block->identity.boot_nonce, sizeof(block->identity.boot_nonce));
    return &block->identity;
}

void covey_identity_free(struct covey_identity *identity)
{
    sodium_free(identity); /* wipes; the identity is the block's first member; NULL is fine */
}

void covey_authority_keypair(uint8_t pub[static COVEY_SIGN_PUBLIC_BYTES],
                             uint8_t secret[static COVEY_SIGN_SECRET_BYTES])
{
    crypto_sign_keypair(pub, secret);
}

covey_err covey__identity_issue(const struct covey__issue *issue,
                                const uint8_t authority_secret[static COVEY_SIGN_SECRET_BYTES],
                                const uint8_t mesh_key[static COVEY_KEY_BYTES],
                                struct covey_identity **out)
{
    if (!covey_name_valid(issue->name)) {
        return COVEY_ERR_RANGE;
    }
    struct covey_identity *id = identity_alloc();
    if (id == NULL) {
        return COVEY_ERR_NOMEM;
    }
    crypto_sign_keypair(id->cert.sign_public, id->sign_secret);
    randombytes_buf(id->noise_secret, sizeof(id->noise_secret));
    randombytes_buf(id->gossip_secret, sizeof(id->gossip_secret));
    crypto_scalarmult_base(id->cert.noise_public, id->noise_secret);
    crypto_scalarmult_base(id->cert.gossip_public, id->gossip_secret);
    crypto_sign_ed25519_sk_to_pk(id->authority_public, authority_secret);
    memcpy(id->mesh_key, mesh_key, sizeof(id->mesh_key));
    covey_mesh_id_of(&id->cert.mesh, id->authority_public);
    covey_node_id_of(&id->cert.node, id->cert.sign_public);
    memcpy(id->cert.name, issue->name, strlen(issue->name) + 1);
    id->cert.tier = issue->tier;
    id->cert.trust = issue->trust;
    id->cert.not_before_s = issue->not_before_s;
    id->cert.not_after_s = issue->not_after_s;
    id->cert.serial = issue->serial;
    covey_err err = covey_cert_sign(&id->cert, authority_secret, id->cert_wire, &id->cert_len);
    if (err != COVEY_OK) {
        covey_identity_free(id);
        return err;
    }
    covey_cert_digest(&id->cert_digest, covey_bytes_of(id->cert_wire, id->cert_len));
    *out = id;
    return COVEY_OK;
}

covey_err covey_identity_new(const char *name, enum covey_tier tier, enum covey_trust trust,
                             const uint8_t authority_secret[static COVEY_SIGN_SECRET_BYTES],
                             const uint8_t mesh_key[static COVEY_KEY_BYTES], uint64_t now_s,
                             struct covey_identity **out)
{
    struct covey__issue issue = {.name = name,
                                 .tier = tier,
                                 .trust = trust,
                                 .not_before_s = now_s,
                                 .not_after_s = now_s + YEAR_S,
                                 .serial = 1};
    return covey__identity_issue(&issue, authority_secret, mesh_key, out);
}

static covey_err read_fixed(struct covey__folder *f, const struct covey__file *file, uint8_t *out,
                            size_t len)
{
    size_t got;
    return covey__key_file_read(f, file, len, (struct covey_buf){out, len}, &got);
}

static covey_err read_keys(struct covey__folder *f, struct covey_identity *id)
{
    uint8_t keys[COVEY__DEVICE_KEY_BYTES];
    covey_err err = read_fixed(f, &covey__file_device_key, keys, sizeof(keys));
    if (err == COVEY_OK) {
        memcpy(id->sign_secret, keys, COVEY_SIGN_SECRET_BYTES);
        memcpy(id->noise_secret, keys + COVEY_SIGN_SECRET_BYTES, COVEY_KEY_BYTES);
        memcpy(id->gossip_secret, keys + COVEY_SIGN_SECRET_BYTES + COVEY_KEY_BYTES,
               COVEY_KEY_BYTES);
        err = read_fixed(f, &covey__file_authority_pub, id->authority_public,
                         sizeof(id->authority_public));
    }
    if (err == COVEY_OK) {
        err = read_fixed(f, &covey__file_mesh_key, id->mesh_key, sizeof(id->mesh_key));
    }
    if (err == COVEY_OK) {
        err = covey__key_file_read(f, &covey__file_device_cert, 1,
                                   (struct covey_buf){id->cert_wire, sizeof(id->cert_wire)},
                                   &id->cert_len);
    }
    sodium_memzero(keys, sizeof(keys));
    return err;
}

/* The secrets are those of the certificate's public keys. */
static bool keys_match(const struct covey_identity *id)
{
    uint8_t sign_public[COVEY_SIGN_PUBLIC_BYTES], sign_secret[COVEY_SIGN_SECRET_BYTES];
    uint8_t noise_public[COVEY_KEY_BYTES], gossip_public[COVEY_KEY_BYTES];
    crypto_sign_seed_keypair(sign_public, sign_secret, id->sign_secret); /* begins with its seed */
    crypto_scalarmult_base(noise_public, id->noise_secret);
    crypto_scalarmult_base(gossip_public, id->gossip_secret);
    bool match = sodium_memcmp(sign_secret, id->sign_secret, sizeof(sign_secret)) == 0 &&
                 memcmp(sign_public, id->cert.sign_public, sizeof(sign_public)) == 0 &&
                 memcmp(noise_public, id->cert.noise_public, sizeof(noise_public)) == 0 &&
                 memcmp(gossip_public, id->cert.gossip_public, sizeof(gossip_public)) == 0;
    sodium_memzero(sign_secret, sizeof(sign_secret));
    return match;
}

static covey_err check_cert(const struct covey__folder *f, struct covey_identity *id,
                            uint64_t wall_s)
{
    struct covey_bytes wire = {id->cert_wire, id->cert_len};
    covey_err err = covey_cert_verify(wire, id->authority_public, wall_s, &id->cert);
    if (err == COVEY_ERR_EXPIRED) {
        return covey__key_why(
            f->why, err, "%s/device.cert is not valid now: renew it, or set the clock", f->path);
    }
    if (err != COVEY_OK) {
        return covey__key_why(f->why, err, "%s/device.cert was not signed by this mesh's authority",
                              f->path);
    }
    if (!keys_match(id)) {
        return covey__key_why(f->why, COVEY_ERR_AUTH, "%s/device.key is not the certificate's",
                              f->path);
    }
    covey_cert_digest(&id->cert_digest, wire);
    return COVEY_OK;
}

/* On the disk before anything is sent: no two starts share a number. */
static covey_err count_start(struct covey__folder *f, bool count_boot, uint64_t *out)
{
    uint64_t boot;
    covey_err err = covey__file_read_u64(f, &covey__file_boot, &boot);
    if (err != COVEY_OK) {
        return err;
    }
    if (count_boot) {
        if (boot >= UINT32_MAX) { /* it is the high half of the incarnation */
            return covey__key_why(f->why, COVEY_ERR_RANGE, "%s/boot is out of range", f->path);
        }
        boot++;
        err = covey__file_write_u64(f, &covey__file_boot, boot);
    }
    if (err == COVEY_OK) {
        *out = boot;
    }
    return err;
}

covey_err covey_identity_load(const char *state_dir, bool count_boot, uint64_t wall_s,
                              struct covey_identity **out, struct covey_identity_error *out_why)
{
    struct covey__folder f;
    struct covey_identity *id = NULL;
    covey_err err = covey__folder_open(&f, state_dir, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    id = identity_alloc();
    if (id == NULL) {
        err = covey__key_why(out_why, COVEY_ERR_NOMEM, "no memory for keys");
        goto out;
    }
    err = read_keys(&f, id);
    if (err == COVEY_OK) {
        err = check_cert(&f, id, wall_s);
    }
    if (err == COVEY_OK) {
        err = count_start(&f, count_boot, &id->boot_counter);
    }
    if (err == COVEY_OK) {
        *out = id;
        id = NULL;
    }
out:
    covey_identity_free(id);
    covey__folder_close(&f);
    return err;
}
