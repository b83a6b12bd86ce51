/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel_fixture.h"

/* A man in the middle: passes bytes both ways, flips one bit of one direction, can hang up. */
struct relay {
    int listener, sides[2]; /* of the dialler, of the acceptor */
    uint16_t port, target;
    pthread_t thread;
    int direction;   /* whose bytes are bent: 0 the dialler's, 1 the acceptor's */
    uint64_t offset; /* of the byte, UINT64_MAX: none */
    uint64_t passed[2];
    atomic_bool stop, hang_up, reset;
};

static struct sockaddr_in loopback4(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = loopback4(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* False when a side has ended. */
static bool pass(struct relay *r, int from)
{
    uint8_t bytes[4096];
    ssize_t n = recv(r->sides[from], bytes, sizeof(bytes), 0);
    if (n <= 0) {
        return false;
    }
    if (from == r->direction && r->offset >= r->passed[from] &&
        r->offset < r->passed[from] + (uint64_t)n) {
        bytes[r->offset - r->passed[from]] ^= 0x10;
    }
    r->passed[from] += (uint64_t)n;
    for (ssize_t sent = 0; sent < n;) {
        ssize_t k = send(r->sides[1 - from], bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL);
        if (k <= 0) {
            return false;
        }
        sent += k;
    }
    return true;
}

static void *relay_run(void *user)
{
    struct relay *r = user;
    struct pollfd wait = {.fd = r->listener, .events = POLLIN};
    while (!r->stop && poll(&wait, 1, 10) == 0) {
    }
    if (r->stop) {
        return NULL;
    }
    r->sides[0] = accept(r->listener, NULL, NULL);
    r->sides[1] = connect_to(r->target);
    bool on = r->sides[0] >= 0 && r->sides[1] >= 0;
    while (on && !r->stop && !r->hang_up) {
        struct pollfd p[2] = {{.fd = r->sides[0], .events = POLLIN},
                              {.fd = r->sides[1], .events = POLLIN}};
        if (poll(p, 2, 10) > 0) {
            on = (p[0].revents == 0 || pass(r, 0)) && (p[1].revents == 0 || pass(r, 1));
        }
    }
    for (int i = 0; i < 2; i++) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        if (r->reset) {
            (void)!setsockopt(r->sides[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        }
        close(r->sides[i]);
    }
    return NULL;
}

static void relay_start(struct relay *r, uint16_t target, int direction, uint64_t offset)
{
    memset(r, 0, sizeof(*r));
    r->target = target;
    r->direction = direction;
    r->offset = offset;
    struct sockaddr_in at = loopback4(0);
    socklen_t len = sizeof(at);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->listener, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(r->listener, 4), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&at, &len), 0);
    r->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&r->thread, NULL, relay_run, r), 0);
}

static void relay_stop(struct relay *r)
{
    r->stop = true;
    pthread_join(r->thread, NULL);
    close(r->listener);
}

static void dial_relay(struct fixture *f, const struct relay *r)
{
    struct covey_addr to = fixture_loopback(r->port);
    covey_channels_dial(f->nodes[0].channels, &to, fixture_id(f, 1));
}

static bool both_ended(const struct fixture *f)
{
    bool dialler = f->nodes[0].failed > 0 || f->nodes[0].downs > 0;
    bool acceptor = f->nodes[1].ups == f->nodes[1].downs;
    return dialler && acceptor;
}

static bool up_or_ended(const struct fixture *f)
{
    return f->nodes[0].ups > 0 || both_ended(f);
}

/* Bytes go in both directions until the one that is bent was reached. */
static void chatter(struct fixture *f)
{
    assert_true(fixture_run(f, up_or_ended, FIXTURE_WAIT_MS));
    for (int i = 0; i < 400 && !both_ended(f); i++) {
        for (size_t from = 0; from < 2; from++) {
            covey_err err = fixture_send(f, from, (uint8_t)i, 10, i % 4 == 0 ? 40000 : SIZE_MAX);
            assert_true(err == COVEY_OK || err == COVEY_ERR_CLOSED);
        }
        (void)fixture_run(f, both_ended, 8);
    }
    assert_true(fixture_run(f, both_ended, FIXTURE_WAIT_MS));
}

/* One bit flipped anywhere on the way, in handshake or record, in length, header or ciphertext:
 * both sides end the channel, the one that saw it says so, and nothing wrong is ever delivered. */
