/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "covey/coap.h"
#include "covey/crypto.h"

enum { NODES = 3, WAIT_MS = 20000, POLL_MS = 5 };

struct node {
    struct covey_coap *coap;
    unsigned hellos, gossips;
    unsigned hello_from[NODES], gossip_from[NODES];
    uint16_t hello_port[NODES];
    struct covey_addr last_from;
    size_t last_len;
};

struct fixture {
    struct covey_loop *loop;
    struct covey_timer *timer;
    struct node nodes[NODES];
    bool (*done)(const struct fixture *f);
    uint64_t until_ms;
};

static void on_payload(void *user, enum covey_coap_kind kind, const struct covey_addr *from,
                       struct covey_bytes payload)
{
    struct node *n = user;
    /* Other meshes on this host share the group: what does not carry our mark is not ours. */
    if (payload.len < 8 || payload.ptr[0] >= NODES ||
        covey_load32(payload.ptr + 4) != (uint32_t)getpid()) {
        return;
    }
    uint8_t sender = payload.ptr[0];
    n->last_from = *from;
    n->last_len = payload.len;
    if (kind == COVEY_COAP_HELLO) {
        n->hellos++;
        n->hello_from[sender]++;
        n->hello_port[sender] = from->port;
    } else {
        n->gossips++;
        n->gossip_from[sender]++;
    }
}

static void on_poll(void *user)
{
    struct fixture *f = user;
    if (f->done(f) || covey_loop_now_ms(f->loop) >= f->until_ms) {
        covey_loop_stop(f->loop);
        return;
    }
    covey_timer_set(f->timer, covey_loop_now_ms(f->loop) + POLL_MS);
}

/* Runs the loop until done or the bound is over; tells whether it was done. */
static bool run_until(struct fixture *f, bool (*done)(const struct fixture *f), uint64_t bound_ms)
{
    f->done = done;
    f->until_ms = covey_loop_now_ms(f->loop) + bound_ms;
    covey_timer_set(f->timer, 0);
    covey_loop_run(f->loop);
    return done(f);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    assert_int_equal(covey_loop_new(&f->loop), COVEY_OK);
    assert_int_equal(covey_timer_new(f->loop, on_poll, f, &f->timer), COVEY_OK);
    for (size_t i = 0; i < NODES; i++) {
        struct covey_coap_config config = {
            .interface = "lo", .port = 0, .on_payload = on_payload, .user = &f->nodes[i]};
        char why[256] = "";
        covey_err err = covey_coap_open(f->loop, &config, &f->nodes[i].coap, why);
        if (err != COVEY_OK) {
            print_error("%s\n", why);
        }
        assert_int_equal(err, COVEY_OK);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < NODES; i++) {
        covey_coap_close(f->nodes[i].coap);
    }
    covey_timer_free(f->timer);
    covey_loop_free(f->loop);
    test_free(f);
    return 0;
}

static bool all_heard_all(const struct fixture *f)
{
    for (size_t i = 0; i < NODES; i++) {
        for (size_t k = 0; k < NODES; k++) {
            if (f->nodes[i].hello_from[k] == 0) {
                return false;
            }
        }
    }
    return true;
}

/* Each of three nodes on one host hears each one's multicast, from its private port. */
static void test_coap_multicast_reaches_all(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 0; i < NODES; i++) {
        uint8_t payload[64] = {i};
        covey_store32(payload + 4, (uint32_t)getpid());
        covey_coap_multicast_hello(f->nodes[i].coap, covey_bytes_of(payload, sizeof(payload)));
    }
    assert_true(run_until(f, all_heard_all, WAIT_MS));
    for (size_t i = 0; i < NODES; i++) {
        for (size_t k = 0; k < NODES; k++) {
            assert_int_equal(f->nodes[i].hello_port[k], covey_coap_port(f->nodes[k].coap));
        }
        assert_int_equal(f->nodes[i].last_len, 64);
    }
}

static struct covey_addr loopback(uint16_t port)
{
    struct covey_addr a = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = port};
    return a;
}

static bool ring_gossiped(const struct fixture *f)
{
    return f->nodes[0].gossips >= 10 && f->nodes[1].gossips >= 10 && f->nodes[2].gossips >= 10;
}

/* A unicast reaches the one private port it is sent to, also at full size, and names its sender's
 * private port; an answer to that address arrives. */
