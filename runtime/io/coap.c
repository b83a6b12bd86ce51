/* SPDX-License-Identifier: MIT */
#include "covey/coap.h"

#include <coap3/coap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "coap_send.h"
#include "gate.h"
#include "loop_internal.h"

enum {
    GROUP_PORT = 5683,
    /* 20,000 sources grew libcoap's table without bound and lost half; with 100 none were lost. */
    IDLE_SESSIONS_MAX = 100,
    WELL_KNOWN_PER_S = 2,
    /* A burst is read in one turn, but other work of the loop is not kept waiting for ever. */
    READS_PER_TURN = 64,
    /* libcoap's own limit of 1152 is below our largest gossip. */
    DATAGRAM_MAX = 1472,
    RECEIVE_BUFFER = 1024 * 1024,
    /* Interfaces and addresses come and go while a node runs. */
    RESCAN_MS = 10 * 1000,
    MEDIA_LINK_FORMAT = 40,
};

static const char GROUP_V4[] = "224.0.1.187";
static const char *const GROUPS_V6[] = {"ff02::fd", "ff05::fd"};
static const char WELL_KNOWN[] = "</covey>;rt=\"covey.node\"";

struct covey_coap {
    coap_context_t *context;
    uv_poll_t poll;
    struct covey_loop *loop;
    struct covey__coap_out out;
    struct covey__gate well_known;
    struct covey__interface joined[COVEY__INTERFACES_MAX];
    size_t joined_count;
    uint64_t scanned_ms;
    char interface[IF_NAMESIZE];
    unsigned interface_index, loopback_index; /* 0: any */
    covey_coap_fn on_payload;
    void *user;
    bool closing;
};

/* With an interface named, what came over another is not for us; a host's packets to its own
 * addresses come over the loopback. */
static bool from_our_interface(const struct covey_coap *c, const coap_session_t *session)
{
    if (c->interface_index == 0) {
        return true;
    }
    unsigned index = (unsigned)coap_session_get_ifindex(session);
    return index == 0 || index == c->interface_index || index == c->loopback_index;
}

static void receive(enum covey_coap_kind kind, coap_resource_t *resource, coap_session_t *session,
                    const coap_pdu_t *request)
{
    struct covey_coap *c = coap_resource_get_userdata(resource);
    const uint8_t *data = NULL;
    size_t len = 0;
    struct covey_addr from;
    if (c->closing || !from_our_interface(c, session) || !coap_get_data(request, &len, &data) ||
        len == 0) {
        return;
    }
    const coap_address_t *remote = coap_session_get_addr_remote(session);
    if (covey__addr_from_socket(&remote->addr.sa, &from) == COVEY_OK) {
        c->on_payload(c->user, kind, &from, covey_bytes_of(data, len));
    }
}

/* The response code stays empty in these handlers, so that nothing is answered. */
static void on_hello(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                     const coap_string_t *query, coap_pdu_t *response)
{
    (void)query;
    (void)response;
    receive(COVEY_COAP_HELLO, resource, session, request);
}

static void on_gossip(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                      const coap_string_t *query, coap_pdu_t *response)
{
    (void)query;
    (void)response;
    receive(COVEY_COAP_GOSSIP, resource, session, request);
}

static void on_unknown(coap_resource_t *resource, coap_session_t *session,
                       const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
    (void)resource;
    (void)session;
    (void)request;
    (void)query;
    (void)response;
}

