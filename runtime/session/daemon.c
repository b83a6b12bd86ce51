/* SPDX-License-Identifier: MIT */
#include "covey/daemon.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "daemon_state.h"
#include "control_private.h"
#include "probe.h"
#include "rate.h"

/* Of the node's memory, for messages that are not whole yet. The least lets inputs and outputs of
 * the usual networks' layers through, of which the longest has 13 MB. */
enum { UNFINISHED_SHARE = 2, UNFINISHED_MIN = 16 << 20 };
enum { TICK_MS = 100, COMPUTE_NICE = 2, STORAGE_NICE = 10, BACKGROUND_NICE = 15 };

void covey__daemon_log(struct covey_daemon *d, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (d->on_log != NULL) {
        d->on_log(d->user, line);
    }
}

/* ---- actions of the node ---- */

static void on_message(void *user, const struct covey_node_id *peer, struct covey_bytes control,
                       struct covey_body *take_body);

static void send_message(struct covey_daemon *d, const struct covey_action *a)
{
    struct covey_body *body = covey__handles_get(&d->services.handles, a->body);
    struct covey_body *part = NULL;
    if (a->part_len > 0) {
        if (covey_body_slice(body, a->part_from, a->part_len, &part) != COVEY_OK) {
            return; /* as if the channel could take no more */
        }
        body = part;
    }
    if (covey_node_id_equal(&a->peer, &d->identity->cert.node)) {
        on_message(d, &a->peer, a->bytes, body != NULL ? covey_body_ref(body) : NULL);
        covey_body_unref(part);
        return;
    }
    /* A peer without a channel or too far behind: the job machine goes on without its answer. */
    covey_err ignored = covey_channels_send(d->services.channels, &a->peer, a->bytes, body);
    (void)ignored;
    covey_body_unref(part);
}

static void act_network(struct covey_daemon *d, const struct covey_action *a)
{
    switch ((int)a->type) {
    case COVEY_ACTION_MULTICAST:
        covey_coap_multicast_hello(d->coap, a->bytes);
        break;
    case COVEY_ACTION_HELLO:
        covey_coap_send(d->coap, COVEY_COAP_HELLO, &a->addr, a->bytes);
        break;
    case COVEY_ACTION_GOSSIP:
        covey_coap_send(d->coap, COVEY_COAP_GOSSIP, &a->addr, a->bytes);
        break;
    case COVEY_ACTION_DIAL:
        covey_channels_dial(d->services.channels, &a->addr, a->has_peer ? &a->peer : NULL);
        break;
    case COVEY_ACTION_DROP:
        covey_channels_drop(d->services.channels, &a->peer);
        break;
    case COVEY_ACTION_SEND:
        send_message(d, a);
        break;
    case COVEY_ACTION_RELEASE:
        covey_body_unref(covey__handles_take(&d->services.handles, a->body));
        break;
    case COVEY_ACTION_MEMBER:
        covey__daemon_tell_member(d, &a->peer);
        break;
    case COVEY_ACTION_CATALOGUE:
        covey__control_catalogue(d);
        break;
    case COVEY_ACTION_COORDINATOR:
        covey__daemon_tell_coordinator(d);
        break;
    case COVEY_ACTION_LEFT:
        d->on_stopped(d->user);
        break;
    default:
        COVEY_ASSERT(!"unknown action");
    }
}

