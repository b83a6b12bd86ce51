/* SPDX-License-Identifier: MIT
 *
 * test_seeds.c - the fuzzers' seeds are messages as they are today: one that a decoder refuses at
 * its first field leads a fuzzer nowhere. Seeds called bad-... are to be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "covey/message_catalogue.h"
#include "covey/message_control.h"
#include "covey/message_custody.h"
#include "covey/message_gossip.h"
#include "covey/message_train.h"
#include "covey/message_work.h"

#define SEEDS COVEY_SOURCE_DIR "/fuzz/seeds/"

enum { SEED_MAX = 64 * 1024 };

typedef bool (*accepts_fn)(struct covey_bytes in);

static bool is_control(struct covey_bytes in)
{
    static struct covey_control out;
    return covey_control_decode(in, &out) == COVEY_OK;
}

#define ACCEPTS(type, decode)                                                                      \
    static bool is_##type(struct covey_bytes in)                                                   \
    {                                                                                              \
        static struct covey_##type out;                                                            \
        return decode(in, &out) == COVEY_OK;                                                       \
    }

ACCEPTS(gossip_message, covey_gossip_decode)
ACCEPTS(work_message, covey_work_decode)
ACCEPTS(train_message, covey_train_decode)
ACCEPTS(custody_message, covey_custody_decode)
ACCEPTS(record_body, covey_record_decode)
ACCEPTS(accusation, covey_accusation_decode)
ACCEPTS(claim, covey_claim_decode)
ACCEPTS(catalogue_message, covey_catalogue_decode)
ACCEPTS(catalogue_model, covey_catalogue_model_decode)

static bool is_message(struct covey_bytes in)
{
    return is_gossip_message(in) || is_work_message(in) || is_train_message(in) ||
           is_custody_message(in) || is_record_body(in) || is_accusation(in) || is_claim(in) ||
           is_catalogue_message(in) || is_catalogue_model(in);
}

static struct covey_bytes read_seed(const char *folder, const char *name)
{
    static uint8_t bytes[SEED_MAX];
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    assert_int_equal(ferror(file), 0);
    assert_true(len < sizeof(bytes));
    fclose(file);
    return covey_bytes_of(bytes, len);
}

static void check_folder(const char *path, accepts_fn accepts)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    unsigned seen = 0, wrong = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        bool bad = strncmp(entry->d_name, "bad-", 4) == 0;
        if (accepts(read_seed(path, entry->d_name)) == bad) {
            print_error("%s/%s is %s\n", path, entry->d_name, bad ? "accepted" : "refused");
            wrong++;
        }
        seen++;
    }
    closedir(folder);
    assert_true(seen > 0);
    assert_int_equal(wrong, 0);
}

static void test_control_seeds(void **state)
{
    (void)state;
    check_folder(SEEDS "codec_control", is_control);
}

static void test_message_seeds(void **state)
{
    (void)state;
    check_folder(SEEDS "codec_message", is_message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_seeds),
        cmocka_unit_test(test_message_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
