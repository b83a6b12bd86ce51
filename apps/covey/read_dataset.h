/* SPDX-License-Identifier: MIT
 *
 * read_dataset.h - labelled data sets in compact memory, for training and for covey infer.
 *
 * Loads a split whole; its samples are then at hand in any order. Does not shuffle, normalise or
 * augment. Every size that a file declares is checked against what is there before it is used;
 * every failure is one line that names the file.
 */
#ifndef COVEY_READ_DATASET_H
#define COVEY_READ_DATASET_H

#include "read_input.h"

enum covey_dataset_limits {
    /* Items: ten times MNIST. */
    COVEY_DATASET_ITEMS_MAX = 1000000,
    /* Bytes of a file, and of the samples as they are kept: CIFAR's 60,000 take 184 MB. */
    COVEY_DATASET_BYTES_MAX = 1 << 29,
    /* Classes: ImageNet's longest list has 21,841. */
    COVEY_DATASET_CLASSES_MAX = 32768,
    /* Bytes of a label's name without the final zero: the longest of CIFAR-100 has 30. */
    COVEY_DATASET_NAME_MAX = 63,
    /* Pixels along one side of a sample: above what image classifiers take. */
    COVEY_DATASET_SIDE_MAX = 4096,
};

enum covey_dataset_split {
    COVEY_SPLIT_DEFAULT, /* as the spec says; else test where the source is split, else all */
    COVEY_SPLIT_TRAIN,
    COVEY_SPLIT_TEST,
    COVEY_SPLIT_BOTH, /* training samples first */
};

/* What is asked of a source; zeroed: nothing. The size is for folders, whose pictures are brought
 * to it (bilinear): channels 0 takes grey if all are grey, else colour; height and width 0 takes
 * the pictures' own, if they all have one size. */
struct covey_dataset_config {
    enum covey_dataset_split split;
    uint32_t channels, height, width;
};

struct covey_dataset_name {
    char text[COVEY_DATASET_NAME_MAX + 1];
};

/* Samples [channels height width]. Exactly one of bytes and floats is there; each label is below
 * classes. Caller's memory; only read the fields. */
struct covey_dataset {
    enum covey_item_kind kind;
    size_t count;
    uint32_t channels, height, width;
    uint32_t classes;
    float top;                        /* the largest value the source can hold; 0: not known */
    struct covey_dataset_name *names; /* of the classes; NULL: none given */
    uint16_t *labels;
    uint8_t *bytes;
    float *floats;
};

/* spec is a kind, a colon, a place and options behind commas:
 *   mnist:DIR        IDX files under MNIST's names, of any element type, up to [n c h w]
 *   cifar10:DIR      binary records; DIR may be one file; names from batches.meta.txt
 *   cifar100:DIR     the same, fine labels or with ,coarse; names from fine_label_names.txt
 *   digits:FILE      CSV: 64 values of 0..16 and the label
 *   folder:DIR       a folder of pictures a class, or those in DIR/train and DIR/test; ,HxW
 *   npy:X,Y          two .npy files: [n], [n k], [n h w] or [n c h w], and labels [n] or [n 1]
 * Each file may be plain or gzip (but .npy and pictures). Options: ,train ,test ,both; RANGE if
 * they contradict the config. Sources that are not split are cut: the first four fifths in the
 * file's order (in a folder: of each class, by name), rounded down, are for training, the rest for
 * testing. classes is the format's (mnist: 10, or more if a label says so; npy: the largest label
 * and one) whatever the split holds. config NULL: nothing asked. */
covey_err covey_dataset_load(const char *spec, const struct covey_dataset_config *config,
                             struct covey_dataset *out, struct covey_nn_error *out_why) COVEY_CHECK;
/* Frees what was loaded; a zeroed one is fine. */
void covey_dataset_done(struct covey_dataset *d);
/* Is spec one of the kinds above? */
bool covey_dataset_is_spec(const char *spec);
/* Values of one sample. */
size_t covey_dataset_values(const struct covey_dataset *d);
/* Writes sample index as floats as they are stored (pictures 0..255, digits 0..16); its label. */
uint32_t covey_dataset_sample(const struct covey_dataset *d, size_t index, float *out);

#endif /* COVEY_READ_DATASET_H */