static void act(struct covey_daemon *d, const struct covey_action *a)
{
    switch ((int)a->type) {
    case COVEY_ACTION_NONE:
        break;
    case COVEY_ACTION_ASSIGNED:
        covey__holder_assigned(d->holder, a);
        break;
    case COVEY_ACTION_STORE:
        covey__content_store(d->content, a);
        break;
    case COVEY_ACTION_FETCHED:
        if (!covey__task_work_fetched(d->work, a) && !covey__bring_fetched(d->bring, a) &&
            !covey__custodian_fetched(d->custodian, a)) {
            covey__holder_fetched(d->holder, a);
        }
        break;
    case COVEY_ACTION_SERVE:
        covey__content_serve(d->content, a);
        break;
    case COVEY_ACTION_COMPUTE:
        covey__holder_compute(d->holder, a);
        break;
    case COVEY_ACTION_TILE:
        covey__tiling_compute(d->tiling, covey__holder_find(d->holder, &a->peer, &a->fence), a);
        break;
    case COVEY_ACTION_TILES_DROPPED:
        covey__tiling_dropped(d->tiling, a);
        break;
    case COVEY_ACTION_RETIRED:
        covey__holder_retired(d->holder, a);
        break;
    case COVEY_ACTION_PLAN:
        covey__planner_plan(d->planner, a);
        break;
    case COVEY_ACTION_PREPARE:
        covey__owner_prepare(d->owner, a);
        break;
    case COVEY_ACTION_ASSIGN:
        covey__owner_assign(d->owner, a);
        break;
    case COVEY_ACTION_REFUSED:
        covey__owner_refused(d->owner, a);
        break;
    case COVEY_ACTION_ACTIVE:
        covey__owner_active(d->owner, a);
        break;
    case COVEY_ACTION_FORGET:
        covey__owner_forget_version(d->owner, a);
        break;
    case COVEY_ACTION_COMPUTE_LOCAL:
        covey__owner_compute_local(d->owner, a);
        break;
    case COVEY_ACTION_PROBED:
        covey__probe_answered(d->probe, &a->peer, a->work);
        break;
    case COVEY_ACTION_LAYER_DONE:
        covey__owner_layer_done(d->owner, a);
        break;
    case COVEY_ACTION_TILES_CUT:
        covey__owner_tiles_cut(d->owner, a);
        break;
    case COVEY_ACTION_TILES_DONE:
        covey__owner_tiles_done(d->owner, a);
        break;
    default:
        if (!covey__daemon_train(d, a)) {
            act_network(d, a);
        }
    }
}

/* ---- events to the node ---- */

static void step(struct covey_daemon *d, const struct covey_event *event)
{
    struct covey_event e = *event;
    do {
        e.now_ms = covey_loop_now_ms(d->loop);
        e.wall_s = covey_wall_s();
        covey_err err = covey_node_step(d->node, &e, d->update);
        if (err != COVEY_OK) {
            covey__daemon_log(d, "event %d: %s", (int)e.type, covey_strerror(err));
        }
        for (size_t i = 0; i < d->update->count; i++) {
            act(d, &d->update->actions[i]);
        }
        e = (struct covey_event){.type = COVEY_EVENT_TICK};
    } while (d->update->more);
}

static void enqueue(struct covey_daemon *d, const struct covey_event *event)
{
    struct covey_event_item *item = malloc(sizeof(*item) + event->bytes.len);
    if (item == NULL) {
        covey__daemon_log(d, "out of memory: an event was dropped");
        return;
    }
    item->event = *event;
    item->next = NULL;
    if (event->bytes.len > 0) {
        memcpy(item->bytes, event->bytes.ptr, event->bytes.len);
    }
    item->event.bytes = covey_bytes_of(item->bytes, event->bytes.len);
    if (event->pieces != NULL) {
        memcpy(item->pieces, event->pieces, sizeof(item->pieces));
        item->event.pieces = item->pieces;
    }
    if (d->queue_tail != NULL) {
        d->queue_tail->next = item;
    } else {
        d->queue_head = item;
    }
    d->queue_tail = item;
}

static void feed(void *user, const struct covey_event *event)
{
    struct covey_daemon *d = user;
    if (d->closing) {
        return;
    }
    if (d->stepping) {
        enqueue(d, event);
        return;
    }
    d->stepping = true;
    step(d, event);
    while (d->queue_head != NULL) {
        struct covey_event_item *item = d->queue_head;
        d->queue_head = item->next;
        d->queue_tail = item->next == NULL ? NULL : d->queue_tail;
        step(d, &item->event);
        free(item);
    }
    d->stepping = false;
    covey_timer_set(d->timer, covey_node_deadline_ms(d->node));
}

static void on_deadline(void *user)
{
    struct covey_event event = {.type = COVEY_EVENT_TICK};
    feed(user, &event);
}

