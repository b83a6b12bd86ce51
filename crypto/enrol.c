/* SPDX-License-Identifier: MIT */
#include "covey/identity.h"

#include <stdio.h>
#include <unistd.h>

#include "issue.h"
#include "keyfile.h"

enum { DAY_S = 24 * 60 * 60, VALID_DAYS = 3650, VALID_DAYS_MAX = 36500 };

static const struct covey__file *const files[] = {&covey__file_device_key, &covey__file_device_cert,
                                                  &covey__file_authority_pub, &covey__file_mesh_key,
                                                  &covey__file_boot};

static covey_err check_config(const struct covey_enrol_config *config,
                              struct covey_identity_error *why)
{
    if (!covey_name_valid(config->device_name)) {
        return covey__key_why(why, COVEY_ERR_RANGE,
                              "a device's name is 1 to 63 of letters, digits, '.', '_' and '-'");
    }
    if ((unsigned)config->tier > COVEY_TIER_CLOUD || (unsigned)config->trust > COVEY_TRUST_FULL) {
        return covey__key_why(why, COVEY_ERR_RANGE, "no such tier or trust");
    }
    if (config->valid_days > VALID_DAYS_MAX || config->now_s > UINT32_MAX * UINT64_C(1024)) {
        return covey__key_why(why, COVEY_ERR_RANGE, "a certificate is valid for 1 to %d days",
                              VALID_DAYS_MAX);
    }
    if (covey__folder_holds(config->state_dir, covey__file_device_key.name)) {
        return covey__key_why(why, COVEY_ERR_EXISTS, "%s holds a device already",
                              config->state_dir);
    }
    return COVEY_OK;
}

/* ---- names that are taken ---- */

static const char taken_prefix[] = "enrolled.";

/* In the authority's folder: the certificate of the device that has a name. */
struct taken {
    char name[sizeof(taken_prefix) + COVEY_NAME_MAX];
    struct covey__file file;
};

static void taken_init(struct taken *t, const char *device)
{
    snprintf(t->name, sizeof(t->name), "%s%s", taken_prefix, device);
    t->file = (struct covey__file){t->name, "covey enrolled device 1\n"};
}

/* People and scripts know devices by their names. One whose certificate has expired has no name any
 * more. */
static covey_err check_name(struct covey__folder *authority, const struct taken *t,
                            const struct covey_enrol_config *config)
{
    uint8_t pub[COVEY_SIGN_PUBLIC_BYTES], wire[COVEY_CERT_MAX];
    size_t pub_len, len;
    struct covey_cert cert;
    covey_err err =
        covey__key_file_read(authority, &t->file, 1, (struct covey_buf){wire, sizeof(wire)}, &len);
    if (err == COVEY_ERR_NOT_FOUND) {
        return COVEY_OK;
    }
    if (err == COVEY_OK) {
        err = covey__key_file_read(authority, &covey__file_authority_pub, sizeof(pub),
                                   (struct covey_buf){pub, sizeof(pub)}, &pub_len);
    }
    if (err != COVEY_OK) {
        return err;
    }
    err = covey_cert_verify(covey_bytes_of(wire, len), pub, config->now_s, &cert);
    if (err == COVEY_ERR_EXPIRED) {
        return COVEY_OK;
    }
    if (err != COVEY_OK) {
        return covey__key_why(authority->why, err, "%s/%s: %s", authority->path, t->name,
                              covey_strerror(err));
    }
    return covey__key_why(authority->why, COVEY_ERR_EXISTS,
                          "device '%s' is enrolled already, with id %02x%02x%02x%02x: take another "
                          "name, or remove %s/%s if that device is gone for good",
                          config->device_name, cert.node.bytes[0], cert.node.bytes[1],
                          cert.node.bytes[2], cert.node.bytes[3], authority->path, t->name);
}

