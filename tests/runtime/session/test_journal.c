/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "covey/files.h"
#include "custodian_disk.h"
#include "papers.h"
#include "scratch.h"
#include "training_checkpoint.h"

static struct covey_journal *open_journal(const char *dir)
{
    char why[256];
    struct covey_journal *j = NULL;
    assert_int_equal(covey__journal_open(dir, &j, why), COVEY_OK);
    assert_string_equal(why, "");
    return j;
}

static struct covey_journal_session session_of(uint8_t number, enum covey_journal_state state)
{
    struct covey_journal_session s = {.id = {{number, 7}}, .job = {{number, 8}}, .state = state};
    snprintf(s.name, sizeof(s.name), "session-%u", number);
    s.epoch = number + 1u;
    s.owner.bytes[3] = number;
    return s;
}

/* What was written is read back by the next opening; writing again replaces. */
static void test_journal_remembers(void **state)
{
    char dir[SCRATCH_PATH];
    scratch_folder(state, dir);
    struct covey_journal *j = open_journal(dir);
    struct covey_journal_session a = session_of(1, COVEY_JOURNAL_KEPT), back[4];
    struct covey_journal_session b = session_of(2, COVEY_JOURNAL_OWNED);
    assert_int_equal(covey__journal_session(j, &a), COVEY_OK);
    assert_int_equal(covey__journal_session(j, &b), COVEY_OK);
    a.state = COVEY_JOURNAL_OVER;
    a.epoch = UINT32_MAX;
    assert_int_equal(covey__journal_session(j, &a), COVEY_OK);
    assert_int_equal(covey__journal_step(j, &a.id, 2, 17), COVEY_OK);
    assert_int_equal(covey__journal_step(j, &a.id, 2, 12), COVEY_OK);
    covey__journal_close(j);

    j = open_journal(dir);
    size_t count = 0;
    uint64_t last = 0;
    assert_int_equal(covey__journal_sessions(j, back, 4, &count), COVEY_OK);
    assert_int_equal(count, 2);
    assert_string_equal(back[0].name, "session-2");
    assert_int_equal(back[1].state, COVEY_JOURNAL_OVER);
    assert_int_equal(back[1].epoch, UINT32_MAX);
    assert_memory_equal(&back[1].id, &a.id, sizeof(a.id));
    assert_memory_equal(&back[1].job, &a.job, sizeof(a.job));
    assert_memory_equal(&back[1].owner, &a.owner, sizeof(a.owner));
    assert_int_equal(covey__journal_last_step(j, &a.id, &last), COVEY_OK);
    assert_int_equal(last, 17);
    assert_int_equal(covey__journal_last_step(j, &b.id, &last), COVEY_OK);
    assert_int_equal(last, 0);
    covey__journal_close(j);
}

/* Only so many sessions are remembered: the oldest that are over go, with their steps; those that
 * are not over never do. */
static void test_journal_is_bounded(void **state)
{
    char dir[SCRATCH_PATH];
    scratch_folder(state, dir);
    struct covey_journal *j = open_journal(dir);
    struct covey_journal_session back[COVEY__JOURNAL_SESSIONS + 1];
    size_t count = 0;
    uint64_t last = 1;
    for (uint8_t i = 0; i < COVEY__JOURNAL_SESSIONS + 2; i++) {
        struct covey_journal_session s =
            session_of(i, i == 1 ? COVEY_JOURNAL_KEPT : COVEY_JOURNAL_OVER);
        assert_int_equal(covey__journal_session(j, &s), COVEY_OK);
        assert_int_equal(covey__journal_step(j, &s.id, 1, 5), COVEY_OK);
    }
    assert_int_equal(covey__journal_sessions(j, back, COVEY__JOURNAL_SESSIONS + 1, &count),
                     COVEY_OK);
    assert_int_equal(count, COVEY__JOURNAL_SESSIONS);
    assert_string_equal(back[count - 1].name, "session-1");
    assert_string_equal(back[count - 2].name, "session-3");
    struct covey_journal_session gone = session_of(2, COVEY_JOURNAL_OVER);
    assert_int_equal(covey__journal_last_step(j, &gone.id, &last), COVEY_OK);
    assert_int_equal(last, 0);
    for (size_t i = 0; i < count; i++) {
        back[i].state = COVEY_JOURNAL_OWNED;
        assert_int_equal(covey__journal_session(j, &back[i]), COVEY_OK);
    }
    struct covey_journal_session more = session_of(200, COVEY_JOURNAL_OWNED);
    assert_int_equal(covey__journal_session(j, &more), COVEY_ERR_LIMIT);
    assert_int_equal(covey__journal_sessions(j, back, COVEY__JOURNAL_SESSIONS + 1, &count),
                     COVEY_OK);
    assert_int_equal(count, COVEY__JOURNAL_SESSIONS);
    covey__journal_close(j);
}