static void on_tick(void *user)
{
    struct covey_daemon *d = user;
    covey__owner_tick(d->owner);
    covey__probe_tick(d->probe);
    covey__resident_tick(&d->services.resident, covey_channels_busy(d->services.channels));
    covey__custodian_tick(d->custodian);
    covey__bring_tick(d->bring);
    covey_channels_look(d->services.channels);
    covey_timer_set(d->tick, covey_loop_now_ms(d->loop) + TICK_MS);
}

static void on_payload(void *user, enum covey_coap_kind kind, const struct covey_addr *from,
                       struct covey_bytes payload)
{
    struct covey_event event = {.type = kind == COVEY_COAP_HELLO ? COVEY_EVENT_HELLO
                                                                 : COVEY_EVENT_GOSSIP,
                                .addr = *from,
                                .bytes = payload};
    feed(user, &event);
}

static void on_message(void *user, const struct covey_node_id *peer, struct covey_bytes control,
                       struct covey_body *take_body)
{
    struct covey_daemon *d = user;
    if (d->closing) {
        covey_body_unref(take_body);
        return;
    }
    size_t len = take_body != NULL ? take_body->len : 0;
    struct covey_event event = {.type = COVEY_EVENT_MESSAGE,
                                .peer = *peer,
                                .bytes = control,
                                .body = covey__handles_put(&d->services.handles, take_body),
                                .body_len = len};
    feed(d, &event);
}

static void on_sent(void *user)
{
    const struct covey_daemon *d = user;
    covey_node_sent(d->node, covey_loop_now_ms(d->loop));
}

static void log_line(void *user, const char *line)
{
    covey__daemon_log(user, "%s", line);
}

static void tell_line(void *user, const struct covey_node_id *device, const char *what)
{
    struct covey_daemon *d = user;
    struct covey_member_info info;
    if (covey_node_find(d->node, device, &info)) {
        covey__daemon_log(d, "%s %s", info.name, what);
    }
}

static bool find_member(void *user, const struct covey_node_id *device,
                        struct covey_member_info *out)
{
    struct covey_daemon *d = user;
    return covey_node_find(d->node, device != NULL ? device : &d->identity->cert.node, out);
}

static bool nth_member(void *user, size_t index, struct covey_member_info *out)
{
    struct covey_daemon *d = user;
    if (index >= covey_node_members(d->node)) {
        return false;
    }
    covey_node_member(d->node, index, out);
    return true;
}

/* ---- life ---- */

/* What is for later goes behind requests, on real devices and on those that are played. */
static covey_err pools_new(struct covey_services *s, unsigned threads)
{
    struct covey_account *memory = &s->memory;
    const struct covey_pool_config compute = {threads, COMPUTE_NICE, COVEY_PACE_COMPUTE, memory},
                                   storage = {1, STORAGE_NICE, COVEY_PACE_BACKGROUND, memory},
                                   background = {1, BACKGROUND_NICE, COVEY_PACE_BACKGROUND, memory};
    covey_err err = covey__pool_new(s->loop, &compute, &s->compute);
    if (err == COVEY_OK) {
        err = covey__pool_new(s->loop, &storage, &s->storage);
    }
    return err == COVEY_OK ? covey__pool_new(s->loop, &background, &s->background) : err;
}

static covey_err open_services(struct covey_daemon *d, const struct covey_daemon_config *config)
{
    struct covey_services *s = &d->services;
    s->loop = d->loop;
    s->user = d;
    s->feed = feed;
    s->log = log_line;
    covey__lab_init(&s->lab, d->loop, config->lab);
    s->tell = tell_line;
    s->member = find_member;
    s->device = nth_member;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    s->memory.limit_bytes = covey__resident_bound(config->memory_bytes, machine, SIZE_MAX);
    s->resident.bound_bytes = config->memory_bytes;
    if (s->resident.bound_bytes != 0) {
        covey_body_keep_none();
    }
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = processors < 1 ? 1 : processors > 4 ? 4 : (unsigned)processors;
    threads = config->threads != 0 ? config->threads : threads;
    covey_err err = covey__handles_init(&s->handles);
    if (err == COVEY_OK) {
        err = covey__store_open(&s->store, config->state_dir);
    }
    if (err == COVEY_OK) {
        err = covey__store_limit(&s->store, config->store_bytes);
    }
    if (err == COVEY_OK) {
        err = pools_new(s, threads);
    }
    if (err == COVEY_OK) {
        err = covey__holder_new(s, &d->holder);
    }
    if (err == COVEY_OK) {
        err = covey__tiling_new(s, &d->tiling);
    }
    if (err == COVEY_OK) {
        err = covey__content_new(s, &d->content);
    }
    if (err == COVEY_OK) {
        err = covey__owner_new(s, &d->identity->cert.node, &d->owner);
    }
    if (err == COVEY_OK) {
        err = covey__planner_new(s, d->owner, &d->planner);
    }
    if (err == COVEY_OK) {
        err = covey__task_work_new(s, &d->work);
    }
    if (err == COVEY_OK) {
        err = covey__product_benches_new(s, &d->benches);
    }
    return err;
}

