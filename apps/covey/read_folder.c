/* SPDX-License-Identifier: MIT */
#include "read_set.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "read_file.h"

/* Names in a folder, sorted by their bytes: the same everywhere, whatever the language is set to.
 */
struct names {
    size_t count;
    struct dirent **entries;
};

static void names_done(struct names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->entries[i]);
    }
    free(n->entries);
    *n = (struct names){0};
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static covey_err join(const char *dir, const char *name, char out[static COVEY_READ_PATH],
                      struct covey_nn_error *why)
{
    int wrote = snprintf(out, COVEY_READ_PATH, "%s/%s", dir, name);
    return wrote > 0 && wrote < COVEY_READ_PATH
               ? COVEY_OK
               : covey__why(COVEY_ERR_LIMIT, why, "%.100s: the path is too long", dir);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_picture(const char *name)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".pgm", ".ppm", ".bmp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The sub-folders of dir, or the pictures in it. */
static covey_err list(const char *dir, bool folders, struct names *out, struct covey_nn_error *why)
{
    struct names all = {0};
    int count = is_folder(dir) ? scandir(dir, &all.entries, visible, by_bytes) : -1;
    if (count < 0) {
        return covey__why(COVEY_ERR_NOT_FOUND, why, "%.100s: it is not a folder, or closed to us",
                          dir);
    }
    covey_err err = COVEY_OK;
    size_t kept = 0;
    for (size_t i = 0; i < (size_t)count; i++) {
        char path[COVEY_READ_PATH];
        const char *name = all.entries[i]->d_name;
        covey_err bad = join(dir, name, path, why);
        err = err ? err : bad;
        if (!err && (folders ? is_folder(path) : is_picture(name) && covey__is_file(path))) {
            struct dirent *keep = all.entries[kept];
            all.entries[kept++] = all.entries[i];
            all.entries[i] = keep;
        }
    }
    for (size_t i = kept; i < (size_t)count; i++) {
        free(all.entries[i]);
    }
    all.count = kept;
    if (err) {
        names_done(&all);
        return err;
    }
    *out = all;
    return COVEY_OK;
}

void covey__folder_done(struct covey__folder *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->paths[i]);
    }
    free(f->paths);
    free(f->labels);
    free(f->names);
    *f = (struct covey__folder){0};
}

static covey_err classes_of(const char *dir, struct covey__folder *f, struct covey_nn_error *why)
{
    struct names classes = {0};
    covey_err err = list(dir, true, &classes, why);
    if (err) {
        return err;
    }
    if (classes.count == 0 || classes.count > COVEY_DATASET_CLASSES_MAX) {
        err = covey__why(COVEY_ERR_LIMIT, why, "%.100s: %zu sub-folders, 1 to %d can be classes",
                         dir, classes.count, COVEY_DATASET_CLASSES_MAX);
        goto out;
    }
    f->names = calloc(classes.count, sizeof *f->names);
    if (!f->names) {
        err = covey__why(COVEY_ERR_NOMEM, why, "out of memory");
        goto out;
    }
    f->classes = (uint32_t)classes.count;
    for (size_t i = 0; i < classes.count && !err; i++) {
        const char *name = classes.entries[i]->d_name;
        if (strlen(name) > COVEY_DATASET_NAME_MAX) {
            err = covey__why(COVEY_ERR_LIMIT, why, "%.80s: a class's name is longer than %d bytes",
                             name, COVEY_DATASET_NAME_MAX);
            break;
        }
        memcpy(f->names[i].text, name, strlen(name) + 1);
    }
out:
    names_done(&classes);
    return err;
}

static covey_err add(struct covey__folder *f, const char *path, uint16_t label,
                     struct covey_nn_error *why)
{
    /* Room doubles: it is full when the count is 0 or a power of two. */
    if ((f->count & (f->count - 1)) == 0) {
        size_t room = f->count == 0 ? 1 : 2 * f->count;
        char **paths = realloc(f->paths, room * sizeof *paths);
        f->paths = paths ? paths : f->paths;
        uint16_t *labels = realloc(f->labels, room * sizeof *labels);
        f->labels = labels ? labels : f->labels;
        if (!paths || !labels) {
            return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
        }
    }
    if (f->count == COVEY_DATASET_ITEMS_MAX) {
        return covey__why(COVEY_ERR_LIMIT, why, "%.100s: more than %d pictures", path,
                          COVEY_DATASET_ITEMS_MAX);
    }
    f->paths[f->count] = strdup(path);
    if (!f->paths[f->count]) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    f->labels[f->count++] = label;
    return COVEY_OK;
}

