/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

enum {
    LINK_MBYTES = 90, /* where it was not measured yet */
    MESSAGE_US = 200,
    STREAM_SHARE = 8, /* of mflops */
    TURN_MESSAGES = 11,
    LIGHT_MESSAGES = 3,
    /* By its rates one of 16 kB takes a device of 10 % 0.55 ms; eight that were written in one turn
     * took it 0.36 each. */
    NEXT_SHARE = 2,
    /* A request of a few bytes took a device of 10 % 0.2 to 0.6 ms where it told 181 us a message,
     * and one of 602 kB 0.7 to 1.1 ms more, of which reading as many weights is 0.3. */
    ASKED_MESSAGES = 2,
    ASKED_READS = 3,
};

static uint32_t rate_mflops(const struct covey_plan_device *device)
{
    return device->mflops == 0 ? 1 : device->mflops;
}

static uint32_t rate_stream(const struct covey_plan_device *device)
{
    uint32_t rate =
        device->stream_mbytes == 0 ? rate_mflops(device) / STREAM_SHARE : device->stream_mbytes;
    return rate == 0 ? 1 : rate;
}

static uint32_t rate_link(const struct covey_plan_device *device)
{
    return device->link_mbytes == 0 ? LINK_MBYTES : device->link_mbytes;
}

/* It cannot be less than what was seen with the link. */
static uint32_t rate_body(const struct covey_plan_device *device)
{
    uint32_t link = rate_link(device);
    return device->body_mbytes > link ? device->body_mbytes : link;
}

static uint32_t rate_message(const struct covey_plan_device *device)
{
    return device->message_us == 0 ? MESSAGE_US : device->message_us;
}

/* Measurements are noisy: values within a quarter of the largest of their cluster become the
 * cluster's mean, so that noise moves no shares. */
static void snap(uint32_t *value, unsigned count)
{
    bool done[COVEY_PLAN_DEVICES_MAX] = {false};
    for (;;) {
        uint32_t top = 0;
        for (unsigned i = 0; i < count; i++) {
            top = !done[i] && value[i] > top ? value[i] : top;
        }
        if (top == 0) {
            return;
        }
        uint64_t sum = 0;
        unsigned members = 0;
        bool in[COVEY_PLAN_DEVICES_MAX] = {false};
        for (unsigned i = 0; i < count; i++) {
            in[i] = !done[i] && (uint64_t)value[i] * 4 >= (uint64_t)top * 3;
            sum += in[i] ? value[i] : 0;
            members += in[i];
        }
        for (unsigned i = 0; i < count; i++) {
            value[i] = in[i] ? (uint32_t)(sum / members) : value[i];
            done[i] = done[i] || in[i];
        }
    }
}

static void snap_by(struct covey_plan_device *device, unsigned count, uint32_t *out,
                    uint32_t (*rate)(const struct covey_plan_device *))
{
    for (unsigned i = 0; i < count; i++) {
        out[i] = rate(&device[i]);
    }
    snap(out, count);
}

static void snap_devices(struct covey_plan_device *device, unsigned count)
{
    uint32_t mflops[COVEY_PLAN_DEVICES_MAX], stream[COVEY_PLAN_DEVICES_MAX];
    uint32_t link[COVEY_PLAN_DEVICES_MAX], message[COVEY_PLAN_DEVICES_MAX];
    uint32_t body[COVEY_PLAN_DEVICES_MAX];
    snap_by(device, count, mflops, rate_mflops);
    snap_by(device, count, stream, rate_stream);
    snap_by(device, count, link, rate_link);
    snap_by(device, count, message, rate_message);
    snap_by(device, count, body, rate_body);
    for (unsigned i = 0; i < count; i++) {
        device[i].mflops = mflops[i];
        device[i].stream_mbytes = stream[i];
        device[i].link_mbytes = link[i];
        device[i].message_us = message[i];
        device[i].body_mbytes = body[i] > link[i] ? body[i] : link[i];
    }
}

static struct covey__pace pace_of(const struct covey_plan_device *device)
{
    return (struct covey__pace){
        .flop_us = 1.0 / device->mflops,
        .byte_us = 1.0 / device->stream_mbytes,
        .message_us = device->message_us,
        .next_us = (double)device->message_us / NEXT_SHARE,
        .turn_us = (double)device->message_us * TURN_MESSAGES,
        .light_us = (double)device->message_us * LIGHT_MESSAGES,
        .body_us = 1.0 / device->link_mbytes,
        .seal_us = 1.0 / device->body_mbytes,
        .link_us = device->round_us / 2.0,
    };
}

static uint32_t rate_round(const struct covey_plan_device *device)
{
    return device->round_us;
}

