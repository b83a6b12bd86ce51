/* SPDX-License-Identifier: MIT
 *
 * coveyd - a node of the mesh.
 */
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blas_core.h"
#include "covey/daemon.h"
#include "covey/limits.h"
#include "covey/pace.h"
#include "covey/text.h"
#include "standard_files.h"

enum { EXIT_USAGE = 2, EXIT_BAD_INPUT = 6, JOIN_MAX = 16, LINE_BYTES = 1024 };

struct options {
    const char *state;
    const char *interface;
    const char *join[JOIN_MAX];
    size_t join_count;
    uint64_t memory_bytes, store_bytes;
    unsigned threads;
    unsigned cpu; /* percent of a core; 0: all there is */
    unsigned short port;
    uint32_t delay_ms;
    double loss_percent;
    bool lab;
};

static const char usage[] =
    "usage: coveyd --state STATE [--interface IF] [--join HOST[:PORT]]... [--port PORT]\n"
    "              [--memory BYTES] [--store BYTES] [--threads N]\n"
    "              [--lab] [--cpu PERCENT] [--delay MS] [--loss PERCENT]\n"
    "Runs a node of the mesh that STATE was enrolled in (covey mesh enrol).\n"
    "  --interface IF   only this interface; lo: only this machine\n"
    "  --join HOST      a node's channel address, where multicast is filtered (port 5685)\n"
    "  --port PORT      gossip port; channels use PORT + 1 (5684 and 5685, or any free)\n"
    "  --memory BYTES   what the node may take in all, with weights, requests and trainings\n"
    "                   (half of the machine's)\n"
    "  --store BYTES    on disk, for what it keeps for others (a quarter of what is free)\n"
    "  --threads N      of computing (one per processor, at most 4)\n"
    "For trying (covey lab):\n"
    "  --lab            may be told to answer late or wrongly\n"
    "  --cpu PERCENT    behaves like a device with so much of a core\n"
    "  --delay MS       what it sends leaves that much later\n"
    "  --loss PERCENT   of its datagrams are dropped\n"
    "SIGTERM leaves the mesh.\n";

/* One line; what comes from outside is shown, and not obeyed by a terminal. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    covey_text_make_plain(line);
    fprintf(stderr, "%s\n", line);
}

static int bad(const char *what, const char *why)
{
    say("coveyd: %s: %s", what, why);
    return EXIT_USAGE;
}

struct range {
    uint64_t min, max;
};

static int number(const char *name, const char *text, struct range range, uint64_t *out)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || value < range.min || value > range.max) {
        say("coveyd: %s: %s is not a number from %llu to %llu", name, text,
            (unsigned long long)range.min, (unsigned long long)range.max);
        return EXIT_USAGE;
    }
    *out = value;
    return 0;
}

static int percent(const char *name, const char *text, double *out)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != 0 || !(value >= 0 && value <= 90)) {
        say("coveyd: %s: %s is not a number from 0 to 90", name, text);
        return EXIT_USAGE;
    }
    *out = value;
    return 0;
}

static int set_option(int option, struct options *o)
{
    uint64_t value = 0;
    int status = 0;
    switch (option) {
    case 's':
        o->state = optarg;
        break;
    case 'i':
        o->interface = optarg;
        break;
    case 'j':
        if (o->join_count == JOIN_MAX) {
            return bad("--join", "too many addresses");
        }
        o->join[o->join_count++] = optarg;
        break;
    case 'm':
        status = number("--memory", optarg, (struct range){COVEY_MEMORY_MIN, 1ull << 50},
                        &o->memory_bytes);
        break;
    case 'D':
        status = number("--store", optarg, (struct range){1, 1ull << 50}, &o->store_bytes);
        break;
    case 't':
        status = number("--threads", optarg, (struct range){1, 64}, &value);
        o->threads = (unsigned)value;
        break;
    case 'c':
        status = number("--cpu", optarg, (struct range){1, 100}, &value);
        o->cpu = (unsigned)value;
        break;
    case 'd':
        status = number("--delay", optarg, (struct range){1, 10000}, &value);
        o->delay_ms = (uint32_t)value;
        break;
    case 'l':
        status = percent("--loss", optarg, &o->loss_percent);
        break;
    case 'L':
        o->lab = true;
        break;
    case 'p':
        status = number("--port", optarg, (struct range){1, 65534}, &value);
        o->port = (unsigned short)value;
        break;
    default:
        return EXIT_USAGE;
    }
    return status;
}

/* What getopt_long() would say itself, as all else is said. */
static int unknown(int option, char *const *argv)
{
    const char *word = argv[optind - 1];
    return bad(word, option == ':' ? "needs a value (coveyd --help)"
                                   : "is no option, or takes no value (coveyd --help)");
}

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"state", required_argument, NULL, 's'}, {"interface", required_argument, NULL, 'i'},
        {"join", required_argument, NULL, 'j'},  {"memory", required_argument, NULL, 'm'},
        {"store", required_argument, NULL, 'D'}, {"threads", required_argument, NULL, 't'},
        {"port", required_argument, NULL, 'p'},  {"cpu", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},        {"version", no_argument, NULL, 'v'},
        {"delay", required_argument, NULL, 'd'}, {"loss", required_argument, NULL, 'l'},
        {"lab", no_argument, NULL, 'L'},         {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(fflush(stdout) == 0 ? 0 : 1);
        }
        if (option == 'v') {
            puts("coveyd " COVEY_VERSION);
            exit(0);
        }
        int status = option == ':' || option == '?' ? unknown(option, argv) : set_option(option, o);
        if (status != 0) {
            return status;
        }
    }
    if (optind != argc) {
        return bad(argv[optind], "unexpected argument (coveyd --help)");
    }
    const char *environment = getenv("COVEY_STATE");
    if (o->state == NULL) {
        o->state = environment != NULL && environment[0] != 0 ? environment : "/var/lib/covey";
    }
    return 0;
}

