# Another processor's Debian: COVEY_CROSS is arm64 or armhf, COVEY_CROSS_ROOT the folder that
# tests/cross/sysroot filled. What is built runs under qemu's user mode.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES COVEY_CROSS COVEY_CROSS_ROOT)
if(COVEY_CROSS STREQUAL "arm64")
    set(covey_triplet aarch64-linux-gnu)
    set(CMAKE_SYSTEM_PROCESSOR aarch64)
    set(covey_qemu qemu-aarch64-static)
elseif(COVEY_CROSS STREQUAL "armhf") # of a Raspberry Pi 2 and later
    set(covey_triplet arm-linux-gnueabihf)
    set(CMAKE_SYSTEM_PROCESSOR armv7l)
    set(CMAKE_C_FLAGS_INIT "-march=armv7-a -mfpu=neon-vfpv4 -mfloat-abi=hard")
    set(covey_qemu qemu-arm-static)
else()
    message(FATAL_ERROR "COVEY_CROSS is not arm64 or armhf")
endif()
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSROOT ${COVEY_CROSS_ROOT})
set(CMAKE_C_COMPILER ${covey_triplet}-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE ${covey_triplet})
set(CMAKE_CROSSCOMPILING_EMULATOR ${covey_qemu} -L ${COVEY_CROSS_ROOT})

# Headers and libraries are the other processor's, programs are this one's.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${COVEY_CROSS_ROOT})
set(ENV{PKG_CONFIG_LIBDIR}
    ${COVEY_CROSS_ROOT}/usr/lib/${covey_triplet}/pkgconfig:${COVEY_CROSS_ROOT}/usr/share/pkgconfig)
