/* SPDX-License-Identifier: MIT */
#include "channel_fixture.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

static const size_t body_lens[] = {SIZE_MAX, 0, 1, 16 * KIB, 16 * KIB + 1, 5 * MIB, 100 * KIB};
enum { BODIES = sizeof(body_lens) / sizeof(body_lens[0]) };

static bool all_bodies_came(const struct fixture *f)
{
    return f->nodes[0].count >= BODIES && f->nodes[1].count >= BODIES;
}

/* Messages with bodies of all kinds of lengths cross in both directions at once, whole and right.
 */
static void test_channels_carry_bodies(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f);
    for (size_t i = 0; i < BODIES; i++) {
        for (size_t from = 0; from < 2; from++) {
            assert_int_equal(fixture_send(f, from, (uint8_t)(i + 1), i + 1, body_lens[i]),
                             COVEY_OK);
        }
    }
    assert_true(fixture_run(f, all_bodies_came, FIXTURE_WAIT_MS));
    for (size_t at = 0; at < 2; at++) {
        const struct fixture_node *n = &f->nodes[at];
        bool seen[BODIES + 1] = {false};
        for (size_t k = 0; k < n->count; k++) {
            const struct fixture_message *m = &n->messages[k];
            assert_in_range(m->tag, 1, BODIES);
            assert_false(seen[m->tag]);
            seen[m->tag] = true;
            size_t len = body_lens[m->tag - 1];
            assert_int_equal(m->control_len, m->tag);
            assert_int_equal(m->has_body, len != SIZE_MAX);
            assert_int_equal(m->body_len, len == SIZE_MAX ? 0 : len);
            assert_true(m->body_right);
        }
    }
}

static bool two_at_one(const struct fixture *f)
{
    return f->nodes[1].count >= 2;
}

/* A small control message sent after a body of 32 MiB is delivered before it. */
static void test_channels_control_overtakes_body(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f);
    assert_int_equal(fixture_send(f, 0, 1, 8, 32 * (size_t)MIB), COVEY_OK);
    assert_int_equal(fixture_send(f, 0, 2, 8, SIZE_MAX), COVEY_OK);
    assert_true(covey_channels_queued(f->nodes[0].channels, fixture_id(f, 1)) > 0);
    assert_true(fixture_run(f, two_at_one, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[1].messages[0].tag, 2);
    assert_int_equal(f->nodes[1].messages[1].tag, 1);
    assert_true(f->nodes[1].messages[1].body_right);
}

static bool three_at_one(const struct fixture *f)
{
    return f->nodes[1].count >= 3;
}

/* The largest control message and an empty one cross; a larger one is refused. */
static void test_channels_control_lengths(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f);
    assert_int_equal(fixture_send(f, 0, 3, COVEY_CONTROL_MAX, SIZE_MAX), COVEY_OK);
    assert_int_equal(fixture_send(f, 0, 4, 0, SIZE_MAX), COVEY_OK);
    assert_int_equal(fixture_send(f, 0, 5, COVEY_CONTROL_MAX, 3), COVEY_OK);
    assert_int_equal(fixture_send(f, 0, 6, (size_t)COVEY_CONTROL_MAX + 1, SIZE_MAX),
                     COVEY_ERR_LIMIT);
    assert_true(fixture_run(f, three_at_one, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[1].messages[0].control_len, COVEY_CONTROL_MAX);
    assert_int_equal(f->nodes[1].messages[1].control_len, 0);
    assert_int_equal(f->nodes[1].messages[2].control_len, COVEY_CONTROL_MAX);
}

static bool many_at_one(const struct fixture *f)
{
    return f->nodes[1].count >= 300;
}