/* Adds the class's pictures in dir that the split has; BOTH: all. */
static covey_err add_class(struct covey__folder *f, const char *dir, enum covey_dataset_split split,
                           uint16_t label, struct covey_nn_error *why)
{
    char path[COVEY_READ_PATH];
    struct names pictures = {0};
    covey_err err = join(dir, f->names[label].text, path, why);
    if (!err) {
        err = list(path, false, &pictures, why);
    }
    size_t train = covey__set_train(pictures.count);
    size_t first = split == COVEY_SPLIT_TEST ? train : 0;
    size_t last = split == COVEY_SPLIT_TRAIN ? train : pictures.count;
    for (size_t i = first; i < last && !err; i++) {
        char file[COVEY_READ_PATH];
        err = join(path, pictures.entries[i]->d_name, file, why);
        if (!err) {
            err = add(f, file, label, why);
        }
    }
    names_done(&pictures);
    return err;
}

/* A folder with a split of its own: the classes are those of train, test may lack some. */
static covey_err add_part(struct covey__folder *f, const char *dir, struct covey_nn_error *why)
{
    struct covey__folder there = {0};
    covey_err err = classes_of(dir, &there, why);
    uint32_t label = 0;
    for (uint32_t i = 0; i < there.classes && !err; i++) {
        /* Both lists are sorted by the same rule. */
        while (label < f->classes && strcmp(f->names[label].text, there.names[i].text) < 0) {
            label++;
        }
        if (label == f->classes || strcmp(f->names[label].text, there.names[i].text) != 0) {
            err = covey__why(COVEY_ERR_RANGE, why, "%.100s: its class %.63s is not in train", dir,
                             there.names[i].text);
            break;
        }
        err = add_class(f, dir, COVEY_SPLIT_BOTH, (uint16_t)label, why);
    }
    covey__folder_done(&there);
    return err;
}

static covey_err list_parts(const char *train, const char *test, enum covey_dataset_split split,
                            struct covey__folder *f, struct covey_nn_error *why)
{
    covey_err err = classes_of(train, f, why);
    if (!err && (split == COVEY_SPLIT_TRAIN || split == COVEY_SPLIT_BOTH)) {
        err = add_part(f, train, why);
    }
    if (!err && split != COVEY_SPLIT_TRAIN) {
        err = add_part(f, test, why);
    }
    return err;
}

covey_err covey__folder_list(const char *dir, enum covey_dataset_split split,
                             struct covey__folder *out, struct covey_nn_error *why)
{
    char train[COVEY_READ_PATH];
    char test[COVEY_READ_PATH];
    struct covey__folder f = {0};
    covey_err err = join(dir, "train", train, why);
    if (!err) {
        err = join(dir, "test", test, why);
    }
    if (!err && is_folder(train) && is_folder(test)) {
        err = list_parts(train, test, split, &f, why);
    } else if (!err) {
        err = classes_of(dir, &f, why);
        for (uint32_t i = 0; i < f.classes && !err; i++) {
            err = add_class(&f, dir, split, (uint16_t)i, why);
        }
    }
    if (!err && f.count == 0) {
        err = covey__why(COVEY_ERR_NOT_FOUND, why, "%.100s: no pictures in its classes' folders",
                         dir);
    }
    if (err) {
        covey__folder_done(&f);
        return err;
    }
    *out = f;
    return COVEY_OK;
}

/* One picture in the form of the set's samples. */
static covey_err put_picture(const struct covey_decoded *picture, const struct covey_dataset *d,
                             float *scratch, uint8_t *out, struct covey_nn_error *why)
{
    const struct covey_shape form = {4, {1, d->channels, d->height, d->width}};
    const struct covey_item item = {COVEY_ITEM_PICTURE, picture->data, picture->shape, -1};
    struct covey_prepare as_it_is;
    covey_prepare_init(&as_it_is);
    covey_err err = covey_prepare_item(&as_it_is, &item, &form, scratch, why);
    for (size_t i = 0; !err && i < covey_dataset_values(d); i++) {
        out[i] = (uint8_t)(scratch[i] + 0.5f); /* 0..255, as every picture's values are */
    }
    return err;
}

