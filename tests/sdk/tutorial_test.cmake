# SPDX-License-Identifier: Apache-2.0
#
# The C++ block of the tutorial that is hello.cpp must be hello.cpp to the letter, but for the comment
# at its top.
file(READ ${DOCUMENT} document)
file(READ ${SOURCE} source)
string(FIND "${source}" "#include" start)
string(SUBSTRING "${source}" ${start} -1 program)
string(FIND "${document}" "```cpp\n${program}```" found)
if(found EQUAL -1)
  message(FATAL_ERROR "${DOCUMENT} does not show ${SOURCE} as it is")
endif()
