/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdlib.h>

#include <zlib.h>

#include "made_file.h"
#include "read_dataset.h"
#include "read_decode.h"

/* An IDX file; a dimension of 0 ends the list. */
static void make_idx(struct made_file *f, uint8_t type, const uint32_t dims[4], const void *data,
                     size_t len)
{
    uint8_t rank = 0;
    while (rank < 4 && dims[rank] != 0) {
        rank++;
    }
    const uint8_t start[4] = {0, 0, type, rank};
    f->len = 0;
    made_add(f, start, 4);
    for (uint8_t i = 0; i < rank; i++) {
        made_add_big(f, dims[i]);
    }
    made_add(f, data, len);
}

static void put(void **state, const char *name, const struct made_file *f)
{
    char path[FIXTURE_PATH];
    scratch_write(state, name, f->bytes, f->len, path);
}

static covey_err load_as(void **state, const char *kind, const char *tail,
                         enum covey_dataset_split split, struct covey_dataset *out)
{
    char spec[FIXTURE_PATH + 64];
    struct covey_nn_error why = {""};
    const struct covey_dataset_config config = {.split = split};
    struct covey_dataset before = *out;
    (void)snprintf(spec, sizeof spec, "%s:%s%s", kind, (const char *)*state, tail);
    covey_err err = covey_dataset_load(spec, &config, out, &why);
    if (err) {
        expect_line(err, &why);
        assert_memory_equal(out, &before, sizeof before);
    }
    return err;
}

static void load(void **state, const char *kind, const char *tail, enum covey_dataset_split split,
                 struct covey_dataset *out)
{
    assert_int_equal(load_as(state, kind, tail, split, out), COVEY_OK);
}

static void refuse(void **state, const char *kind, const char *tail, const char *words)
{
    char spec[FIXTURE_PATH + 64];
    struct covey_nn_error why = {""};
    struct covey_dataset d = {0};
    (void)snprintf(spec, sizeof spec, "%s:%s%s", kind, (const char *)*state, tail);
    expect_line(covey_dataset_load(spec, NULL, &d, &why), &why);
    if (!strstr(why.text, words)) {
        fail_msg("'%s' does not say '%s'", why.text, words);
    }
}

static void expect_form(const struct covey_dataset *d, size_t count, const uint32_t form[3])
{
    assert_int_equal(d->count, count);
    assert_int_equal(d->channels, form[0]);
    assert_int_equal(d->height, form[1]);
    assert_int_equal(d->width, form[2]);
}

static void expect_sample(const struct covey_dataset *d, size_t index, const float *values,
                          uint32_t label)
{
    float have[64];
    size_t count = covey_dataset_values(d);
    assert_true(count <= 64);
    assert_int_equal(covey_dataset_sample(d, index, have), label);
    assert_memory_equal(have, values, count * sizeof *values);
}

static const char images_test[] = "t10k-images-idx3-ubyte",
                  labels_test[] = "t10k-labels-idx1-ubyte";

/* MNIST's two splits are read alone or one behind the other. */
static void test_mnist_splits(void **state)
{
    static struct made_file f;
    struct covey_dataset d = {0};
    make_idx(&f, 8, (const uint32_t[4]){2, 1, 2}, "abcd", 4);
    put(state, "train-images.idx3-ubyte", &f);
    make_idx(&f, 8, (const uint32_t[4]){2}, "\x01\x02", 2);
    put(state, "train-labels.idx1-ubyte", &f);
    make_idx(&f, 8, (const uint32_t[4]){1, 1, 2}, "ef", 2);
    put(state, images_test, &f);
    make_idx(&f, 8, (const uint32_t[4]){1}, "\x0c", 1);
    put(state, labels_test, &f);
    load(state, "mnist", "", COVEY_SPLIT_TRAIN, &d);
    expect_form(&d, 2, (const uint32_t[]){1, 1, 2});
    expect_sample(&d, 1, (const float[]){'c', 'd'}, 2);
    assert_int_equal(d.classes, 10);
    assert_null(d.floats);
    covey_dataset_done(&d);
    load(state, "mnist", "", COVEY_SPLIT_DEFAULT, &d);
    expect_sample(&d, 0, (const float[]){'e', 'f'}, 12);
    assert_int_equal(d.classes, 13);
    covey_dataset_done(&d);
    load(state, "mnist", ",both", COVEY_SPLIT_DEFAULT, &d);
    expect_form(&d, 3, (const uint32_t[]){1, 1, 2});
    expect_sample(&d, 0, (const float[]){'a', 'b'}, 1);
    expect_sample(&d, 2, (const float[]){'e', 'f'}, 12);
    covey_dataset_done(&d);
    make_idx(&f, 8, (const uint32_t[4]){1, 2, 1}, "ef", 2);
    put(state, images_test, &f);
    assert_int_equal(load_as(state, "mnist", "", COVEY_SPLIT_BOTH, &d), COVEY_ERR_RANGE);
}

