/* SPDX-License-Identifier: MIT
 *
 * lab_netns.c - one network namespace a node, all on one bridge.
 *
 * Names: bridge cvy-ID, namespaces cvy-ID-i, host ends of the links cvyID-i, in the namespaces
 * eth0 with 10.77.x.i/24.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "covey/files.h"
#include "lab.h"

enum { PATH_BYTES = 128, BATCH_BYTES = 512 };

static covey_err batch(struct covey__lab *lab, const char *namespace, const char *lines)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/setup.ip", lab->dir);
    covey_err err = covey_file_write(path, covey_bytes_of(lines, strlen(lines)), 0600);
    if (err != COVEY_OK) {
        return err;
    }
    if (namespace != NULL) {
        const char *const argv[] = {"ip", "-n", namespace, "-batch", path, NULL};
        return covey__lab_run(lab, argv);
    }
    const char *const argv[] = {"ip", "-batch", path, NULL};
    return covey__lab_run(lab, argv);
}

static void name_namespace(const struct covey__lab *lab, unsigned index, char out[static 32])
{
    snprintf(out, 32, "cvy-%s-%u", lab->id, index + 1);
}

/* In a child: link-local addresses are of use at once, not after a second of asking around. */
static covey_err skip_duplicate_detection(const struct covey__lab *lab, unsigned index)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (covey__lab_netns_enter(lab, index) != COVEY_OK) {
            _exit(1);
        }
        int fd = open("/proc/sys/net/ipv6/conf/eth0/accept_dad", O_WRONLY | O_CLOEXEC);
        ssize_t ignored = fd >= 0 ? write(fd, "0", 1) : 0; /* without IPv6 there is nothing to do */
        (void)ignored;
        _exit(0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        return COVEY_ERR_IO;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? COVEY_OK : COVEY_ERR_IO;
}

static covey_err add_node(struct covey__lab *lab, unsigned index)
{
    char namespace[32], lines[BATCH_BYTES];
    unsigned net = (unsigned)strtoul(lab->id, NULL, 16) & 0xff;
    unsigned host = index + 1;
    name_namespace(lab, index, namespace);
    snprintf(lines, sizeof(lines),
             "netns add %s\n"
             "link add cvy%s-%u type veth peer name eth0 netns %s\n"
             "link set cvy%s-%u addrgenmode none\n"
             "link set cvy%s-%u master cvy-%s up\n",
             namespace, lab->id, host, namespace, lab->id, host, lab->id, host, lab->id);
    covey_err err = batch(lab, NULL, lines);
    if (err == COVEY_OK) {
        err = skip_duplicate_detection(lab, index);
    }
    if (err != COVEY_OK) {
        return err;
    }
    snprintf(lines, sizeof(lines),
             "link set lo up\n"
             "addr add 10.77.%u.%u/24 dev eth0\n"
             "link set eth0 up\n"
             "route add 224.0.0.0/4 dev eth0\n",
             net, host);
    return batch(lab, namespace, lines);
}

covey_err covey__lab_netns_up(struct covey__lab *lab)
{
    char lines[BATCH_BYTES];
    /* Without a querier a snooping bridge would soon stop passing multicast on. */
    snprintf(lines, sizeof(lines),
             "link add cvy-%s type bridge mcast_snooping 0\n"
             "link set cvy-%s addrgenmode none\n"
             "link set cvy-%s up\n",
             lab->id, lab->id, lab->id);
    covey_err err = batch(lab, NULL, lines);
    for (unsigned i = 0; i < lab->count && err == COVEY_OK; i++) {
        err = add_node(lab, i);
    }
    if (err == COVEY_ERR_NOT_FOUND) {
        snprintf(lab->why, sizeof(lab->why),
                 "'ip' is missing: install iproute2, or use --mode loopback");
    } else if (err != COVEY_OK) {
        snprintf(lab->why, sizeof(lab->why),
                 "network namespaces cannot be made here: use --mode loopback");
    }
    return err;
}

void covey__lab_netns_down(const struct covey__lab *lab)
{
    char name[32];
    covey_err ignored = COVEY_OK; /* what was not made cannot be removed */
    for (unsigned i = 0; i < lab->count; i++) {
        name_namespace(lab, i, name);
        const char *const argv[] = {"ip", "netns", "delete", name, NULL};
        ignored = covey__lab_run(lab, argv);
        snprintf(name, sizeof(name), "cvy%s-%u", lab->id, i + 1);
        const char *const link[] = {"ip", "link", "delete", name, NULL};
        ignored = covey__lab_run(lab, link);
    }
    snprintf(name, sizeof(name), "cvy-%s", lab->id);
    const char *const argv[] = {"ip", "link", "delete", name, NULL};
    ignored = covey__lab_run(lab, argv);
    (void)ignored;
}

covey_err covey__lab_netns_enter(const struct covey__lab *lab, unsigned index)
{
    char name[32], path[64];
    name_namespace(lab, index, name);
    snprintf(path, sizeof(path), "/run/netns/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return COVEY_ERR_IO;
    }
    int failed = setns(fd, CLONE_NEWNET);
    close(fd);
    return failed == 0 ? COVEY_OK : COVEY_ERR_IO;
}

