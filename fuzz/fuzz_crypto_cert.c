/* SPDX-License-Identifier: MIT */
#include "covey/cert.h"
#include "fuzz.h"

/* A fixed authority, so that seeds stay whole certificates: Ed25519 seed || public key. */
static const uint8_t secret[COVEY_SIGN_SECRET_BYTES] = {
    0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07,
    0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07,
    0xea, 0x4a, 0x6c, 0x63, 0xe2, 0x9c, 0x52, 0x0a, 0xbe, 0xf5, 0x50, 0x7b, 0x13, 0x2e, 0xc5, 0xf9,
    0x95, 0x47, 0x76, 0xae, 0xbe, 0xbe, 0x7b, 0x92, 0x42, 0x1e, 0xea, 0x69, 0x14, 0x46, 0xd2, 0x2c};

/* Any bytes as a certificate, as they are and signed by the authority: what verifies signs again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *pub = secret + COVEY_SIGN_SECRET_BYTES - COVEY_SIGN_PUBLIC_BYTES;
    uint8_t wire[2 * COVEY_CERT_MAX], again[COVEY_CERT_MAX];
    struct covey_mesh_id mesh;
    struct covey_cert cert;
    size_t len;
    COVEY_ASSERT(covey_crypto_init() == COVEY_OK);
    COVEY_ASSERT(covey_cert_verify(covey_bytes_of(data, size), pub, 1, &cert) != COVEY_OK);
    if (size > sizeof(wire) - COVEY_SIGNATURE_BYTES) {
        return 0;
    }
    covey_mesh_id_of(&mesh, pub);
    if (size > 0) {
        memcpy(wire, data, size);
    }
    covey_statement_sign(wire + size, COVEY_CERT_LABEL, &mesh, covey_bytes_of(wire, size), secret);
    if (covey_cert_verify(covey_bytes_of(wire, size + COVEY_SIGNATURE_BYTES), pub, 1, &cert) ==
        COVEY_OK) {
        COVEY_ASSERT(covey_name_valid(cert.name));
        COVEY_ASSERT(covey_cert_sign(&cert, secret, again, &len) == COVEY_OK);
    }
    return 0;
}