/* IDX holds numbers of six types and samples of up to three dimensions. */
static void test_idx_types(void **state)
{
    static struct made_file f;
    const struct {
        uint8_t type;
        uint32_t dims[4];
        const char *data;
        size_t len;
        uint32_t form[3];
        float values[2];
    } forms[] = {
        {0x09, {1, 1, 1, 2}, "\xff\x7f", 2, {1, 1, 2}, {-1, 127}},
        {0x0b, {1, 2, 1, 1}, "\xff\xfe\x01\x00", 4, {2, 1, 1}, {-2, 256}},
        {0x0c, {1, 2}, "\xff\xff\xff\xfd\x00\x01\x00\x00", 8, {1, 1, 2}, {-3, 65536}},
        {0x0d, {1, 2, 1}, "\x3f\x00\x00\x00\xc0\x40\x00\x00", 8, {1, 2, 1}, {0.5f, -3}},
        {0x0e, {1}, "\x3f\xe0\x00\x00\x00\x00\x00\x00", 8, {1, 1, 1}, {0.5f}},
    };
    make_idx(&f, 0x0b, (const uint32_t[4]){1}, "\x00\x63", 2);
    put(state, labels_test, &f);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct covey_dataset d = {0};
        make_idx(&f, forms[i].type, forms[i].dims, forms[i].data, forms[i].len);
        put(state, images_test, &f);
        load(state, "mnist", "", COVEY_SPLIT_TEST, &d);
        expect_form(&d, 1, forms[i].form);
        expect_sample(&d, 0, forms[i].values, 99);
        assert_int_equal(d.classes, 100);
        covey_dataset_done(&d);
    }
}

/* IDX files that lie about their size, type or rank are refused by name, each cut too. */
static void test_idx_refused(void **state)
{
    static struct made_file good;
    static struct made_file f;
    struct covey_dataset d = {0};
    make_idx(&f, 8, (const uint32_t[4]){2}, "\x01\x02", 2);
    put(state, labels_test, &f);
    make_idx(&good, 8, (const uint32_t[4]){2, 1, 2}, "abcd", 4);
    for (f = good, f.len = 0; f.len < good.len; f.len++) {
        put(state, images_test, &f);
        refuse(state, "mnist", "", images_test);
    }
    const uint8_t bad[][2] = {{0, 1}, {2, 7}, {2, 0x0a}, {3, 0}, {3, 5}, {3, 4}, {4, 0xff}, {7, 3}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f = good;
        f.bytes[bad[i][0]] = bad[i][1];
        put(state, images_test, &f);
        refuse(state, "mnist", "", images_test);
    }
    make_idx(&f, 0x0d, (const uint32_t[4]){2, 1}, "\x7f\x80\x00\x00\x00\x00\x00\x00", 8);
    put(state, images_test, &f);
    refuse(state, "mnist", "", "not finite");
    put(state, images_test, &good);
    make_idx(&f, 9, (const uint32_t[4]){2}, "\x01\xff", 2);
    put(state, labels_test, &f);
    refuse(state, "mnist", "", labels_test);
    make_idx(&f, 8, (const uint32_t[4]){3}, "\x01\x02\x03", 3);
    put(state, labels_test, &f);
    refuse(state, "mnist", "", "3 labels for 2");
    make_idx(&f, 8, (const uint32_t[4]){2, 1}, "\x01\x02", 2);
    put(state, labels_test, &f);
    refuse(state, "mnist", "", labels_test);
    refuse(state, "mnist", ",train", "train-images");
    assert_int_equal(d.count, 0);
}