covey_err covey__lab_netns_link(struct covey__lab *lab, unsigned index, bool up)
{
    char name[32];
    snprintf(name, sizeof(name), "cvy%s-%u", lab->id, index + 1);
    const char *const argv[] = {"ip", "link", "set", name, up ? "up" : "down", NULL};
    covey_err err = covey__lab_run(lab, argv);
    if (err != COVEY_OK) {
        snprintf(lab->why, sizeof(lab->why), "the link of %s cannot be changed",
                 lab->node[index].name);
        return err;
    }
    lab->node[index].cut = !up;
    return COVEY_OK;
}

/* A token bucket sends what its rate allows at once up to its burst; a burst of many milliseconds
 * would hide the link's rate from short messages, and one below a packet of the stack's own
 * segmentation (64 KB) would drop it. So slow links get small packets and small bursts. */
static void link_limits(uint32_t rate_mbit, unsigned *out_burst, unsigned *out_packet)
{
    enum { FAST_MBIT = 1000, FAST_BURST = 128 * 1024, SLOW_MBIT = 100, SLOW_BURST = 20 * 1024 };
    if (rate_mbit >= FAST_MBIT) {
        *out_burst = FAST_BURST / FAST_MBIT * rate_mbit;
        *out_packet = 0;
        return;
    }
    unsigned above = rate_mbit > SLOW_MBIT ? rate_mbit - SLOW_MBIT : 0;
    *out_burst = SLOW_BURST + (FAST_BURST - SLOW_BURST) / (FAST_MBIT - SLOW_MBIT) * above;
    *out_packet = *out_burst / 4 * 3 < 65536 ? *out_burst / 4 * 3 : 65536;
    *out_packet = rate_mbit <= SLOW_MBIT ? 15000 : *out_packet;
}

static covey_err shape_end(struct covey__lab *lab, const char *namespace, const char *device)
{
    char rate[24], burst[24], packet[24];
    unsigned burst_bytes = 0, packet_bytes = 0;
    link_limits(lab->shape.rate_mbit, &burst_bytes, &packet_bytes);
    snprintf(rate, sizeof(rate), "%umbit", lab->shape.rate_mbit);
    snprintf(burst, sizeof(burst), "%u", burst_bytes);
    snprintf(packet, sizeof(packet), "%u", packet_bytes);
    covey_err err = COVEY_OK;
    if (packet_bytes != 0) {
        const char *const link[] = {"ip",  "-n",   namespace,      "link", "set",
                                    "dev", device, "gso_max_size", packet, NULL};
        const char *const host[] = {"ip",   "link",         "set",  "dev",
                                    device, "gso_max_size", packet, NULL};
        err = covey__lab_run(lab, namespace != NULL ? link : host);
    }
    const char *const inner[] = {"tc",   "-n",      namespace, "qdisc", "add", "dev",
                                 device, "root",    "tbf",     "rate",  rate,  "burst",
                                 burst,  "latency", "400ms",   NULL};
    const char *const outer[] = {"tc",   "qdisc", "add",   "dev", device,    "root",  "tbf",
                                 "rate", rate,    "burst", burst, "latency", "400ms", NULL};
    return err == COVEY_OK ? covey__lab_run(lab, namespace != NULL ? inner : outer) : err;
}

static covey_err shape_rate(struct covey__lab *lab)
{
    covey_err err = COVEY_OK;
    for (unsigned i = 0; i < lab->count && err == COVEY_OK; i++) {
        char namespace[32], device[32];
        name_namespace(lab, i, namespace);
        snprintf(device, sizeof(device), "cvy%s-%u", lab->id, i + 1);
        err = shape_end(lab, namespace, "eth0");
        if (err == COVEY_OK) {
            err = shape_end(lab, NULL, device);
        }
    }
    if (err != COVEY_OK) {
        snprintf(lab->why, sizeof(lab->why),
                 "--rate needs 'tc' of iproute2 and the kernel's tbf: see %.100s/setup.log",
                 lab->dir);
    }
    return err;
}

/* nftables drops packets of every kind; without it the nodes themselves drop datagrams. */
static covey_err shape_loss(struct covey__lab *lab, unsigned index)
{
    char namespace[32], path[PATH_BYTES], rules[BATCH_BYTES];
    name_namespace(lab, index, namespace);
    snprintf(path, sizeof(path), "%s/setup.nft", lab->dir);
    snprintf(rules, sizeof(rules),
             "table inet covey_lab {\n"
             "  chain out {\n"
             "    type filter hook output priority 0;\n"
             "    oifname \"eth0\" numgen random mod 10000 < %u drop\n"
             "  }\n"
             "}\n",
             (unsigned)(lab->shape.loss_percent * 100));
    covey_err err = covey_file_write(path, covey_bytes_of(rules, strlen(rules)), 0600);
    const char *const argv[] = {"ip", "netns", "exec", namespace, "nft", "-f", path, NULL};
    return err == COVEY_OK ? covey__lab_run(lab, argv) : err;
}

covey_err covey__lab_netns_shape(struct covey__lab *lab)
{
    covey_err err = lab->shape.rate_mbit != 0 ? shape_rate(lab) : COVEY_OK;
    bool dropped = err == COVEY_OK && lab->shape.loss_percent > 0;
    for (unsigned i = 0; i < lab->count && dropped; i++) {
        dropped = shape_loss(lab, i) == COVEY_OK;
    }
    lab->shape.kernel_drops = dropped;
    return err;
}
