# The libraries as a CMake package and for pkg-config, so that another C program can embed a node.
install(EXPORT coveyTargets NAMESPACE covey:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/covey
    COMPONENT dev)
configure_package_config_file(cmake/coveyConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/coveyConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/covey)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/coveyConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
# Relative, so that the folder may be moved, or named at installation only.
file(RELATIVE_PATH covey_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" covey_pc_to_prefix "${covey_pc_to_prefix}")
configure_file(cmake/covey.pc.in ${CMAKE_CURRENT_BINARY_DIR}/covey.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/coveyConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/coveyConfigVersion.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/covey COMPONENT dev)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/covey.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)

# The package: programs, unit, manual, configuration.
install(TARGETS covey coveyd RUNTIME COMPONENT node)
install(FILES apps/man/covey.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT node)
install(FILES apps/man/coveyd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT node)
install(FILES apps/package/coveyd.service DESTINATION lib/systemd/system COMPONENT node)
install(FILES apps/package/coveyd.conf DESTINATION /etc/covey COMPONENT node)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/covey RENAME copyright COMPONENT node)
install(FILES docs/package.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/covey RENAME README.md
    COMPONENT node)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME covey)
set(CPACK_PACKAGE_CONTACT "The Covey authors <covey@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGE_DESCRIPTION
    "Devices find each other, and run neural networks together over encrypted channels.
 coveyd runs on each device; covey is the command for any of them.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL node)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "iproute2, gnuplot-nox")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/apps/package/postinst ${PROJECT_SOURCE_DIR}/apps/package/prerm
    ${PROJECT_SOURCE_DIR}/apps/package/postrm ${PROJECT_SOURCE_DIR}/apps/package/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
# What is packaged, and no more, is built: CPack's own target builds all tests, too.
add_custom_target(covey_deb COMMAND ${CMAKE_CPACK_COMMAND} WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
    DEPENDS covey coveyd VERBATIM)
