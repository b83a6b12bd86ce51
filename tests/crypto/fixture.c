/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdlib.h>

void mesh_init(struct mesh *m)
{
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    covey_authority_keypair(m->authority_public, m->authority_secret);
    covey_random(m->mesh_key, sizeof(m->mesh_key));
}

struct covey_identity *mesh_device(const struct mesh *m, const char *name)
{
    struct covey_identity *id;
    assert_int_equal(covey_identity_new(name, COVEY_TIER_EDGE, COVEY_TRUST_FULL,
                                        m->authority_secret, m->mesh_key, NOW_S, &id),
                     COVEY_OK);
    return id;
}

struct covey_identity *device_restart(const struct covey_identity *id)
{
    struct mesh other;
    mesh_init(&other);
    struct covey_identity *again = mesh_device(&other, "x");
    uint8_t boot[COVEY_NONCE_BYTES];
    uint64_t *sessions = again->gossip_sessions;
    memcpy(boot, again->boot_nonce, sizeof(boot));
    *again = *id;
    memcpy(again->boot_nonce, boot, sizeof(boot));
    again->gossip_sessions = sessions;
    again->boot_counter++;
    return again;
}

void dial_init(struct dial *d, const struct covey_identity *dialler,
               const struct covey_identity *acceptor, const struct covey_node_id *expected)
{
    memset(d, 0, sizeof(*d));
    covey_handshake_init(&d->dialler, true, dialler, expected);
    covey_handshake_init(&d->acceptor, false, acceptor, NULL);
}

static covey_err step(struct covey_handshake *h, uint8_t *in, size_t *in_len, uint8_t *out,
                      size_t *out_len)
{
    uint8_t space[COVEY_HANDSHAKE_MAX + 2];
    size_t len, used;
    covey_err err = covey_handshake_step(h, covey_bytes_of(in, *in_len), NOW_S,
                                         (struct covey_buf){space, sizeof(space)}, &len, &used);
    memmove(in, in + used, *in_len - used);
    *in_len -= used;
    memcpy(out + *out_len, space, len);
    *out_len += len;
    return err;
}

covey_err dial_step_acceptor(struct dial *d)
{
    return step(&d->acceptor, d->to_acceptor, &d->to_acceptor_len, d->to_dialler,
                &d->to_dialler_len);
}

covey_err dial_step_dialler(struct dial *d)
{
    return step(&d->dialler, d->to_dialler, &d->to_dialler_len, d->to_acceptor,
                &d->to_acceptor_len);
}

covey_err dial_run(struct dial *d)
{
    for (int turn = 0; turn < 4; turn++) {
        if (d->acceptor.state == COVEY_HANDSHAKE_RUNNING) {
            covey_err err = dial_step_acceptor(d);
            if (err != COVEY_OK) {
                return err;
            }
        }
        if (d->dialler.state == COVEY_HANDSHAKE_RUNNING) {
            covey_err err = dial_step_dialler(d);
            if (err != COVEY_OK) {
                return err;
            }
        }
    }
    bool done =
        d->acceptor.state == COVEY_HANDSHAKE_DONE && d->dialler.state == COVEY_HANDSHAKE_DONE;
    return done ? COVEY_OK : COVEY_ERR_SHORT;
}

void dial_done(struct dial *d)
{
    covey_handshake_done(&d->dialler);
    covey_handshake_done(&d->acceptor);
}
