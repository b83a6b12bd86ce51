/* SPDX-License-Identifier: MIT
 *
 * read_set.h - the parts of reading a data set: decoders of bytes in memory, folders of pictures.
 *
 * Private to the readers. A decoder's reason does not name the file: the caller does.
 */
#ifndef COVEY_READ_SET_H
#define COVEY_READ_SET_H

#include "read_dataset.h"
#include "read_decode.h"
#include "read_file.h"

/* What a spec says behind its kind, options cut off. */
struct covey__place {
    char path[COVEY_READ_PATH - 64];
    struct covey_dataset_config ask;
    bool coarse;
};

/* Memory for form's count, shape, and kind: LIMIT when it is too much or nothing. */
covey_err covey__set_new(const struct covey_dataset *form, bool floats, struct covey_dataset *out,
                         struct covey_nn_error *why) COVEY_CHECK;
/* Puts more behind d and frees it; RANGE when its samples differ. On failure both are as before. */
covey_err covey__set_append(struct covey_dataset *d, struct covey_dataset *take_more,
                            struct covey_nn_error *why) COVEY_CHECK;
/* [n], [n k], [n h w] or [n c h w] as count and samples; the rank is 1 to 4. */
void covey__set_form(const struct covey_shape *shape, struct covey_dataset *out);
/* Of count items, how many are for training where a source has no split of its own. */
size_t covey__set_train(size_t count);

/* Lines of 64 values of 0..16 and a label of 0..9. */
covey_err covey__decode_digits(struct covey_bytes in, struct covey_dataset *out,
                               struct covey_nn_error *why) COVEY_CHECK;
/* IDX images [n], [n k], [n h w] or [n c h w] of any element type, with integer labels [n]. The
 * reason is that of *out_bad, which is 0 for the images, 1 for the labels. */
covey_err covey__decode_idx(const struct covey_bytes files[static 2], struct covey_dataset *out,
                            size_t *out_bad, struct covey_nn_error *why) COVEY_CHECK;
/* CIFAR records: label_bytes labels, then 3072 pixels. The label at index `label` counts. */
struct covey__cifar_form {
    size_t label_bytes, label;
    uint32_t classes;
};
covey_err covey__decode_cifar(struct covey_bytes in, const struct covey__cifar_form *form,
                              struct covey_dataset *out, struct covey_nn_error *why) COVEY_CHECK;
/* One name a line, exactly count. Heap. */
covey_err covey__decode_names(struct covey_bytes in, size_t count, struct covey_dataset_name **out,
                              struct covey_nn_error *why) COVEY_CHECK;

/* Sources; they name the file. split is TRAIN or TEST. */
covey_err covey__open_mnist(const struct covey__place *place, enum covey_dataset_split split,
                            struct covey_dataset *out, struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__open_cifar(const struct covey__place *place, enum covey_dataset_split split,
                            bool hundred, struct covey_dataset *out,
                            struct covey_nn_error *why) COVEY_CHECK;

/* Pictures of a folder with their labels, in the order of the classes and of their names. */
struct covey__folder {
    size_t count;
    char **paths;
    uint16_t *labels;
    uint32_t classes;
    struct covey_dataset_name *names;
};
covey_err covey__folder_list(const char *dir, enum covey_dataset_split split,
                             struct covey__folder *out, struct covey_nn_error *why) COVEY_CHECK;
void covey__folder_done(struct covey__folder *f);
/* Takes f's names. */
covey_err covey__folder_load(struct covey__folder *f, const struct covey_dataset_config *ask,
                             struct covey_dataset *out, struct covey_nn_error *why) COVEY_CHECK;

/* Cuts spec into kind and place; NULL when it is no data set. The place is checked by the next. */
const char *covey__spec_kind(const char *spec);
covey_err covey__spec_place(const char *spec, const struct covey_dataset_config *config,
                            struct covey__place *out, struct covey_nn_error *why) COVEY_CHECK;

#endif /* COVEY_READ_SET_H */
