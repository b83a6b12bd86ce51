/* SPDX-License-Identifier: MIT */
#include "read_decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "read_input.h"

enum {
    IDX_IMAGES = 0x803,
    IDX_LABELS = 0x801,
    CIFAR_PIXELS = 3 * 32 * 32,
    DIGIT_VALUES = 64,
    FILES_MAX = 5,
    PATH_BYTES = 4096,
};

void covey__dataset_done(struct covey_dataset *d)
{
    free(d->pixels);
    free(d->labels);
    *d = (struct covey_dataset){0};
}

static covey_err dataset_new(size_t count, const struct covey_shape *shape,
                             struct covey_dataset *out, struct covey_nn_error *why)
{
    size_t pixels = 0;
    struct covey_dataset d = {.count = count, .shape = *shape};
    covey_err err = covey_shape_count(shape, &pixels);
    if (err || count == 0 || count > COVEY_DATASET_ITEMS_MAX || pixels == 0 ||
        pixels > COVEY_DATASET_BYTES_MAX / count) {
        return covey__why(COVEY_ERR_LIMIT, why, "no items or too many: %zu of %zu values", count,
                          pixels);
    }
    d.pixels = malloc(count * pixels);
    d.labels = malloc(count);
    if (!d.pixels || !d.labels) {
        covey__dataset_done(&d);
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    *out = d;
    return COVEY_OK;
}

static uint32_t load_big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

covey_err covey__decode_idx(struct covey_bytes images, struct covey_bytes labels,
                            struct covey_dataset *out, struct covey_nn_error *why)
{
    if (images.len < 16 || load_big(images.ptr) != IDX_IMAGES) {
        return covey__why(COVEY_ERR_MALFORMED, why, "the images are not an IDX file");
    }
    if (labels.len < 8 || load_big(labels.ptr) != IDX_LABELS) {
        return covey__why(COVEY_ERR_MALFORMED, why, "the labels are not an IDX file");
    }
    size_t count = load_big(images.ptr + 4);
    struct covey_shape shape = {3, {1, load_big(images.ptr + 8), load_big(images.ptr + 12)}};
    size_t pixels = 0;
    size_t bytes = 0;
    if (covey_shape_count(&shape, &pixels) || covey_size_mul(count, pixels, &bytes) ||
        images.len - 16 != bytes) {
        return covey__why(COVEY_ERR_MALFORMED, why,
                          "the images have %zu bytes, %zu of %zu x %zu are declared",
                          images.len - 16, count, (size_t)shape.dims[1], (size_t)shape.dims[2]);
    }
    if (load_big(labels.ptr + 4) != count || labels.len - 8 != count) {
        return covey__why(COVEY_ERR_MALFORMED, why, "%zu images, but %zu labels", count,
                          labels.len - 8);
    }
    covey_err err = dataset_new(count, &shape, out, why);
    if (!err) {
        memcpy(out->pixels, images.ptr + 16, bytes);
        memcpy(out->labels, labels.ptr + 8, count);
    }
    return err;
}

covey_err covey__decode_cifar(struct covey_bytes in, size_t label_bytes, unsigned classes,
                              struct covey_dataset *out, struct covey_nn_error *why)
{
    static const struct covey_shape shape = {3, {3, 32, 32}};
    struct covey_dataset d = {0};
    size_t record = label_bytes + CIFAR_PIXELS;
    if (in.len == 0 || in.len % record != 0) {
        return covey__why(COVEY_ERR_MALFORMED, why, "%zu bytes are not whole records of %zu",
                          in.len, record);
    }
    covey_err err = dataset_new(in.len / record, &shape, &d, why);
    if (err) {
        return err;
    }
    for (size_t i = 0; i < d.count; i++) {
        const uint8_t *r = in.ptr + i * record;
        d.labels[i] = r[label_bytes - 1];
        if (d.labels[i] >= classes) {
            err = covey__why(COVEY_ERR_RANGE, why, "record %zu has the label %u", i, d.labels[i]);
            covey__dataset_done(&d);
            return err;
        }
        memcpy(d.pixels + i * CIFAR_PIXELS, r + label_bytes, CIFAR_PIXELS);
    }
    *out = d;
    return COVEY_OK;
}

/* One number of a CSV line, at most `most`, and what ends it. */
static bool csv_number(struct covey_bytes in, size_t *at, unsigned most, char end, uint8_t *out)
{
    unsigned value = 0;
    size_t digits = 0;
    for (; *at < in.len && in.ptr[*at] >= '0' && in.ptr[*at] <= '9' && digits < 3;
         (*at)++, digits++) {
        value = value * 10 + (unsigned)(in.ptr[*at] - '0');
    }
    if (digits == 0 || value > most) {
        return false;
    }
    if (end == '\n' && *at < in.len && in.ptr[*at] == '\r') {
        (*at)++;
    }
    /* The last line may lack its end. */
    bool ended = *at == in.len ? end == '\n' : in.ptr[*at] == (uint8_t)end;
    *at += *at < in.len;
    *out = (uint8_t)value;
    return ended;
}

covey_err covey__decode_digits(struct covey_bytes in, struct covey_dataset *out,
                               struct covey_nn_error *why)
{
    static const struct covey_shape shape = {3, {1, 8, 8}};
    struct covey_dataset d = {0};
    size_t lines = in.len > 0 && in.ptr[in.len - 1] != '\n';
    for (size_t i = 0; i < in.len; i++) {
        lines += in.ptr[i] == '\n';
    }
    covey_err err = dataset_new(lines, &shape, &d, why);
    if (err) {
        return err;
    }
    size_t at = 0;
    for (size_t line = 0; line < lines; line++) {
        bool ok = true;
        for (size_t i = 0; ok && i < DIGIT_VALUES; i++) {
            ok = csv_number(in, &at, 16, ',', &d.pixels[line * DIGIT_VALUES + i]);
        }
        if (!ok || !csv_number(in, &at, 9, '\n', &d.labels[line])) {
            covey__dataset_done(&d);
            return covey__why(COVEY_ERR_MALFORMED, why,
                              "line %zu is not 64 values of 0 to 16 and a label", line + 1);
        }
    }
    *out = d;
    return COVEY_OK;
}

/* What a data set of a folder is made of: names tried in order, each plain or with .gz. */
static const char *const cifar_test[] = {"test_batch.bin", "test.bin", "test_first_1000.bin"};
static const char *const cifar_train[] = {"data_batch_1.bin", "train.bin", "train_first_20000.bin"};

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* dir/name or dir/name.gz, whichever is there. */
static bool find_file(const char *dir, const char *name, char *out)
{
    static const char *const endings[] = {"", ".gz"};
    for (size_t i = 0; i < 2; i++) {
        int wrote = snprintf(out, PATH_BYTES, "%s/%s%s", dir, name, endings[i]);
        if (wrote > 0 && wrote < PATH_BYTES && is_file(out)) {
            return true;
        }
    }
    return false;
}

static covey_err open_mnist(const char *dir, bool train, struct covey_dataset *out,
                            struct covey_nn_error *why)
{
    char path[2][PATH_BYTES];
    struct covey_buf files[2] = {{0}};
    struct covey_nn_error inner = {""};
    const char *images = train ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte";
    const char *labels = train ? "train-labels-idx1-ubyte" : "t10k-labels-idx1-ubyte";
    if (!find_file(dir, images, path[0]) || !find_file(dir, labels, path[1])) {
        return covey__why(COVEY_ERR_NOT_FOUND, why, "%.120s: there is no %s or %s, plain or .gz",
                          dir, images, labels);
    }
    covey_err err = covey__gzip_read(path[0], COVEY_DATASET_BYTES_MAX, &files[0], why);
    if (!err) {
        err = covey__gzip_read(path[1], COVEY_DATASET_BYTES_MAX, &files[1], why);
    }
    if (!err) {
        err = covey__decode_idx(covey_bytes_of(files[0].ptr, files[0].len),
                                covey_bytes_of(files[1].ptr, files[1].len), out, &inner);
        if (err) {
            (void)covey__why(err, why, "%.100s: %.140s", path[0], inner.text);
        }
    }
    free(files[0].ptr);
    free(files[1].ptr);
    return err;
}

/* The files of a CIFAR split, one behind the other: the five training batches are one set. */
static covey_err read_cifar(const char *where, bool train, char *path, struct covey_buf *out,
                            struct covey_nn_error *why)
{
    const char *const *names = train ? cifar_train : cifar_test;
    bool found = is_file(where);
    if (found) {
        (void)snprintf(path, PATH_BYTES, "%s", where);
    }
    for (size_t i = 0; !found && i < 3; i++) {
        found = find_file(where, names[i], path);
    }
    if (!found) {
        return covey__why(COVEY_ERR_NOT_FOUND, why, "%.120s: there is no %s, %s or %s, or .gz",
                          where, names[0], names[1], names[2]);
    }
    covey_err err = covey__gzip_read(path, COVEY_DATASET_BYTES_MAX, out, why);
    for (char batch = '2'; !err && batch <= '5'; batch++) {
        struct covey_buf more = {0};
        char name[] = "data_batch_?.bin";
        name[11] = batch;
        char *last = strrchr(path, '/');
        if (is_file(where) || !last || strncmp(last, "/data_batch_", 12) != 0 ||
            !find_file(where, name, path)) {
            break;
        }
        err = covey__gzip_read(path, COVEY_DATASET_BYTES_MAX - out->len, &more, why);
        if (err) {
            free(out->ptr);
            break;
        }
        uint8_t *grown = realloc(out->ptr, out->len + more.len + 1);
        if (grown) {
            memcpy(grown + out->len, more.ptr, more.len);
            *out = (struct covey_buf){grown, out->len + more.len};
        } else {
            free(out->ptr);
            err = covey__why(COVEY_ERR_NOMEM, why, "%.120s: out of memory", path);
        }
        free(more.ptr);
    }
    return err;
}

static covey_err open_cifar(const char *where, bool train, bool hundred, struct covey_dataset *out,
                            struct covey_nn_error *why)
{
    char path[PATH_BYTES];
    struct covey_buf file = {0};
    struct covey_nn_error inner = {""};
    covey_err err = read_cifar(where, train, path, &file, why);
    if (err) {
        return err;
    }
    err = covey__decode_cifar(covey_bytes_of(file.ptr, file.len), hundred ? 2 : 1,
                              hundred ? 100 : 10, out, &inner);
    free(file.ptr);
    return err ? covey__why(err, why, "%.100s: %.140s", path, inner.text) : COVEY_OK;
}

static covey_err open_digits(const char *path, struct covey_dataset *out,
                             struct covey_nn_error *why)
{
    struct covey_buf file = {0};
    struct covey_nn_error inner = {""};
    covey_err err = covey__gzip_read(path, COVEY_DATASET_BYTES_MAX, &file, why);
    if (err) {
        return err;
    }
    err = covey__decode_digits(covey_bytes_of(file.ptr, file.len), out, &inner);
    free(file.ptr);
    return err ? covey__why(err, why, "%.100s: %.140s", path, inner.text) : COVEY_OK;
}

/* Cuts ",train" or ",test" off; true: train. */
static bool cut_split(char *where)
{
    char *comma = strrchr(where, ',');
    if (!comma || (strcmp(comma, ",train") != 0 && strcmp(comma, ",test") != 0)) {
        return false;
    }
    bool train = comma[2] == 'r';
    *comma = '\0';
    return train;
}

covey_err covey__dataset_open(const char *kind, const char *where, struct covey_dataset *out,
                              struct covey_nn_error *why)
{
    char place[PATH_BYTES - 64];
    int wrote = snprintf(place, sizeof place, "%s", where);
    if (wrote < 0 || (size_t)wrote >= sizeof place) {
        return covey__why(COVEY_ERR_LIMIT, why, "%.100s: the path is too long", where);
    }
    if (strcmp(kind, "digits") == 0) {
        return open_digits(place, out, why);
    }
    bool train = cut_split(place);
    if (strcmp(kind, "mnist") == 0) {
        return open_mnist(place, train, out, why);
    }
    if (strcmp(kind, "cifar10") == 0 || strcmp(kind, "cifar100") == 0) {
        return open_cifar(place, train, strcmp(kind, "cifar100") == 0, out, why);
    }
    return covey__why(COVEY_ERR_UNSUPPORTED, why, "%.40s: no such kind of data set", kind);
}
