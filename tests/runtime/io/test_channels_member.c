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

enum { MEMBER = 2, STEP_MS = 1, MIB = 1024 * 1024 };

/* Time that went by at once. */
static uint64_t skipped_ms;

uint64_t __real_covey_loop_now_ms(const struct covey_loop *loop);
uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop);
void __real_covey_timer_set(struct covey_timer *timer, uint64_t deadline_ms);
void __wrap_covey_timer_set(struct covey_timer *timer, uint64_t deadline_ms);

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop)
{
    return __real_covey_loop_now_ms(loop) + skipped_ms;
}

void __wrap_covey_timer_set(struct covey_timer *timer, uint64_t deadline_ms)
{
    bool past = deadline_ms < skipped_ms, never = deadline_ms == UINT64_MAX;
    __real_covey_timer_set(timer, past ? 0 : never ? UINT64_MAX : deadline_ms - skipped_ms);
}

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
    skipped_ms = 0;
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
static bool shake_hands(struct fixture *f, struct wire *w, bool dialled,
                        const struct covey_identity *identity)
{
    covey_handshake_init(&w->handshake, dialled, identity, NULL);
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

static bool dial_as(struct fixture *f, struct wire *w, const struct covey_identity *identity)
{
    struct sockaddr_in to = loopback4(covey_channels_port(f->nodes[1].channels));
    w->fd = small_socket();
    assert_int_equal(connect(w->fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return shake_hands(f, w, true, identity);
}

static bool dial(struct fixture *f, struct wire *w)
{
    return dial_as(f, w, f->nodes[MEMBER].identity);
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
    assert_true(shake_hands(f, w, false, f->nodes[MEMBER].identity));
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

/* Sends one record; false: it was hung up, or nothing is read. */
static bool send_record(struct fixture *f, struct wire *w, enum covey_record_kind kind,
                        uint16_t stream, struct covey_bytes plain)
{
    static uint8_t out[COVEY_RECORD_MAX + COVEY_RECORD_OVERHEAD];
    struct covey_buf room = {out, sizeof(out)};
    size_t len = 0;
    assert_int_equal(covey_record_seal(&w->send, kind, stream, plain, room, &len), COVEY_OK);
    for (unsigned tries = 0; len > 0 && tries < FIXTURE_WAIT_MS / STEP_MS; tries++) {
        ssize_t n = send(w->fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            return false;
        }
        len -= n > 0 ? (size_t)n : 0;
        memmove(out, out + (n > 0 ? n : 0), len);
        if (len > 0) {
            (void)fixture_run(f, fixture_never, STEP_MS);
        }
    }
    return len == 0;
}

static bool announce(struct fixture *f, struct wire *w, uint16_t stream, uint32_t body_len)
{
    uint8_t plain[COVEY__FRAME_HEAD] = {COVEY__FRAME_BODY};
    covey_store16(plain + 1, stream);
    covey_store32(plain + 3, body_len);
    return send_record(f, w, COVEY_RECORD_CONTROL, stream, covey_bytes_of(plain, sizeof(plain)));
}

/* len bytes of the stream's body, so many in a piece. */
static bool pour(struct fixture *f, struct wire *w, uint16_t stream, size_t len, size_t piece)
{
    static const uint8_t plain[COVEY_RECORD_MAX];
    bool on = true;
    for (; on && len > 0; len -= piece) {
        piece = piece < len ? piece : len;
        on = send_record(f, w, COVEY_RECORD_BODY, stream, covey_bytes_of(plain, piece));
    }
    return on;
}

/* What the second node holds of bodies that are not whole: counted, and said to be. */
static size_t unfinished(const struct fixture *f)
{
    const struct covey_channels *c = f->nodes[1].channels;
    size_t held = 0;
    for (const struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        bool on = s->state != COVEY__STREAM_CLOSING && !s->opening;
        for (unsigned i = 0; on && i < COVEY__FRAME_STREAMS_MAX; i++) {
            const struct covey__in_stream *in = &s->receiver.streams[i];
            held += in->open ? in->message->body->len : 0;
        }
    }
    return held;
}

static size_t wanted;

static bool has_ended(const struct fixture *f)
{
    return f->nodes[1].downs == wanted;
}

static bool holds_wanted(const struct fixture *f)
{
    const struct covey_channels *c = f->nodes[1].channels;
    assert_true(c->unfinished <= c->config.unfinished_bytes);
    return unfinished(f) == wanted && c->unfinished == wanted;
}

static void expect_held(struct fixture *f, size_t bytes)
{
    wanted = bytes;
    assert_true(fixture_run(f, holds_wanted, FIXTURE_WAIT_MS));
}

static size_t wanted_count = 1;

static bool has_whole(const struct fixture *f)
{
    return f->nodes[1].count >= wanted_count;
}

/* A body of the first node that is made, and sent, a part at a time. */
static struct covey_body *slow_body(struct fixture *f, uint8_t tag, size_t len, size_t first)
{
    struct covey_body *b = fixture_body(tag, len);
    covey_body_make_ready(b, first);
    assert_int_equal(
        covey_channels_send(f->nodes[0].channels, fixture_id(f, 1), covey_bytes_of(&tag, 1), b),
        COVEY_OK);
    return b;
}

static void more_of(struct fixture *f, struct covey_body *b, size_t ready)
{
    covey_body_make_ready(b, ready);
    covey_channels_wake(f->nodes[0].channels);
}

/* A member that begins messages and finishes none may hold what there is for that, and loses its
 * channel beyond it, again and again; the log says it once. A slow body of another, that has less,
 * comes through. */
static void test_member_finishes_nothing(void **state)
{
    enum { ALL = 8 * MIB, SLOW = 2 * MIB, TIMES = 3, PORTS = 4 };
    struct fixture *f = *state;
    static struct wire w;
    make_member(f);
    fixture_connect(f);
    f->nodes[1].channels->config.unfinished_bytes = ALL;
    struct covey_body *slow = slow_body(f, 5, SLOW, MIB);
    expect_held(f, MIB);
    for (unsigned times = 0; times < TIMES; times++) {
        bool on = dial(f, &w);
        assert_true(on);
        for (uint16_t i = 0; on && i < PORTS; i++) {
            on = announce(f, &w, i, 4 * MIB) && pour(f, &w, i, 4 * MIB - 1, COVEY_RECORD_MAX);
        }
        assert_false(on);
        hang_up(&w);
        expect_held(f, MIB);
    }
    assert_int_equal(f->nodes[1].logs, 1);
    assert_non_null(strstr(f->nodes[1].last_log, "gamma: channel ended, its unfinished"));
    more_of(f, slow, COVEY_BODY_WHOLE);
    assert_true(fixture_run(f, has_whole, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[1].messages[0].body_len, SLOW);
    assert_true(f->nodes[1].messages[0].body_right);
    expect_held(f, 0);
    assert_int_equal(f->nodes[0].downs, 0);
    covey_body_unref(slow);
}

/* Of those that hold more than an equal share the one that lets its body lie has to go, also if it
 * puts a byte to it now and then and another holds more; who holds little may wait. */
static void test_member_waits_longest(void **state)
{
    enum { ALL = 8 * MIB, LEFT = 7 * MIB / 2, SLOW = 5 * MIB, MINUTE_MS = 60 * 1000 };
    struct fixture *f = *state;
    static struct wire w, little;
    struct covey_identity *delta = NULL;
    make_member(f);
    assert_int_equal(covey_identity_new("delta", COVEY_TIER_END, COVEY_TRUST_NONE, f->authority,
                                        f->mesh_key, covey_wall_s(), &delta),
                     COVEY_OK);
    fixture_connect(f);
    f->nodes[1].channels->config.unfinished_bytes = ALL;
    assert_true(dial_as(f, &little, delta) && dial(f, &w));
    assert_true(announce(f, &little, 1, MIB) && pour(f, &little, 1, 10, 10));
    assert_true(announce(f, &w, 1, 2 * LEFT) && pour(f, &w, 1, LEFT, COVEY_RECORD_MAX));
    expect_held(f, LEFT + 10);
    struct covey_body *slow = slow_body(f, 5, SLOW, 3 * MIB);
    expect_held(f, LEFT + 10 + 3 * MIB);
    skipped_ms += MINUTE_MS;
    more_of(f, slow, 3 * MIB + COVEY_RECORD_MAX);
    assert_true(pour(f, &w, 1, 10, 1));
    expect_held(f, LEFT + 20 + 3 * MIB + COVEY_RECORD_MAX);
    more_of(f, slow, SLOW - 1);
    expect_held(f, SLOW - COVEY_RECORD_MAX + 10);
    assert_non_null(strstr(f->nodes[1].last_log, "gamma: channel ended, its unfinished"));
    more_of(f, slow, COVEY_BODY_WHOLE);
    assert_true(fixture_run(f, has_whole, FIXTURE_WAIT_MS));
    assert_true(f->nodes[1].messages[0].body_right);
    assert_int_equal(f->nodes[0].downs, 0);
    covey_body_unref(slow);
    hang_up(&w);
    hang_up(&little);
    covey_identity_free(delta);
}

/* A link of one piece in nineteen minutes is slow; a body that does not get so much has been
 * left. */
static void test_member_leaves_a_body(void **state)
{
    enum { PIECES = 3, MINUTE_MS = 60 * 1000 };
    struct fixture *f = *state;
    static struct wire w;
    make_member(f);
    fixture_connect(f);
    struct covey_channels *c = f->nodes[1].channels;
    c->config.unfinished_bytes = MIB;
    assert_true(dial(f, &w));
    assert_true(announce(f, &w, 1, MIB));
    struct covey_body *slow = slow_body(f, 5, PIECES * COVEY_RECORD_MAX, COVEY_RECORD_MAX);
    expect_held(f, COVEY_RECORD_MAX);
    for (size_t i = 2; i <= PIECES; i++) {
        skipped_ms += 19 * MINUTE_MS;
        covey_channels_look(c);
        assert_int_equal(f->nodes[1].logs, i > 2);
        if (i == 2) {
            assert_true(pour(f, &w, 1, 10, 1));
            expect_held(f, COVEY_RECORD_MAX + 10);
        }
        more_of(f, slow, i < PIECES ? i * COVEY_RECORD_MAX : COVEY_BODY_WHOLE);
        if (i < PIECES) {
            expect_held(f, i * COVEY_RECORD_MAX + 10);
        }
    }
    assert_non_null(
        strstr(f->nodes[1].last_log, "gamma: channel ended, an unfinished message stood still"));
    assert_true(fixture_run(f, has_whole, FIXTURE_WAIT_MS));
    assert_true(f->nodes[1].messages[0].body_right);
    expect_held(f, 0);
    assert_int_equal(f->nodes[0].downs, 0);
    covey_body_unref(slow);
    hang_up(&w);
}

/* Bodies that are longer than all that may be held are let pass by, and said once; what another
 * sends meanwhile comes through, and no channel ends. */
static void test_member_sends_what_is_too_long(void **state)
{
    enum { ALL = MIB, TIMES = 3, SLOW = MIB };
    struct fixture *f = *state;
    static struct wire w;
    make_member(f);
    fixture_connect(f);
    f->nodes[1].channels->config.unfinished_bytes = ALL;
    assert_true(dial(f, &w));
    struct covey_body *slow = slow_body(f, 5, SLOW, SLOW / 2);
    expect_held(f, SLOW / 2);
    for (wanted_count = 1; wanted_count <= TIMES; wanted_count++) {
        assert_true(announce(f, &w, 1, ALL + 1));
        assert_true(pour(f, &w, 1, ALL + 1, COVEY_RECORD_MAX));
        assert_true(fixture_run(f, has_whole, FIXTURE_WAIT_MS));
        assert_int_equal(f->nodes[1].messages[wanted_count - 1].body_len, 0);
        assert_int_equal(f->nodes[1].channels->unfinished, SLOW / 2);
    }
    assert_int_equal(f->nodes[1].logs, 1);
    assert_non_null(strstr(f->nodes[1].last_log, "gamma: message without its body"));
    more_of(f, slow, COVEY_BODY_WHOLE);
    assert_true(fixture_run(f, has_whole, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[1].messages[TIMES].body_len, SLOW);
    assert_true(f->nodes[1].messages[TIMES].body_right);
    assert_int_equal(f->nodes[0].downs + f->nodes[1].downs, 0);
    wanted_count = 1;
    covey_body_unref(slow);
    hang_up(&w);
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

/* A member whose channels all end by a bad record is named in the log some times, then seldom. */
static void test_member_fills_no_log(void **state)
{
    enum { UNKNOWN = 0x40 };
    struct fixture *f = *state;
    static struct wire w;
    make_member(f);
    for (unsigned i = 1; i <= COVEY__MEMBER_LINES + 8; i++) {
        skipped_ms += 1000; /* so that its address may come again */
        assert_true(dial(f, &w));
        (void)send_flags(f, &w, UNKNOWN, 1);
        hang_up(&w);
        wanted = i;
        assert_true(fixture_run(f, has_ended, FIXTURE_WAIT_MS));
        assert_int_equal(f->nodes[1].logs, i < COVEY__MEMBER_LINES ? i : COVEY__MEMBER_LINES);
    }
    assert_non_null(strstr(f->nodes[1].last_log, "gamma: channel ended by a bad record"));
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
        TEST(test_member_fills_no_log),
        TEST(test_member_never_ends_the_other_dial),
        TEST(test_member_finishes_nothing),
        TEST(test_member_waits_longest),
        TEST(test_member_leaves_a_body),
        TEST(test_member_sends_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