struct seen {
    unsigned count;
    struct covey_session_id id;
    uint8_t bytes[COVEY__JOURNAL_STATE_MAX];
    size_t len;
};

static void see(void *user, const struct covey_session_id *id, struct covey_bytes bytes)
{
    struct seen *seen = user;
    seen->count++;
    seen->id = *id;
    memcpy(seen->bytes, bytes.ptr, bytes.len);
    seen->len = bytes.len;
}

/* What custody persists comes back byte for byte, the last one of each session; an empty one is
 * forgotten, one that is too large refused. */
static void test_journal_keeps_custody_states(void **state)
{
    char dir[SCRATCH_PATH];
    scratch_folder(state, dir);
    struct covey_journal *j = open_journal(dir);
    struct covey_session_id id = {{1}}, other = {{2}};
    uint8_t bytes[COVEY__JOURNAL_STATE_MAX + 1] = {0, 1, 2, 0, 255};
    struct covey_bytes first = covey_bytes_of(bytes, 3), second = covey_bytes_of(bytes, 512);
    assert_int_equal(covey__journal_persist(j, &id, first), COVEY_OK);
    assert_int_equal(covey__journal_persist(j, &id, second), COVEY_OK);
    assert_int_equal(covey__journal_persist(j, &other, first), COVEY_OK);
    assert_int_equal(covey__journal_persist(j, &other, covey_bytes_of(NULL, 0)), COVEY_OK);
    assert_int_equal(covey__journal_persist(j, &id, covey_bytes_of(bytes, sizeof(bytes))),
                     COVEY_ERR_LIMIT);
    covey__journal_close(j);
    j = open_journal(dir);
    struct seen seen = {.count = 0};
    assert_int_equal(covey__journal_states(j, see, &seen), COVEY_OK);
    assert_int_equal(seen.count, 1);
    assert_memory_equal(&seen.id, &id, sizeof(id));
    assert_int_equal(seen.len, 512);
    assert_memory_equal(seen.bytes, bytes, 512);
    covey__journal_close(j);
}

static void damage(const char *dir, long at, const char *with)
{
    char path[SCRATCH_PATH + 32];
    snprintf(path, sizeof(path), "%s/journal.db", dir);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, with, strlen(with), at), (ssize_t)strlen(with));
    close(fd);
}

/* A journal that is no database, or whose pages are damaged, is set aside and said to be; the new
 * one is empty and works. */
static void test_journal_sets_damage_aside(void **state)
{
    const long places[] = {0, 4096 * 2, 4096 + 10};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char dir[SCRATCH_PATH], path[SCRATCH_PATH + 32], why[256];
        scratch_folder(state, dir);
        struct covey_journal *j = open_journal(dir);
        for (uint8_t n = 0; n < 20; n++) {
            struct covey_journal_session s = session_of(n, COVEY_JOURNAL_KEPT);
            assert_int_equal(covey__journal_session(j, &s), COVEY_OK);
        }
        covey__journal_close(j);
        damage(dir, places[i], "this was not written by a database, was it? no.");
        assert_int_equal(covey__journal_open(dir, &j, why), COVEY_OK);
        assert_non_null(strstr(why, "journal.db.damaged"));
        snprintf(path, sizeof(path), "%s/journal.db.damaged", dir);
        assert_true(covey_file_exists(path));
        struct covey_journal_session back[1];
        size_t count = 1;
        assert_int_equal(covey__journal_sessions(j, back, 1, &count), COVEY_OK);
        assert_int_equal(count, 0);
        covey__journal_close(j);
        covey__journal_close(open_journal(dir));
    }
}

/* A journal of a later version is refused and left as it is. */
static void test_journal_of_a_later_version(void **state)
{
    char dir[SCRATCH_PATH], why[256];
    scratch_folder(state, dir);
    struct covey_journal *j = open_journal(dir);
    covey__journal_close(j);
    const char later[] = {2, 0}; /* the last byte of user_version in the file's header */
    damage(dir, 63, later);
    j = NULL;
    assert_int_equal(covey__journal_open(dir, &j, why), COVEY_ERR_UNSUPPORTED);
    assert_null(j);
    assert_non_null(strstr(why, "later version"));
}

