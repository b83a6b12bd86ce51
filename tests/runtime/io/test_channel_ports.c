/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "addr_internal.h"
#include "channel_fixture.h"

enum { RIVAL_SOCKETS = 4 };

/* Another program on this machine: takes a port just when a node is about to bind or listen. */
static struct {
    bool awake;
    unsigned calls, strikes_at; /* the strikes_at-th call, from 1 */
    int fds[RIVAL_SOCKETS];
    size_t count;
} rival;

static void rival_take(const struct sockaddr *at, socklen_t len)
{
    int on = 1, fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && rival.count < RIVAL_SOCKETS);
    rival.fds[rival.count++] = fd;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    if (syscall(SYS_bind, fd, at, len) == 0) { /* else somebody else has it already */
        long ignored = syscall(SYS_listen, fd, 1);
        (void)ignored;
    }
}

static void rival_sees(int fd, const struct sockaddr *at, socklen_t len)
{
    int type = 0;
    socklen_t type_len = sizeof(type);
    struct covey_addr addr;
    if (rival.awake && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
        type == SOCK_STREAM && ++rival.calls == rival.strikes_at &&
        covey__addr_from_socket(at, &addr) == COVEY_OK && addr.port != 0) {
        rival_take(at, len);
    }
}

static void rival_goes(void)
{
    rival.awake = false;
    while (rival.count > 0) {
        close(rival.fds[--rival.count]);
    }
}

/* In place of the C library's, also for libuv. */
__attribute__((visibility("default"))) int bind(int fd, const struct sockaddr *at, socklen_t len);
__attribute__((visibility("default"))) int listen(int fd, int backlog);

int bind(int fd, const struct sockaddr *at, socklen_t len)
{
    rival_sees(fd, at, len);
    return (int)syscall(SYS_bind, fd, at, len);
}

int listen(int fd, int backlog)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0) {
        rival_sees(fd, (struct sockaddr *)&at, len);
    }
    return (int)syscall(SYS_listen, fd, backlog);
}

static bool takes_connections(uint16_t port)
{
    struct covey_addr at = fixture_loopback(port);
    struct sockaddr_storage sa;
    socklen_t len = covey__addr_to_socket(&at, false, &sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (const struct sockaddr *)&sa, len) == 0;
    close(fd);
    return connected;
}

/* Whenever another program takes the port that a node is about to have, the node takes another. */
static void test_ports_taken_meanwhile(void **state)
{
    struct fixture *f = *state;
    unsigned struck = 0;
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) { /* they may hold the stock port */
        covey_channels_close(f->nodes[i].channels);
        f->nodes[i].channels = NULL;
    }
    rival.calls = 1;
    for (unsigned at = 1; at <= rival.calls; at++) {
        rival.calls = 0;
        rival.strikes_at = at;
        rival.awake = true;
        fixture_open(f, 0);
        struck += rival.count > 0;
        rival_goes();
        assert_true(takes_connections(covey_channels_port(f->nodes[0].channels)));
        covey_channels_close(f->nodes[0].channels);
        f->nodes[0].channels = NULL;
    }
    assert_true(struck > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ports_taken_meanwhile, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
