/* SPDX-License-Identifier: MIT
 *
 * train_model.h - the network that is trained, and how its input is normalised.
 */
#ifndef COVEY_CLI_TRAIN_MODEL_H
#define COVEY_CLI_TRAIN_MODEL_H

#include "covey/ids.h"
#include "onnx_import.h"
#include "read_dataset.h"
#include "train_options.h"

enum { COVEY__TRAIN_CHANNELS_MAX = 1024 }; /* of a builder's input */

/* graph is the builder's or onnx's; free with covey__train_model_done() only. */
struct covey__train_model {
    struct covey_onnx onnx;
    struct covey_graph *graph;
    bool normalised; /* x becomes (x - mean) / std, in front */
    uint32_t channels;
    float mean[COVEY__TRAIN_CHANNELS_MAX], std[COVEY__TRAIN_CHANNELS_MAX];
};

/* Reads a model file; nothing for a builder's name. A zeroed struct is safe for done(). */
covey_err covey__train_model_read(struct covey__train_model *m,
                                  const struct covey__train_options *o,
                                  struct covey_nn_error *out_why) COVEY_CHECK;
void covey__train_model_done(struct covey__train_model *m);
/* The size of pictures that the model asks for; a name asks for none. */
void covey__train_model_wishes(const struct covey__train_model *m,
                               struct covey_dataset_config *inout_config);
/* Builds the network where it is a name, and puts the normalisation in front where it is wanted:
 * the mean and standard deviation of each channel of the samples. */
covey_err covey__train_model_fit(struct covey__train_model *m, const struct covey__train_options *o,
                                 const struct covey_dataset *d,
                                 struct covey_nn_error *out_why) COVEY_CHECK;
/* What the trained model is called. */
void covey__train_model_name(const struct covey__train_options *o,
                             char out[static COVEY_NAME_MAX + 1]);
/* The model as it is now, as ONNX. */
covey_err covey__train_model_encode(const struct covey__train_model *m,
                                    const struct covey__train_options *o, uint8_t **out,
                                    size_t *out_len, struct covey_nn_error *out_why) COVEY_CHECK;

/* Digests of the samples with their labels. */
void covey__train_data_digest(const struct covey_dataset *d, struct covey_digest *out);

#endif /* COVEY_CLI_TRAIN_MODEL_H */