static covey_err open_network(struct covey_daemon *d, const struct covey_daemon_config *config,
                              char out_why[static 256])
{
    struct covey_coap_config coap = {
        .interface = config->interface, .port = config->port, .on_payload = on_payload, .user = d};
    uint64_t unfinished = d->services.memory.limit_bytes / UNFINISHED_SHARE;
    struct covey_channels_config channels = {
        .identity = d->identity,
        .unfinished_bytes = unfinished > UNFINISHED_MIN ? unfinished : UNFINISHED_MIN,
        .interface = config->interface,
        .port = config->port != 0 ? (uint16_t)(config->port + 1) : 0,
        .user = d,
        .on_up = covey__daemon_up,
        .on_down = covey__daemon_down,
        .on_stalled = covey__daemon_stalled,
        .on_growing = covey__daemon_growing,
        .on_dial_failed = covey__daemon_dial_failed,
        .on_message = on_message,
        .on_sent = on_sent,
        .on_log = log_line,
    };
    covey_err err = covey_coap_open(d->loop, &coap, &d->coap, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    return covey_channels_open(d->loop, &channels, &d->services.channels, out_why);
}

static covey_err open_node(struct covey_daemon *d, const char *interface)
{
    uint64_t seed;
    struct covey_rates rates = {0};
    covey_random(&seed, sizeof(seed));
    covey__measure_rates(&rates);
    struct covey_node_config config = {
        .identity = d->identity,
        .gossip_port = covey_coap_port(d->coap),
        .channel_port = covey_channels_port(d->services.channels),
        .seed = seed,
        .rates = rates,
    };
    covey_err err = covey__probe_new(&d->services, &config.rates, &d->probe);
    if (err != COVEY_OK) {
        return err;
    }
    size_t own = sizeof(config.addrs) / sizeof(config.addrs[0]);
    config.addr_count = (uint8_t)covey_addrs_own(interface, config.addrs, own);
    if (config.addr_count > 0) {
        d->own_addr = config.addrs[0];
        d->own_addr.port = config.gossip_port;
    }
    size_t size = (covey_node_size(&config) + 63) / 64 * 64;
    d->node_memory = aligned_alloc(64, size);
    d->update = calloc(1, sizeof(*d->update));
    if (d->node_memory == NULL || d->update == NULL) {
        return COVEY_ERR_NOMEM;
    }
    err = covey_node_init(d->node_memory, &config, covey_loop_now_ms(d->loop), &d->node);
    if (err == COVEY_OK) {
        err = covey_timer_new(d->loop, on_deadline, d, &d->timer);
    }
    if (err == COVEY_OK) {
        err = covey_timer_new(d->loop, on_tick, d, &d->tick);
    }
    return err;
}

static covey_err join(struct covey_daemon *d, const struct covey_daemon_config *config,
                      char out_why[static 256])
{
    for (size_t i = 0; i < config->join_count; i++) {
        struct covey_event event = {.type = COVEY_EVENT_JOIN};
        covey_err err = covey_addr_parse(config->join[i], 5685, &event.addr);
        if (err != COVEY_OK) {
            snprintf(out_why, 256, "--join %s: not an address, or it cannot be resolved",
                     config->join[i]);
            return err;
        }
        feed(d, &event);
    }
    return COVEY_OK;
}

static covey_err open_all(struct covey_daemon *d, const struct covey_daemon_config *config,
                          char out_why[static 256])
{
    struct covey_identity_error why = {{0}};
    covey_err err = covey_crypto_init();
    if (err == COVEY_OK) {
        err = covey_identity_load(config->state_dir, true, covey_wall_s(), &d->identity, &why);
    }
    if (err != COVEY_OK) {
        snprintf(out_why, 256, "%s", why.text[0] != 0 ? why.text : covey_strerror(err));
        return err;
    }
    err = open_services(d, config);
    if (err == COVEY_OK) {
        err = open_network(d, config, out_why);
    }
    if (err == COVEY_OK) {
        err = open_node(d, config->interface);
    }
    if (err == COVEY_OK) {
        err = covey__control_listen(d, config->state_dir, out_why);
    }
    if (err == COVEY_OK) {
        err = join(d, config, out_why);
    }
    if (err != COVEY_OK && out_why[0] == 0) {
        snprintf(out_why, 256, "cannot start: %s", covey_strerror(err));
    }
    return err;
}

covey_err covey_daemon_open(struct covey_loop *loop, const struct covey_daemon_config *config,
                            struct covey_daemon **out, char out_why[static 256])
{
    out_why[0] = 0;
    if (config->memory_bytes != 0 && config->memory_bytes < COVEY_MEMORY_MIN) {
        snprintf(out_why, 256, "a node needs at least %d bytes of memory", COVEY_MEMORY_MIN);
        return COVEY_ERR_RANGE;
    }
    struct covey_daemon *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        snprintf(out_why, 256, "%s", covey_strerror(COVEY_ERR_NOMEM));
        return COVEY_ERR_NOMEM;
    }
    d->loop = loop;
    d->user = config->user;
    d->on_log = config->on_log;
    d->on_stopped = config->on_stopped;
    covey_err err = open_all(d, config, out_why);
    if (err != COVEY_OK) {
        covey_daemon_close(d);
        return err;
    }
    covey__resident_offer(&d->services);
    on_deadline(d);
    on_tick(d);
    covey__daemon_log(d, "%s is up: gossip port %u, channel port %u", d->identity->cert.name,
                      covey_coap_port(d->coap), covey_channels_port(d->services.channels));
    *out = d;
    return COVEY_OK;
}