/* More bodies at once than there are streams all arrive; control messages stay in order. */
static void test_channels_more_bodies_than_streams(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f);
    for (unsigned i = 0; i < 150; i++) {
        assert_int_equal(fixture_send(f, 0, (uint8_t)i, 1, 20 * (size_t)KIB + i), COVEY_OK);
        assert_int_equal(fixture_send(f, 0, (uint8_t)i, 2, SIZE_MAX), COVEY_OK);
    }
    assert_true(fixture_run(f, many_at_one, FIXTURE_WAIT_MS));
    unsigned next = 0;
    for (size_t k = 0; k < f->nodes[1].count; k++) {
        const struct fixture_message *m = &f->nodes[1].messages[k];
        assert_true(m->body_right);
        if (m->control_len == 2) {
            assert_int_equal(m->tag, next++);
        }
    }
    assert_int_equal(next, 150);
}

static bool drained(const struct fixture *f)
{
    return covey_channels_queued(f->nodes[0].channels, fixture_id(f, 1)) == 0;
}

/* The queue is bounded: BUSY above its limit, and it empties. */
static void test_channels_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f);
    struct covey_body *b = fixture_body(1, COVEY_BODY_MAX);
    covey_err err = COVEY_OK;
    unsigned sent = 0;
    while (err == COVEY_OK && sent < 10) {
        err =
            covey_channels_send(f->nodes[0].channels, fixture_id(f, 1), covey_bytes_of("x", 1), b);
        sent += err == COVEY_OK;
    }
    covey_body_unref(b);
    assert_int_equal(err, COVEY_ERR_BUSY);
    assert_in_range(sent, 3, 4);
    assert_true(fixture_run(f, drained, FIXTURE_WAIT_MS * 3));
}

static bool patient_came(const struct fixture *f)
{
    const struct fixture_node *to = &f->nodes[1];
    size_t large = 0;
    for (size_t i = 0; i < to->count; i++) {
        large += to->messages[i].tag == 3;
    }
    if (large < 4 && to->count < FIXTURE_KEPT / 2) { /* others again and again */
        assert_int_equal(fixture_send((struct fixture *)(uintptr_t)f, 0, 2, 1, 100), COVEY_OK);
    }
    return large == 4;
}

/* Patient bodies get their part of the time beside others, and come whole. */
static void test_channels_patient_beside_others(void **state)
{
    struct fixture *f = *state;
    const struct fixture_node *to = &f->nodes[1];
    fixture_connect(f);
    struct covey_body *b = fixture_body(3, 1 << 20);
    b->patient = true;
    for (unsigned i = 0; i < 4; i++) {
        covey_err err =
            covey_channels_send(f->nodes[0].channels, fixture_id(f, 1), covey_bytes_of("\3", 1), b);
        assert_int_equal(err, COVEY_OK);
    }
    covey_body_unref(b);
    assert_false(covey_channels_busy(f->nodes[0].channels));
    assert_int_equal(fixture_send(f, 0, 2, 1, 100), COVEY_OK);
    assert_true(covey_channels_busy(f->nodes[0].channels));
    assert_true(fixture_run(f, patient_came, FIXTURE_WAIT_MS));
    for (size_t i = 0; i < to->count; i++) {
        assert_true(to->messages[i].body_right);
    }
}

static bool greeted(const struct fixture *f)
{
    return f->nodes[0].count >= 1 && f->nodes[1].count >= 1;
}

static bool pinged_out(const struct fixture *f)
{
    return f->nodes[0].count >= 101 && f->nodes[1].count >= 101;
}

