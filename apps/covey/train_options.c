/* SPDX-License-Identifier: MIT */
#include "train_options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "covey/code.h"
#include "covey/gradient_code.h"
#include "covey/limits.h"

/* Key numbers stand in checkpoints: append-only. Key 0: not kept. The same: a resumed run must have
 * it as the first one, since the numbers depend on it. */
struct row {
    const char *name;
    enum covey__option_kind kind;
    uint8_t key;
    bool same;
    size_t offset;
    uint32_t min, max;
};

#define FIELD(field) offsetof(struct covey__train_options, field)

static const struct row rows[] = {
    {"--model", COVEY__OPTION_TEXT, 1, true, FIELD(model), 0, 0},
    {"--data", COVEY__OPTION_TEXT, 2, false, FIELD(data), 0, 0},
    {"--test", COVEY__OPTION_TEXT, 3, false, FIELD(test), 0, 0},
    {"--epochs", COVEY__OPTION_NUMBER, 4, true, FIELD(epochs), 1, COVEY_TRAINING_EPOCHS_MAX},
    {"--batch", COVEY__OPTION_NUMBER, 5, true, FIELD(batch), 1, COVEY__TRAIN_BATCH_MAX},
    {"--optimizer", COVEY__OPTION_TEXT, 6, true, FIELD(optimizer), 0, 0},
    {"--lr", COVEY__OPTION_REAL, 7, true, FIELD(lr), 0, 0},
    {"--momentum", COVEY__OPTION_REAL, 8, true, FIELD(momentum), 0, 0},
    {"--nesterov", COVEY__OPTION_FLAG, 9, true, FIELD(nesterov), 0, 0},
    {"--weight-decay", COVEY__OPTION_REAL, 10, true, FIELD(weight_decay), 0, 0},
    {"--label-smoothing", COVEY__OPTION_REAL, 11, true, FIELD(label_smoothing), 0, 0},
    {"--schedule", COVEY__OPTION_TEXT, 12, true, FIELD(schedule), 0, 0},
    {"--step-epochs", COVEY__OPTION_NUMBER, 13, true, FIELD(step_epochs), 1, UINT32_MAX},
    {"--step-factor", COVEY__OPTION_REAL, 14, true, FIELD(step_factor), 0, 0},
    {"--warmup", COVEY__OPTION_NUMBER, 15, true, FIELD(warmup), 0, UINT32_MAX - 1},
    {"--augment", COVEY__OPTION_TEXT, 16, true, FIELD(augment), 0, 0},
    {"--normalise", COVEY__OPTION_TEXT, 17, true, FIELD(normalise), 0, 0},
    {"--seed", COVEY__OPTION_NUMBER, 18, true, FIELD(seed), 0, UINT32_MAX},
    {"--width", COVEY__OPTION_REAL, 19, true, FIELD(width), 0, 0},
    {"--depth", COVEY__OPTION_NUMBER, 20, true, FIELD(depth), 1, 1000},
    {"--units", COVEY__OPTION_NUMBER, 21, true, FIELD(units), 1, 1 << 20},
    {"--threads", COVEY__OPTION_NUMBER, 22, false, FIELD(threads), 1, COVEY_THREADS_MAX},
    {"--every", COVEY__OPTION_NUMBER, 23, false, FIELD(every), 1, UINT32_MAX},
    {"--out", COVEY__OPTION_TEXT, 24, false, FIELD(out), 0, 0},
    {"--report", COVEY__OPTION_TEXT, 25, false, FIELD(report), 0, 0},
    {"--checkpoint", COVEY__OPTION_TEXT, 0, false, FIELD(checkpoint), 0, 0},
    {"--resume", COVEY__OPTION_TEXT, 0, false, FIELD(resume), 0, 0},
    {"--local", COVEY__OPTION_FLAG, 0, false, FIELD(local), 0, 0},
    {"--strategy", COVEY__OPTION_TEXT, 0, false, FIELD(strategy), 0, 0},
    {"--blocks", COVEY__OPTION_NUMBER, 0, false, FIELD(blocks), 1, COVEY_CODE_BLOCKS_MAX},
    {"--tasks", COVEY__OPTION_NUMBER, 0, false, FIELD(tasks), 1, COVEY_ROUND_TASKS_MAX},
    {"--private", COVEY__OPTION_NUMBER, 0, false, FIELD(masks), 1, COVEY_WORKERS_MAX},
    {"--private-inputs", COVEY__OPTION_NUMBER, 0, false, FIELD(input_masks), 1, COVEY_WORKERS_MAX},
    {"--mode", COVEY__OPTION_TEXT, 0, false, FIELD(mode), 0, 0},
    {"--spare", COVEY__OPTION_NUMBER, 0, false, FIELD(spare), 0, COVEY_GRADIENT_SPARE_MAX},
    {"--parts", COVEY__OPTION_NUMBER, 0, false, FIELD(parts), 1, COVEY_GRADIENT_TASKS_MAX},
    {"--devices", COVEY__OPTION_NUMBER, 0, false, FIELD(devices), 1, COVEY_WORKERS_MAX},
    {"--check", COVEY__OPTION_TEXT, 0, false, FIELD(check), 0, 0},
    {"--coded", COVEY__OPTION_TEXT, 0, false, FIELD(coded), 0, 0},
    {"--any-trust", COVEY__OPTION_FLAG, 0, false, FIELD(any_trust), 0, 0},
    {"--own-work", COVEY__OPTION_FLAG, 0, false, FIELD(own_work), 0, 0},
    {"--name", COVEY__OPTION_NAME, 0, false, FIELD(name), 0, 0},
    {"--detach", COVEY__OPTION_FLAG, 0, false, FIELD(detach), 0, 0},
    {"--fork", COVEY__OPTION_FLAG, 0, false, FIELD(fork), 0, 0},
};