static void test_hostile_bit_is_flipped(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int direction;
        uint64_t offset;
    } cases[] = {{0, 0},   {0, 4},    {0, 5},    {0, 10},   {0, 30},    {0, 54},     {0, 60},
                 {0, 120}, {0, 200},  {0, 700},  {0, 3000}, {0, 30000}, {0, 100000}, {1, 0},
                 {1, 16},  {1, 17},   {1, 20},   {1, 80},   {1, 300},   {1, 500},    {1, 520},
                 {1, 900}, {1, 1500}, {1, 5000}, {1, 50000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct relay r;
        for (size_t at = 0; at < 2; at++) {
            struct fixture_node *n = &f->nodes[at];
            n->ups = n->downs = n->failed = n->logs = 0;
            n->count = 0;
        }
        relay_start(&r, covey_channels_port(f->nodes[1].channels), cases[i].direction,
                    cases[i].offset);
        dial_relay(f, &r);
        chatter(f);
        relay_stop(&r);
        assert_true(r.passed[cases[i].direction] > cases[i].offset);
        if (f->nodes[0].logs + f->nodes[1].logs == 0) {
            print_error("no line for byte %u of direction %d\n", (unsigned)cases[i].offset,
                        cases[i].direction);
        }
        assert_true(f->nodes[0].logs + f->nodes[1].logs > 0);
        for (size_t at = 0; at < 2; at++) {
            for (size_t k = 0; k < f->nodes[at].count; k++) {
                assert_true(f->nodes[at].messages[k].body_right);
                assert_int_equal(f->nodes[at].messages[k].control_len, 10);
            }
        }
    }
}

