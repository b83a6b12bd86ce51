# covey_readers: decoders of files that people bring; only person-facing programs link it.
include_guard(GLOBAL)
if(NOT TARGET covey_readers)
    find_path(COVEY_ONNX_PROTO_DIR onnx/onnx.proto REQUIRED)
    find_program(COVEY_PROTOC_C protoc-c REQUIRED)
    set(covey_proto_dir ${CMAKE_BINARY_DIR}/generated/onnx)
    file(MAKE_DIRECTORY ${covey_proto_dir})
    add_custom_command(
        OUTPUT ${covey_proto_dir}/onnx.pb-c.c ${covey_proto_dir}/onnx.pb-c.h
        COMMAND ${COVEY_PROTOC_C} --proto_path=${COVEY_ONNX_PROTO_DIR}/onnx
                --c_out=${covey_proto_dir} onnx.proto
        DEPENDS ${COVEY_ONNX_PROTO_DIR}/onnx/onnx.proto
        COMMENT "Generating onnx.pb-c.c")

    # Generated code keeps its own style: none of our warnings.
    add_library(covey_onnx_proto OBJECT ${covey_proto_dir}/onnx.pb-c.c
                ${covey_proto_dir}/onnx.pb-c.h)
    target_include_directories(covey_onnx_proto SYSTEM PUBLIC ${covey_proto_dir})
    target_link_libraries(covey_onnx_proto PUBLIC PkgConfig::protobufc)
    if(COVEY_SANITIZE)
        target_compile_options(covey_onnx_proto PRIVATE -fsanitize=${COVEY_SANITIZE})
    endif()

    set(covey_readers_dir ${CMAKE_CURRENT_LIST_DIR})
    add_library(covey_readers STATIC
        ${covey_readers_dir}/onnx_attributes.c ${covey_readers_dir}/onnx_constant.c
        ${covey_readers_dir}/onnx_dense.c ${covey_readers_dir}/onnx_elements.c
        ${covey_readers_dir}/onnx_emit.c
        ${covey_readers_dir}/onnx_export.c ${covey_readers_dir}/onnx_external.c
        ${covey_readers_dir}/onnx_import.c ${covey_readers_dir}/onnx_inputs.c ${covey_readers_dir}/onnx_legacy.c
        ${covey_readers_dir}/onnx_norm.c ${covey_readers_dir}/onnx_parts.c
        ${covey_readers_dir}/onnx_plain.c ${covey_readers_dir}/onnx_resize.c
        ${covey_readers_dir}/onnx_shape.c ${covey_readers_dir}/onnx_table.c
        ${covey_readers_dir}/onnx_tensor.c ${covey_readers_dir}/onnx_trim.c
        ${covey_readers_dir}/onnx_values.c ${covey_readers_dir}/onnx_walk.c
        ${covey_readers_dir}/onnx_window.c ${covey_readers_dir}/onnx_write.c
        ${covey_readers_dir}/read_bmp.c ${covey_readers_dir}/read_cifar.c
        ${covey_readers_dir}/read_csv.c
        ${covey_readers_dir}/read_dataset.c ${covey_readers_dir}/read_file.c
        ${covey_readers_dir}/read_folder.c ${covey_readers_dir}/read_gzip.c
        ${covey_readers_dir}/read_idx.c ${covey_readers_dir}/read_input.c
        ${covey_readers_dir}/read_npy.c ${covey_readers_dir}/read_pb.c
        ${covey_readers_dir}/read_picture.c ${covey_readers_dir}/read_pnm.c
        ${covey_readers_dir}/read_prepare.c
        ${covey_readers_dir}/read_spec.c ${covey_readers_dir}/read_typed.c
        ${covey_readers_dir}/read_why.c
        $<TARGET_OBJECTS:covey_onnx_proto>)
    if(NOT TARGET covey::apps)
        add_library(covey::apps ALIAS covey_readers) # what the fuzz harnesses ask for
    endif()
    target_include_directories(covey_readers PUBLIC ${covey_readers_dir})
    target_include_directories(covey_readers SYSTEM PRIVATE ${covey_proto_dir})
    add_dependencies(covey_readers covey_onnx_proto)
    target_link_libraries(covey_readers PUBLIC covey::nn
        PRIVATE PkgConfig::protobufc PkgConfig::png PkgConfig::jpeg PkgConfig::zlib covey_options)
endif()
