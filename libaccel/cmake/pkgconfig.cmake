# SPDX-License-Identifier: Apache-2.0
#
# Files for pkg-config, with the prefix of the installation: `cmake --install --prefix` may choose
# another one than the build had.

# accel_install_pkgconfig(NAME TEMPLATE): installs NAME.pc.
function(accel_install_pkgconfig name template)
  set(PREFIX "@PREFIX@")  # stays a placeholder until the installation
  configure_file(${template} ${name}.pc.in @ONLY)
  set(result ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc)
  install(CODE "
    get_filename_component(PREFIX \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    configure_file(\"${result}.in\" \"${result}\" @ONLY)
  " COMPONENT sdk-dev)
  install(FILES ${result} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT sdk-dev)
endfunction()