static void test_coap_gossip_unicast(void **state)
{
    struct fixture *f = *state;
    static uint8_t payload[1300];
    for (uint8_t i = 0; i < NODES; i++) {
        struct covey_addr to = loopback(covey_coap_port(f->nodes[(i + 1) % NODES].coap));
        payload[0] = i;
        covey_store32(payload + 4, (uint32_t)getpid());
        for (int n = 0; n < 10; n++) {
            covey_coap_send(f->nodes[i].coap, COVEY_COAP_GOSSIP, &to,
                            covey_bytes_of(payload, sizeof(payload)));
        }
    }
    assert_true(run_until(f, ring_gossiped, WAIT_MS));
    for (size_t i = 0; i < NODES; i++) {
        size_t before = (i + NODES - 1) % NODES;
        assert_int_equal(f->nodes[i].gossip_from[before], 10);
        assert_int_equal(f->nodes[i].gossips, 10);
        assert_int_equal(f->nodes[i].last_len, sizeof(payload));
        assert_int_equal(f->nodes[i].last_from.port, covey_coap_port(f->nodes[before].coap));
    }
}

/* A client of CoAP: one datagram socket of its own. */
static int query_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
    struct in_addr interface = {.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof(interface)), 0);
    return fd;
}

static void send_to(int fd, const char *host, uint16_t port, struct covey_bytes packet)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, host, &to.sin_addr), 1);
    ssize_t n = sendto(fd, packet.ptr, packet.len, 0, (const struct sockaddr *)&to, sizeof(to));
    assert_int_equal(n, packet.len);
}

/* GET /.well-known/core with a one-byte token, non-confirmable; query NULL for none. */
static size_t well_known_request(uint8_t out[64], uint8_t token, const char *query)
{
    size_t len = 0;
    uint8_t head[] = {0x51, 0x01, 0x10, token, token};
    memcpy(out, head, sizeof(head));
    len += sizeof(head);
    out[len++] = 0xbb;
    memcpy(out + len, ".well-known", 11);
    len += 11;
    out[len++] = 0x04;
    memcpy(out + len, "core", 4);
    len += 4;
    if (query != NULL) {
        size_t q = strlen(query);
        out[len++] = 0x4d;
        out[len++] = (uint8_t)(q - 13);
        memcpy(out + len, query, q);
        len += q;
    }
    return len;
}

static bool never(const struct fixture *f)
{
    (void)f;
    return false;
}

/* Runs the loop for a moment and counts the answers; *out_len: bytes of the longest. */
static unsigned count_answers(struct fixture *f, int fd, uint8_t *last, size_t *out_len)
{
    unsigned count = 0;
    *out_len = 0;
    (void)run_until(f, never, 150);
    uint8_t packet[256];
    for (;;) {
        ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
        if (n < 0) {
            return count;
        }
        count++;
        if ((size_t)n > *out_len) {
            *out_len = (size_t)n;
            memcpy(last, packet, (size_t)n);
        }
    }
}

/* /.well-known/core is answered on the private port and by all on the group's, within 64 bytes. */
static void test_coap_well_known_is_answered(void **state)
{
    struct fixture *f = *state;
    uint8_t request[64], answer[256];
    size_t longest = 0;
    int fd = query_socket();
    size_t len = well_known_request(request, 7, NULL);
    send_to(fd, "127.0.0.1", covey_coap_port(f->nodes[1].coap), covey_bytes_of(request, len));
    assert_int_equal(count_answers(f, fd, answer, &longest), 1);
    assert_in_range(longest, 24, 64);
    assert_int_equal(answer[1], 0x45);
    assert_int_equal(answer[4], 7);
    assert_memory_equal(answer + longest - 24, "</covey>;rt=\"covey.node\"", 24);

    len = well_known_request(request, 8, "rt=covey.node");
    send_to(fd, "224.0.1.187", 5683, covey_bytes_of(request, len));
    assert_true(count_answers(f, fd, answer, &longest) >= NODES);
    assert_in_range(longest, 24, 64);
    close(fd);
}

/* Another resource type is not answered on multicast, and answered without links on unicast. */
static void test_coap_well_known_filters(void **state)
{
    struct fixture *f = *state;
    uint8_t request[64], answer[256];
    size_t longest = 0;
    int fd = query_socket();
    size_t len = well_known_request(request, 9, "rt=other.node");
    send_to(fd, "224.0.1.187", 5683, covey_bytes_of(request, len));
    assert_int_equal(count_answers(f, fd, answer, &longest), 0);
    send_to(fd, "127.0.0.1", covey_coap_port(f->nodes[1].coap), covey_bytes_of(request, len));
    assert_int_equal(count_answers(f, fd, answer, &longest), 1);
    assert_in_range(longest, 5, 16);
    close(fd);
}