/* Only this device's user may read it. */
static void test_journal_is_private(void **state)
{
    char dir[SCRATCH_PATH], path[SCRATCH_PATH + 32];
    scratch_folder(state, dir);
    mode_t before = umask(0);
    struct covey_journal *j = open_journal(dir);
    umask(before);
    const char *names[] = {"journal.db", "journal.db-wal"};
    for (size_t i = 0; i < 2; i++) {
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
    covey__journal_close(j);
}

/* ---- checkpoints ---- */

struct place {
    struct covey_store store;
    struct covey_custodian_disk disk;
};

static void open_room(const char *dir, struct place *p, uint64_t quota)
{
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    assert_int_equal(covey__store_open(&p->store, dir), COVEY_OK);
    assert_int_equal(covey__store_limit(&p->store, quota), COVEY_OK);
    p->disk = (struct covey_custodian_disk){&p->store, open_journal(dir), {{9}}};
}

static void open_place(const char *dir, struct place *p)
{
    open_room(dir, p, 1 << 20);
}

static void close_place(struct place *p)
{
    covey__journal_close(p->disk.journal);
    covey__store_close(&p->store);
}

static struct covey_checkpoint_ref put(struct place *p, uint32_t epoch, uint64_t step,
                                       uint64_t content)
{
    struct covey_checkpoint_ref ref = {.epoch = epoch, .step = step};
    assert_int_equal(paper_put(&p->store, covey_bytes_of(&content, sizeof(content)), &ref),
                     COVEY_OK);
    return ref;
}

/* Two checkpoints stay, and one more if it is the newest that a majority keeps. */
static void test_checkpoints_go_when_newer_ones_are_there(void **state)
{
    char dir[SCRATCH_PATH];
    scratch_folder(state, dir);
    struct place p;
    open_place(dir, &p);
    struct covey_checkpoint_ref ref[5], newest;
    for (unsigned i = 0; i < 5; i++) {
        ref[i] = put(&p, 1, 10 * (i + 1), i);
        assert_int_equal(covey__custodian_write(&p.disk, &ref[i]), COVEY_OK);
        if (i == 1) {
            assert_int_equal(covey__custodian_mark(&p.disk, &ref[i]), COVEY_OK);
        }
    }
    const bool stays[] = {false, true, false, true, true};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(covey__store_has(&p.store, &ref[i].digest), stays[i]);
    }
    assert_int_equal(covey__custodian_mark(&p.disk, &ref[4]), COVEY_OK);
    assert_false(covey__store_has(&p.store, &ref[1].digest));
    close_place(&p);
    open_place(dir, &p);
    assert_int_equal(covey__custodian_newest(&p.disk, &newest), COVEY_OK);
    assert_int_equal(newest.step, 50);
    assert_int_equal(covey__custodian_erase(&p.disk), COVEY_OK);
    assert_int_equal(covey__custodian_newest(&p.disk, &newest), COVEY_ERR_NOT_FOUND);
    assert_false(covey__store_has(&p.store, &ref[4].digest));
    close_place(&p);
}

/* A later epoch's checkpoint is the newer one, whatever its step; one whose bytes are not there is
 * passed over. */
static void test_newest_checkpoint(void **state)
{
    char dir[SCRATCH_PATH];
    scratch_folder(state, dir);
    struct place p;
    open_place(dir, &p);
    struct covey_checkpoint_ref a = put(&p, 1, 90, 1), b = put(&p, 2, 30, 2), found;
    assert_int_equal(covey__custodian_newest(&p.disk, &found), COVEY_ERR_NOT_FOUND);
    assert_int_equal(covey__custodian_write(&p.disk, &b), COVEY_OK);
    assert_int_equal(covey__custodian_write(&p.disk, &a), COVEY_OK);
    assert_int_equal(covey__custodian_newest(&p.disk, &found), COVEY_OK);
    assert_int_equal(found.epoch, 2);
    covey__store_remove(&p.store, &b.digest);
    assert_int_equal(covey__custodian_newest(&p.disk, &found), COVEY_OK);
    assert_int_equal(found.step, 90);
    struct covey_checkpoint_ref never = {.epoch = 3, .step = 1, .digest = {{77}}, .len = 5};
    assert_int_equal(covey__custodian_write(&p.disk, &never), COVEY_ERR_NOT_FOUND);
    assert_int_equal(covey__custodian_newest(&p.disk, &found), COVEY_OK);
    close_place(&p);
}

/* Two owners that made the same step made the same bytes: they go with the last that names them. */
static void test_checkpoints_of_equal_bytes(void **state)
{
    char dir[SCRATCH_PATH];
    scratch_folder(state, dir);
    struct place p;
    open_place(dir, &p);
    struct covey_checkpoint_ref same = put(&p, 1, 10, 5), again = same, found;
    again.epoch = 2;
    assert_int_equal(covey__custodian_write(&p.disk, &same), COVEY_OK);
    assert_int_equal(covey__custodian_write(&p.disk, &again), COVEY_OK);
    struct covey_checkpoint_ref next = put(&p, 2, 20, 6);
    assert_int_equal(covey__custodian_write(&p.disk, &next), COVEY_OK);
    assert_true(covey__store_has(&p.store, &same.digest));
    assert_int_equal(covey__custodian_newest(&p.disk, &found), COVEY_OK);
    assert_int_equal(found.step, 20);
    close_place(&p);
}