/* RFC 6690, 4.1: a query "name=value" filters the links; a final star matches any rest. */
static bool query_matches(const coap_string_t *query)
{
    static const char *const own[] = {"rt=covey.node", "href=/covey"};
    if (query == NULL || query->length == 0) {
        return true;
    }
    bool star = query->s[query->length - 1] == '*';
    size_t len = star ? query->length - 1 : query->length;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        size_t all = strlen(own[i]);
        if (star ? len <= all && len >= 3 : len == all) {
            if (memcmp(query->s, own[i], len) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void on_well_known(coap_resource_t *resource, coap_session_t *session,
                          const coap_pdu_t *request, const coap_string_t *query,
                          coap_pdu_t *response)
{
    (void)request;
    struct covey_coap *c = coap_resource_get_userdata(resource);
    const coap_address_t *remote = coap_session_get_addr_remote(session);
    struct covey_addr from;
    if (c->closing || !from_our_interface(c, session) ||
        covey__addr_from_socket(&remote->addr.sa, &from) != COVEY_OK) {
        return;
    }
    bool matches = query_matches(query);
    if (!matches && coap_is_mcast(coap_session_get_addr_local(session))) {
        return;
    }
    if (!covey__gate_pass(&c->well_known, &from, covey_loop_now_ms(c->loop))) {
        return;
    }
    coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
    uint8_t format[4];
    size_t len = coap_encode_var_safe(format, sizeof(format), MEDIA_LINK_FORMAT);
    if (coap_add_option(response, COAP_OPTION_CONTENT_FORMAT, len, format) != 0 && matches) {
        coap_add_data(response, sizeof(WELL_KNOWN) - 1, (const uint8_t *)WELL_KNOWN);
    }
}

/* An error message for a method or a path that is not there would be an answer without a MAC. */
static void silence(coap_resource_t *r)
{
    for (int method = COAP_REQUEST_GET; method <= COAP_REQUEST_IPATCH; method++) {
        coap_register_handler(r, (coap_request_t)method, on_unknown);
    }
}

static bool add_resource(struct covey_coap *c, const char *path, coap_request_t method,
                         coap_method_handler_t handler)
{
    coap_str_const_t *uri = coap_make_str_const(path);
    /* libcoap's own delays for multicast are at least a second; ours is in the discovery machine.
     */
    coap_resource_t *r = coap_resource_init(uri, COAP_RESOURCE_FLAGS_HAS_MCAST_SUPPORT |
                                                     COAP_RESOURCE_FLAGS_LIB_DIS_MCAST_DELAYS);
    if (r == NULL) {
        return false;
    }
    coap_resource_set_userdata(r, c);
    silence(r);
    coap_register_handler(r, method, handler);
    coap_add_resource(c->context, r);
    return true;
}

static bool add_resources(struct covey_coap *c)
{
    coap_resource_t *unknown = coap_resource_unknown_init(on_unknown);
    if (unknown == NULL) {
        return false;
    }
    silence(unknown);
    coap_add_resource(c->context, unknown);
    return add_resource(c, "covey/h", COAP_REQUEST_POST, on_hello) &&
           add_resource(c, "covey/g", COAP_REQUEST_POST, on_gossip) &&
           add_resource(c, ".well-known/core", COAP_REQUEST_GET, on_well_known);
}

static bool add_endpoint(struct covey_coap *c, uint16_t port)
{
    coap_address_t any;
    coap_address_init(&any);
    if (c->out.v6) {
        any.size = sizeof(any.addr.sin6);
        any.addr.sin6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
    } else {
        any.size = sizeof(any.addr.sin);
        any.addr.sin = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    }
    coap_endpoint_t *endpoint = coap_new_endpoint(c->context, &any, COAP_PROTO_UDP);
    if (endpoint == NULL) {
        return false;
    }
    coap_endpoint_set_default_mtu(endpoint, DATAGRAM_MAX);
    return true;
}

static struct covey__interface *joined(struct covey_coap *c, const struct covey__interface *i)
{
    for (size_t k = 0; k < c->joined_count; k++) {
        if (c->joined[k].index == i->index) {
            return &c->joined[k];
        }
    }
    if (c->joined_count == COVEY__INTERFACES_MAX) {
        return NULL;
    }
    struct covey__interface *e = &c->joined[c->joined_count++];
    *e = (struct covey__interface){.index = i->index};
    memcpy(e->name, i->name, sizeof(e->name));
    return e;
}

/* Joins what is new; the return value of the joins says nothing, so they are not looked at. */
static void join_all(struct covey_coap *c)
{
    struct covey__interface found[COVEY__INTERFACES_MAX];
    size_t count = covey__interfaces_find(c->interface[0] == '\0' ? NULL : c->interface, found);
    for (size_t k = 0; k < count; k++) {
        struct covey__interface *j = joined(c, &found[k]);
        if (j == NULL) {
            continue;
        }
        if (found[k].has_v4 && !j->has_v4) {
            j->has_v4 = true;
            j->v4 = found[k].v4;
            coap_join_mcast_group_intf(c->context, GROUP_V4, j->name);
        }
        if (found[k].has_v6 && !j->has_v6 && c->out.v6) {
            j->has_v6 = true;
            coap_join_mcast_group_intf(c->context, GROUPS_V6[0], j->name);
            coap_join_mcast_group_intf(c->context, GROUPS_V6[1], j->name);
        }
    }
    c->scanned_ms = covey_loop_now_ms(c->loop);
}

/* The default buffer holds about 92 datagrams. libcoap does not show its sockets, but the kernel
 * lists what its epoll descriptor watches. Only an improvement: nothing depends on it. */
static void widen_receive_buffers(int epoll_fd)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll_fd);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return;
    }
    char line[256];
    while (fgets(line, sizeof(line), f) != NULL) {
        int fd = strncmp(line, "tfd:", 4) == 0 ? (int)strtol(line + 4, NULL, 10) : -1;
        int type = 0;
        socklen_t len = sizeof(type);
        int room = RECEIVE_BUFFER;
        if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
            type == SOCK_DGRAM) {
            int ignored = setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
            (void)ignored;
        }
    }
    fclose(f);
}

static void on_readable(uv_poll_t *poll_handle, int status, int events)
{
    (void)status;
    (void)events;
    struct covey_coap *c = poll_handle->data;
    struct pollfd p = {.fd = coap_context_get_coap_fd(c->context), .events = POLLIN};
    for (int i = 0; i < READS_PER_TURN && !c->closing; i++) {
        if (coap_io_process(c->context, COAP_IO_NO_WAIT) < 0 || poll(&p, 1, 0) <= 0) {
            break;
        }
    }
}

