/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "covey/socket.h"

enum { WAIT_MS = 10000 };

struct fixture {
    struct covey_loop *loop;
    struct covey_timer *timer;
    struct covey_socket *socket;
    char folder[64], path[96];
    unsigned frames, closed;
    /* of the client's thread */
    void (*client)(struct fixture *f);
    bool client_right;
};

/* Echoes each frame. */
static void on_frame(void *user, struct covey_socket_client *client, struct covey_bytes header,
                     struct covey_body *take_body)
{
    struct fixture *f = user;
    f->frames++;
    covey_err err = covey_socket_reply(client, header, take_body);
    assert_int_equal(err, COVEY_OK);
    covey_body_unref(take_body);
}

static void on_closed(void *user, struct covey_socket_client *client)
{
    (void)client;
    struct fixture *f = user;
    f->closed++;
}

static covey_err open_socket(struct fixture *f, struct covey_socket **out, char why[static 256])
{
    struct covey_socket_config config = {
        .path = f->path, .user = f, .on_frame = on_frame, .on_closed = on_closed};
    return covey_socket_open(f->loop, &config, out, why);
}

static void on_late(void *user)
{
    struct fixture *f = user;
    covey_loop_stop(f->loop);
}

static void client_done(void *user)
{
    struct fixture *f = user;
    covey_loop_stop(f->loop);
}

static void *run_client(void *user)
{
    struct fixture *f = user;
    f->client(f);
    covey_err err = covey_loop_post(f->loop, client_done, f);
    assert_int_equal(err, COVEY_OK);
    return NULL;
}

