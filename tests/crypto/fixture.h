/* SPDX-License-Identifier: MIT
 *
 * fixture.h - a mesh in memory, for the tests of crypto.
 */
#ifndef COVEY_TESTS_CRYPTO_FIXTURE_H
#define COVEY_TESTS_CRYPTO_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covey/channel.h"
#include "covey/datagram.h"

enum { NOW_S = 1800000000 };

struct mesh {
    uint8_t authority_public[COVEY_SIGN_PUBLIC_BYTES];
    uint8_t authority_secret[COVEY_SIGN_SECRET_BYTES];
    uint8_t mesh_key[COVEY_KEY_BYTES];
};

void mesh_init(struct mesh *m);
struct covey_identity *mesh_device(const struct mesh *m, const char *name);

/* The same device, started again: other boot nonce, next boot counter. */
struct covey_identity *device_restart(const struct covey_identity *id);

/* Two ends of a handshake and the bytes between them. */
struct dial {
    struct covey_handshake dialler, acceptor;
    uint8_t to_acceptor[2048], to_dialler[2048];
    size_t to_acceptor_len, to_dialler_len;
};

void dial_init(struct dial *d, const struct covey_identity *dialler,
               const struct covey_identity *acceptor, const struct covey_node_id *expected);
/* Hands one side what waits for it; its answer waits for the other. */
covey_err dial_step_acceptor(struct dial *d);
covey_err dial_step_dialler(struct dial *d);
/* Until both are done or one fails. */
covey_err dial_run(struct dial *d);
void dial_done(struct dial *d);

#endif /* COVEY_TESTS_CRYPTO_FIXTURE_H */
