/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "addr_internal.h"
#include "covey/coap.h"

socklen_t covey__addr_to_socket(const struct covey_addr *a, bool keep_v6,
                                struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (covey__addr_is_v4(a) && !keep_v6) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&v4.sin_addr, a->ip + 12, 4);
        memcpy(out, &v4, sizeof(v4));
        return sizeof(v4);
    }
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    memcpy(&v6.sin6_addr, a->ip, 16);
    v6.sin6_scope_id = a->scope;
    memcpy(out, &v6, sizeof(v6));
    return sizeof(v6);
}

covey_err covey__addr_from_socket(const struct sockaddr *sa, struct covey_addr *out)
{
    struct covey_addr a = {0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, sa, sizeof(v4));
        a.ip[10] = 0xff;
        a.ip[11] = 0xff;
        memcpy(a.ip + 12, &v4.sin_addr, 4);
        a.port = ntohs(v4.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, sa, sizeof(v6));
        memcpy(a.ip, &v6.sin6_addr, 16);
        a.port = ntohs(v6.sin6_port);
        if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) {
            a.scope = v6.sin6_scope_id;
        }
    } else {
        return COVEY_ERR_UNSUPPORTED;
    }
    *out = a;
    return COVEY_OK;
}

static bool parse_port(const char *text, uint16_t *out)
{
    unsigned long port = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0') {
        return false;
    }
    port = strtoul(text, NULL, 10);
    if (port == 0 || port > UINT16_MAX) {
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

/* Cuts "host", "host:port", "[v6]", "[v6]:port" or a bare IPv6 address into its parts. */
static covey_err split(const char *text, char host[static 256], uint16_t *port)
{
    const char *begin = text;
    const char *end = text + strlen(text);
    const char *after = end;
    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        if (end == NULL) {
            return COVEY_ERR_MALFORMED;
        }
        after = end + 1;
    } else {
        const char *colon = strchr(text, ':');
        if (colon != NULL && strchr(colon + 1, ':') == NULL) {
            end = colon;
            after = colon;
        }
    }
    size_t len = (size_t)(end - begin);
    if (len == 0 || len > 255) {
        return COVEY_ERR_MALFORMED;
    }
    if (*after != '\0' && (*after != ':' || !parse_port(after + 1, port))) {
        return COVEY_ERR_MALFORMED;
    }
    memcpy(host, begin, len);
    host[len] = '\0';
    return COVEY_OK;
}

covey_err covey_addr_parse(const char *text, uint16_t default_port, struct covey_addr *out)
{
    char host[256];
    uint16_t port = default_port;
    covey_err err = split(text, host, &port);
    if (err != COVEY_OK) {
        return err;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0) {
        return COVEY_ERR_NOT_FOUND;
    }
    struct covey_addr a;
    err = found == NULL ? COVEY_ERR_NOT_FOUND : covey__addr_from_socket(found->ai_addr, &a);
    if (found != NULL) {
        freeaddrinfo(found);
    }
    if (err == COVEY_OK) {
        a.port = port;
        *out = a;
    }
    return err;
}

void covey_addr_format(const struct covey_addr *addr, char out[static 80])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (covey__addr_is_v4(addr)) {
        inet_ntop(AF_INET, addr->ip + 12, ip, sizeof(ip));
        snprintf(out, 80, "%s:%u", ip, (unsigned)addr->port);
        return;
    }
    inet_ntop(AF_INET6, addr->ip, ip, sizeof(ip));
    char name[IF_NAMESIZE] = "";
    if (addr->scope != 0 && if_indextoname(addr->scope, name) == NULL) {
        snprintf(name, sizeof(name), "%u", (unsigned)addr->scope);
    }
    snprintf(out, 80, "[%s%s%s]:%u", ip, name[0] == '\0' ? "" : "%", name, (unsigned)addr->port);
}

static struct covey__interface *entry(struct covey__interface *list, size_t *count,
                                      const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return &list[i];
        }
    }
    if (*count == COVEY__INTERFACES_MAX || strlen(name) >= sizeof(list->name)) {
        return NULL;
    }
    struct covey__interface *e = &list[(*count)++];
    memset(e, 0, sizeof(*e));
    memcpy(e->name, name, strlen(name) + 1);
    e->index = if_nametoindex(name);
    return e;
}

static size_t collect(const struct ifaddrs *all, const char *name, unsigned flag,
                      struct covey__interface *out)
{
    size_t count = 0;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 || (i->ifa_flags & flag) != flag ||
            (name != NULL && strcmp(name, i->ifa_name) != 0)) {
            continue;
        }
        int family = i->ifa_addr->sa_family;
        if (family != AF_INET && family != AF_INET6) {
            continue;
        }
        struct covey__interface *e = entry(out, &count, i->ifa_name);
        if (e != NULL) {
            if (family == AF_INET && !e->has_v4) {
                e->has_v4 = true;
                e->v4 = ((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
            }
            e->has_v6 = e->has_v6 || family == AF_INET6;
        }
    }
    return count;
}

size_t covey__interfaces_find(const char *name,
                              struct covey__interface out[static COVEY__INTERFACES_MAX])
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0) {
        return 0;
    }
    size_t count = collect(all, name, name == NULL ? IFF_MULTICAST : 0, out);
    if (count == 0 && name == NULL) {
        count = collect(all, NULL, IFF_LOOPBACK, out);
    }
    freeifaddrs(all);
    return count;
}

size_t covey_addrs_own(const char *interface, struct covey_addr *out, size_t max)
{
    struct covey__interface found[COVEY__INTERFACES_MAX];
    size_t interfaces = covey__interfaces_find(interface, found);
    size_t count = 0;
    for (size_t i = 0; i < interfaces && count < max; i++) {
        if (found[i].has_v4) {
            struct covey_addr *a = &out[count++];
            *a = (struct covey_addr){.ip = {[10] = 0xff, 0xff}};
            memcpy(a->ip + 12, &found[i].v4, 4);
        }
    }
    return count;
}