/* Each told the way to whoever is nearest to it and back, on both their links. The least of all is
 * twice the link of those that are nearest, so half of it is theirs; what is above it is one's
 * own. Who told nothing is as near as they. */
static void part_rounds(struct covey_plan_device *device, unsigned count)
{
    uint32_t round[COVEY_PLAN_DEVICES_MAX], least = 0;
    snap_by(device, count, round, rate_round);
    for (unsigned i = 0; i < count; i++) {
        least = round[i] != 0 && (least == 0 || round[i] < least) ? round[i] : least;
    }
    for (unsigned i = 0; i < count; i++) {
        device[i].round_us = (round[i] == 0 ? least : round[i]) - least / 2;
    }
}

/* Faster first; ties by id. */
static bool is_preferred(const struct covey_plan_device *a, const struct covey_plan_device *b)
{
    if (a->mflops != b->mflops) {
        return a->mflops > b->mflops;
    }
    if (a->stream_mbytes != b->stream_mbytes) {
        return a->stream_mbytes > b->stream_mbytes;
    }
    return covey_node_id_compare(&a->id, &b->id) < 0;
}

static bool is_lower(const struct covey_plan_device *a, const struct covey_plan_device *b)
{
    return covey_node_id_compare(&a->id, &b->id) < 0;
}

static void sort_devices(struct covey_plan_device *device, unsigned count,
                         bool (*before)(const struct covey_plan_device *,
                                        const struct covey_plan_device *))
{
    for (unsigned i = 1; i < count; i++) {
        struct covey_plan_device moved = device[i];
        unsigned j = i;
        for (; j > 0 && before(&moved, &device[j - 1]); j--) {
            device[j] = device[j - 1];
        }
        device[j] = moved;
    }
}

void covey__team_choose(const struct covey_plan_request *request, struct covey__team *out)
{
    struct covey_plan_device device[COVEY_PLAN_DEVICES_MAX];
    unsigned count = 0;
    memset(out, 0, sizeof(*out));
    memcpy(device, request->device, request->devices * sizeof(device[0]));
    sort_devices(device, request->devices, is_lower);
    snap_devices(device, request->devices);
    part_rounds(device, request->devices);
    sort_devices(device, request->devices, is_preferred);
    if (request->devices > 0) {
        out->asker = pace_of(&device[0]); /* nobody can do better alone */
    }
    for (unsigned i = 0; i < request->devices; i++) {
        if (device[i].owner) {
            out->asker = pace_of(&device[i]);
        }
        if (device[i].memory_bytes != 0) {
            device[count++] = device[i];
        }
    }
    if (request->devices_max != 0 && count > request->devices_max) {
        count = request->devices_max;
    }
    sort_devices(device, count, is_lower);
    out->devices = count;
    out->owner = count;
    out->parity = request->parity;
    out->half = request->half;
    for (unsigned d = 0; d < count; d++) {
        out->id[d] = device[d].id;
        out->memory[d] = device[d].memory_bytes;
        out->pace[d] = pace_of(&device[d]);
        out->pace[d].delay_us = out->asker.link_us + out->pace[d].link_us;
        out->owner = device[d].owner ? d : out->owner;
    }
}

double covey__work_us(const struct covey__pace *pace, const struct covey_plan_work *work)
{
    return (double)work->flops * pace->flop_us + (double)work->bytes * pace->byte_us;
}

uint64_t covey_plan_work_us(const struct covey_plan_device *device,
                            const struct covey_plan_work *work)
{
    uint64_t stream = work->bytes / rate_stream(device);
    return work->flops / rate_mflops(device) + stream;
}

uint64_t covey__wire_bytes(const struct covey__team *team, uint64_t float_bytes)
{
    return team->half ? float_bytes / 2 : float_bytes;
}

double covey__messages_us(const struct covey__pace *pace, unsigned count)
{
    return count > 0 ? pace->message_us + (count - 1) * pace->next_us : 0;
}

double covey__first_record_us(const struct covey__pace *pace, double bytes)
{
    return (bytes < COVEY_RECORD_MAX ? bytes : COVEY_RECORD_MAX) * pace->body_us;
}

double covey__asked_us(const struct covey__team *team, const struct covey_plan_request *request)
{
    double input = (double)request->asked_bytes * ASKED_READS * team->asker.byte_us;
    return request->asked_bytes > 0 ? ASKED_MESSAGES * team->asker.message_us + input : 0;
}

double covey__go_on_us(const struct covey__team *team, uint64_t moved)
{
    bool light = !team->half && moved <= COVEY_LIGHT_MOVED;
    return light ? team->asker.light_us : team->asker.turn_us;
}

uint32_t covey__round_us(double us)
{
    return us < (double)UINT32_MAX ? (uint32_t)(us + 0.5) : UINT32_MAX;
}