void covey_daemon_leave(struct covey_daemon *d)
{
    struct covey_event event = {.type = COVEY_EVENT_LEAVE};
    covey__trainings_leave(d->trainings);
    feed(d, &event);
}

void covey_daemon_close(struct covey_daemon *d)
{
    if (d == NULL) {
        return;
    }
    covey__control_train_close(d);
    covey__custodian_stop(d->custodian);
    d->closing = true;
    covey__planner_free(d->planner);
    covey__pool_stop(d->services.compute);
    covey__pool_stop(d->services.storage);
    covey__pool_stop(d->services.background); /* its last tasks may ask for both */
    covey__pool_free(d->services.compute);
    covey__pool_free(d->services.storage);
    covey__pool_free(d->services.background);
    covey__product_benches_free(d->benches);
    d->benches = NULL;
    covey__task_work_free(d->work);
    covey__lab_done(&d->services.lab);
    covey__control_stop(d);
    covey_timer_free(d->tick);
    covey_timer_free(d->timer);
    if (d->services.channels != NULL) {
        covey_channels_close(d->services.channels);
    }
    if (d->coap != NULL) {
        covey_coap_close(d->coap);
    }
    covey__owner_free(d->owner);
    covey__probe_free(d->probe);
    covey__tiling_free(d->tiling);
    covey__holder_free(d->holder);
    covey__content_free(d->content);
    covey__custodian_free(d->custodian);
    covey__store_close(&d->services.store);
    covey__handles_done(&d->services.handles);
    while (d->queue_head != NULL) {
        struct covey_event_item *item = d->queue_head;
        d->queue_head = item->next;
        free(item);
    }
    if (d->node != NULL) {
        covey_node_done(d->node);
    }
    free(d->node_memory);
    free(d->update);
    covey_identity_free(d->identity);
    free(d);
}