/* Runs client on a thread of its own against the loop; true when it said that all was right. */
static bool run(struct fixture *f, void (*client)(struct fixture *f))
{
    pthread_t thread;
    f->client = client;
    f->client_right = false;
    covey_timer_set(f->timer, covey_loop_now_ms(f->loop) + WAIT_MS);
    assert_int_equal(pthread_create(&thread, NULL, run_client, f), 0);
    covey_loop_run(f->loop);
    pthread_join(thread, NULL);
    return f->client_right;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char why[256];
    assert_non_null(f);
    snprintf(f->folder, sizeof(f->folder), "/tmp/covey-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/control", f->folder);
    assert_int_equal(covey_loop_new(&f->loop), COVEY_OK);
    assert_int_equal(covey_timer_new(f->loop, on_late, f, &f->timer), COVEY_OK);
    assert_int_equal(open_socket(f, &f->socket, why), COVEY_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    covey_socket_close(f->socket);
    covey_timer_free(f->timer);
    covey_loop_free(f->loop);
    assert_int_not_equal(access(f->path, F_OK), 0);
    rmdir(f->folder);
    free(f);
    return 0;
}

static bool echo(int fd, const char *header, const uint8_t *body, size_t body_len)
{
    uint8_t *header_back = NULL;
    uint8_t *body_back = NULL;
    size_t header_len = 0;
    size_t len = 0;
    covey_err err = covey_client_send(fd, covey_bytes_of(header, strlen(header)),
                                      covey_bytes_of(body, body_len));
    if (err == COVEY_OK) {
        err = covey_client_receive(fd, WAIT_MS, &header_back, &header_len, &body_back, &len);
    }
    bool right = err == COVEY_OK && header_len == strlen(header) &&
                 memcmp(header_back, header, header_len) == 0 && len == body_len &&
                 (len == 0 || memcmp(body_back, body, len) == 0);
    free(header_back);
    free(body_back);
    return right;
}

static void echo_client(struct fixture *f)
{
    enum { BIG = 3 * 1024 * 1024 + 7 };
    int fd = -1;
    uint8_t *body = malloc(BIG);
    if (body != NULL && covey_client_connect(f->path, &fd) == COVEY_OK) {
        for (size_t i = 0; i < BIG; i++) {
            body[i] = (uint8_t)(i >> 16 ^ i); /* bytes in a wrong place show */
        }
        f->client_right = echo(fd, "a", NULL, 0) && echo(fd, "", NULL, 0) &&
                          echo(fd, "with body", body, 5) && echo(fd, "some reads", body, BIG / 5) &&
                          echo(fd, "big", body, BIG);
        covey_client_close(fd);
    }
    free(body);
}

/* Frames with and without header and body come back as they went, over one connection. */
static void test_socket_echoes_frames(void **state)
{
    struct fixture *f = *state;
    assert_true(run(f, echo_client));
    assert_int_equal(f->frames, 5);
}

static void raw_prefix(struct fixture *f, uint32_t len, uint32_t header_len)
{
    int fd = -1;
    uint8_t prefix[8], rest;
    covey_store32(prefix, len);
    covey_store32(prefix + 4, header_len);
    if (covey_client_connect(f->path, &fd) != COVEY_OK) {
        return;
    }
    /* The server hangs up: the read ends instead of waiting for more. */
    bool sent = send(fd, prefix, sizeof(prefix), MSG_NOSIGNAL) == (ssize_t)sizeof(prefix);
    f->client_right = sent && recv(fd, &rest, 1, 0) <= 0;
    covey_client_close(fd);
}

static void oversized_client(struct fixture *f)
{
    raw_prefix(f, COVEY_FRAME_MAX + 1, 4);
}

static void long_header_client(struct fixture *f)
{
    raw_prefix(f, 10, 7);
}

static void huge_header_client(struct fixture *f)
{
    raw_prefix(f, COVEY_CONTROL_MAX + 100, COVEY_CONTROL_MAX + 1);
}

static void short_client(struct fixture *f)
{
    raw_prefix(f, 3, 0);
}

/* A frame whose lengths are beyond the limits or contradict one another ends the connection. */
static void test_socket_refuses_bad_lengths(void **state)
{
    struct fixture *f = *state;
    assert_true(run(f, oversized_client));
    assert_true(run(f, long_header_client));
    assert_true(run(f, huge_header_client));
    assert_true(run(f, short_client));
    assert_int_equal(f->frames, 0);
    assert_true(run(f, echo_client));
    assert_true(f->closed >= 4);
}

static void silent_client(struct fixture *f)
{
    int fd = -1;
    uint8_t *header = NULL;
    uint8_t *body = NULL;
    size_t a = 0;
    size_t b = 0;
    if (covey_client_connect(f->path, &fd) == COVEY_OK) {
        f->client_right =
            covey_client_receive(fd, 30, &header, &a, &body, &b) == COVEY_ERR_TIMEOUT &&
            header == NULL;
        covey_client_close(fd);
    }
}

/* A client that waits for an answer which never comes gets TIMEOUT. */
static void test_client_times_out(void **state)
{
    struct fixture *f = *state;
    assert_true(run(f, silent_client));
}

/* The socket is for its owner and group only; a second daemon is refused; a stale one replaced. */
static void test_socket_place(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    struct covey_socket *second = NULL;
    char why[256] = "";
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(open_socket(f, &second, why), COVEY_ERR_EXISTS);
    assert_non_null(strstr(why, "another daemon"));

    char stale[112];
    snprintf(stale, sizeof(stale), "%s.old", f->path);
    assert_int_equal(link(f->path, stale), 0);
    covey_socket_close(f->socket);
    assert_int_equal(rename(stale, f->path), 0);
    covey_loop_stop(f->loop);
    covey_timer_set(f->timer, 0);
    covey_loop_run(f->loop);
    covey_loop_run(f->loop);
    assert_int_equal(open_socket(f, &f->socket, why), COVEY_OK);
    assert_true(run(f, echo_client));
}

/* No socket where there is no folder, where anyone may write, where something else lies, or with a
 * path too long. */
static void test_socket_refuses_bad_places(void **state)
{
    struct fixture *f = *state;
    struct covey_socket *s = NULL;
    char why[256] = "";
    char path[300];
    struct covey_socket_config config = {
        .path = path, .user = f, .on_frame = on_frame, .on_closed = on_closed};
    snprintf(path, sizeof(path), "%s/none/control", f->folder);
    assert_int_equal(covey_socket_open(f->loop, &config, &s, why), COVEY_ERR_IO);

    snprintf(path, sizeof(path), "%s/open", f->folder);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(chmod(path, 0777), 0);
    snprintf(path, sizeof(path), "%s/open/control", f->folder);
    assert_int_equal(covey_socket_open(f->loop, &config, &s, why), COVEY_ERR_PERMISSIONS);

    snprintf(path, sizeof(path), "%s/open", f->folder);
    assert_int_equal(covey_socket_open(f->loop, &config, &s, why), COVEY_ERR_EXISTS);
    assert_int_equal(rmdir(path), 0);

    memset(path, 'a', 200);
    path[200] = '\0';
    assert_int_equal(covey_socket_open(f->loop, &config, &s, why), COVEY_ERR_LIMIT);
    int fd = -1;
    assert_int_equal(covey_client_connect(path, &fd), COVEY_ERR_LIMIT);
    assert_int_equal(covey_client_connect("/nonexistent/control", &fd), COVEY_ERR_NOT_FOUND);
}

static void stranger_client(struct fixture *f)
{
    pid_t child = fork();
    if (child == 0) {
        /* Not root, not the daemon's user, not in its group. */
        int fd = -1;
        uint8_t byte;
        bool out = setgid(65534) == 0 && setuid(65534) == 0 &&
                   (covey_client_connect(f->path, &fd) != COVEY_OK || recv(fd, &byte, 1, 0) <= 0);
        _exit(out ? 0 : 1);
    }
    int status = 1;
    f->client_right = child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* A person without rights is hung up on, even where the file's mode would let them in. */
static void test_socket_refuses_strangers(void **state)
{
    struct fixture *f = *state;
    if (geteuid() != 0) {
        print_message("skipped: only root can become someone else\n");
        skip();
    }
    assert_int_equal(chmod(f->folder, 0755), 0);
    assert_int_equal(chmod(f->path, 0666), 0);
    assert_true(run(f, stranger_client));
    assert_int_equal(f->frames, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_socket_echoes_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_refuses_bad_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_times_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_refuses_bad_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_refuses_strangers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
