/* SPDX-License-Identifier: MIT */
#include "channel_fixture.h"

#include <stdio.h>
#include <stdlib.h>

struct covey_addr fixture_loopback(uint16_t port)
{
    struct covey_addr a = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = port};
    return a;
}

const struct covey_node_id *fixture_id(const struct fixture *f, size_t index)
{
    return &f->nodes[index].identity->cert.node;
}

static uint8_t pattern(uint8_t tag, size_t i)
{
    return (uint8_t)(tag + i * 7 + (i >> 8) * 13 + (i >> 16));
}

struct covey_body *fixture_body(uint8_t tag, size_t len)
{
    struct covey_body *b = NULL;
    assert_int_equal(covey_body_new(len, &b), COVEY_OK);
    for (size_t i = 0; i < len; i++) {
        b->data[i] = pattern(tag, i);
    }
    return b;
}

static bool body_is_right(uint8_t tag, const struct covey_body *b)
{
    for (size_t i = 0; i < b->len; i++) {
        if (b->data[i] != pattern(tag, i)) {
            return false;
        }
    }
    return (uintptr_t)b->data % 64 == 0;
}

static void on_up(void *user, const struct covey_cert *peer, struct covey_bytes cert_wire,
                  const struct covey_addr *from)
{
    struct fixture_node *n = user;
    assert_true(cert_wire.len > 0 && from->port != 0);
    n->ups++;
    if (n->greet) {
        covey_err err = covey_channels_send(n->channels, &peer->node, covey_bytes_of("g", 1), NULL);
        assert_int_equal(err, COVEY_OK);
    }
}

static void on_down(void *user, const struct covey_node_id *peer, covey_err why)
{
    (void)peer;
    struct fixture_node *n = user;
    n->downs++;
    n->last_down = why;
}

static void on_dial_failed(void *user, const struct covey_addr *to, covey_err why)
{
    (void)to;
    struct fixture_node *n = user;
    n->failed++;
    n->last_failed = why;
}

static void on_stalled(void *user, const struct covey_node_id *peer)
{
    struct fixture_node *n = user;
    assert_non_null(peer);
    n->stalled++;
}

static void on_message(void *user, const struct covey_node_id *peer, struct covey_bytes control,
                       struct covey_body *take_body)
{
    struct fixture_node *n = user;
    assert_true(n->ups > n->downs);
    assert_true(n->count < FIXTURE_KEPT);
    struct fixture_message *m = &n->messages[n->count++];
    m->control_len = control.len;
    m->tag = control.len > 0 ? control.ptr[0] : 0;
    m->has_body = take_body != NULL;
    m->body_len = take_body == NULL ? 0 : take_body->len;
    m->body_right = take_body == NULL || body_is_right(m->tag, take_body);
    if (n->echo) {
        covey_err err = covey_channels_send(n->channels, peer, control, take_body);
        assert_int_equal(err, COVEY_OK);
    }
    covey_body_unref(take_body);
    if (n->close_on_message) {
        covey_channels_close(n->channels);
        n->channels = NULL;
    }
}

static void on_log(void *user, const char *line)
{
    struct fixture_node *n = user;
    n->logs++;
    snprintf(n->last_log, sizeof(n->last_log), "%s", line);
}

void fixture_open(struct fixture *f, size_t index)
{
    struct fixture_node *n = &f->nodes[index];
    struct covey_channels_config config = {.identity = n->identity,
                                           .interface = "lo",
                                           .port = 0,
                                           .user = n,
                                           .on_up = on_up,
                                           .on_down = on_down,
                                           .on_dial_failed = on_dial_failed,
                                           .on_message = on_message,
                                           .on_stalled = on_stalled,
                                           .on_log = on_log};
    char why[256] = "";
    covey_err err = covey_channels_open(f->loop, &config, &n->channels, why);
    if (err != COVEY_OK) {
        print_error("%s\n", why);
    }
    assert_int_equal(err, COVEY_OK);
}

static void on_poll(void *user)
{
    struct fixture *f = user;
    if (f->done(f) || covey_loop_now_ms(f->loop) >= f->until_ms) {
        covey_loop_stop(f->loop);
        return;
    }
    covey_timer_set(f->timer, covey_loop_now_ms(f->loop) + 2);
}

bool fixture_run(struct fixture *f, bool (*done)(const struct fixture *f), uint64_t bound_ms)
{
    f->done = done;
    f->until_ms = covey_loop_now_ms(f->loop) + bound_ms;
    covey_timer_set(f->timer, 0);
    covey_loop_run(f->loop);
    return done(f);
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    uint8_t pub[COVEY_SIGN_PUBLIC_BYTES];
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    covey_authority_keypair(pub, f->authority);
    covey_random(f->mesh_key, sizeof(f->mesh_key));
    assert_int_equal(covey_loop_new(&f->loop), COVEY_OK);
    assert_int_equal(covey_timer_new(f->loop, on_poll, f, &f->timer), COVEY_OK);
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        f->nodes[i].fixture = f;
        assert_int_equal(covey_identity_new(i == 0 ? "alpha" : "beta", COVEY_TIER_END,
                                            COVEY_TRUST_FULL, f->authority, f->mesh_key,
                                            covey_wall_s(), &f->nodes[i].identity),
                         COVEY_OK);
    }
    /* Node 0 has the lesser id. */
    if (covey_node_id_compare(fixture_id(f, 0), fixture_id(f, 1)) > 0) {
        struct covey_identity *swap = f->nodes[0].identity;
        f->nodes[0].identity = f->nodes[1].identity;
        f->nodes[1].identity = swap;
    }
    fixture_open(f, 0);
    fixture_open(f, 1);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < FIXTURE_NODES; i++) {
        covey_channels_close(f->nodes[i].channels);
    }
    covey_timer_free(f->timer);
    covey_loop_free(f->loop);
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        covey_identity_free(f->nodes[i].identity);
    }
    free(f);
    return 0;
}

void fixture_dial(struct fixture *f, size_t from, size_t to)
{
    struct covey_addr addr = fixture_loopback(covey_channels_port(f->nodes[to].channels));
    covey_channels_dial(f->nodes[from].channels, &addr, fixture_id(f, to));
}

bool fixture_both_up(const struct fixture *f)
{
    return f->nodes[0].ups > 0 && f->nodes[1].ups > 0;
}

bool fixture_never(const struct fixture *f)
{
    (void)f;
    return false;
}

void fixture_connect(struct fixture *f)
{
    fixture_dial(f, 0, 1);
    assert_true(fixture_run(f, fixture_both_up, FIXTURE_WAIT_MS));
}

covey_err fixture_send(struct fixture *f, size_t from, uint8_t tag, size_t control_len,
                       size_t body_len)
{
    uint8_t *control = malloc(control_len + 1);
    assert_non_null(control);
    memset(control, tag, control_len + 1);
    struct covey_body *body = body_len == SIZE_MAX ? NULL : fixture_body(tag, body_len);
    covey_err err = covey_channels_send(f->nodes[from].channels, fixture_id(f, 1 - from),
                                        covey_bytes_of(control, control_len), body);
    covey_body_unref(body);
    free(control);
    return err;
}
