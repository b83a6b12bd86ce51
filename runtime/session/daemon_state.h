/* SPDX-License-Identifier: MIT
 *
 * daemon_state.h - the daemon's parts, shared by daemon.c (life, events, actions) and control.c
 * (frames of the control socket).
 */
#ifndef COVEY_SESSION_DAEMON_STATE_H
#define COVEY_SESSION_DAEMON_STATE_H

#include "covey/coap.h"
#include "covey/daemon.h"
#include "covey/identity.h"
#include "covey/seldom.h"
#include "covey/socket.h"
#include "custodian.h"
#include "bring.h"
#include "content.h"
#include "detached.h"
#include "holder.h"
#include "owner.h"
#include "planner.h"
#include "probe.h"
#include "product_bench.h"
#include "services.h"
#include "task_work.h"
#include "tiles.h"
#include "training.h"

struct covey_event_item {
    struct covey_event event;
    struct covey_event_item *next;
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1];
    uint8_t bytes[];
};

/* One connection to the control socket. */
struct covey_client {
    struct covey_daemon *daemon;
    struct covey_socket_client *socket;
    uint64_t serial;
    struct covey_client *next;
    /* Blobs that it added: kept for its sake, as long as neither a model nor a training has them.
     */
    struct covey_digest *added;
    size_t added_count, added_room;
};

struct covey_catalogue_entry {
    struct covey_digest id;
    char name[COVEY_NAME_MAX + 1];
    uint64_t bytes;
    struct covey_shape input, output;
};

struct covey_daemon {
    void *user;
    void (*on_log)(void *user, const char *line);
    void (*on_stopped)(void *user);
    struct covey_loop *loop;
    struct covey_identity *identity;
    struct covey_services services;
    struct covey_holder *holder;
    struct covey_tiling *tiling;
    struct covey_owner *owner;
    struct covey_planner *planner;
    struct covey_probe *probe;
    struct covey_task_work *work;
    struct covey_product_benches *benches;
    struct covey_content *content;
    struct covey_coap *coap;
    struct covey_addr own_addr; /* as shown to people; port 0: none */
    struct covey_timer *timer;  /* the node's deadline */
    struct covey_timer *tick;   /* the owner's time-outs */
    void *node_memory;
    struct covey_node *node;
    struct covey_update *update;
    bool stepping, closing;
    struct covey_seldom member_lines[256]; /* by the first byte of a member's id */
    struct covey_event_item *queue_head, *queue_tail;
    /* control.c */
    struct covey_socket *socket;
    struct covey_client *clients;
    uint64_t next_serial;
    struct covey_control *in, *out; /* one frame at a time, loop only */
    uint8_t *frame;
    struct covey_catalogue_entry models[COVEY_CONTROL_MODELS_MAX];
    size_t model_count; /* that are here; the node's catalogue has the others */
    struct covey_bring *bring;
    struct covey_detached *detached;
    bool catalogue_open, saving, unsaved;
    /* control_train.c */
    struct covey_custodian *custodian;
    struct covey_trainings *trainings;
    struct covey_train_watcher *watchers;
};

void covey__daemon_log(struct covey_daemon *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* daemon_tell.c: lines about members. One that changes its state or claims, or whose channels end,
 * again and again fills no log. */
void covey__daemon_tell_member(struct covey_daemon *d, const struct covey_node_id *id);
void covey__daemon_tell_coordinator(struct covey_daemon *d);
void covey__daemon_tell_down(struct covey_daemon *d, const struct covey_node_id *id, covey_err why);

/* daemon_channels.c: what channels tell; user is the daemon. */
void covey__daemon_up(void *user, const struct covey_cert *peer, struct covey_bytes cert_wire,
                      const struct covey_addr *from);
void covey__daemon_down(void *user, const struct covey_node_id *peer, covey_err why);
void covey__daemon_stalled(void *user, const struct covey_node_id *peer);
void covey__daemon_growing(void *user, const struct covey_node_id *peer);
void covey__daemon_dial_failed(void *user, const struct covey_addr *to, covey_err why);

/* daemon_train.c: true: it was an action of training. */
bool covey__daemon_train(struct covey_daemon *d, const struct covey_action *a);

/* control.c */
covey_err covey__control_listen(struct covey_daemon *d, const char *state_dir,
                                char out_why[static 256]) COVEY_CHECK;
void covey__control_stop(struct covey_daemon *d);
/* control_catalogue.c: the node's catalogue changed. */
void covey__control_catalogue(struct covey_daemon *d);

#endif /* COVEY_SESSION_DAEMON_STATE_H */