/* A record bent in its ciphertext ends the channel with AUTH, and the line names the peer. */
static void test_hostile_bent_record_is_named(void **state)
{
    struct fixture *f = *state;
    struct relay r;
    relay_start(&r, covey_channels_port(f->nodes[1].channels), 0, 1200);
    dial_relay(f, &r);
    assert_true(fixture_run(f, fixture_both_up, FIXTURE_WAIT_MS));
    assert_int_equal(fixture_send(f, 0, 1, 4000, SIZE_MAX), COVEY_OK);
    assert_true(fixture_run(f, both_ended, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[1].last_down, COVEY_ERR_AUTH);
    assert_non_null(strstr(f->nodes[1].last_log, f->nodes[0].identity->cert.name));
    assert_non_null(strstr(f->nodes[1].last_log, covey_strerror(COVEY_ERR_AUTH)));
    relay_stop(&r);
}

/* A peer that vanishes, with a reset or without a word, is told down on both sides. */
static void test_hostile_peer_vanishes(void **state)
{
    struct fixture *f = *state;
    for (int reset = 0; reset < 2; reset++) {
        struct relay r;
        relay_start(&r, covey_channels_port(f->nodes[1].channels), 0, UINT64_MAX);
        dial_relay(f, &r);
        f->nodes[0].ups = f->nodes[1].ups = 0;
        f->nodes[0].downs = f->nodes[1].downs = 0;
        assert_true(fixture_run(f, fixture_both_up, FIXTURE_WAIT_MS));
        assert_int_equal(fixture_send(f, 0, 1, 8, 8 * 1024 * 1024), COVEY_OK);
        r.reset = reset == 1;
        r.hang_up = true;
        assert_true(fixture_run(f, both_ended, FIXTURE_WAIT_MS));
        assert_int_equal(f->nodes[0].downs, 1);
        assert_int_equal(f->nodes[1].downs, 1);
        relay_stop(&r);
    }
}

static bool zero_failed(const struct fixture *f)
{
    return f->nodes[0].failed > 0;
}

static bool zero_and_two_failed(const struct fixture *f)
{
    return f->nodes[0].failed > 0 && f->nodes[2].failed > 0;
}

/* Replaces node 0's identity by a stranger's and dials node 1; neither ever comes up. */
static void stranger_dials(struct fixture *f, const uint8_t *authority, const uint8_t *mesh_key,
                           uint64_t enrolled_s)
{
    struct fixture_node *n = &f->nodes[2];
    assert_int_equal(covey_identity_new("stranger", COVEY_TIER_END, COVEY_TRUST_FULL, authority,
                                        mesh_key, enrolled_s, &n->identity),
                     COVEY_OK);
    fixture_open(f, 2);
    struct covey_addr to = fixture_loopback(covey_channels_port(f->nodes[1].channels));
    covey_channels_dial(n->channels, &to, fixture_id(f, 1));
    struct covey_addr back = fixture_loopback(covey_channels_port(n->channels));
    covey_channels_dial(f->nodes[0].channels, &back, NULL);
    assert_true(fixture_run(f, zero_and_two_failed, FIXTURE_WAIT_MS));
    (void)fixture_run(f, fixture_never, 100);
    assert_int_equal(n->failed, 1);
    for (size_t i = 0; i < FIXTURE_NODES; i++) {
        assert_int_equal(f->nodes[i].ups, 0);
        assert_int_equal(f->nodes[i].downs, 0);
    }
    covey_channels_close(n->channels);
    n->channels = NULL;
    (void)fixture_run(f, fixture_never, 10);
    covey_identity_free(n->identity);
}

/* A device of another authority never comes up, in either direction. */
static void test_hostile_other_authority(void **state)
{
    struct fixture *f = *state;
    uint8_t pub[COVEY_SIGN_PUBLIC_BYTES], secret[COVEY_SIGN_SECRET_BYTES];
    covey_authority_keypair(pub, secret);
    stranger_dials(f, secret, f->mesh_key, covey_wall_s());
    assert_true(f->nodes[0].logs + f->nodes[2].logs > 0);
}

/* A device without the mesh key never comes up. */
static void test_hostile_other_mesh_key(void **state)
{
    struct fixture *f = *state;
    uint8_t key[COVEY_KEY_BYTES];
    covey_random(key, sizeof(key));
    stranger_dials(f, f->authority, key, covey_wall_s());
    assert_true(f->nodes[1].logs > 0);
}

/* A dial that expects another member than the one that answers fails. */
static void test_hostile_unexpected_member(void **state)
{
    struct fixture *f = *state;
    struct covey_node_id other = {.bytes = {1, 2, 3}};
    struct covey_addr to = fixture_loopback(covey_channels_port(f->nodes[1].channels));
    covey_channels_dial(f->nodes[0].channels, &to, &other);
    assert_true(fixture_run(f, zero_failed, FIXTURE_WAIT_MS));
    (void)fixture_run(f, fixture_never, 50);
    assert_int_equal(f->nodes[0].last_failed, COVEY_ERR_AUTH);
    assert_int_equal(f->nodes[1].ups, 0);
}

/* How many of the connections are still open at the other end. */
static unsigned count_open(const int *fds, unsigned count)
{
    unsigned open = 0;
    for (unsigned i = 0; i < count; i++) {
        uint8_t bytes[64];
        ssize_t n;
        do {
            n = recv(fds[i], bytes, sizeof(bytes), MSG_DONTWAIT);
        } while (n > 0);
        open += n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
    return open;
}

/* Soon no more of them are open. */
static void expect_open(struct fixture *f, const int *fds, unsigned count, unsigned most)
{
    enum { STEP_MS = 50 };
    for (unsigned i = 0; count_open(fds, count) > most; i++) {
        assert_true(i < FIXTURE_WAIT_MS / STEP_MS);
        (void)fixture_run(f, fixture_never, STEP_MS);
    }
}

/* Connections that never speak are held to a bound and end by themselves; a member still gets in.
 */
static void test_hostile_half_open_flood(void **state)
{
    enum { FLOOD = 150, KEPT_MAX = 32 };
    struct fixture *f = *state;
    int fds[FLOOD];
    for (unsigned i = 0; i < FLOOD; i++) {
        fds[i] = connect_to(covey_channels_port(f->nodes[1].channels));
        assert_true(fds[i] >= 0);
        (void)fixture_run(f, fixture_never, 1);
    }
    expect_open(f, fds, FLOOD, KEPT_MAX);
    expect_open(f, fds, FLOOD, 0);
    for (unsigned i = 0; i < FLOOD; i++) {
        close(fds[i]);
    }
    fixture_connect(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_hostile_bit_is_flipped),  TEST(test_hostile_bent_record_is_named),
        TEST(test_hostile_peer_vanishes),   TEST(test_hostile_other_authority),
        TEST(test_hostile_other_mesh_key),  TEST(test_hostile_unexpected_member),
        TEST(test_hostile_half_open_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