static const char *open_endpoints(struct covey_coap *c, uint16_t port)
{
    if (covey__coap_out_open(&c->out, covey__loop_shape(c->loop), port) != COVEY_OK) {
        return "the gossip port is in use";
    }
    c->context = coap_new_context(NULL);
    if (c->context == NULL) {
        return "no CoAP context";
    }
    coap_context_set_max_idle_sessions(c->context, IDLE_SESSIONS_MAX);
    coap_mcast_per_resource(c->context);
    if (!add_resources(c)) {
        return "no CoAP resources";
    }
    /* Joins go to every endpoint there is: the group's first, the private one after them. */
    if (!add_endpoint(c, GROUP_PORT)) {
        return "port 5683 is held by another program that does not share it";
    }
    join_all(c);
    if (c->joined_count == 0) {
        return "no interface to multicast on";
    }
    covey__coap_out_share(&c->out, true);
    bool bound = add_endpoint(c, c->out.port);
    covey__coap_out_share(&c->out, false);
    return bound ? NULL : "the gossip port cannot be bound";
}

static covey_err open_into(struct covey_coap *c, const struct covey_coap_config *config,
                           char out_why[static 256])
{
    if (config->interface != NULL) {
        size_t len = strlen(config->interface);
        c->interface_index = len < sizeof(c->interface) ? if_nametoindex(config->interface) : 0;
        if (c->interface_index == 0) {
            snprintf(out_why, 256, "no interface named %.64s", config->interface);
            return COVEY_ERR_IO;
        }
        memcpy(c->interface, config->interface, len + 1);
        c->loopback_index = if_nametoindex("lo");
    }
    const char *why = open_endpoints(c, config->port);
    if (why == NULL) {
        int fd = coap_context_get_coap_fd(c->context);
        widen_receive_buffers(fd);
        if (fd < 0 || uv_poll_init(covey__loop_uv(c->loop), &c->poll, fd) != 0) {
            why = "libcoap has no descriptor to watch";
        }
    }
    if (why != NULL) {
        snprintf(out_why, 256, "%s", why);
        return COVEY_ERR_IO;
    }
    return COVEY_OK;
}

static void release(struct covey_coap *c)
{
    if (c->context != NULL) {
        coap_free_context(c->context);
    }
    covey__coap_out_close(&c->out);
    free(c);
}

covey_err covey_coap_open(struct covey_loop *loop, const struct covey_coap_config *config,
                          struct covey_coap **out, char out_why[static 256])
{
    struct covey_coap *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        snprintf(out_why, 256, "out of memory");
        return COVEY_ERR_NOMEM;
    }
    c->loop = loop;
    c->out.fd = -1;
    c->on_payload = config->on_payload;
    c->user = config->user;
    covey__gate_init(&c->well_known, WELL_KNOWN_PER_S, WELL_KNOWN_PER_S);
    coap_startup();
    coap_set_log_level(LOG_EMERG); /* it would write to stderr */
    covey_err err = open_into(c, config, out_why);
    if (err != COVEY_OK) {
        release(c);
        return err;
    }
    c->poll.data = c;
    int rc = uv_poll_start(&c->poll, UV_READABLE, on_readable);
    COVEY_ASSERT(rc == 0);
    *out = c;
    return COVEY_OK;
}

static void on_poll_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void covey_coap_close(struct covey_coap *coap)
{
    if (coap == NULL || coap->closing) {
        return;
    }
    /* Freed from the loop: this may be called out of a payload's callback. */
    coap->closing = true;
    covey__shape_forget(coap->out.shape, &coap->out);
    uv_close((uv_handle_t *)&coap->poll, on_poll_closed);
}

uint16_t covey_coap_port(const struct covey_coap *coap)
{
    return coap->out.port;
}

void covey_coap_multicast_hello(struct covey_coap *coap, struct covey_bytes payload)
{
    if (covey_loop_now_ms(coap->loop) - coap->scanned_ms >= RESCAN_MS) {
        join_all(coap);
    }
    struct covey_addr group_v4 = {
        .ip = {[10] = 0xff, 0xff, 224, 0, 1, 187}, .scope = 0, .port = GROUP_PORT};
    for (size_t k = 0; k < coap->joined_count; k++) {
        const struct covey__interface *i = &coap->joined[k];
        if (i->has_v4) {
            covey__coap_out_post(&coap->out, COVEY_COAP_HELLO, &group_v4, i, payload);
        }
        for (uint8_t scope = 2; i->has_v6 && scope <= 5; scope += 3) { /* ff02::fd, ff05::fd */
            struct covey_addr group = {
                .ip = {0xff, scope, [15] = 0xfd}, .scope = i->index, .port = GROUP_PORT};
            covey__coap_out_post(&coap->out, COVEY_COAP_HELLO, &group, i, payload);
        }
    }
}

void covey_coap_send(struct covey_coap *coap, enum covey_coap_kind kind,
                     const struct covey_addr *to, struct covey_bytes payload)
{
    covey__coap_out_post(&coap->out, kind, to, NULL, payload);
}