/* Of two mutual dials one channel is left, nobody hears of a loss, and no message is lost. */
static void test_channels_mutual_dial(void **state)
{
    struct fixture *f = *state;
    f->nodes[0].greet = true;
    f->nodes[1].greet = true;
    fixture_dial(f, 0, 1);
    fixture_dial(f, 1, 0);
    assert_true(fixture_run(f, fixture_both_up, FIXTURE_WAIT_MS));
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(fixture_send(f, 0, (uint8_t)i, 3, i % 2 ? 30000 : SIZE_MAX), COVEY_OK);
        assert_int_equal(fixture_send(f, 1, (uint8_t)i, 3, i % 2 ? 30000 : SIZE_MAX), COVEY_OK);
        (void)fixture_run(f, i % 10 ? greeted : fixture_never, 5);
    }
    assert_true(fixture_run(f, pinged_out, FIXTURE_WAIT_MS));
    for (size_t at = 0; at < 2; at++) {
        assert_int_equal(f->nodes[at].ups, 1);
        assert_int_equal(f->nodes[at].downs, 0);
        assert_int_equal(f->nodes[at].failed, 0);
        assert_int_equal(f->nodes[at].count, 101);
    }
    /* What is left is one channel: without it the peer is down. */
    covey_channels_drop(f->nodes[0].channels, fixture_id(f, 1));
    assert_int_equal(fixture_send(f, 0, 1, 1, SIZE_MAX), COVEY_ERR_CLOSED);
}

static bool both_down(const struct fixture *f)
{
    return f->nodes[0].downs > 0 && f->nodes[1].downs > 0;
}

/* A dropped channel is told down once on both sides, can be dialled again, and carries on. */
static void test_channels_drop_and_redial(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f);
    fixture_dial(f, 0, 1); /* needless */
    covey_channels_drop(f->nodes[0].channels, fixture_id(f, 1));
    assert_true(fixture_run(f, both_down, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[0].last_down, COVEY_ERR_CANCELLED);
    assert_int_equal(f->nodes[1].last_down, COVEY_ERR_CLOSED);
    f->nodes[0].ups = f->nodes[1].ups = 0;
    f->nodes[0].downs = f->nodes[1].downs = 0;
    fixture_connect(f);
    f->nodes[1].echo = true;
    assert_int_equal(fixture_send(f, 0, 9, 4, 70000), COVEY_OK);
    assert_true(fixture_run(f, greeted, FIXTURE_WAIT_MS) || f->nodes[0].count == 1);
    assert_int_equal(f->nodes[0].failed, 0);
}

static bool zero_down(const struct fixture *f)
{
    return f->nodes[0].downs > 0;
}

/* When the peer ends in the middle of transfers, down is told and nothing more comes. */
static void test_channels_peer_ends(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f);
    assert_int_equal(fixture_send(f, 0, 1, 8, 20 * (size_t)MIB), COVEY_OK);
    assert_int_equal(fixture_send(f, 1, 1, 8, 20 * (size_t)MIB), COVEY_OK);
    covey_channels_close(f->nodes[1].channels);
    f->nodes[1].channels = NULL;
    assert_true(fixture_run(f, zero_down, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[0].downs, 1);
    assert_int_equal(fixture_send(f, 0, 1, 8, 1), COVEY_ERR_CLOSED);
    assert_int_equal(f->nodes[1].downs, 0); /* closed: told nothing */
}

static bool one_got(const struct fixture *f)
{
    return f->nodes[1].count > 0 && f->nodes[0].downs > 0;
}

