/* SPDX-License-Identifier: MIT
 *
 * checkpoint_kills [KILLS [SEED]] - a process that writes checkpoints as a custodian does is killed
 * (SIGKILL) at a random moment, again and again. After each kill the next process must find a
 * checkpoint that can be read, whole, and not older than the last one that was said to be written.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "custodian_disk.h"
#include "papers.h"
#include "training_checkpoint.h"

/* Every few checkpoints are large: a piece that never changes, and one that does. */
enum {
    BYTES_MIN = 4096,
    BYTES_SPAN = 400 * 1024,
    BYTES_MAX = COVEY_CHECKPOINT_PIECE + BYTES_MIN + BYTES_SPAN,
    LARGE_EVERY = 4,
    WRITES_MS = 160,
    QUOTA = 32 * 1024 * 1024
};

struct place {
    struct covey_store store;
    struct covey_custodian_disk disk;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int fail(const char *what, covey_err err)
{
    fprintf(stderr, "checkpoint_kills: %s: %s\n", what, covey_strerror(err));
    return 1;
}

/* What a checkpoint of this step holds: the step, then numbers that follow from it. */
static size_t content(uint64_t step, uint8_t *out)
{
    size_t len = (size_t)(BYTES_MIN + mix(step) % BYTES_SPAN) / 8 * 8;
    size_t same = step % LARGE_EVERY == 0 ? COVEY_CHECKPOINT_PIECE : 0;
    memset(out, 0x5a, same);
    for (size_t i = 0; i < len / 8; i++) {
        uint64_t word = i == 0 ? step : mix(step * 1000003 + i);
        memcpy(out + same + 8 * i, &word, 8);
    }
    return same + len;
}

static covey_err place_open(const char *dir, struct place *p, char why[static 256])
{
    why[0] = 0;
    covey_err err = covey__store_open(&p->store, dir);
    if (err == COVEY_OK) {
        err = covey__store_limit(&p->store, QUOTA);
    }
    p->disk = (struct covey_custodian_disk){.store = &p->store, .id = {{42}}};
    if (err == COVEY_OK) {
        err = covey__journal_open(dir, &p->disk.journal, why);
    }
    return err == COVEY_OK ? covey__custodian_pin(&p->disk) : err;
}

static void place_close(struct place *p)
{
    covey__journal_close(p->disk.journal);
    covey__store_close(&p->store);
}

/* The newest checkpoint; step 0: there is none yet. Its bytes must be those of its step. */
static int look(const struct place *p, uint64_t *out_step)
{
    static uint8_t expected[BYTES_MAX];
    struct covey_checkpoint_ref ref;
    uint8_t *state = NULL;
    size_t found = 0;
    *out_step = 0;
    covey_err err = covey__custodian_newest(&p->disk, &ref);
    if (err == COVEY_ERR_NOT_FOUND) {
        return 0;
    }
    if (err == COVEY_OK) {
        err = paper_get(&p->store, &ref, &state, &found);
    }
    if (err != COVEY_OK) {
        return fail("the newest checkpoint", err);
    }
    size_t len = content(ref.step, expected);
    bool same = found == len && memcmp(state, expected, len) == 0;
    free(state);
    *out_step = ref.step;
    return same ? 0 : fail("other bytes than were written", COVEY_ERR_MALFORMED);
}

static covey_err write_one(const struct place *p, uint64_t step)
{
    static uint8_t bytes[BYTES_MAX];
    struct covey_checkpoint_ref ref = {.epoch = 1, .step = step};
    size_t len = content(step, bytes), synced = 0;
    bool all = false;
    covey_err err = paper_put(&p->store, covey_bytes_of(bytes, len), &ref);
    while (err == COVEY_OK && !all) {
        err = covey__custodian_sync(&p->disk, &ref, &synced, &all);
    }
    if (err == COVEY_OK) {
        err = covey__custodian_write(&p->disk, &ref);
    }
    return err == COVEY_OK && step % 3 == 0 ? covey__custodian_mark(&p->disk, &ref) : err;
}

/* Writes until it is killed; says which steps are written. */
static int writer(const char *dir, int report)
{
    struct place p;
    char why[256];
    uint64_t step = 0;
    covey_err err = place_open(dir, &p, why);
    if (err != COVEY_OK || why[0] != 0) {
        return fail(why[0] != 0 ? why : "opening", err);
    }
    if (look(&p, &step) != 0) {
        return 1;
    }
    ssize_t said = write(report, &step, sizeof(step));
    while (said == (ssize_t)sizeof(step)) {
        err = write_one(&p, ++step);
        if (err != COVEY_OK) {
            return fail("writing", err);
        }
        said = write(report, &step, sizeof(step));
    }
    return 1;
}

static void nap_us(uint64_t us)
{
    struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    nanosleep(&t, NULL);
}

/* The last step that was said to be written. */
static int kill_one(const char *dir, uint64_t after_us, uint64_t *last)
{
    int ends[2], status = 0;
    if (pipe(ends) != 0) {
        return fail("pipe", COVEY_ERR_IO);
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        _exit(writer(dir, ends[1]));
    }
    close(ends[1]);
    uint64_t step = 0;
    /* It counts from when it began to write. */
    bool began = read(ends[0], &step, sizeof(step)) == (ssize_t)sizeof(step);
    if (began && step < *last) {
        fprintf(stderr, "checkpoint_kills: step %llu was written, %llu is found\n",
                (unsigned long long)*last, (unsigned long long)step);
        began = false;
    }
    nap_us(after_us);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    while (read(ends[0], &step, sizeof(step)) == (ssize_t)sizeof(step)) {
        *last = step > *last ? step : *last;
    }
    close(ends[0]);
    return began && WIFSIGNALED(status) ? 0 : fail("the writer ended by itself", COVEY_ERR_STATE);
}

/* Whatever was not tidied up when its writer was killed is by the next one: at most two
 * checkpoints, and one that a majority keeps, are left. */
static int count_left(const struct place *p, uint64_t step)
{
    struct covey_journal_checkpoint row[COVEY__JOURNAL_CHECKPOINTS];
    size_t count = 0;
    covey_err err = write_one(p, step);
    if (err == COVEY_OK) {
        err = covey__journal_checkpoints(p->disk.journal, &p->disk.id, row,
                                         COVEY__JOURNAL_CHECKPOINTS, &count);
    }
    if (err != COVEY_OK || count > COVEY__CUSTODIAN_CHECKPOINTS + 1) {
        return fail("old checkpoints are left", err);
    }
    return 0;
}

int main(int argc, char **argv)
{
    long kills = argc > 1 ? strtol(argv[1], NULL, 10) : 40;
    uint64_t seed = argc > 2 ? (uint64_t)strtoull(argv[2], NULL, 10) : (uint64_t)getpid();
    char dir[] = "/tmp/covey-kills-XXXXXX", command[64], why[256];
    if (covey_crypto_init() != COVEY_OK || mkdtemp(dir) == NULL) {
        return fail("starting", COVEY_ERR_IO);
    }
    uint64_t last = 0, found = 0;
    int wrong = 0;
    long done = 0;
    for (; done < kills && wrong == 0; done++) {
        wrong = kill_one(dir, mix(seed + (uint64_t)done) % (WRITES_MS * 1000), &last);
    }
    struct place p;
    covey_err err = place_open(dir, &p, why);
    wrong = wrong != 0 || err != COVEY_OK || why[0] != 0;
    if (err == COVEY_OK) {
        wrong =
            wrong != 0 || look(&p, &found) != 0 || found < last || count_left(&p, found + 1) != 0;
        place_close(&p);
    }
    printf("%ld kills (seed %llu), %llu checkpoints written, the newest readable is %llu: %s\n",
           done, (unsigned long long)seed, (unsigned long long)last, (unsigned long long)found,
           wrong == 0 ? "ok" : "FAILED");
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return wrong != 0 || system(command) != 0;
}
