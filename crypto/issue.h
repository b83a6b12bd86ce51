/* SPDX-License-Identifier: MIT
 *
 * issue.h - making a device's keys and its certificate in memory; private to crypto.
 */
#ifndef COVEY_ISSUE_H
#define COVEY_ISSUE_H

#include "covey/identity.h"

struct covey__issue {
    const char *name;
    enum covey_tier tier;
    enum covey_trust trust;
    uint64_t not_before_s, not_after_s, serial;
};

/* RANGE for a name or dates that no certificate may carry. */
covey_err covey__identity_issue(const struct covey__issue *issue,
                                const uint8_t authority_secret[static COVEY_SIGN_SECRET_BYTES],
                                const uint8_t mesh_key[static COVEY_KEY_BYTES],
                                struct covey_identity **out) COVEY_CHECK;

enum { COVEY__DEVICE_KEY_BYTES = COVEY_SIGN_SECRET_BYTES + 2 * COVEY_KEY_BYTES };

#endif /* COVEY_ISSUE_H */
