/* SPDX-License-Identifier: MIT
 *
 * addr_internal.h - struct covey_addr to and from socket addresses, and the interfaces there are.
 */
#ifndef COVEY_ADDR_INTERNAL_H
#define COVEY_ADDR_INTERNAL_H

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "covey/err.h"
#include "covey/ids.h"

static inline bool covey__addr_is_v4(const struct covey_addr *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

/* AF_INET for mapped addresses unless keep_v6 (for dual-stack sockets). Returns the length. */
socklen_t covey__addr_to_socket(const struct covey_addr *a, bool keep_v6,
                                struct sockaddr_storage *out);
covey_err covey__addr_from_socket(const struct sockaddr *sa, struct covey_addr *out) COVEY_CHECK;

enum { COVEY__INTERFACES_MAX = 16 };

struct covey__interface {
    char name[IF_NAMESIZE];
    unsigned index;
    bool has_v4, has_v6;
    struct in_addr v4; /* its first IPv4 address */
};

/* Interfaces that are up and fit: the named one; or all that can multicast, or the loopback when
 * there is none. Returns how many. */
size_t covey__interfaces_find(const char *name,
                              struct covey__interface out[static COVEY__INTERFACES_MAX]);

#endif /* COVEY_ADDR_INTERNAL_H */