/* Makes a batch of CIFAR records: labels, then all pixels of the value. */
static void put_batch(void **state, const char *name, const char *labels, size_t len, uint8_t value)
{
    static struct made_file f;
    memset(f.bytes, value, sizeof f.bytes);
    memcpy(f.bytes, labels, len);
    f.len = len + 3072;
    put(state, name, &f);
}

/* CIFAR-10's five batches are one training set, with the names of its table. */
static void test_cifar_batches(void **state)
{
    char name[] = "data_batch_?.bin";
    static struct made_file names;
    float sample[3072];
    struct covey_dataset d = {0};
    for (char batch = '1'; batch <= '5'; batch++) {
        name[11] = batch;
        put_batch(state, name, (const char[]){(char)(batch - '0')}, 1, (uint8_t)batch);
    }
    put_batch(state, "test_batch.bin", "\x09", 1, 200);
    names.len = 0;
    made_add(&names, "a\nb\nc\nd\ne\nf\ng\nh\nship\nj\xff\n\n", 25);
    put(state, "batches.meta.txt", &names);
    load(state, "cifar10", "", COVEY_SPLIT_BOTH, &d);
    expect_form(&d, 6, (const uint32_t[]){3, 32, 32});
    assert_int_equal(d.classes, 10);
    assert_string_equal(d.names[8].text, "ship");
    assert_string_equal(d.names[9].text, "j?");
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(covey_dataset_sample(&d, i, sample), i + 1);
        assert_int_equal((int)sample[3071], '1' + i);
    }
    assert_int_equal(covey_dataset_sample(&d, 5, sample), 9);
    covey_dataset_done(&d);
    names.len -= 6;
    put(state, "batches.meta.txt", &names);
    refuse(state, "cifar10", "", "batches.meta.txt");
    put_batch(state, "data_batch_4.bin", "\x0a", 1, 0);
    refuse(state, "cifar10", ",train", "data_batch_4.bin");
}

/* CIFAR-100 has its fine labels unless the coarse ones are asked for. */
static void test_cifar_coarse(void **state)
{
    float sample[3072];
    struct covey_dataset d = {0};
    put_batch(state, "train.bin", "\x13\x63", 2, 7);
    load(state, "cifar100", "", COVEY_SPLIT_TRAIN, &d);
    assert_int_equal(covey_dataset_sample(&d, 0, sample), 99);
    assert_int_equal(d.classes, 100);
    assert_null(d.names);
    covey_dataset_done(&d);
    load(state, "cifar100", ",coarse", COVEY_SPLIT_TRAIN, &d);
    assert_int_equal(covey_dataset_sample(&d, 0, sample), 19);
    assert_int_equal(d.classes, 20);
    covey_dataset_done(&d);
    put_batch(state, "train.bin", "\x14\x63", 2, 7);
    refuse(state, "cifar100", ",train,coarse", "train.bin");
    refuse(state, "cifar10", ",coarse", "does not have");
    refuse(state, "mnist", ",8x8", "does not have");
    refuse(state, "cifar100", ",test", "test.bin");
    assert_int_equal(load_as(state, "cifar100", ",test", COVEY_SPLIT_TRAIN, &d), COVEY_ERR_RANGE);
    refuse(state, "cifar", "", "is no data set");
}