/* From here on rows are of training over the mesh. */
enum { FIRST_MESH_ROW = 28 };

_Static_assert(sizeof(rows) / sizeof(rows[0]) == COVEY__TRAIN_ROWS, "one given flag a row");

static void *field(struct covey__train_options *o, const struct row *row)
{
    return (uint8_t *)o + row->offset;
}

static const void *field_of(const struct covey__train_options *o, const struct row *row)
{
    return (const uint8_t *)o + row->offset;
}

static const char *text_of(const struct covey__train_options *o, const struct row *row)
{
    return *(const char *const *)field_of(o, row);
}

bool covey__train_options_parse(struct covey__train_options *o, struct covey__cli *cli, int *argc,
                                char **argv)
{
    struct covey__option options[COVEY__TRAIN_ROWS];
    struct covey__train_options fresh = {
        .optimizer = "sgd",
        .schedule = "cosine",
        .augment = "auto",
        .normalise = "auto",
        .batch = 50,
        .warmup = COVEY__TRAIN_WARMUP_AUTO,
        .seed = 1,
        .threads = 1,
        .lr = NAN, /* NAN: settled later */
        .weight_decay = NAN,
        .label_smoothing = NAN,
        .momentum = 0.9,
        .step_factor = 0.1,
    };
    *o = fresh;
    for (size_t i = 0; i < COVEY__TRAIN_ROWS; i++) {
        const struct row *row = &rows[i];
        struct covey__option option = {row->name, row->kind, field(o, row),
                                       row->min,  row->max,  &o->given[i]};
        options[i] = option;
    }
    if (!covey__cli_options(cli, options, COVEY__TRAIN_ROWS, argc, argv)) {
        return false;
    }
    if (*argc > 1) {
        covey__cli_usage(cli, "'%s' is not an option: see 'covey train --help'", argv[1]);
        return false;
    }
    return true;
}

const char *covey__train_options_mesh(const struct covey__train_options *o)
{
    for (size_t i = FIRST_MESH_ROW; i < COVEY__TRAIN_ROWS; i++) {
        if (o->given[i]) {
            return rows[i].name;
        }
    }
    return NULL;
}

static bool equal(const struct covey__train_options *a, const struct covey__train_options *b,
                  const struct row *row)
{
    const void *left = field_of(a, row), *right = field_of(b, row);
    switch (row->kind) {
    case COVEY__OPTION_FLAG:
        return *(const bool *)left == *(const bool *)right;
    case COVEY__OPTION_TEXT:
    case COVEY__OPTION_NAME:
        return text_of(a, row) != NULL && text_of(b, row) != NULL &&
               strcmp(text_of(a, row), text_of(b, row)) == 0;
    case COVEY__OPTION_NUMBER:
        return *(const uint32_t *)left == *(const uint32_t *)right;
    case COVEY__OPTION_REAL:
        return *(const double *)left == *(const double *)right;
    }
    return false;
}

static void take(struct covey__train_options *o, const struct covey__train_options *from,
                 const struct row *row)
{
    switch (row->kind) {
    case COVEY__OPTION_FLAG:
        *(bool *)field(o, row) = *(const bool *)field_of(from, row);
        break;
    case COVEY__OPTION_TEXT:
    case COVEY__OPTION_NAME:
        *(const char **)field(o, row) = text_of(from, row);
        break;
    case COVEY__OPTION_NUMBER:
        *(uint32_t *)field(o, row) = *(const uint32_t *)field_of(from, row);
        break;
    case COVEY__OPTION_REAL:
        *(double *)field(o, row) = *(const double *)field_of(from, row);
        break;
    }
}

