/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512, FILE_BYTES = 1024 };

/* A folder of its own for each test, with an authority and one device in it. */
struct disk {
    char root[64], authority[PATH_BYTES], state[PATH_BYTES], path[PATH_BYTES];
    struct covey_identity_error why;
    struct covey_identity *id;
};

static const char *const state_files[] = {"device.key", "device.cert", "authority.pub", "mesh.key",
                                          "boot"};
enum { STATE_FILES = sizeof(state_files) / sizeof(state_files[0]) };

static const char *path_of(struct disk *d, const char *dir, const char *name)
{
    int len = snprintf(d->path, sizeof(d->path), "%s/%s", dir, name);
    assert_true(len > 0 && (size_t)len < sizeof(d->path));
    return d->path;
}

static covey_err enrol(struct disk *d, const char *name, const char *state)
{
    struct covey_enrol_config config = {.authority_dir = d->authority,
                                        .device_name = name,
                                        .tier = COVEY_TIER_END,
                                        .trust = COVEY_TRUST_NONE,
                                        .state_dir = state,
                                        .now_s = NOW_S};
    return covey_enrol(&config, &d->why);
}

static covey_err load(struct disk *d, bool count)
{
    covey_identity_free(d->id);
    d->id = NULL;
    return covey_identity_load(d->state, count, NOW_S, &d->id, &d->why);
}

static int setup(void **state)
{
    struct disk *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    memcpy(d->root, "/tmp/covey-test-XXXXXX", sizeof("/tmp/covey-test-XXXXXX"));
    assert_non_null(mkdtemp(d->root));
    snprintf(d->authority, sizeof(d->authority), "%s/authority", d->root);
    snprintf(d->state, sizeof(d->state), "%s/state", d->root);
    assert_int_equal(covey_authority_create(d->authority, "home", &d->why), COVEY_OK);
    assert_int_equal(enrol(d, "kitchen", d->state), COVEY_OK);
    *state = d;
    return 0;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        unlink(path);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char below[PATH_BYTES];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            int len = snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
            assert_true(len > 0 && (size_t)len < sizeof(below));
            remove_tree(below);
        }
    }
    closedir(dir);
    rmdir(path);
}

static int teardown(void **state)
{
    struct disk *d = *state;
    covey_identity_free(d->id);
    remove_tree(d->root);
    free(d);
    return 0;
}

static size_t count_entries(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count - 2;
}

static size_t read_file(const char *path, uint8_t *out)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(out, 1, FILE_BYTES, file);
    fclose(file);
    return len;
}

