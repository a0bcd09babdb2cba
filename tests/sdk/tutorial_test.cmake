# SPDX-License-Identifier: Apache-2.0
#
# The C++ programs in the tutorial must equal the examples, except for the comment at the top.
set(document_file ${SOURCE}/docs/tutorials/first-job.md)
file(READ ${document_file} document)
foreach(example hello onnx)
  set(source_file ${SOURCE}/libaccel/examples/${example}/${example}.cpp)
  file(READ ${source_file} source)
  string(FIND "${source}" "#include" start)
  string(SUBSTRING "${source}" ${start} -1 program)
  string(FIND "${document}" "```cpp\n${program}```" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "${document_file} does not show ${source_file} as it is")
  endif()
endforeach()
