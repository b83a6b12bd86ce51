/* SPDX-License-Identifier: MIT
 *
 * test_channels_member.c - what a member that seals what it likes can make a node do.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel_fixture.h"
#include "channels_internal.h"

enum { MEMBER = 2, STEP_MS = 1 };

/* One connection of the member, without any of what a node keeps to. */
struct wire {
    int fd;
    struct covey_handshake handshake;
    struct covey_sealer send, receive;
    uint8_t in[4096];
    size_t in_len;
};

static struct sockaddr_in loopback4(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void make_member(struct fixture *f)
{
    f->nodes[MEMBER].fixture = f;
    assert_int_equal(covey_identity_new("gamma", COVEY_TIER_END, COVEY_TRUST_NONE, f->authority,
                                        f->mesh_key, covey_wall_s(), &f->nodes[MEMBER].identity),
                     COVEY_OK);
}

static int member_teardown(void **state)
{
    struct fixture *f = *state;
    struct covey_identity *member = f->nodes[MEMBER].identity;
    int rc = fixture_teardown(state);
    covey_identity_free(member);
    return rc;
}

/* With little room in front of it, so that it is soon full when nothing is read. */
static int small_socket(void)
{
    int small = 4096;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    return fd;
}

/* False: it was hung up. */
static bool read_more(struct wire *w)
{
    ssize_t n = recv(w->fd, w->in + w->in_len, sizeof(w->in) - w->in_len, MSG_DONTWAIT);
    w->in_len += n > 0 ? (size_t)n : 0;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

/* Both handshakes go on until this one is done. False: it was hung up before. */
static bool shake_hands(struct fixture *f, struct wire *w, bool dialled)
{
    covey_handshake_init(&w->handshake, dialled, f->nodes[MEMBER].identity, NULL);
    w->in_len = 0;
    for (unsigned i = 0; i < FIXTURE_WAIT_MS / STEP_MS; i++) {
        uint8_t out[COVEY_HANDSHAKE_MAX + 2];
        size_t len = 0, used = 0;
        assert_int_equal(covey_handshake_step(&w->handshake, covey_bytes_of(w->in, w->in_len),
                                              covey_wall_s(), (struct covey_buf){out, sizeof(out)},
                                              &len, &used),
                         COVEY_OK);
        memmove(w->in, w->in + used, w->in_len -= used);
        assert_int_equal(send(w->fd, out, len, MSG_NOSIGNAL), (ssize_t)len);
        if (w->handshake.state == COVEY_HANDSHAKE_DONE) {
            assert_int_equal(covey_handshake_finish(&w->handshake, &w->send, &w->receive),
                             COVEY_OK);
            covey_handshake_done(&w->handshake);
            return true;
        }
        (void)fixture_run(f, fixture_never, STEP_MS);
        if (!read_more(w)) {
            break;
        }
    }
    covey_handshake_done(&w->handshake);
    return false;
}

static bool dial(struct fixture *f, struct wire *w)
{
    struct sockaddr_in to = loopback4(covey_channels_port(f->nodes[1].channels));
    w->fd = small_socket();
    assert_int_equal(connect(w->fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return shake_hands(f, w, true);
}

/* Node 1 dials the member. */
static void be_dialled(struct fixture *f, struct wire *w)
{
    struct sockaddr_in at = loopback4(0);
    socklen_t len = sizeof(at);
    int listener = small_socket();
    assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    struct covey_addr to = fixture_loopback(ntohs(at.sin_port));
    covey_channels_dial(f->nodes[1].channels, &to, fixture_id(f, MEMBER));
    w->fd = accept(listener, NULL, NULL);
    assert_true(w->fd >= 0);
    close(listener);
    assert_true(shake_hands(f, w, false));
}

static void hang_up(struct wire *w)
{
    covey_sealer_done(&w->send);
    covey_sealer_done(&w->receive);
    close(w->fd);
}

/* So many control records of nothing but these flags; the node reads meanwhile, for as long as it
 * does. How many went out. */
static unsigned send_flags(struct fixture *f, struct wire *w, uint8_t flags, unsigned count)
{
    enum { AT_ONCE = 256, TRIES = 100 };
    static uint8_t out[AT_ONCE * (COVEY__FRAME_HEAD + COVEY_RECORD_OVERHEAD)];
    const uint8_t plain[COVEY__FRAME_HEAD] = {flags};
    unsigned sent = 0;
    for (bool on = true; on && sent < count; sent += AT_ONCE) {
        size_t len = 0;
        for (unsigned i = 0; i < AT_ONCE; i++) {
            size_t n = 0;
            assert_int_equal(covey_record_seal(&w->send, COVEY_RECORD_CONTROL, 0,
                                               covey_bytes_of(plain, sizeof(plain)),
                                               (struct covey_buf){out + len, sizeof(out) - len},
                                               &n),
                             COVEY_OK);
            len += n;
        }
        unsigned tries = 0;
        for (size_t at = 0; at < len && tries < TRIES; tries++) {
            ssize_t n = send(w->fd, out + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
            at += n > 0 ? (size_t)n : 0;
            tries = n > 0 ? 0 : tries;
            (void)fixture_run(f, fixture_never, STEP_MS);
        }
        on = tries < TRIES;
    }
    return sent;
}

/* A member that pings without end and reads no answer has one that waits for it. */
static void test_member_pings_and_reads_nothing(void **state)
{
    enum { PINGS = 60000, WAITING_MAX = 2 };
    struct fixture *f = *state;
    static struct wire w;
    make_member(f);
    assert_true(dial(f, &w));
    assert_true(send_flags(f, &w, COVEY__FRAME_PING, PINGS) >= PINGS);
    const struct covey__stream *s = f->nodes[1].channels->streams;
    assert_non_null(s);
    assert_int_equal(s->state, COVEY__STREAM_OPEN);
    unsigned waiting = 0;
    for (const struct covey__out_message *m = s->sender.control.first; m != NULL; m = m->next) {
        waiting++;
    }
    assert_in_range(waiting, 0, WAITING_MAX);
    hang_up(&w);
}

/* A member that opens channel after channel is let in as often as its address may, though each of
 * its handshakes is good. */
static void test_member_comes_again_and_again(void **state)
{
    enum { FOR_MS = 1500, MOST = 5 + 5 + 20 * FOR_MS / 1000 + 5 };
    struct fixture *f = *state;
    static struct wire w;
    make_member(f);
    uint64_t end_ms = covey_loop_now_ms(f->loop) + FOR_MS;
    while (covey_loop_now_ms(f->loop) < end_ms) {
        if (dial(f, &w)) {
            (void)fixture_run(f, fixture_never, STEP_MS);
            hang_up(&w);
        } else {
            close(w.fd);
        }
    }
    assert_in_range(f->nodes[1].ups, 5, MOST);
}

/* Of two mutual dials a member leaves the older open, and sends nothing but empty messages on the
 * other: they wait for the end of the older, and take no more than their share of memory. */
static void test_member_never_ends_the_other_dial(void **state)
{
    enum { EMPTY = 60000 };
    struct fixture *f = *state;
    static struct wire ours, theirs;
    make_member(f);
    bool greater = covey_node_id_compare(fixture_id(f, MEMBER), fixture_id(f, 1)) > 0;
    struct wire *kept = greater ? &ours : &theirs;
    assert_true(dial(f, &ours));
    be_dialled(f, &theirs);
    assert_true(send_flags(f, &theirs, COVEY__FRAME_PONG, 1) > 0);
    (void)send_flags(f, kept, 0, EMPTY);
    size_t held = 0;
    for (const struct covey__stream *s = f->nodes[1].channels->streams; s != NULL; s = s->next) {
        for (const struct covey__in_message *m = s->held_first; m != NULL; m = m->next) {
            held += sizeof(*m);
        }
    }
    assert_in_range(held, sizeof(struct covey__in_message),
                    COVEY__HELD_MAX + COVEY__RECEIVE_BUFFER * 4);
    hang_up(&ours);
    hang_up(&theirs);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, member_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_member_pings_and_reads_nothing),
        TEST(test_member_comes_again_and_again),
        TEST(test_member_never_ends_the_other_dial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