/* Digits are cut after four fifths; the two parts are all of them and share none. */
static void test_digits_split(void **state)
{
    static struct made_file f;
    struct covey_dataset d = {0};
    f.len = 0;
    for (unsigned line = 0; line < 9; line++) {
        for (unsigned i = 0; i < 64; i++) {
            made_add(&f, "3,", 2);
        }
        made_add(&f, (const char[]){(char)('0' + line), '\n'}, 2);
    }
    put(state, "d.csv", &f);
    load(state, "digits", "/d.csv", COVEY_SPLIT_DEFAULT, &d);
    expect_form(&d, 9, (const uint32_t[]){1, 8, 8});
    assert_int_equal((int)d.top, 16);
    covey_dataset_done(&d);
    load(state, "digits", "/d.csv", COVEY_SPLIT_TRAIN, &d);
    assert_int_equal(d.count, 7);
    assert_int_equal(d.labels[6], 6);
    covey_dataset_done(&d);
    load(state, "digits", "/d.csv,test", COVEY_SPLIT_TEST, &d);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.labels[0], 7);
    assert_int_equal(d.classes, 10);
    covey_dataset_done(&d);
    f.len = 64 * 2 + 2;
    put(state, "d.csv", &f);
    load(state, "digits", "/d.csv", COVEY_SPLIT_TEST, &d);
    covey_dataset_done(&d);
    refuse(state, "digits", "/d.csv,train", "too few");
}

