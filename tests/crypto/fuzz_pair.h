/* SPDX-License-Identifier: MIT
 *
 * fuzz_pair.h - two members of one mesh, made once, for the harnesses.
 */
#ifndef COVEY_TESTS_CRYPTO_FUZZ_PAIR_H
#define COVEY_TESTS_CRYPTO_FUZZ_PAIR_H

#include "covey/identity.h"

static inline struct covey_identity *const *fuzz_pair(uint64_t now_s)
{
    static struct covey_identity *id[2];
    if (id[1] == NULL) {
        uint8_t pub[COVEY_SIGN_PUBLIC_BYTES], secret[COVEY_SIGN_SECRET_BYTES];
        const uint8_t mesh_key[COVEY_KEY_BYTES] = {1};
        COVEY_ASSERT(covey_crypto_init() == COVEY_OK);
        covey_authority_keypair(pub, secret);
        for (int i = 0; i < 2; i++) {
            COVEY_ASSERT(covey_identity_new("n", COVEY_TIER_END, COVEY_TRUST_NONE, secret, mesh_key,
                                            now_s, &id[i]) == COVEY_OK);
        }
    }
    return id;
}

#endif /* COVEY_TESTS_CRYPTO_FUZZ_PAIR_H */
