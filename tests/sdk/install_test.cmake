# SPDX-License-Identifier: Apache-2.0
#
# Installs the SDK into a prefix of its own, and builds and runs a user's project against it, with
# find_package and with pkg-config. A version that is not installed is refused. The public headers
# include no header of the kernel or of another library.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT result EQUAL 0)
    string(JOIN " " line ${ARGV})
    message(FATAL_ERROR "failed: ${line}\n${out}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

set(folder ${WORK}/install)
set(prefix ${folder}/prefix)
set(consumer ${SOURCE}/tests/sdk/consumer)
file(REMOVE_RECURSE ${folder})
foreach(component sdk sdk-dev)
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix} --component ${component})
endforeach()

string(REGEX MATCH "^[0-9]+" major ${VERSION})
# With typeinfo or virtual functions that programs or the other library need.
set(classes "Error|ConstantInputRequired|detail::RequestOwner")
foreach(library accel accel_model)
  # The soname carries the major version.
  run(readelf -d ${prefix}/${LIBDIR}/lib${library}.so)
  if(NOT out MATCHES "SONAME.*\\[lib${library}\\.so\\.${major}\\]")
    message(FATAL_ERROR "the library does not have the soname lib${library}.so.${major}:\n${out}")
  endif()

  # The library exports only its own symbols.
  run(nm -DC --defined-only ${prefix}/${LIBDIR}/lib${library}.so)
  string(REGEX MATCHALL "[^\n]+" symbols "${out}")
  foreach(symbol IN LISTS symbols)
    if(NOT symbol MATCHES
        " (accel::|(typeinfo( name)?|vtable) for accel::(${classes})|ACCEL_)")
      message(FATAL_ERROR "lib${library} exports a foreign symbol: ${symbol}")
    endif()
  endforeach()
endforeach()

# The emulated device exports what libaccel calls. The consumer below opens one.
run(nm -DC --defined-only ${prefix}/${LIBDIR}/libaccel_emulated.so.${major})
string(REGEX MATCHALL "[^\n]+" symbols "${out}")
foreach(symbol IN LISTS symbols)
  if(NOT symbol MATCHES " (accel_emulated_(version|open)|ACCEL_)")
    message(FATAL_ERROR "libaccel_emulated exports a foreign symbol: ${symbol}")
  endif()
endforeach()

# find_package
set(cmake_build ${folder}/cmake)
run(${CMAKE_COMMAND} -S ${consumer} -B ${cmake_build} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_CXX_COMPILER=${CXX} -DWANTED=${VERSION})
run(${CMAKE_COMMAND} --build ${cmake_build})
run(${cmake_build}/consumer)
run(${cmake_build}/model_consumer)
execute_process(COMMAND ${CMAKE_COMMAND} -S ${consumer} -B ${folder}/newer
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX} -DWANTED=99.0
  RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
if(result EQUAL 0)
  message(FATAL_ERROR "find_package(accel 99.0) was satisfied by ${VERSION}")
endif()

# pkg-config
set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
foreach(program "consumer;accel" "model_consumer;accel-model")
  list(GET program 0 name)
  list(GET program 1 package)
  run(pkg-config --define-variable=prefix=${prefix} --cflags --libs ${package})
  string(STRIP "${out}" flags)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(${CXX} ${consumer}/${name}.cpp -o ${folder}/pkg-config-${name} ${flags}
      -Wl,-rpath,${prefix}/${LIBDIR})
  run(${folder}/pkg-config-${name})
endforeach()

# Every header compiles alone, without a warning.
file(GLOB_RECURSE headers RELATIVE ${prefix}/include ${prefix}/include/accel/*.hpp)
foreach(header IN LISTS headers)
  file(WRITE ${folder}/header.cpp "#include <${header}>\n")
  run(${CXX} -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only
      -I${prefix}/include ${folder}/header.cpp)
endforeach()
run(${CXX} -std=c++20 -I${prefix}/include -M
    ${consumer}/consumer.cpp ${consumer}/model_consumer.cpp)
if(out MATCHES "accel_(hw|uapi)\\.h|liburing|google/protobuf|linux/ioctl\\.h")
  message(FATAL_ERROR "the public headers include ${CMAKE_MATCH_0}")
endif()