/* Reads the authority, takes the next serial number, and makes the device in memory. */
static covey_err issue_device(struct covey__folder *authority,
                              const struct covey_enrol_config *config, struct covey_identity **out)
{
    uint8_t secret[COVEY_SIGN_SECRET_BYTES], mesh_key[COVEY_KEY_BYTES];
    uint64_t serial = 0;
    size_t len;
    unsigned days = config->valid_days == 0 ? VALID_DAYS : config->valid_days;
    covey_err err = covey__key_file_read(authority, &covey__file_authority_key, sizeof(secret),
                                         (struct covey_buf){secret, sizeof(secret)}, &len);
    if (err == COVEY_OK) {
        err = covey__key_file_read(authority, &covey__file_mesh_key, sizeof(mesh_key),
                                   (struct covey_buf){mesh_key, sizeof(mesh_key)}, &len);
    }
    if (err == COVEY_OK) {
        err = covey__file_read_u64(authority, &covey__file_serial, &serial);
    }
    if (err == COVEY_OK) { /* before the certificate exists: a number is never given twice */
        err = covey__file_write_u64(authority, &covey__file_serial, serial + 1);
    }
    if (err == COVEY_OK) {
        struct covey__issue issue = {.name = config->device_name,
                                     .tier = config->tier,
                                     .trust = config->trust,
                                     .not_before_s = config->now_s,
                                     .not_after_s = config->now_s + days * (uint64_t)DAY_S,
                                     .serial = serial + 1};
        err = covey__identity_issue(&issue, secret, mesh_key, out);
        if (err != COVEY_OK) {
            err = covey__key_why(authority->why, err, "cannot sign: %s", covey_strerror(err));
        }
    }
    covey_wipe(secret, sizeof(secret));
    covey_wipe(mesh_key, sizeof(mesh_key));
    return err;
}

static covey_err write_files(struct covey__folder *f, const struct covey_identity *id)
{
    uint8_t keys[COVEY__DEVICE_KEY_BYTES];
    memcpy(keys, id->sign_secret, COVEY_SIGN_SECRET_BYTES);
    memcpy(keys + COVEY_SIGN_SECRET_BYTES, id->noise_secret, COVEY_KEY_BYTES);
    memcpy(keys + COVEY_SIGN_SECRET_BYTES + COVEY_KEY_BYTES, id->gossip_secret, COVEY_KEY_BYTES);
    covey_err err =
        covey__key_file_write(f, &covey__file_device_key, covey_bytes_of(keys, sizeof(keys)));
    if (err == COVEY_OK) {
        err = covey__key_file_write(f, &covey__file_device_cert,
                                    covey_bytes_of(id->cert_wire, id->cert_len));
    }
    if (err == COVEY_OK) {
        err = covey__key_file_write(
            f, &covey__file_authority_pub,
            covey_bytes_of(id->authority_public, sizeof(id->authority_public)));
    }
    if (err == COVEY_OK) {
        err = covey__key_file_write(f, &covey__file_mesh_key,
                                    covey_bytes_of(id->mesh_key, sizeof(id->mesh_key)));
    }
    if (err == COVEY_OK) {
        err = covey__file_write_u64(f, &covey__file_boot, 0);
    }
    covey_wipe(keys, sizeof(keys));
    return err;
}

static covey_err write_state(const struct covey_identity *id, const char *state_dir,
                             struct covey_identity_error *why)
{
    struct covey__folder state;
    covey_err err = covey__folder_make(&state, state_dir, why);
    if (err != COVEY_OK) {
        return err;
    }
    err = write_files(&state, id);
    if (err == COVEY_OK) {
        err = covey__folder_publish(&state, state_dir);
    }
    if (err != COVEY_OK) {
        covey__folder_remove(&state, files, sizeof(files) / sizeof(files[0]));
    }
    covey__folder_close(&state);
    return err;
}

covey_err covey_enrol(const struct covey_enrol_config *config, struct covey_identity_error *out_why)
{
    struct covey__folder authority;
    struct covey_identity *id = NULL;
    covey_err err = check_config(config, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey__folder_open(&authority, config->authority_dir, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    struct taken taken;
    taken_init(&taken, config->device_name);
    err = check_name(&authority, &taken, config);
    if (err == COVEY_OK) {
        err = issue_device(&authority, config, &id);
    }
    if (err == COVEY_OK) { /* before the device is there: a name is never given twice */
        err = covey__key_file_write(&authority, &taken.file,
                                    covey_bytes_of(id->cert_wire, id->cert_len));
    }
    if (err == COVEY_OK) {
        err = write_state(id, config->state_dir, out_why);
        if (err != COVEY_OK) {
            unlinkat(authority.fd, taken.name, 0);
        }
    }
    covey_identity_free(id);
    covey__folder_close(&authority);
    return err;
}