static void write_file(const char *path, const uint8_t *ptr, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(ptr, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

/* What enrolment wrote loads, closed to everyone else, and nothing else is left beside it. */
static void test_enrol_makes_state_that_loads(void **state)
{
    struct disk *d = *state;
    struct stat st;
    assert_int_equal(load(d, true), COVEY_OK);
    assert_string_equal(d->id->cert.name, "kitchen");
    assert_int_equal(d->id->cert.tier, COVEY_TIER_END);
    assert_int_equal(d->id->cert.trust, COVEY_TRUST_NONE);
    assert_int_equal(d->id->cert.serial, 1);
    assert_true(d->id->cert.not_after_s == NOW_S + UINT64_C(3650) * 24 * 3600);
    assert_int_equal(stat(d->state, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (int i = 0; i < STATE_FILES; i++) {
        assert_int_equal(stat(path_of(d, d->state, state_files[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_int_equal(count_entries(d->state), STATE_FILES);
    assert_int_equal(count_entries(d->authority), 6);
    assert_int_equal(count_entries(d->root), 2);
}

/* Devices of one authority open a channel to each other; serial numbers differ. */
static void test_enrolled_devices_trust_each_other(void **state)
{
    struct disk *d = *state;
    struct covey_identity *other;
    struct dial dial;
    assert_int_equal(load(d, true), COVEY_OK);
    path_of(d, d->root, "other");
    assert_int_equal(enrol(d, "cellar", d->path), COVEY_OK);
    assert_int_equal(covey_identity_load(d->path, true, NOW_S, &other, &d->why), COVEY_OK);
    assert_int_equal(other->cert.serial, 2);
    dial_init(&dial, d->id, other, &other->cert.node);
    assert_int_equal(dial_run(&dial), COVEY_OK);
    dial_done(&dial);
    covey_identity_free(other);
}

/* Each start has the next boot number, on the disk before it is used; looking does not count. */
static void test_load_counts_boots(void **state)
{
    struct disk *d = *state;
    uint8_t nonce[COVEY_NONCE_BYTES];
    for (uint64_t boot = 1; boot < 4; boot++) {
        assert_int_equal(load(d, true), COVEY_OK);
        assert_int_equal(d->id->boot_counter, boot);
        memcpy(nonce, d->id->boot_nonce, sizeof(nonce));
        assert_int_equal(load(d, false), COVEY_OK);
        assert_int_equal(d->id->boot_counter, boot);
        assert_memory_not_equal(nonce, d->id->boot_nonce, sizeof(nonce));
    }
    assert_int_equal(count_entries(d->state), STATE_FILES);
}

static void check_loose(struct disk *d, const char *name, mode_t mode, const char *advice)
{
    struct stat st;
    path_of(d, d->state, name);
    assert_int_equal(stat(d->path, &st), 0);
    assert_int_equal(chmod(d->path, mode), 0);
    assert_int_equal(load(d, true), COVEY_ERR_PERMISSIONS);
    assert_non_null(strstr(d->why.text, advice));
    assert_non_null(strstr(d->why.text, name[0] == '.' ? d->state : d->path));
    assert_null(strchr(d->why.text, '\n'));
    assert_int_equal(chmod(d->path, st.st_mode & 0777), 0);
    assert_int_equal(load(d, false), COVEY_OK);
    assert_int_equal(d->id->boot_counter, 0); /* refused before it was counted */
}

/* Any bit for group or others, on any file or the folder, is refused with what to run. */
static void test_load_refuses_loose_permissions(void **state)
{
    static const mode_t loose[] = {0640, 0620, 0604, 0601};
    for (int i = 0; i < STATE_FILES; i++) {
        for (size_t m = 0; m < sizeof(loose) / sizeof(loose[0]); m++) {
            check_loose(*state, state_files[i], loose[m], "chmod 600");
        }
    }
    check_loose(*state, ".", 0750, "chmod 700");
    check_loose(*state, ".", 0701, "chmod 700");
}

/* Files and folders of another user are refused, even by root. */
static void test_load_refuses_other_owner(void **state)
{
    struct disk *d = *state;
    if (geteuid() != 0) {
        print_message("skipped: only root can give a file away\n");
        skip();
    }
    path_of(d, d->state, "device.key");
    int status = chown(d->path, 12345, 0);
    if (status != 0 && errno == EINVAL) {
        print_message("skipped: this user namespace has nobody else\n");
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(load(d, true), COVEY_ERR_PERMISSIONS);
    assert_non_null(strstr(d->why.text, "12345"));
    assert_non_null(strstr(d->why.text, "chmod 600"));
    assert_int_equal(chown(d->path, 0, 0), 0);
    assert_int_equal(chown(d->state, 12345, 0), 0);
    assert_int_equal(load(d, true), COVEY_ERR_PERMISSIONS);
    assert_non_null(strstr(d->why.text, "chmod 700"));
}

/* The authority's folder is held to the same, and nothing is enrolled from a loose one. */
static void test_enrol_refuses_loose_authority(void **state)
{
    struct disk *d = *state;
    char other[PATH_BYTES];
    snprintf(other, sizeof(other), "%s/other", d->root);
    assert_int_equal(chmod(path_of(d, d->authority, "authority.key"), 0644), 0);
    assert_int_equal(enrol(d, "cellar", other), COVEY_ERR_PERMISSIONS);
    assert_non_null(strstr(d->why.text, "chmod 600"));
    assert_int_equal(chmod(d->path, 0600), 0);
    assert_int_equal(chmod(d->authority, 0755), 0);
    assert_int_equal(enrol(d, "cellar", other), COVEY_ERR_PERMISSIONS);
    assert_non_null(strstr(d->why.text, "chmod 700"));
    assert_int_equal(count_entries(d->root), 2);
}

/* A file cut at any length, emptied, filled with zeros, lengthened or with one bit flipped is
 * refused by name, and what stands on the disk stays. */
static void test_load_refuses_damaged_files(void **state)
{
    struct disk *d = *state;
    for (int i = 0; i < STATE_FILES; i++) {
        uint8_t good[FILE_BYTES + 1], bad[FILE_BYTES + 1] = {0};
        path_of(d, d->state, state_files[i]);
        size_t len = read_file(d->path, good);
        for (size_t cut = 0; cut < len; cut += 5) {
            write_file(d->path, good, cut);
            assert_int_equal(load(d, true), COVEY_ERR_MALFORMED);
            assert_non_null(strstr(d->why.text, state_files[i]));
        }
        write_file(d->path, bad, len); /* the length came to the disk, the bytes did not */
        assert_int_equal(load(d, true), COVEY_ERR_MALFORMED);
        write_file(d->path, good, len + 1);
        assert_int_equal(load(d, true), COVEY_ERR_MALFORMED);
        for (size_t at = 0; at < len; at += 3) {
            memcpy(bad, good, len);
            bad[at] ^= 0x10;
            write_file(d->path, bad, len);
            assert_int_equal(load(d, true), COVEY_ERR_MALFORMED);
        }
        assert_int_equal(unlink(d->path), 0);
        assert_int_equal(load(d, true), COVEY_ERR_NOT_FOUND);
        write_file(d->path, good, len);
    }
    assert_int_equal(load(d, true), COVEY_OK);
    assert_int_equal(d->id->boot_counter, 1);
}

/* A link, a folder or a pipe in a file's place is refused, and does not hold the start up. */
static void test_load_refuses_what_is_no_file(void **state)
{
    struct disk *d = *state;
    char moved[PATH_BYTES];
    snprintf(moved, sizeof(moved), "%s/moved", d->root);
    path_of(d, d->state, "device.key");
    assert_int_equal(rename(d->path, moved), 0);
    assert_int_equal(symlink(moved, d->path), 0);
    assert_int_equal(load(d, true), COVEY_ERR_IO);
    assert_int_equal(unlink(d->path), 0);
    assert_int_equal(mkfifo(d->path, 0600), 0);
    assert_int_equal(load(d, true), COVEY_ERR_MALFORMED);
    assert_int_equal(unlink(d->path), 0);
    assert_int_equal(mkdir(d->path, 0700), 0);
    assert_int_equal(load(d, true), COVEY_ERR_MALFORMED);
}

/* What a crash left of a half-written counter is in nobody's way. */
static void test_load_survives_half_written_boot(void **state)
{
    struct disk *d = *state;
    write_file(path_of(d, d->state, ".boot.new"), (const uint8_t *)"cov", 3);
    assert_int_equal(load(d, true), COVEY_OK);
    assert_int_equal(d->id->boot_counter, 1);
    assert_int_equal(load(d, true), COVEY_OK);
    assert_int_equal(d->id->boot_counter, 2);
    assert_int_equal(count_entries(d->state), STATE_FILES);
}

/* Keys of one device with the certificate of another, or another mesh's authority, are refused. */
static void test_load_refuses_mixed_state(void **state)
{
    struct disk *d = *state;
    char other[PATH_BYTES], from[PATH_BYTES + 32];
    uint8_t bytes[FILE_BYTES], own[FILE_BYTES];
    snprintf(other, sizeof(other), "%s/other", d->root);
    assert_int_equal(enrol(d, "cellar", other), COVEY_OK);
    snprintf(from, sizeof(from), "%s/device.key", other);
    size_t own_len = read_file(path_of(d, d->state, "device.key"), own);
    write_file(d->path, bytes, read_file(from, bytes));
    assert_int_equal(load(d, true), COVEY_ERR_AUTH);
    write_file(d->path, own, own_len);
    snprintf(other, sizeof(other), "%s/authority-2", d->root);
    assert_int_equal(covey_authority_create(other, "away", &d->why), COVEY_OK);
    snprintf(from, sizeof(from), "%s/authority.pub", other);
    path_of(d, d->state, "authority.pub");
    write_file(d->path, bytes, read_file(from, bytes));
    assert_int_equal(load(d, true), COVEY_ERR_AUTH);
}

/* Outside its dates a device does not start, and the sentence says so. */
static void test_load_refuses_expired(void **state)
{
    struct disk *d = *state;
    assert_int_equal(
        covey_identity_load(d->state, true, NOW_S + UINT64_C(3651) * 24 * 3600, &d->id, &d->why),
        COVEY_ERR_EXPIRED);
    assert_non_null(strstr(d->why.text, "not valid now"));
    assert_int_equal(covey_identity_load(d->state, true, 0, &d->id, &d->why), COVEY_ERR_EXPIRED);
}

/* A copied state directory is the same device: its copy can open no channel to it. */
static void test_copied_state_is_the_same_device(void **state)
{
    struct disk *d = *state;
    char copy[PATH_BYTES], to[PATH_BYTES + 32];
    uint8_t bytes[FILE_BYTES];
    struct covey_identity *twin;
    struct dial dial;
    assert_int_equal(load(d, true), COVEY_OK);
    snprintf(copy, sizeof(copy), "%s/copy", d->root);
    assert_int_equal(mkdir(copy, 0700), 0);
    for (int i = 0; i < STATE_FILES; i++) {
        snprintf(to, sizeof(to), "%s/%s", copy, state_files[i]);
        write_file(to, bytes, read_file(path_of(d, d->state, state_files[i]), bytes));
    }
    assert_int_equal(covey_identity_load(copy, true, NOW_S, &twin, &d->why), COVEY_OK);
    assert_true(covey_node_id_equal(&twin->cert.node, &d->id->cert.node));
    assert_memory_not_equal(twin->boot_nonce, d->id->boot_nonce, COVEY_NONCE_BYTES);
    dial_init(&dial, d->id, twin, &twin->cert.node);
    assert_int_equal(dial_run(&dial), COVEY_ERR_AUTH);
    dial_done(&dial);
    covey_identity_free(twin);
}

/* A second authority or device is never written over the first. */
static void test_nothing_is_overwritten(void **state)
{
    struct disk *d = *state;
    assert_int_equal(covey_authority_create(d->authority, "again", &d->why), COVEY_ERR_EXISTS);
    assert_int_equal(enrol(d, "again", d->state), COVEY_ERR_EXISTS);
    assert_int_equal(load(d, true), COVEY_OK);
    assert_string_equal(d->id->cert.name, "kitchen");
    path_of(d, d->root, "full");
    assert_int_equal(mkdir(d->path, 0700), 0);
    char kept[PATH_BYTES + 8];
    snprintf(kept, sizeof(kept), "%s/kept", d->path);
    write_file(kept, (const uint8_t *)"x", 1);
    assert_int_equal(enrol(d, "again", d->path), COVEY_ERR_EXISTS);
    assert_int_equal(covey_authority_create(d->path, "again", &d->why), COVEY_ERR_EXISTS);
    assert_int_equal(count_entries(d->path), 1);
    assert_int_equal(count_entries(d->root), 3);
}

static void enrolled_of(struct disk *d, const char *name)
{
    char file[COVEY_NAME_MAX + 16];
    snprintf(file, sizeof(file), "enrolled.%s", name);
    path_of(d, d->authority, file);
}

/* Two devices have one name only when the first one's certificate has expired, or when somebody
 * says that it is gone; a failed enrolment takes no name. */
static void test_a_name_is_given_once(void **state)
{
    struct disk *d = *state;
    char other[PATH_BYTES], none[PATH_BYTES], longest[COVEY_NAME_MAX + 1];
    snprintf(other, sizeof(other), "%s/other", d->root);
    snprintf(none, sizeof(none), "%s/none/state", d->root);
    assert_int_equal(load(d, true), COVEY_OK);
    char said[32];
    snprintf(said, sizeof(said), "with id %02x%02x%02x%02x", d->id->cert.node.bytes[0],
             d->id->cert.node.bytes[1], d->id->cert.node.bytes[2], d->id->cert.node.bytes[3]);
    assert_int_equal(enrol(d, "kitchen", other), COVEY_ERR_EXISTS);
    assert_non_null(strstr(d->why.text, said));
    assert_non_null(strstr(d->why.text, "authority/enrolled.kitchen"));
    assert_int_equal(count_entries(d->root), 2);
    enrolled_of(d, "kitchen");
    assert_int_equal(unlink(d->path), 0);
    assert_int_equal(enrol(d, "kitchen", none), COVEY_ERR_IO);
    assert_int_equal(enrol(d, "kitchen", other), COVEY_OK);
    memset(longest, 'n', COVEY_NAME_MAX);
    longest[COVEY_NAME_MAX] = '\0';
    path_of(d, d->root, "longest");
    assert_int_equal(enrol(d, longest, d->path), COVEY_OK);
    struct covey_enrol_config later = {.authority_dir = d->authority,
                                       .device_name = "kitchen",
                                       .tier = COVEY_TIER_END,
                                       .trust = COVEY_TRUST_NONE,
                                       .state_dir = path_of(d, d->root, "later"),
                                       .now_s = NOW_S + UINT64_C(3651) * 24 * 60 * 60};
    assert_int_equal(covey_enrol(&later, &d->why), COVEY_OK);
}

/* A name is not given while it cannot be told whose it is. */
static void test_damaged_name_is_refused(void **state)
{
    struct disk *d = *state;
    char other[PATH_BYTES];
    snprintf(other, sizeof(other), "%s/other", d->root);
    enrolled_of(d, "kitchen");
    write_file(d->path, (const uint8_t *)"x", 1);
    assert_int_equal(enrol(d, "kitchen", other), COVEY_ERR_MALFORMED);
    assert_int_equal(count_entries(d->root), 2);
}

/* An empty folder is filled; slashes at the end of its name change nothing. */
static void test_empty_folder_is_filled(void **state)
{
    struct disk *d = *state;
    path_of(d, d->root, "empty//");
    assert_int_equal(mkdir(d->path, 0755), 0);
    assert_int_equal(enrol(d, "cellar", d->path), COVEY_OK);
    assert_int_equal(count_entries(d->path), STATE_FILES);
    assert_int_equal(count_entries(d->root), 3);
}

/* What cannot be made leaves one clear line and nothing on the disk. */
static void test_failures_leave_nothing(void **state)
{
    struct disk *d = *state;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/none/state", d->root);
    assert_int_equal(enrol(d, "cellar", path), COVEY_ERR_IO);
    assert_non_null(strstr(d->why.text, "none/state: "));
    assert_int_equal(covey_authority_create(path, "x", &d->why), COVEY_ERR_IO);
    snprintf(path, sizeof(path), "%s/file", d->root);
    write_file(path, (const uint8_t *)"x", 1);
    assert_int_equal(enrol(d, "cellar", path), COVEY_ERR_IO);
    assert_int_equal(covey_identity_load(path, true, NOW_S, &d->id, &d->why), COVEY_ERR_IO);
    assert_int_equal(enrol(d, "not a name", path), COVEY_ERR_RANGE);
    assert_int_equal(covey_authority_create(path, "", &d->why), COVEY_ERR_RANGE);
    assert_int_equal(covey_identity_load("", true, NOW_S, &d->id, &d->why), COVEY_ERR_RANGE);
    assert_int_equal(covey_identity_load("/nowhere\n", true, NOW_S, &d->id, &d->why),
                     COVEY_ERR_NOT_FOUND);
    assert_null(strchr(d->why.text, '\n'));
    assert_int_equal(count_entries(d->root), 3);
}

#define KEYFILE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYFILE_TEST(test_enrol_makes_state_that_loads),
        KEYFILE_TEST(test_enrolled_devices_trust_each_other),
        KEYFILE_TEST(test_load_counts_boots),
        KEYFILE_TEST(test_a_name_is_given_once),
        KEYFILE_TEST(test_damaged_name_is_refused),
        KEYFILE_TEST(test_load_refuses_loose_permissions),
        KEYFILE_TEST(test_load_refuses_other_owner),
        KEYFILE_TEST(test_enrol_refuses_loose_authority),
        KEYFILE_TEST(test_load_refuses_damaged_files),
        KEYFILE_TEST(test_load_refuses_what_is_no_file),
        KEYFILE_TEST(test_load_survives_half_written_boot),
        KEYFILE_TEST(test_load_refuses_mixed_state),
        KEYFILE_TEST(test_load_refuses_expired),
        KEYFILE_TEST(test_copied_state_is_the_same_device),
        KEYFILE_TEST(test_nothing_is_overwritten),
        KEYFILE_TEST(test_empty_folder_is_filled),
        KEYFILE_TEST(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