static void sync_all(const struct place *p, const struct covey_checkpoint_ref *ref)
{
    size_t synced = 0;
    bool all = false;
    for (unsigned steps = 0; !all; steps++) {
        assert_true(steps < 4);
        assert_int_equal(covey__custodian_sync(&p->disk, ref, &synced, &all), COVEY_OK);
    }
}

/* Pieces that a later checkpoint has too stay when an earlier one goes, whatever else the store is
 * asked for, also after a start; with the last that names them they go. One that lacks a piece, or
 * has a torn one, is none. */
static void test_checkpoints_of_pieces(void **state)
{
    enum { PIECES = 6, LEN = PIECES * COVEY_CHECKPOINT_PIECE, ROOM = 5 * COVEY_CHECKPOINT_PIECE };
    char dir[SCRATCH_PATH];
    scratch_folder(state, dir);
    struct place p;
    struct covey_checkpoint_ref ref[4], found;
    uint8_t *bytes = calloc(LEN, 1);
    assert_non_null(bytes);
    open_room(dir, &p, LEN + ROOM);
    for (unsigned i = 0; i < 4; i++) {
        bytes[0] = (uint8_t)(i + 1); /* the first is new each time, the others are equal */
        ref[i] = (struct covey_checkpoint_ref){.epoch = 1, .step = i + 1};
        assert_int_equal(paper_put(&p.store, covey_bytes_of(bytes, LEN), &ref[i]), COVEY_OK);
        sync_all(&p, &ref[i]);
        assert_int_equal(covey__custodian_write(&p.disk, &ref[i]), COVEY_OK);
    }
    struct covey_digest first = paper_piece(&p.store, &ref[3], 0);
    struct covey_digest same = paper_piece(&p.store, &ref[3], 1);
    assert_false(covey__store_has(&p.store, &ref[1].digest));
    close_place(&p);
    open_room(dir, &p, LEN + ROOM);
    assert_int_equal(covey__custodian_pin(&p.disk), COVEY_OK);
    for (unsigned i = 0; i < 8; i++) {
        struct covey_digest other;
        memset(bytes, 16 + (int)i, COVEY_CHECKPOINT_PIECE);
        struct covey_bytes blob = covey_bytes_of(bytes, COVEY_CHECKPOINT_PIECE);
        covey_hash(&other, blob);
        assert_int_equal(covey__store_put(&p.store, &other, blob), COVEY_OK);
    }
    assert_int_equal(covey__custodian_newest(&p.disk, &found), COVEY_OK);
    assert_int_equal(found.step, 4);
    covey__store_remove(&p.store, &first);
    assert_int_equal(covey__custodian_newest(&p.disk, &found), COVEY_OK);
    assert_int_equal(found.step, 3);
    assert_int_equal(covey__custodian_erase(&p.disk), COVEY_OK);
    assert_false(covey__store_has(&p.store, &same));
    free(bytes);
    close_place(&p);
}

/* A blob that a crash has torn is written anew when the same bytes are made again. */
static void test_torn_piece_is_made_again(void **state)
{
    char dir[SCRATCH_PATH], hex[COVEY_DIGEST_HEX], path[SCRATCH_PATH + 80];
    uint8_t back[7];
    scratch_folder(state, dir);
    struct place p;
    struct covey_digest digest;
    open_place(dir, &p);
    assert_int_equal(covey__store_make(&p.store, covey_bytes_of("a piece", 7), &digest), COVEY_OK);
    close_place(&p);
    covey__digest_hex(&digest, hex);
    snprintf(path, sizeof(path), "%s/store/%.2s/%s", dir, hex, hex);
    assert_int_equal(truncate(path, 0), 0);
    open_place(dir, &p);
    assert_int_equal(covey__store_make(&p.store, covey_bytes_of("a piece", 7), &digest), COVEY_OK);
    assert_int_equal(covey__store_get(&p.store, &digest, back, 7), COVEY_OK);
    assert_memory_equal(back, "a piece", 7);
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_remembers),
        cmocka_unit_test(test_journal_is_bounded),
        cmocka_unit_test(test_journal_keeps_custody_states),
        cmocka_unit_test(test_journal_sets_damage_aside),
        cmocka_unit_test(test_journal_of_a_later_version),
        cmocka_unit_test(test_journal_is_private),
        cmocka_unit_test(test_checkpoints_go_when_newer_ones_are_there),
        cmocka_unit_test(test_newest_checkpoint),
        cmocka_unit_test(test_checkpoints_of_equal_bytes),
        cmocka_unit_test(test_checkpoints_of_pieces),
        cmocka_unit_test(test_torn_piece_is_made_again),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
