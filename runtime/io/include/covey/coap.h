/* SPDX-License-Identifier: MIT
 *
 * coap.h - hellos by CoAP multicast and gossip by unicast non-confirmable POSTs (libcoap).
 *
 * Group endpoint: port 5683 shared by all nodes of a host, groups 224.0.1.187, ff02::fd, ff05::fd.
 * Private endpoint: own port, carried in the hello; all unicast leaves from and arrives there.
 * Resources: /covey/h (hello), /covey/g (gossip), /.well-known/core (at most 64 bytes, two answers
 * a second per source; honours ?rt=covey.node). Payloads are opaque here.
 */
#ifndef COVEY_COAP_H
#define COVEY_COAP_H

#include "covey/ids.h"
#include "covey/loop.h"

struct covey_coap;

enum covey_coap_kind { COVEY_COAP_HELLO, COVEY_COAP_GOSSIP };

/* payload is borrowed for the call. from.port is the sender's private port. */
typedef void (*covey_coap_fn)(void *user, enum covey_coap_kind kind, const struct covey_addr *from,
                              struct covey_bytes payload);

struct covey_coap_config {
    const char *interface; /* NULL: every multicast-capable one that is up; "lo": loopback */
    uint16_t port;         /* private port; 0: stock port 5684 if free, else any */
    covey_coap_fn on_payload;
    void *user;
};

/* COVEY_ERR_IO with a line in out_why when a port is in use or no interface can be joined. */
covey_err covey_coap_open(struct covey_loop *loop, const struct covey_coap_config *config,
                          struct covey_coap **out, char out_why[static 256]) COVEY_CHECK;
void covey_coap_close(struct covey_coap *coap);
uint16_t covey_coap_port(const struct covey_coap *coap);
/* Multicast on all joined groups and interfaces. A send that fails is dropped: it is NON. */
void covey_coap_multicast_hello(struct covey_coap *coap, struct covey_bytes payload);
void covey_coap_send(struct covey_coap *coap, enum covey_coap_kind kind,
                     const struct covey_addr *to, struct covey_bytes payload);

/* Own addresses, one for each interface that discovery uses (the named one, or all), for the node's
 * record; ports are 0. Returns how many, at most max. */
size_t covey_addrs_own(const char *interface, struct covey_addr *out, size_t max);

/* "host", "host:port", "[v6]:port"; resolves names (blocking; at start only). */
covey_err covey_addr_parse(const char *text, uint16_t default_port,
                           struct covey_addr *out) COVEY_CHECK;
/* "10.0.0.1:5684" or "[fe80::1%eth0]:5684"; out has room for 64 bytes. */
void covey_addr_format(const struct covey_addr *addr, char out[static 80]);

#endif /* COVEY_COAP_H */
