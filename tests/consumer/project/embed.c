/* SPDX-License-Identifier: MIT
 *
 * embed.c - another program with a node in it, built against the installed package.
 *
 * Makes a throw-away authority, enrols one device, runs its node on the loopback interface, asks
 * its control socket until the node is a member of its own mesh, leaves, exits 0.
 *   embed EMPTY_FOLDER
 */
#include <stdio.h>
#include <stdlib.h>

#include <covey/daemon.h>
#include <covey/identity.h>
#include <covey/message_control.h>
#include <covey/socket.h>

enum { GIVE_UP_MS = 20000, ASK_EVERY_MS = 20, REPLY_MS = 5000, PATH_BYTES = 256 };

struct program {
    struct covey_loop *loop;
    struct covey_daemon *daemon;
    struct covey_timer *timer, *limit;
    struct covey_control message;
    char authority[PATH_BYTES], state[PATH_BYTES], socket[PATH_BYTES];
    bool member, left;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "embed: %s: %s\n", what, why);
    return 1;
}

static covey_err enrol(struct program *p, struct covey_identity_error *why)
{
    struct covey_enrol_config config = {
        .authority_dir = p->authority,
        .device_name = "embedded",
        .tier = COVEY_TIER_END,
        .trust = COVEY_TRUST_FULL,
        .valid_days = 1,
        .state_dir = p->state,
        .now_s = covey_wall_s(),
    };
    covey_err err = covey_authority_create(p->authority, "consumer", why);
    return err == COVEY_OK ? covey_enrol(&config, why) : err;
}

/* One request and its answer, into p->message. */
static covey_err exchange(struct program *p, int fd)
{
    uint8_t request[256];
    size_t len = 0, body_len = 0;
    uint8_t *header = NULL, *body = NULL;
    p->message.type = COVEY_CONTROL_STATUS;
    p->message.id = 1;
    covey_err err =
        covey_control_encode(&p->message, (struct covey_buf){request, sizeof(request)}, &len);
    if (err == COVEY_OK) {
        err = covey_client_send(fd, covey_bytes_of(request, len), covey_bytes_of(NULL, 0));
    }
    if (err == COVEY_OK) {
        err = covey_client_receive(fd, REPLY_MS, &header, &len, &body, &body_len);
    }
    if (err == COVEY_OK) {
        err = covey_control_decode(covey_bytes_of(header, len), &p->message);
    }
    free(header);
    free(body);
    return err;
}

/* On a thread, since the client's side of the socket blocks. */
static void ask(void *user)
{
    struct program *p = user;
    int fd = -1;
    if (covey_client_connect(p->socket, &fd) != COVEY_OK) {
        return;
    }
    if (exchange(p, fd) == COVEY_OK && p->message.type == COVEY_CONTROL_STATUS_REPLY) {
        const struct covey_control_status *status = &p->message.status;
        for (unsigned i = 0; i < status->member_count; i++) {
            const struct covey_control_member *m = &status->member[i];
            p->member = p->member || (m->self && strcmp(m->name, "embedded") == 0);
        }
    }
    covey_client_close(fd);
}

static void answered(void *user)
{
    struct program *p = user;
    if (p->member) {
        covey_daemon_leave(p->daemon);
    } else {
        covey_timer_set(p->timer, covey_loop_now_ms(p->loop) + ASK_EVERY_MS);
    }
}

static void on_time(void *user)
{
    struct program *p = user;
    if (covey_loop_work(p->loop, ask, answered, p) != COVEY_OK) {
        covey_loop_stop(p->loop);
    }
}

static void on_limit(void *user)
{
    covey_loop_stop(((struct program *)user)->loop);
}

static void on_log(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "node: %s\n", line);
}

static void on_stopped(void *user)
{
    struct program *p = user;
    p->left = true;
    covey_loop_stop(p->loop);
}

static covey_err start(struct program *p, char why[static 256])
{
    struct covey_daemon_config config = {
        .state_dir = p->state,
        .interface = "lo",
        .threads = 1,
        .user = p,
        .on_log = on_log,
        .on_stopped = on_stopped,
    };
    covey_err err = covey_daemon_open(p->loop, &config, &p->daemon, why);
    if (err == COVEY_OK) {
        err = covey_timer_new(p->loop, on_time, p, &p->timer);
    }
    if (err == COVEY_OK) {
        err = covey_timer_new(p->loop, on_limit, p, &p->limit);
    }
    if (err == COVEY_OK) {
        covey_timer_set(p->timer, covey_loop_now_ms(p->loop));
        covey_timer_set(p->limit, covey_loop_now_ms(p->loop) + GIVE_UP_MS);
    }
    return err;
}

static int run(struct program *p, const char *folder)
{
    char line[256] = "out of memory";
    struct covey_identity_error why = {{0}};
    snprintf(p->authority, PATH_BYTES, "%s/authority", folder);
    snprintf(p->state, PATH_BYTES, "%s/state", folder);
    snprintf(p->socket, PATH_BYTES, "%s/state/control.sock", folder);
    if (covey_crypto_init() != COVEY_OK || enrol(p, &why) != COVEY_OK) {
        return fail("cannot enrol", why.text);
    }
    if (covey_loop_new(&p->loop) != COVEY_OK || start(p, line) != COVEY_OK) {
        return fail("cannot start", line);
    }
    covey_loop_run(p->loop);
    if (!p->member) {
        return fail("the node", "is no member of its own mesh");
    }
    if (!p->left) {
        return fail("the node", "did not leave");
    }
    puts("embed: joined and left");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return fail("usage", "embed EMPTY_FOLDER");
    }
    struct program *p = calloc(1, sizeof(*p));
    int status = p == NULL ? fail("start", "out of memory") : run(p, argv[1]);
    if (p != NULL && p->loop != NULL) {
        covey_daemon_close(p->daemon);
        covey_timer_free(p->timer);
        covey_timer_free(p->limit);
        covey_loop_free(p->loop);
    }
    free(p);
    return status;
}
