/* SPDX-License-Identifier: MIT
 *
 * keyfile.h - owner-only folders and files: reading with every check, writing atomically.
 *
 * Private to crypto. A file is its title line || payload || 16 bytes of BLAKE2b of both.
 */
#ifndef COVEY_KEYFILE_H
#define COVEY_KEYFILE_H

#include "covey/identity.h"

enum { COVEY__FILE_MAX = 1024, COVEY__PATH_MAX = 1024 };

struct covey__folder {
    int fd;
    char path[COVEY__PATH_MAX]; /* without slashes at its end */
    struct covey_identity_error *why;
};

/* What one kind of file is called, and its first line. */
struct covey__file {
    const char *name;
    const char *title;
};
extern const struct covey__file covey__file_device_key, covey__file_device_cert,
    covey__file_authority_key, covey__file_authority_pub, covey__file_mesh_key,
    covey__file_mesh_name, covey__file_serial, covey__file_boot;

/* Takes err and the sentence for people, returns err. why may be NULL. */
covey_err covey__key_why(struct covey_identity_error *why, covey_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Opens and checks: a folder, the effective user's, closed to everyone else. It stays locked
 * against other processes' opens until closed. */
covey_err covey__folder_open(struct covey__folder *f, const char *path,
                             struct covey_identity_error *why) COVEY_CHECK;
/* Makes path's sibling folder to be filled and then published under path's name. */
covey_err covey__folder_make(struct covey__folder *f, const char *path,
                             struct covey_identity_error *why) COVEY_CHECK;
/* Renames what folder_make made, once it is on the disk. EXISTS if something is there already. */
covey_err covey__folder_publish(struct covey__folder *f, const char *path) COVEY_CHECK;
/* Removes what folder_make made, with the given files in it. */
void covey__folder_remove(struct covey__folder *f, const struct covey__file *const *files,
                          size_t count);
void covey__folder_close(struct covey__folder *f);

/* Whether path/name exists, whatever it is. */
bool covey__folder_holds(const char *path, const char *name);

/* Payload into out; at least min bytes, at most out.len. */
covey_err covey__key_file_read(struct covey__folder *f, const struct covey__file *file, size_t min,
                               struct covey_buf out, size_t *out_len) COVEY_CHECK;
/* Written beside, flushed, renamed, folder flushed. */
covey_err covey__key_file_write(struct covey__folder *f, const struct covey__file *file,
                                struct covey_bytes payload) COVEY_CHECK;
/* A u64, little-endian. */
covey_err covey__file_read_u64(struct covey__folder *f, const struct covey__file *file,
                               uint64_t *out) COVEY_CHECK;
covey_err covey__file_write_u64(struct covey__folder *f, const struct covey__file *file,
                                uint64_t value) COVEY_CHECK;

#endif /* COVEY_KEYFILE_H */
