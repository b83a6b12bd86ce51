# covey_options: warnings, sanitizers and feature macros, never passed on to users.
add_library(covey_options INTERFACE)
target_compile_options(covey_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wvla -Wswitch-enum -Wformat=2 $<$<BOOL:${COVEY_WERROR}>:-Werror>
    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=) # what an assertion prints is the same everywhere
target_compile_definitions(covey_options INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
if(CMAKE_SIZEOF_VOID_P EQUAL 4) # files beyond 2 GiB, inodes of large disks, and times after 2038
    target_compile_definitions(covey_options INTERFACE _FILE_OFFSET_BITS=64 _TIME_BITS=64)
endif()
if(COVEY_SANITIZE)
    target_compile_options(covey_options INTERFACE
        -fsanitize=${COVEY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(covey_options INTERFACE -fsanitize=${COVEY_SANITIZE})
endif()
if(COVEY_FUZZ)
    target_compile_options(covey_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# A layer reaches only the layers named in USES: a wrong include does not compile.
function(covey_add_layer name)
    cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;USES;LIBS" ${ARGN})
    add_library(covey_${name} STATIC ${arg_SOURCES})
    add_library(covey::${name} ALIAS covey_${name})
    set_target_properties(covey_${name} PROPERTIES EXPORT_NAME ${name})
    target_sources(covey_${name} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${arg_HEADERS})
    target_link_libraries(covey_${name}
        PUBLIC ${arg_USES} PRIVATE ${arg_LIBS} $<BUILD_INTERFACE:covey_options>)
    install(TARGETS covey_${name} EXPORT coveyTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev
        FILE_SET HEADERS COMPONENT dev)
endfunction()

# Tests end within so many seconds; in an emulator, which takes its time, ten times as many.
function(covey_limit_time seconds)
    if(CMAKE_CROSSCOMPILING)
        math(EXPR seconds "${seconds} * 10")
    endif()
    set_tests_properties(${ARGN} PROPERTIES TIMEOUT ${seconds})
endfunction()

# covey_add_scenes(<name> SOURCES ... [INCLUDES ...] USES ...): what many tests share, compiled once,
# for those that use <name>_scenes.
function(covey_add_scenes name)
    cmake_parse_arguments(arg "" "" "SOURCES;INCLUDES;USES" ${ARGN})
    add_library(${name}_scenes STATIC ${arg_SOURCES})
    target_include_directories(${name}_scenes PRIVATE ${PROJECT_SOURCE_DIR}/tests ${arg_INCLUDES})
    target_link_libraries(${name}_scenes
        PUBLIC ${arg_USES} PRIVATE PkgConfig::cmocka covey_options)
endfunction()

# covey_add_test(<layer> <file> [SOURCES ...] USES ...): tests/<layer>/test_<file>.c as <layer>.<file>.
function(covey_add_test layer file)
    cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;USES;LIBS;LABELS" ${ARGN})
    set(target test_${layer}_${file})
    add_executable(${target} test_${file}.c ${arg_SOURCES})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${target} PRIVATE ${arg_USES} ${arg_LIBS} PkgConfig::cmocka covey_options)
    add_test(NAME ${layer}.${file} COMMAND ${target})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 400)
    endif()
    if(NOT arg_LABELS)
        set(arg_LABELS unit)
    endif()
    set_tests_properties(${layer}.${file} PROPERTIES LABELS "${arg_LABELS}" SKIP_RETURN_CODE 77)
    covey_limit_time(${arg_TIMEOUT} ${layer}.${file})
endfunction()