/* A source gets two answers a second, however much it asks. */
static void test_coap_well_known_is_limited(void **state)
{
    struct fixture *f = *state;
    uint8_t request[64], answer[256];
    size_t longest = 0;
    int fd = query_socket();
    for (uint8_t i = 0; i < 50; i++) {
        size_t len = well_known_request(request, i, NULL);
        request[3] = i;
        send_to(fd, "127.0.0.1", covey_coap_port(f->nodes[2].coap), covey_bytes_of(request, len));
    }
    assert_in_range(count_answers(f, fd, answer, &longest), 1, 3);
    close(fd);
}

/* Unknown paths, bad options, other methods and noise are not answered beyond a bare empty message,
 * and payloads to our resources not at all. */
static void test_coap_answers_nothing_else(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint8_t len, bytes[24];
    } packets[] = {
        {8, {0x50, 0x01, 1, 1, 0xb3, 'f', 'o', 'o'}},            /* GET /foo */
        {10, {0x50, 0x03, 1, 2, 0xb5, 'c', 'o', 'v', 'e', 'y'}}, /* PUT /covey */
        {8, {0x50, 0x02, 1, 3, 0xb3, 'f', 'o', 'o'}},            /* POST /foo */
        {8, {0x40, 0x02, 1, 3, 0xb3, 'f', 'o', 'o'}},            /* the same, confirmable */
        {10, {0x50, 0x05, 1, 5, 0xb5, 'c', 'o', 'v', 'e', 'y'}}, /* FETCH */
        {12, {0x50, 0x01, 1, 6, 0xb5, 'c', 'o', 'v', 'e', 'y', 0x01, 'g'}}, /* GET /covey/g */
        {14, {0x50, 0x02, 1, 7, 0xb5, 'c', 'o', 'v', 'e', 'y', 0x01, 'g', 0xff, 9}},
        {14, {0x40, 0x02, 1, 8, 0xb5, 'c', 'o', 'v', 'e', 'y', 0x01, 'h', 0xff, 9}},
        {6, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
        {5, {0x50, 0x01, 1, 9, 0xff}},
    };
    uint8_t answer[256];
    size_t longest = 0;
    int fd = query_socket();
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        send_to(fd, "127.0.0.1", covey_coap_port(f->nodes[0].coap),
                covey_bytes_of(packets[i].bytes, packets[i].len));
        unsigned count = count_answers(f, fd, answer, &longest);
        if (longest > 4) {
            print_error("packet %zu: %u answers of %zu bytes, code %02x\n", i, count, longest,
                        answer[1]);
        }
        assert_true(longest <= 4);
    }
    close(fd);
}

/* A node whose private port is taken says so, and does not share it. */
static void test_coap_port_in_use(void **state)
{
    struct fixture *f = *state;
    struct covey_coap_config config = {.interface = "lo",
                                       .port = covey_coap_port(f->nodes[0].coap),
                                       .on_payload = on_payload,
                                       .user = &f->nodes[0]};
    struct covey_coap *other = NULL;
    char why[256] = "";
    assert_int_equal(covey_coap_open(f->loop, &config, &other, why), COVEY_ERR_IO);
    assert_non_null(strstr(why, "in use"));
    config.port = 0;
    config.interface = "no-such-if";
    assert_int_equal(covey_coap_open(f->loop, &config, &other, why), COVEY_ERR_IO);
    assert_non_null(strstr(why, "no-such-if"));
}

/* Addresses in the forms people type come back in the one form that is printed; others are refused.
 */
static void test_addr_parse_and_format(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"10.0.0.1", "10.0.0.1:77"},
        {"10.0.0.1:5684", "10.0.0.1:5684"},
        {"[::1]:9", "[::1]:9"},
        {"[fd00::2]", "[fd00::2]:77"},
        {"fd00::2", "[fd00::2]:77"},
        {"[fe80::1%lo]:5684", "[fe80::1%lo]:5684"},
        {"[::1", NULL},
        {"10.0.0.1:", NULL},
        {"10.0.0.1:65536", NULL},
        {"10.0.0.1:0", NULL},
        {"10.0.0.1:1x", NULL},
        {"", NULL},
        {":5", NULL},
        {"[::1]x", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct covey_addr a;
        char text[80];
        covey_err err = covey_addr_parse(cases[i].in, 77, &a);
        if (cases[i].out == NULL) {
            assert_int_not_equal(err, COVEY_OK);
            continue;
        }
        assert_int_equal(err, COVEY_OK);
        covey_addr_format(&a, text);
        assert_string_equal(text, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_coap_multicast_reaches_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_coap_gossip_unicast, setup, teardown),
        cmocka_unit_test_setup_teardown(test_coap_well_known_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_coap_well_known_filters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_coap_well_known_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_coap_answers_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_coap_port_in_use, setup, teardown),
        cmocka_unit_test(test_addr_parse_and_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