/* Keeps the first plane of each sample. */
static void drop_colour(struct covey_dataset *d)
{
    size_t plane = (size_t)d->height * d->width;
    for (size_t i = 1; i < d->count; i++) {
        memmove(d->bytes + i * plane, d->bytes + i * 3 * plane, plane);
    }
    d->channels = 1;
}

struct loading {
    const struct covey__folder *folder;
    const struct covey_dataset_config *ask;
    struct covey_dataset set;
    float *scratch;
    bool colour;
};

/* The first picture tells the size where none is asked; memory is taken only then. */
static covey_err start(struct loading *l, const struct covey_shape *first,
                       struct covey_nn_error *why)
{
    const struct covey_dataset form = {
        .kind = COVEY_ITEM_PICTURE,
        .count = l->folder->count,
        .channels = l->ask->channels ? l->ask->channels : 3,
        .height = l->ask->height ? l->ask->height : first->dims[1],
        .width = l->ask->width ? l->ask->width : first->dims[2],
        .classes = l->folder->classes,
        .top = 255,
    };
    if ((form.channels != 1 && form.channels != 3) || form.height > COVEY_DATASET_SIDE_MAX ||
        form.width > COVEY_DATASET_SIDE_MAX) {
        return covey__why(COVEY_ERR_RANGE, why,
                          "samples of %u x %u x %u: 1 or 3 channels, at most "
                          "%d pixels a side",
                          form.channels, form.height, form.width, COVEY_DATASET_SIDE_MAX);
    }
    covey_err err = covey__set_new(&form, false, &l->set, why);
    if (err) {
        return err;
    }
    l->scratch = malloc(covey_dataset_values(&form) * sizeof *l->scratch);
    return l->scratch ? COVEY_OK : covey__why(COVEY_ERR_NOMEM, why, "out of memory");
}

static covey_err load_picture(struct loading *l, size_t index, struct covey_nn_error *why)
{
    const char *path = l->folder->paths[index];
    struct covey_decoded picture = {.data = NULL};
    struct covey_nn_error inner = {""};
    covey_err err = covey__picture_read(path, &picture, why);
    if (err) {
        return err;
    }
    if (index == 0) {
        err = start(l, &picture.shape, &inner);
    }
    if (!err && l->ask->height == 0 &&
        (picture.shape.dims[1] != l->set.height || picture.shape.dims[2] != l->set.width)) {
        err = covey__why(COVEY_ERR_RANGE, &inner,
                         "%u x %u pixels, those before %u x %u: a size is needed, as in ,32x32",
                         picture.shape.dims[1], picture.shape.dims[2], l->set.height, l->set.width);
    }
    if (!err) {
        uint8_t *to = l->set.bytes + index * covey_dataset_values(&l->set);
        err = put_picture(&picture, &l->set, l->scratch, to, &inner);
        l->set.labels[index] = l->folder->labels[index];
        l->colour = l->colour || picture.shape.dims[0] == 3;
    }
    free(picture.data);
    return covey__why_file(err, why, path, &inner);
}

covey_err covey__folder_load(struct covey__folder *f, const struct covey_dataset_config *ask,
                             struct covey_dataset *out, struct covey_nn_error *why)
{
    struct loading l = {.folder = f, .ask = ask};
    covey_err err = (ask->height == 0) == (ask->width == 0)
                        ? COVEY_OK
                        : covey__why(COVEY_ERR_RANGE, why, "a height needs a width");
    for (size_t i = 0; i < f->count && !err; i++) {
        err = load_picture(&l, i, why);
    }
    free(l.scratch);
    if (err) {
        covey_dataset_done(&l.set);
        return err;
    }
    if (!l.colour && ask->channels == 0) {
        drop_colour(&l.set);
    }
    l.set.names = f->names;
    f->names = NULL;
    *out = l.set;
    return COVEY_OK;
}
