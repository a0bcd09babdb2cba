# SPDX-License-Identifier: Apache-2.0
#
# The host side of the example: training gives the same bits every time; a damaged file and a
# missing card are errors that say what to do.
function(run expected pattern)
  execute_process(COMMAND ${EXAMPLE} ${ARGN}
    RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT result MATCHES "^${expected}$" OR NOT out MATCHES "${pattern}")
    string(JOIN " " line ${ARGN})
    message(FATAL_ERROR
      "fashion-mnist ${line}: result ${result}, not ${expected} with '${pattern}':\n${out}")
  endif()
endfunction()

function(same one other)
  file(SHA256 ${one} a)
  file(SHA256 ${other} b)
  if(NOT a STREQUAL b)
    message(FATAL_ERROR "${one} and ${other} differ")
  endif()
endfunction()

set(folder ${WORK}/example)
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder})

# One epoch does not reach the required accuracy, so the program must fail.
foreach(i 1 2)
  run(1 "epoch  1: loss 0\\.[0-9]+, test accuracy [78]"
      train --epochs 1 --model ${folder}/model${i} --reference ${folder}/logits${i})
endforeach()
same(${folder}/model1 ${folder}/model2)
same(${folder}/logits1 ${folder}/logits2)

run(1 "no card with a driver.*accelctl doctor"
    classify --model ${folder}/model1 --device /dev/accel-not-there)
run(1 "cannot open .*train" classify --model ${folder}/nothing)
run(1 "is not a file of this network" classify --model ${folder}/logits1)
file(WRITE ${folder}/short "acclmlp1")
run(1 "is not a file of this network" classify --model ${folder}/short)
file(COPY_FILE ${folder}/model1 ${folder}/long)
file(APPEND ${folder}/long "x")
run(1 "is damaged" classify --model ${folder}/long)
run(1 "install the package dataset-fashion-mnist"
    classify --model ${folder}/model1 --data ${folder})
run(10[0-9] "model is required" train)
