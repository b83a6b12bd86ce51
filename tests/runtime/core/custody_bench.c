/* SPDX-License-Identifier: MIT */
#include "custody_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct covey_node_id id_of(unsigned device)
{
    struct covey_node_id id = {{(uint8_t)device}};
    return id;
}

struct covey_session_id the_session(void)
{
    struct covey_session_id id = {{7}};
    return id;
}

struct covey_checkpoint_ref checkpoint_of(uint64_t step)
{
    struct covey_checkpoint_ref ref = {.epoch = 1, .step = step, .digest = {{9, (uint8_t)step}}};
    return ref;
}

static void see(struct bench *b, const struct covey_action *action)
{
    switch ((int)action->type) {
    case COVEY_ACTION_SEND:
        assert_int_equal(covey_custody_decode(action->bytes, &b->sent[b->sends]), COVEY_OK);
        b->sent_to[b->sends++] = action->peer.bytes[0];
        break;
    case COVEY_ACTION_CUSTODY_PERSIST:
        b->write = action->index;
        b->state_len = action->bytes.len;
        if (action->bytes.len > 0) {
            memcpy(b->state, action->bytes.ptr, action->bytes.len);
        }
        break;
    case COVEY_ACTION_CUSTODY_LEASE:
        b->leased = true;
        b->lease_ms = action->request;
        break;
    case COVEY_ACTION_CUSTODY_LEAD:
        b->leads = true;
        b->led = action->checkpoint;
        break;
    case COVEY_ACTION_CUSTODY_OVER:
        b->over = true;
        b->over_err = action->err;
        break;
    case COVEY_ACTION_CUSTODY_REFUSED:
        b->refused = true;
        b->refused_err = action->err;
        break;
    case COVEY_ACTION_CUSTODY_APPOINTED:
        b->appointed++;
        break;
    case COVEY_ACTION_CUSTODY_KEEP:
        b->keeps++;
        b->kept_ref = action->checkpoint;
        break;
    case COVEY_ACTION_CUSTODY_NEWS:
        b->kept = action->checkpoint;
        b->settled = action->settled;
        b->stopped = action->stopped;
        b->held = action->index;
        break;
    default:
        fail();
    }
}

static void clear(struct bench *b)
{
    b->sends = b->appointed = b->keeps = 0;
    b->write = 0;
    b->leads = b->over = b->leased = b->refused = false;
    b->update.count = b->update.arena_len = 0;
    b->update.more = false;
}

static void seen(struct bench *b)
{
    assert_false(b->update.more);
    for (size_t i = 0; i < b->update.count; i++) {
        see(b, &b->update.actions[i]);
    }
}

covey_err event(struct bench *b, struct covey_event *e)
{
    clear(b);
    e->fence.session = the_session();
    covey_err err = covey__custody_event(&b->machine, &b->view, e, &b->update);
    seen(b);
    return err;
}

void message(struct bench *b, unsigned from, struct covey_custody_message m)
{
    struct covey_node_id id = id_of(from);
    clear(b);
    m.session = the_session();
    assert_int_equal(covey__custody_message(&b->machine, &b->view, &id, &m, &b->update), COVEY_OK);
    seen(b);
}

void pass(struct bench *b, uint64_t ms)
{
    clear(b);
    b->view.now_ms += ms;
    assert_int_equal(covey__custody_tick(&b->machine, &b->view, &b->update), COVEY_OK);
    seen(b);
}

void persisted(struct bench *b)
{
    struct covey_event e = {.type = COVEY_EVENT_PERSISTED, .index = b->write};
    assert_int_not_equal(b->write, 0);
    assert_int_equal(event(b, &e), COVEY_OK);
}

/* The first message of that type to that device in the last step; NULL: none. */
const struct covey_custody_message *sent(const struct bench *b, unsigned to,
                                         enum covey_custody_type type)
{
    for (unsigned i = 0; i < b->sends; i++) {
        if (b->sent_to[i] == to && b->sent[i].type == type) {
            return &b->sent[i];
        }
    }
    return NULL;
}

struct bench *new_bench(void)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct covey_node_id self = id_of(1);
    assert_non_null(b);
    covey__custody_init(&b->machine, &self, 5);
    b->view.self = self;
    b->view.now_ms = 1000;
    b->view.count = 3;
    for (unsigned i = 0; i < 3; i++) {
        b->view.device[i] = id_of(2 + i);
    }
    return b;
}

struct covey_custodians set_of(unsigned first, unsigned count)
{
    struct covey_custodians set = {.number = 2, .count = (uint8_t)count};
    for (unsigned i = 0; i < count; i++) {
        set.id[i] = id_of(first + i);
    }
    return set;
}

/* A deed of devices 1 to 3. */
struct covey_custody_message appoint(uint32_t epoch, uint64_t version, uint64_t step)
{
    struct covey_custody_message m = {.type = COVEY_CUSTODY_APPOINT, .epoch = epoch};
    m.deed.epoch = epoch;
    m.deed.version = version;
    m.deed.set = set_of(1, 3);
    m.deed.job.bytes[0] = 1;
    m.deed.checkpoint = checkpoint_of(step);
    return m;
}

struct covey_custody_message canvass(uint32_t epoch, bool binding, uint32_t deed_epoch,
                                     uint64_t version)
{
    struct covey_custody_message m = {
        .type = COVEY_CUSTODY_CANVASS, .epoch = epoch, .binding = binding};
    m.deed.epoch = deed_epoch;
    m.deed.version = version;
    return m;
}

covey_err stored(struct bench *b, uint64_t step, covey_err err)
{
    struct covey_event e = {
        .type = COVEY_EVENT_CUSTODY_STORED, .checkpoint = checkpoint_of(step), .err = err};
    return event(b, &e);
}

/* All that the job names, and then the checkpoint of that step. */
void held(struct bench *b, uint64_t step)
{
    struct covey_event e = {.type = COVEY_EVENT_CUSTODY_HELD};
    assert_int_equal(event(b, &e), COVEY_OK);
    assert_int_equal(b->keeps, 1);
    assert_int_equal(stored(b, step, COVEY_OK), COVEY_OK);
}

/* Device 1 keeps the session of device 2, deed (1, 5), step 20. */
struct bench *custodian(void)
{
    struct bench *b = new_bench();
    message(b, 2, appoint(1, 5, 20));
    assert_int_equal(b->appointed, 1);
    held(b, 20);
    persisted(b);
    return b;
}

struct covey_custody_message acceptance(uint32_t epoch, uint64_t version, uint64_t step)
{
    struct covey_custody_message m = {.type = COVEY_CUSTODY_ACCEPT, .epoch = epoch, .agreed = true};
    m.deed.version = version;
    m.deed.checkpoint = checkpoint_of(step);
    return m;
}
