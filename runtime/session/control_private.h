/* SPDX-License-Identifier: MIT
 *
 * control_private.h - what the files that answer the control socket share: control.c (frames),
 * control_status.c, control_models.c, control_infer.c.
 */
#ifndef COVEY_SESSION_CONTROL_PRIVATE_H
#define COVEY_SESSION_CONTROL_PRIVATE_H

#include "daemon_state.h"

/* control.c. The daemon's `out` is the reply: its type, id and part. */
void covey__control_reply(struct covey_client *client, struct covey_bytes body);
/* text NULL or empty: what the code says. */
void covey__control_error(struct covey_client *client, uint32_t id, covey_err code,
                          const char *text);
void covey__control_done(struct covey_client *client, uint32_t id,
                         const struct covey_digest *digest);
/* NULL: it has gone. */
struct covey_client *covey__control_client(struct covey_daemon *d, uint64_t serial);

/* control_status.c */
void covey__control_status(struct covey_client *client, uint32_t id);

/* control_models.c. What reads or writes the store, on the storage thread; takes the body. */
void covey__control_storage(struct covey_client *client, const struct covey_control *in,
                            struct covey_body *take_body);
void covey__control_models(struct covey_client *client, uint32_t id);
/* A name resolves only if it is unique; of two models of one name the id must be given. NULL: why
 * is set. */
const struct covey_catalogue_entry *covey__control_resolve(const struct covey_daemon *d,
                                                           const char *text, const char **out_why);
/* The models that were added before; a manifest that no longer decodes is left out and said so. */
void covey__control_load_models(struct covey_daemon *d);

/* control_infer.c */
void covey__control_infer(struct covey_client *client, const struct covey_control *in,
                          struct covey_body *take_body);
void covey__control_plan(struct covey_client *client, const struct covey_control *in);

#endif /* COVEY_SESSION_CONTROL_PRIVATE_H */