/* Under systemd the journal has the time. */
static void on_log(void *user, const char *line)
{
    (void)user;
    say("%s", line);
}

struct program {
    struct covey_loop *loop;
    struct covey_daemon *daemon;
};

static void on_signal(void *user)
{
    struct program *p = user;
    covey_daemon_leave(p->daemon);
}

static void on_stopped(void *user)
{
    struct program *p = user;
    covey_loop_stop(p->loop);
}

static int run(const struct options *o)
{
    char why[256] = "out of memory";
    struct program p = {NULL, NULL};
    int status = 1;
    if (o->cpu != 0) {
        covey_pace_set(o->cpu);
    }
    if (covey_loop_new(&p.loop) != COVEY_OK) {
        say("coveyd: %s", why);
        return status;
    }
    if (covey_loop_shape(p.loop, o->delay_ms, o->loss_percent) != COVEY_OK) {
        say("coveyd: --delay: no timer");
        covey_loop_free(p.loop);
        return status;
    }
    struct covey_daemon_config config = {
        .state_dir = o->state,
        .interface = o->interface,
        .join = o->join,
        .join_count = o->join_count,
        .memory_bytes = o->memory_bytes,
        .store_bytes = o->store_bytes,
        .threads = o->threads == 0 && o->cpu != 0 ? 1 : o->threads, /* one processor is played */
        .port = o->port,
        .lab = o->lab,
        .user = &p,
        .on_log = on_log,
        .on_stopped = on_stopped,
    };
    covey_err err = covey_daemon_open(p.loop, &config, &p.daemon, why);
    if (err == COVEY_OK) {
        err = covey_loop_on_signal(p.loop, on_signal, &p);
    }
    if (err == COVEY_OK) {
        covey_loop_run(p.loop);
        status = 0;
    } else {
        say("coveyd: %s", why);
        status = err == COVEY_ERR_PERMISSIONS || err == COVEY_ERR_DENIED ? 5
                 : err == COVEY_ERR_MALFORMED || err == COVEY_ERR_AUTH   ? EXIT_BAD_INPUT
                                                                         : 1;
    }
    covey_daemon_close(p.daemon);
    covey_loop_free(p.loop);
    return status;
}

/* A device's memory is for weights: blocks of a megabyte go back to the system as soon as they are
 * free (left alone, the C library keeps up to 32 MB of each size), and threads share their small
 * blocks. Where memory is bounded a unit of weights is a block as well: what was free between units
 * that stayed was up to 6 MB, as measured. */
static void keep_memory_small(bool bounded)
{
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, bounded ? 1 : 2);
    mallopt(M_MMAP_THRESHOLD, bounded ? 1 << 16 : 1 << 20);
    mallopt(M_TRIM_THRESHOLD, bounded ? 1 << 17 : 2 << 20);
#else
    (void)bounded;
#endif
}

int main(int argc, char **argv)
{
    covey__standard_files_hold();
    covey__blas_core_correct(argv);
    struct options o = {0};
    int status = parse(argc, argv, &o);
    keep_memory_small(o.memory_bytes != 0);
    return status != 0 ? status : run(&o);
}
