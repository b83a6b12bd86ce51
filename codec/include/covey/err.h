/* SPDX-License-Identifier: MIT
 *
 * err.h - the one error enum of all layers.
 *
 * Numbers are append-only: they travel to the command line and to peers.
 */
#ifndef COVEY_ERR_H
#define COVEY_ERR_H

#define COVEY_CHECK __attribute__((warn_unused_result))

/* name, number, sentence. Classes: resource 1..9, input 10..19, security 20..29, state 30..39,
 * system 40..49. */
#define COVEY_ERR_MAP(X)                                                                           \
    X(COVEY_OK, 0, "no error")                                                                     \
    X(COVEY_ERR_NOMEM, 1, "out of memory")                                                         \
    X(COVEY_ERR_LIMIT, 2, "a limit was exceeded")                                                  \
    X(COVEY_ERR_SPACE, 3, "the output does not fit")                                               \
    X(COVEY_ERR_SHORT, 10, "input ends too early")                                                 \
    X(COVEY_ERR_MALFORMED, 11, "input is malformed")                                               \
    X(COVEY_ERR_UNSUPPORTED, 12, "input is valid but not supported")                               \
    X(COVEY_ERR_RANGE, 13, "a value is out of range")                                              \
    X(COVEY_ERR_AUTH, 20, "authentication failed")                                                 \
    X(COVEY_ERR_REPLAY, 21, "message was seen before")                                             \
    X(COVEY_ERR_EXPIRED, 22, "certificate is not valid now")                                       \
    X(COVEY_ERR_DENIED, 23, "not allowed")                                                         \
    X(COVEY_ERR_STATE, 30, "not possible in this state")                                           \
    X(COVEY_ERR_TIMEOUT, 31, "timed out")                                                          \
    X(COVEY_ERR_CANCELLED, 32, "cancelled")                                                        \
    X(COVEY_ERR_NOT_FOUND, 33, "not found")                                                        \
    X(COVEY_ERR_EXISTS, 34, "exists already")                                                      \
    X(COVEY_ERR_BUSY, 35, "busy, try again")                                                       \
    X(COVEY_ERR_CLOSED, 36, "connection closed")                                                   \
    X(COVEY_ERR_IO, 40, "input or output failed")                                                  \
    X(COVEY_ERR_PERMISSIONS, 41, "file permissions are too loose")

typedef enum covey_err {
#define COVEY_ERR_ENUM(name, number, text) name = number,
    COVEY_ERR_MAP(COVEY_ERR_ENUM)
#undef COVEY_ERR_ENUM
} covey_err;

/* A constant sentence for err; never NULL, also for numbers that no member has. */
const char *covey_strerror(covey_err err);

#endif /* COVEY_ERR_H */
