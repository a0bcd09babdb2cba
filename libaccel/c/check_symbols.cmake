# SPDX-License-Identifier: Apache-2.0
#
# Fails unless the functions of the headers, the names of the map and the symbols of the library are
# the same. The build runs it after it links the library.
#
#   cmake -DNM=nm -DLIBRARY=FILE -DMAP=FILE -DHEADERS=FOLDER -P check_symbols.cmake
cmake_minimum_required(VERSION 3.25)
file(GLOB headers ${HEADERS}/*.h)
set(declared "")
foreach(header IN LISTS headers)
  file(READ ${header} text)
  string(REGEX MATCHALL "ACCEL_C_API[^(;]*\\(" declarations "${text}")
  foreach(declaration IN LISTS declarations)
    string(REGEX MATCH "accel_[a-z0-9_]+\\($" name "${declaration}")
    string(REPLACE "(" "" name "${name}")
    list(APPEND declared ${name})
  endforeach()
endforeach()

file(STRINGS ${MAP} mapped REGEX "^ +accel_[a-z0-9_]+;$")
list(TRANSFORM mapped REPLACE "[ ;]" "")

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY}
  OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL " T accel_[a-z0-9_]+" exported "${output}")
list(TRANSFORM exported REPLACE " T " "")

# Every name of `names` must be in `others`.
function(check names others sentence)
  foreach(name IN LISTS ${names})
    if(NOT name IN_LIST ${others})
      message(SEND_ERROR "${name}: ${sentence}")
    endif()
  endforeach()
endfunction()
check(declared mapped "accel.h declares it, and ${MAP} does not export it: add it there")
check(mapped declared "${MAP} exports it, and accel.h does not declare it: declare it there")
check(mapped exported "${MAP} names it, and the library does not define it: define it")
check(exported mapped "the library exports it, and ${MAP} does not name it: hide it, or add it")
