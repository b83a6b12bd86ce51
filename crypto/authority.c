/* SPDX-License-Identifier: MIT */
#include "covey/identity.h"

#include "keyfile.h"

static const struct covey__file *const files[] = {&covey__file_authority_key,
                                                  &covey__file_authority_pub, &covey__file_mesh_key,
                                                  &covey__file_mesh_name, &covey__file_serial};

static covey_err write_files(struct covey__folder *f, const char *name)
{
    uint8_t pub[COVEY_SIGN_PUBLIC_BYTES], secret[COVEY_SIGN_SECRET_BYTES];
    uint8_t mesh_key[COVEY_KEY_BYTES];
    covey_authority_keypair(pub, secret);
    covey_random(mesh_key, sizeof(mesh_key));
    covey_err err = covey__key_file_write(f, &covey__file_authority_key,
                                          covey_bytes_of(secret, sizeof(secret)));
    if (err == COVEY_OK) {
        err =
            covey__key_file_write(f, &covey__file_authority_pub, covey_bytes_of(pub, sizeof(pub)));
    }
    if (err == COVEY_OK) {
        err = covey__key_file_write(f, &covey__file_mesh_key,
                                    covey_bytes_of(mesh_key, sizeof(mesh_key)));
    }
    if (err == COVEY_OK) {
        err = covey__key_file_write(f, &covey__file_mesh_name, covey_bytes_of(name, strlen(name)));
    }
    if (err == COVEY_OK) {
        err = covey__file_write_u64(f, &covey__file_serial, 0);
    }
    covey_wipe(secret, sizeof(secret));
    covey_wipe(mesh_key, sizeof(mesh_key));
    return err;
}

covey_err covey_authority_create(const char *dir, const char *name,
                                 struct covey_identity_error *out_why)
{
    struct covey__folder f;
    if (!covey_name_valid(name)) {
        return covey__key_why(out_why, COVEY_ERR_RANGE,
                              "a mesh's name is 1 to 63 of letters, digits, '.', '_' and '-'");
    }
    if (covey__folder_holds(dir, covey__file_authority_key.name)) {
        return covey__key_why(out_why, COVEY_ERR_EXISTS, "%s holds an authority already", dir);
    }
    covey_err err = covey__folder_make(&f, dir, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    err = write_files(&f, name);
    if (err == COVEY_OK) {
        err = covey__folder_publish(&f, dir);
    }
    if (err != COVEY_OK) {
        covey__folder_remove(&f, files, sizeof(files) / sizeof(files[0]));
    }
    covey__folder_close(&f);
    return err;
}
