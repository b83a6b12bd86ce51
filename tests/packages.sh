# Sourced: the Debian packages that building, running and testing need.
covey_packages_build="build-essential cmake ninja-build pkg-config libcoap3-dev libsodium-dev
    libopenblas-dev libcbor-dev libuv1-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev
    libsqlite3-dev libpng-dev libjpeg-dev zlib1g-dev libcjson-dev libcmocka-dev iproute2"
covey_packages_tests="tcpdump libonnx-testdata python3 clang libclang-rt-14-dev clang-format
    gnuplot-nox"
covey_packages_arm64="gcc-aarch64-linux-gnu qemu-user-static python3"
covey_packages_armhf="gcc-arm-linux-gnueabihf qemu-user-static python3"

# covey_install_packages build|tests|arm64|armhf: installs what is missing; not root: says the one
# line, exits 3.
covey_install_packages() {
    local wanted=$covey_packages_build missing="" package
    case $1 in
    tests) wanted="$wanted $covey_packages_tests" ;;
    arm64) wanted="$wanted $covey_packages_arm64" ;;
    armhf) wanted="$wanted $covey_packages_armhf" ;;
    esac
    for package in $wanted; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "packages are missing; install them with: sudo apt-get install$missing" >&2
        exit 3
    fi
    echo "installing:$missing" >&2
    apt-get update -qq >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
}
