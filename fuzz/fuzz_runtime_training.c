/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fuzz.h"
#include "runtime/session/training_checkpoint.h"
#include "runtime/session/training_ended.h"
#include "runtime/session/training_job.h"
#include "runtime/session/training_progress.h"

static void fuzz_job(struct covey_bytes in)
{
    struct covey_training_job job;
    uint8_t bytes[COVEY_TRAINING_JOB_MAX];
    size_t len = 0;
    if (covey__training_job_decode(in, &job) == COVEY_OK) {
        COVEY_ASSERT(covey__training_job_encode(&job, (struct covey_buf){bytes, sizeof(bytes)},
                                                &len) == COVEY_OK);
        COVEY_ASSERT(covey_bytes_equal(in, covey_bytes_of(bytes, len)));
    }
}

static void fuzz_progress(struct covey_bytes in)
{
    struct covey_training_progress p;
    uint8_t bytes[COVEY_TRAINING_PROGRESS_MAX];
    size_t len = 0;
    if (covey__training_progress_decode(in, &p) == COVEY_OK) {
        COVEY_ASSERT(covey__training_progress_encode(&p, (struct covey_buf){bytes, sizeof(bytes)},
                                                     &len) == COVEY_OK);
    }
}

static void fuzz_checkpoint(struct covey_bytes in)
{
    struct covey_training_record r;
    struct covey_bytes record;
    struct covey_checkpoint_pieces pieces;
    uint8_t *paper = NULL;
    uint64_t bytes = 0;
    size_t len = 0;
    if (covey__training_checkpoint_decode(in, &record, &pieces) != COVEY_OK) {
        return;
    }
    for (size_t i = 0; i < pieces.count; i++) {
        (void)covey__checkpoint_piece(&pieces, i);
        bytes += covey__checkpoint_piece_bytes(&pieces, i);
    }
    COVEY_ASSERT(bytes == pieces.bytes && pieces.count <= COVEY_CHECKPOINT_PIECES_MAX);
    if (covey__training_record_decode(record, 8, &r) == COVEY_OK) {
        COVEY_ASSERT(covey__training_checkpoint_encode(&r, &pieces, &paper, &len) == COVEY_OK);
        free(paper);
        covey__training_record_step(&r, 1.0f, 1, 1.0);
        COVEY_ASSERT(r.points <= COVEY_TRAINING_POINTS);
    }
    covey__training_record_done(&r);
}

static void fuzz_ended(struct covey_bytes in)
{
    struct covey_training_ended e, again;
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (covey__training_ended_decode(in, &e) == COVEY_OK) {
        COVEY_ASSERT(e.progress.state == COVEY_TRAINING_DONE);
        COVEY_ASSERT(covey__training_ended_encode(&e, &bytes, &len) == COVEY_OK);
        COVEY_ASSERT(covey__training_ended_decode(covey_bytes_of(bytes, len), &again) == COVEY_OK);
        covey__training_ended_done(&again);
        covey__training_ended_done(&e);
        free(bytes);
    }
}

/* Jobs, progress, checkpoints and what is kept of trainings that are done, of any bytes, are read
 * whole or refused, and what was read can be written again. The first byte chooses which. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const harness[])(struct covey_bytes) = {fuzz_job, fuzz_progress, fuzz_checkpoint,
                                                          fuzz_ended};
    if (size > 0) {
        harness[data[0] % 4](covey_bytes_of(data + 1, size - 1));
    }
    return 0;
}