enum covey_exit covey__train_options_resume(struct covey__train_options *o,
                                            const struct covey__train_options *before,
                                            const struct covey__cli *cli)
{
    for (size_t i = 0; i < COVEY__TRAIN_ROWS; i++) {
        if (rows[i].same && o->given[i] && !equal(o, before, &rows[i])) {
            return covey__cli_usage(cli, "%s is not what %s was made with: leave it out",
                                    rows[i].name, o->resume);
        }
        if (rows[i].key != 0 && !o->given[i]) {
            take(o, before, &rows[i]);
        }
    }
    if (o->checkpoint == NULL) {
        o->checkpoint = o->resume;
    }
    return COVEY_EXIT_DONE;
}

/* Texts carry their final zero, so that they can be borrowed from the bytes. */
static void put_value(struct covey_cbor_writer *w, const struct covey__train_options *o,
                      const struct row *row)
{
    const void *value = field_of(o, row);
    const char *text = NULL;
    covey_cbor_put_uint(w, row->key);
    switch (row->kind) {
    case COVEY__OPTION_FLAG:
        covey_cbor_put_bool(w, *(const bool *)value);
        break;
    case COVEY__OPTION_TEXT:
    case COVEY__OPTION_NAME:
        text = text_of(o, row);
        covey_cbor_put_bytes(w, covey_bytes_of(text, strlen(text) + 1));
        break;
    case COVEY__OPTION_NUMBER:
        covey_cbor_put_uint(w, *(const uint32_t *)value);
        break;
    case COVEY__OPTION_REAL:
        covey_cbor_put_float(w, *(const double *)value);
        break;
    }
}

static bool is_kept(const struct covey__train_options *o, const struct row *row)
{
    return row->key != 0 && (row->kind != COVEY__OPTION_TEXT || text_of(o, row) != NULL);
}

void covey__train_options_put(struct covey_cbor_writer *w, const struct covey__train_options *o)
{
    size_t count = 0;
    for (size_t i = 0; i < COVEY__TRAIN_ROWS; i++) {
        count += is_kept(o, &rows[i]);
    }
    covey_cbor_put_map(w, count);
    for (size_t i = 0; i < COVEY__TRAIN_ROWS; i++) {
        if (is_kept(o, &rows[i])) {
            put_value(w, o, &rows[i]);
        }
    }
}

static void get_value(struct covey_cbor_reader *r, const struct row *row,
                      struct covey__train_options *out)
{
    struct covey_bytes text = {NULL, 0};
    switch (row->kind) {
    case COVEY__OPTION_FLAG:
        *(bool *)field(out, row) = covey_cbor_get_bool(r);
        break;
    case COVEY__OPTION_TEXT:
    case COVEY__OPTION_NAME:
        text = covey_cbor_get_bytes(r, COVEY__TRAIN_TEXT_MAX + 1);
        if (r->err == COVEY_OK &&
            (text.len == 0 || memchr(text.ptr, 0, text.len) != text.ptr + text.len - 1)) {
            r->err = COVEY_ERR_MALFORMED;
        }
        *(const char **)field(out, row) = r->err == COVEY_OK ? (const char *)text.ptr : NULL;
        break;
    case COVEY__OPTION_NUMBER:
        *(uint32_t *)field(out, row) = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case COVEY__OPTION_REAL:
        *(double *)field(out, row) = covey_cbor_get_float(r);
        break;
    }
}

void covey__train_options_get(struct covey_cbor_reader *r, struct covey__train_options *out)
{
    struct covey__train_options fresh = {.model = NULL};
    uint64_t key = 0;
    *out = fresh;
    covey_cbor_enter_map(r, COVEY__TRAIN_ROWS);
    while (covey_cbor_next_key(r, &key)) {
        const struct row *row = NULL;
        for (size_t i = 0; i < COVEY__TRAIN_ROWS; i++) {
            row = rows[i].key == key && key != 0 ? &rows[i] : row;
        }
        if (row == NULL) {
            r->err = COVEY_ERR_MALFORMED;
            return;
        }
        get_value(r, row, out);
    }
}

bool covey__train_options_is_file(const struct covey__train_options *o)
{
    size_t len = strlen(o->model);
    return len > 5 && strcmp(o->model + len - 5, ".onnx") == 0;
}