/* Closing everything out of a callback is safe, with messages still behind the one at hand. */
static void test_channels_close_in_callback(void **state)
{
    struct fixture *f = *state;
    f->nodes[1].close_on_message = true;
    fixture_connect(f);
    for (uint8_t i = 0; i < 20; i++) {
        assert_int_equal(fixture_send(f, 0, i, 8, i % 2 ? 60000 : SIZE_MAX), COVEY_OK);
    }
    assert_true(fixture_run(f, one_got, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[1].count, 1);
}

static bool zero_failed(const struct fixture *f)
{
    return f->nodes[0].failed > 0;
}

/* A dial to a port where nobody listens fails once and is told. */
static void test_channels_dial_fails(void **state)
{
    struct fixture *f = *state;
    struct covey_addr to = fixture_loopback(1);
    covey_channels_dial(f->nodes[0].channels, &to, NULL);
    assert_true(fixture_run(f, zero_failed, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[0].failed, 1);
    assert_int_equal(f->nodes[0].ups, 0);
}

static bool restarted(const struct fixture *f)
{
    return f->nodes[0].ups == 2 && f->nodes[2].ups == 1 && f->nodes[1].downs == 1;
}

static bool third_got(const struct fixture *f)
{
    return f->nodes[2].count > 0;
}

/* A peer that lost its state without a word (same identity, new process) is told down and up. */
static void test_channels_peer_restarts(void **state)
{
    struct fixture *f = *state;
    fixture_dial(f, 1, 0);
    assert_true(fixture_run(f, fixture_both_up, FIXTURE_WAIT_MS));
    f->nodes[2].identity = f->nodes[1].identity;
    fixture_open(f, 2);
    struct covey_addr to = fixture_loopback(covey_channels_port(f->nodes[0].channels));
    covey_channels_dial(f->nodes[2].channels, &to, fixture_id(f, 0));
    assert_true(fixture_run(f, restarted, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[0].downs, 1);
    assert_int_equal(f->nodes[1].downs, 1);
    assert_int_equal(fixture_send(f, 0, 7, 1, SIZE_MAX), COVEY_OK);
    assert_true(fixture_run(f, third_got, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[0].ups, 2);
    assert_int_equal(f->nodes[2].messages[0].tag, 7);
}

/* While deaf, the connections of this process take nothing in and acknowledge nothing. */
static void set_deaf(bool deaf)
{
    enum { FDS = 256 };
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog filter = {1, &nothing};
    unsigned count = 0;
    for (int fd = 0; fd < FDS; fd++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 ||
            (peer.ss_family != AF_INET && peer.ss_family != AF_INET6)) {
            continue;
        }
        int option = deaf ? SO_ATTACH_FILTER : SO_DETACH_FILTER;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &filter, sizeof(filter)), 0);
        count++;
    }
    assert_true(count >= 2); /* both ends */
}

static bool one_got_any(const struct fixture *f)
{
    return f->nodes[1].count > 0;
}

static bool zero_stalled(const struct fixture *f)
{
    covey_channels_look(f->nodes[0].channels);
    return f->nodes[0].stalled > 0;
}

static bool both_up_again(const struct fixture *f)
{
    return f->nodes[0].ups > 1 && f->nodes[1].ups > 1;
}

/* Where nothing is acknowledged that is noticed, and nowhere else; dropped, both ends are down. */
static void test_channels_stalled(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f);
    assert_int_equal(fixture_send(f, 0, 1, 8, SIZE_MAX), COVEY_OK);
    assert_true(fixture_run(f, one_got_any, FIXTURE_WAIT_MS));
    assert_false(zero_stalled(f));
    set_deaf(true);
    assert_int_equal(fixture_send(f, 0, 2, 8, SIZE_MAX), COVEY_OK);
    assert_true(fixture_run(f, zero_stalled, FIXTURE_WAIT_MS));
    set_deaf(false);
    covey_channels_drop(f->nodes[0].channels, fixture_id(f, 1));
    assert_true(fixture_run(f, both_down, FIXTURE_WAIT_MS));
    assert_int_equal(f->nodes[1].count, 1); /* what was on its way is lost */
    fixture_dial(f, 0, 1);
    assert_true(fixture_run(f, both_up_again, FIXTURE_WAIT_MS));
    f->nodes[0].stalled = 0;
    assert_false(zero_stalled(f));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_channels_carry_bodies),      TEST(test_channels_control_overtakes_body),
        TEST(test_channels_control_lengths),   TEST(test_channels_more_bodies_than_streams),
        TEST(test_channels_queue_is_bounded),  TEST(test_channels_mutual_dial),
        TEST(test_channels_drop_and_redial),   TEST(test_channels_peer_ends),
        TEST(test_channels_close_in_callback), TEST(test_channels_dial_fails),
        TEST(test_channels_peer_restarts),     TEST(test_channels_patient_beside_others),
        TEST(test_channels_stalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
