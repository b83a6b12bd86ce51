/* SPDX-License-Identifier: MIT
 *
 * coap_send.h - outgoing CoAP requests, written from the socket that holds the private port.
 *
 * libcoap reads; it cannot send to a new peer from an endpoint's port without one connected socket
 * per peer, which would also take that peer's packets away from the endpoint.
 */
#ifndef COVEY_COAP_SEND_H
#define COVEY_COAP_SEND_H

#include "addr_internal.h"
#include "covey/coap.h"
#include "shape.h"

enum {
    /* A non-confirmable POST in front of its payload: header 4, /covey/x 8, No-Response 3,
       marker 1. */
    COVEY__COAP_HEAD = 16,
    COVEY__COAP_PAYLOAD_MAX = 1400,
};

struct covey__coap_out {
    struct covey__shape *shape;
    int fd;
    bool v6; /* dual-stack, else IPv4 only */
    uint16_t port;
    uint16_t message_id;
};

/* Takes the port alone (0: stock port if free, else any), before libcoap binds it a second time. */
covey_err covey__coap_out_open(struct covey__coap_out *o, struct covey__shape *shape,
                               uint16_t port) COVEY_CHECK;
/* Lets libcoap's endpoint bind the same port, and nobody afterwards. */
void covey__coap_out_share(struct covey__coap_out *o, bool share);
void covey__coap_out_close(struct covey__coap_out *o);

/* interface: for multicast; NULL for unicast. What the kernel does not take is dropped. */
void covey__coap_out_post(struct covey__coap_out *o, enum covey_coap_kind kind,
                          const struct covey_addr *to, const struct covey__interface *interface,
                          struct covey_bytes payload);

#endif /* COVEY_COAP_SEND_H */
