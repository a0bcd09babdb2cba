# SPDX-License-Identifier: Apache-2.0
#
# The C++ block of the tutorial that is hello.cpp must be hello.cpp to the letter, but for the comment
# at its top.
set(document_file ${SOURCE}/docs/tutorial.md)
set(source_file ${SOURCE}/libaccel/examples/hello/hello.cpp)
file(READ ${document_file} document)
file(READ ${source_file} source)
string(FIND "${source}" "#include" start)
string(SUBSTRING "${source}" ${start} -1 program)
string(FIND "${document}" "```cpp\n${program}```" found)
if(found EQUAL -1)
  message(FATAL_ERROR "${document_file} does not show ${source_file} as it is")
endif()