static void read_back(void **state, const char *name, struct made_file *f)
{
    char path[FIXTURE_PATH];
    scratch_path(state, name, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    f->len = fread(f->bytes, 1, sizeof f->bytes, file);
    (void)fclose(file);
}

/* A gzip file that would fill the memory is refused at the limit, and not a byte before it. */
static void test_gzip_bomb(void **state)
{
    enum { ZEROS = 1 << 20 };
    static struct made_file f;
    char path[FIXTURE_PATH];
    struct covey_buf out = {NULL, 0};
    struct covey_nn_error why = {""};
    uint8_t *zeros = calloc(1, ZEROS);
    assert_non_null(zeros);
    scratch_path(state, "bomb.gz", path);
    gzFile gz = gzopen(path, "wb");
    assert_non_null(gz);
    assert_int_equal(gzwrite(gz, zeros, ZEROS), ZEROS);
    assert_int_equal(gzclose(gz), Z_OK);
    free(zeros);
    assert_int_equal(covey__gzip_read(path, ZEROS - 1, &out, &why), COVEY_ERR_LIMIT);
    assert_non_null(strstr(why.text, "bomb.gz"));
    assert_null(out.ptr);
    expect_ok(covey__gzip_read(path, ZEROS, &out, &why), &why);
    assert_int_equal(out.len, ZEROS);
    free(out.ptr);
    read_back(state, "bomb.gz", &f);
    made_add(&f, "\0\0", 2); /* padding is harmless, anything else is not */
    put(state, "bomb.gz", &f);
    expect_ok(covey__gzip_read(path, ZEROS, &out, &why), &why);
    free(out.ptr);
    made_add(&f, "x", 1);
    put(state, "bomb.gz", &f);
    refuse(state, "digits", "/bomb.gz", "gzip");
}

static void put_npy(void **state, const char *name, const char *header, const void *data,
                    size_t len)
{
    static struct made_file f;
    uint8_t start[10] = "\x93NUMPY\x01\x00";
    start[8] = (uint8_t)strlen(header);
    f.len = 0;
    made_add(&f, start, sizeof start);
    made_add(&f, header, strlen(header));
    made_add(&f, data, len);
    put(state, name, &f);
}

static void load_npy(void **state, const char *options, struct covey_dataset *out)
{
    char tail[FIXTURE_PATH];
    (void)snprintf(tail, sizeof tail, "/x.npy,%s/y.npy%s", (const char *)*state, options);
    load(state, "npy", tail, COVEY_SPLIT_DEFAULT, out);
}

/* Two .npy files are samples and labels; bytes stay bytes, and wrong labels are refused. */
static void test_npy_pair(void **state)
{
    char tail[FIXTURE_PATH];
    struct covey_dataset d = {0};
    (void)snprintf(tail, sizeof tail, "/x.npy,%s/y.npy", (const char *)*state);
    put_npy(state, "x.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
            (const float[]){1, 2, 3, 4, 5, -6}, 24);
    put_npy(state, "y.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1), }",
            (const int64_t[]){4, 0}, 16);
    load_npy(state, "", &d);
    expect_form(&d, 2, (const uint32_t[]){1, 1, 3});
    expect_sample(&d, 0, (const float[]){1, 2, 3}, 4);
    expect_sample(&d, 1, (const float[]){4, 5, -6}, 0);
    assert_int_equal(d.classes, 5);
    covey_dataset_done(&d);
    load_npy(state, ",test", &d);
    expect_sample(&d, 0, (const float[]){4, 5, -6}, 0);
    covey_dataset_done(&d);
    put_npy(state, "x.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,1,1,2), }",
            "\x01\x02\x03\xff", 4);
    load_npy(state, "", &d);
    expect_form(&d, 2, (const uint32_t[]){1, 1, 2});
    assert_null(d.floats);
    expect_sample(&d, 1, (const float[]){3, 255}, 0);
    covey_dataset_done(&d);
    put_npy(state, "y.npy", "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }",
            (const int32_t[]){1, -1}, 8);
    refuse(state, "npy", tail, "y.npy");
    put_npy(state, "y.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "abc", 3);
    refuse(state, "npy", tail, "y.npy");
    put_npy(state, "y.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
            (const float[]){1, 1}, 8);
    refuse(state, "npy", tail, "y.npy");
    refuse(state, "npy", "/x.npy", "labels' file");
}

/* The shared data sets, read whole: their counts, means and tables of names are the known ones. */
static void test_shared(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *place;
        enum covey_dataset_split split;
        size_t count;
        double mean; /* of all values, divided by top */
        const char *first, *last;
    } sets[] = {
        {"mnist", "mnist", COVEY_SPLIT_TRAIN, 60000, 0.130660, NULL, NULL},
        {"mnist", "mnist", COVEY_SPLIT_TEST, 10000, 0.132515, NULL, NULL},
        {"mnist", "mnist", COVEY_SPLIT_BOTH, 70000, 0.130925, NULL, NULL},
        {"cifar10", "cifar-10", COVEY_SPLIT_TEST, 1000, 0.472351, "airplane", "truck"},
        {"cifar100", "cifar-100", COVEY_SPLIT_TRAIN, 20000, 0.477149, "apple", "worm"},
        {"cifar100", "cifar-100", COVEY_SPLIT_TEST, 10000, 0.479377, "apple", "worm"},
        {"digits", "digits/digits.csv.gz", COVEY_SPLIT_TRAIN, 1437, 0.305386, NULL, NULL},
        {"digits", "digits/digits.csv.gz", COVEY_SPLIT_TEST, 360, 0.304758, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        char path[FIXTURE_PATH];
        char spec[FIXTURE_PATH + 64];
        struct covey_nn_error why = {""};
        struct covey_dataset d = {0};
        const struct covey_dataset_config config = {.split = sets[i].split};
        data_path(path, sets[i].place);
        (void)snprintf(spec, sizeof spec, "%s:%s", sets[i].kind, path);
        expect_ok(covey_dataset_load(spec, &config, &d, &why), &why);
        assert_int_equal(d.count, sets[i].count);
        size_t count = d.count * covey_dataset_values(&d);
        uint64_t sum = 0;
        for (size_t j = 0; j < count; j++) {
            sum += d.bytes[j];
        }
        double mean = (double)sum / (double)count / (double)d.top;
        print_message("%s: %zu samples, mean %.6f\n", sets[i].place, d.count, mean);
        assert_true(mean > sets[i].mean - 1e-6 && mean < sets[i].mean + 1e-6);
        assert_true((d.names != NULL) == (sets[i].first != NULL));
        if (d.names) {
            assert_string_equal(d.names[0].text, sets[i].first);
            assert_string_equal(d.names[d.classes - 1].text, sets[i].last);
        }
        covey_dataset_done(&d);
    }
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_mnist_splits), SCRATCH_TEST(test_idx_types),
        SCRATCH_TEST(test_idx_refused),  SCRATCH_TEST(test_cifar_batches),
        SCRATCH_TEST(test_cifar_coarse), SCRATCH_TEST(test_digits_split),
        SCRATCH_TEST(test_gzip_bomb),    SCRATCH_TEST(test_npy_pair),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
