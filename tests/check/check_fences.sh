#!/usr/bin/env bash
# Each third-party library is included only behind its fence (docs/dependencies.md), so that it can
# be replaced there and audited there.
. "$(dirname "$0")/lib.sh"

# header (extended regular expression), files that may include it
fences='sodium(/.*)?\.h                         crypto/
cbor(/.*)?\.h                           codec/
(cblas|lapacke?|openblas_config)\.h     nn/gemm\.c
uv(/.*)?\.h                             runtime/io/
coap3/.*                                runtime/io/
(cjson/)?cJSON\.h                       (apps|tests)/
(protobuf-c/.*|onnx[a-z-]*\.pb-c\.h)    apps/covey/
(png|pngconf|jpeglib|jerror|zlib)\.h    (apps/covey|tests/apps)/
sqlite3(/.*)?\.h                        runtime/session/journal\.c
microhttpd\.h                           nowhere/'

findings() {
    local includes header allowed
    # shellcheck disable=SC2046,SC2086
    includes=$(grep -nE '^[[:space:]]*#[[:space:]]*include' $(c_files $code_folders tests fuzz) /dev/null)
    while read -r header allowed; do
        grep -E "include[[:space:]]*[<\"]$header[>\"]" <<<"$includes" | grep -vE "^$allowed" |
            sed 's/$/  (behind the fence)/' || true
    done <<<"$fences"
}

plant() {
    plant_line codec/planted_sodium.c '#include <sodium.h>'
    plant_line crypto/planted_cbor.c '#include <cbor.h>'
    plant_line nn/planted_cblas.c '#include <cblas.h>'
    plant_line runtime/core/planted_uv.c '#  include <uv.h>'
    plant_line runtime/session/planted_coap.h '#include "coap3/coap.h"'
    plant_line runtime/session/planted_json.c '#include <cjson/cJSON.h>'
    plant_line apps/coveyd/planted_onnx.c '#include "onnx.pb-c.h"'
    plant_line apps/coveyd/planted_protobuf.c '#include <protobuf-c/protobuf-c.h>'
    plant_line apps/lab/planted_png.c '#include <png.h>'
    plant_line nn/planted_jpeg.c '#include <jpeglib.h>'
    plant_line runtime/session/planted_sqlite.c '#include <sqlite3.h>'
    plant_line runtime/io/planted_zlib.c '#include <zlib.h>'
}

check_main "$@"
