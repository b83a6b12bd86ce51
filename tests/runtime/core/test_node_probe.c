/* SPDX-License-Identifier: MIT
 *
 * test_node_probe.c - devices that are looked at through others: datagrams carried by hand.
 */
#include "node_world.h"

#include <stdlib.h>

enum {
    PROBER,
    SUBJECT,
    HELPER,
    LETTERS_MAX = 64,
    LETTER_MAX = COVEY_GOSSIP_MAX + COVEY_DATAGRAM_OVERHEAD,
    STEP_MS = 50,
};

struct letter {
    unsigned from, to;
    size_t len;
    uint8_t bytes[LETTER_MAX];
};

/* Datagrams on their way, in the order they were sent. */
struct post {
    unsigned count, lost;
    struct letter letter[LETTERS_MAX];
};

static void collect(const struct node_world *w, unsigned from, struct post *post)
{
    for (size_t i = 0; i < w->update.count; i++) {
        const struct covey_action *action = &w->update.actions[i];
        if (action->type == COVEY_ACTION_GOSSIP) {
            assert_true(post->count < LETTERS_MAX && action->bytes.len <= LETTER_MAX);
            struct letter *letter = &post->letter[post->count++];
            letter->from = from;
            letter->to = action->addr.ip[15];
            letter->len = action->bytes.len;
            memcpy(letter->bytes, action->bytes.ptr, action->bytes.len);
        }
    }
}

static void tick(struct node_world *w, unsigned at, struct post *post)
{
    world_step(w, at, (struct covey_event){.type = COVEY_EVENT_TICK});
    collect(w, at, post);
}

static void hand_over(struct node_world *w, const struct letter *letter, struct post *post)
{
    struct covey_event event = {.type = COVEY_EVENT_GOSSIP,
                                .addr = world_addr_of(letter->from),
                                .bytes = covey_bytes_of(letter->bytes, letter->len)};
    world_step(w, letter->to, event);
    collect(w, letter->to, post);
}

/* All three for so long; severed: nothing passes between the prober and the subject. Whether the
 * prober saw the subject alive all the time. */
static bool live(struct node_world *w, uint64_t ms, bool severed, struct post *post)
{
    bool alive = true;
    for (uint64_t end_ms = w->now_ms + ms; w->now_ms < end_ms; w->now_ms += STEP_MS) {
        post->count = 0;
        for (unsigned i = 0; i < WORLD_NODES; i++) {
            tick(w, i, post);
        }
        for (unsigned i = 0; i < post->count; i++) {
            const struct letter *letter = &post->letter[i];
            if (severed && letter->from != HELPER && letter->to != HELPER) {
                post->lost++;
            } else {
                hand_over(w, letter, post);
            }
        }
        alive = alive && world_alive(w, PROBER, SUBJECT);
    }
    return alive;
}

/* Two that hear nothing of each other suspect each other at no time: whom both hear carries the
 * challenge and the proof. */
static void test_helpers_are_believed_with_proof(void **state)
{
    struct node_world *w = *state;
    struct post *post = calloc(1, sizeof(*post));
    assert_non_null(post);
    world_connect(w, PROBER, SUBJECT);
    world_connect(w, PROBER, HELPER);
    world_connect(w, SUBJECT, HELPER);
    live(w, 4000, false, post); /* all know one another's boots now */
    assert_true(live(w, 30000, true, post));
    assert_true(post->lost > 30);
    free(post);
}

/* The helper as another program may play it: with its keys, and nothing of its machine. */
struct liar {
    struct covey_gossip_session with; /* the prober */
    unsigned lies;
};

static void say(struct node_world *w, struct liar *liar, const struct covey_gossip_message *m,
                bool current, struct post *post)
{
    uint8_t payload[256];
    struct letter letter = {.from = HELPER, .to = PROBER};
    struct covey_buf room = {letter.bytes, sizeof(letter.bytes)};
    size_t len = 0;
    assert_int_equal(covey_gossip_encode(m, (struct covey_buf){payload, sizeof(payload)}, &len),
                     COVEY_OK);
    struct covey_bytes plain = covey_bytes_of(payload, len);
    assert_int_equal(
        current ? covey_datagram_seal(&liar->with, w->id[HELPER], plain, room, &letter.len)
                : covey_datagram_reply(&liar->with, w->id[HELPER], plain, room, &letter.len),
        COVEY_OK);
    hand_over(w, &letter, post);
}

/* It answers for itself, and for whomever it is asked to ping. */
static void play(struct node_world *w, struct liar *liar, const struct letter *letter,
                 struct post *post)
{
    uint8_t plain[COVEY_GOSSIP_MAX], proof[COVEY_MAC_BYTES];
    struct covey_datagram datagram = {0};
    struct covey_gossip_message m, answer = {.type = COVEY_GOSSIP_RESYNC};
    assert_int_equal(covey_datagram_open(&liar->with, w->id[HELPER],
                                         covey_bytes_of(letter->bytes, letter->len),
                                         (struct covey_buf){plain, sizeof(plain)}, &datagram),
                     COVEY_OK);
    if (!datagram.current) {
        say(w, liar, &answer, false, post);
        return;
    }
    assert_int_equal(covey_gossip_decode(covey_bytes_of(plain, datagram.len), &m), COVEY_OK);
    answer = (struct covey_gossip_message){.type = COVEY_GOSSIP_ACK, .seq = m.seq};
    if (m.type == COVEY_GOSSIP_PING) {
        say(w, liar, &answer, true, post);
    } else if (m.type == COVEY_GOSSIP_PING_REQ) {
        assert_int_equal(m.challenge.len, COVEY_CHALLENGE_BYTES);
        say(w, liar, &answer, true, post); /* as an older one */
        covey_gossip_proof(proof, &liar->with, true, m.challenge.ptr);
        answer.proof = covey_bytes_of(proof, sizeof(proof));
        say(w, liar, &answer, true, post);
        liar->lies++;
    }
}

/* A device that is gone is found to be, though the only other one says each time that it answered.
 */
static void test_a_lying_helper_keeps_nobody_alive(void **state)
{
    enum { DEAD_MS = 30000 };
    struct node_world *w = *state;
    struct liar liar = {0};
    struct post *post = calloc(1, sizeof(*post));
    struct covey_member_info info;
    assert_non_null(post);
    world_connect(w, PROBER, SUBJECT);
    world_connect(w, PROBER, HELPER);
    assert_int_equal(covey_gossip_session_init(&liar.with, w->id[HELPER], &w->id[PROBER]->cert),
                     COVEY_OK);
    uint64_t end_ms = w->now_ms + DEAD_MS;
    do {
        assert_true(w->now_ms < end_ms);
        post->count = 0;
        tick(w, PROBER, post);
        for (unsigned i = 0; i < post->count; i++) {
            if (post->letter[i].to == HELPER) {
                play(w, &liar, &post->letter[i], post);
            }
        }
        w->now_ms += STEP_MS;
        assert_true(world_alive(w, PROBER, HELPER));
        assert_true(covey_node_find(w->node[PROBER], &w->id[SUBJECT]->cert.node, &info));
    } while (info.state != COVEY_MEMBER_DEAD);
    assert_true(liar.lies > 0);
    covey_gossip_session_done(&liar.with);
    free(post);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_helpers_are_believed_with_proof),
        WITH(test_a_lying_helper_keeps_nobody_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
