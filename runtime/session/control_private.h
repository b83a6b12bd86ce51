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
void covey__control_tell_status(struct covey_client *client, uint32_t id);

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

/* control_added.c */
/* Blobs that are kept since this client spoke of them; if it has gone they are released. */
void covey__control_added(struct covey_daemon *d, uint64_t serial, struct covey_digest *take_digest,
                          size_t count);
/* They are a model's or a training's now, which keeps them. */
void covey__control_added_used(struct covey_client *client);
/* It goes. */
void covey__control_added_end(struct covey_client *client);

/* No longer one of this device's: its manifest goes. */
void covey__control_forget(struct covey_daemon *d, const struct covey_digest *id);
/* MODEL_GET: brought here first if need be. MODEL_REMOVE. */
void covey__control_get_model(struct covey_client *client, const struct covey_control *in);
void covey__control_remove_model(struct covey_client *client, const struct covey_control *in);
void covey__control_brought(void *user, const struct covey_brought *brought);

/* control_product.c */
void covey__control_product(struct covey_client *client, const struct covey_control *in,
                            struct covey_body *take_body);

/* control_catalogue.c */
/* What was known at the last start; then this device's models that are in no entry are added. */
void covey__models_open(struct covey_daemon *d);
void covey__models_publish(struct covey_daemon *d, const struct covey_catalogue_entry *e,
                           bool removed);
/* The entry that counts: one that was not removed, one's own. */
bool covey__models_find(const struct covey_daemon *d, const struct covey_digest *id,
                        struct covey_catalogue_model *out);
/* Its name, or its id where it was not met. */
void covey__models_device(const struct covey_daemon *d, const struct covey_node_id *id,
                          char out[static COVEY_NAME_MAX + 1]);
size_t covey__models_sources(void *user, const struct covey_digest *id, struct covey_node_id *out,
                             size_t max);

/* control_infer.c */
void covey__control_infer(struct covey_client *client, const struct covey_control *in,
                          struct covey_body *take_body);
void covey__control_detach(struct covey_client *client, const struct covey_control *in,
                           struct covey_body *take_body);
void covey__control_sessions(struct covey_client *client, uint32_t id);
void covey__control_session_get(struct covey_client *client, const struct covey_control *in);
void covey__control_session_stop(struct covey_client *client, const struct covey_control *in);
void covey__control_plan(struct covey_client *client, const struct covey_control *in);

/* control_custody.c */
/* Before the trainings, whose keeper it is. */
covey_err covey__control_custody_open(struct covey_daemon *d, const char *state_dir,
                                      char out_why[static 256]) COVEY_CHECK;

/* To what the trainings listed: what this device keeps of them, and of others'. */
void covey__control_custody_list(struct covey_daemon *d, struct covey_control_sessions *list);
void covey__control_custody_resume(struct covey_client *client, const struct covey_control *in);

/* control_train.c */
covey_err covey__control_train_open(struct covey_daemon *d) COVEY_CHECK;
/* Before the pools stop. */
void covey__control_train_close(struct covey_daemon *d);
void covey__control_train(struct covey_client *client, const struct covey_control *in,
                          struct covey_body *take_body);
void covey__control_train_watch(struct covey_client *client, const struct covey_control *in);
void covey__control_train_list(const struct covey_daemon *d, struct covey_control_sessions *list);
/* False: no training session has this name. */
bool covey__control_train_get(struct covey_client *client, const struct covey_control *in);
/* NOT_FOUND: nothing of this name; else why it is not stopped, in out_why. */
covey_err covey__control_train_stop(const struct covey_daemon *d, const char *name,
                                    char out_why[static 256]) COVEY_CHECK;

#endif /* COVEY_SESSION_CONTROL_PRIVATE_H */
