/* SPDX-License-Identifier: MIT
 *
 * fuzz_member.h - two fully trusted members of one mesh, made once, for the node's harness.
 */
#ifndef COVEY_SIM_FUZZ_MEMBER_H
#define COVEY_SIM_FUZZ_MEMBER_H

#include "covey/identity.h"

static inline const struct covey_identity *fuzz_member(unsigned which)
{
    static struct covey_identity *id[2];
    if (id[1] == NULL) {
        uint8_t pub[COVEY_SIGN_PUBLIC_BYTES], secret[COVEY_SIGN_SECRET_BYTES];
        const uint8_t mesh_key[COVEY_KEY_BYTES] = {1};
        COVEY_ASSERT(covey_crypto_init() == COVEY_OK);
        covey_authority_keypair(pub, secret);
        for (int i = 0; i < 2; i++) {
            COVEY_ASSERT(covey_identity_new("n", COVEY_TIER_EDGE, COVEY_TRUST_FULL, secret,
                                            mesh_key, 1, &id[i]) == COVEY_OK);
        }
    }
    return id[which];
}

#endif /* COVEY_SIM_FUZZ_MEMBER_H */
