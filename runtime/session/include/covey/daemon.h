/* SPDX-License-Identifier: MIT
 *
 * daemon.h - a whole node: core, network, store, sessions, control socket on one loop. What coveyd
 * runs and what another program embeds.
 */
#ifndef COVEY_DAEMON_H
#define COVEY_DAEMON_H

#include "covey/bytes.h"
#include "covey/loop.h"

struct covey_daemon;

struct covey_daemon_config {
    const char *state_dir;   /* keys, store, control socket (STATE/control.sock) */
    const char *interface;   /* NULL: all; "lo": loopback only */
    const char *const *join; /* addresses, may be NULL */
    size_t join_count;
    uint64_t memory_bytes; /* of the process, from COVEY_MEMORY_MIN on; 0: half of the machine's */
    uint64_t store_bytes;  /* on disk, the same; 0: a quarter of what is free at the start */
    unsigned threads;      /* of the compute pool; 0: one per processor, at most 4 */
    uint16_t port;         /* gossip port; 0: stock 5684 or any; channel port is port + 1 */
    bool lab;              /* may be told to answer late or wrongly, for trying */
    void *user;
    void (*on_log)(void *user, const char *line);
    void (*on_stopped)(void *user); /* left the mesh; the loop may stop */
};

/* One line in out_why on failure; nothing half-made stays behind. */
covey_err covey_daemon_open(struct covey_loop *loop, const struct covey_daemon_config *config,
                            struct covey_daemon **out, char out_why[static 256]) COVEY_CHECK;
/* Tells the mesh that it leaves, then on_stopped. */
void covey_daemon_leave(struct covey_daemon *d);
void covey_daemon_close(struct covey_daemon *d);

#endif /* COVEY_DAEMON_H */
