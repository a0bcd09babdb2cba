// SPDX-License-Identifier: Apache-2.0
//
// Runs a model in ONNX Runtime on the CPU: run.mjs MODEL OUTPUT_PREFIX INPUT... writes
// OUTPUT_PREFIX.0.f32 and so on, one file for each output. An input is FILE.f32, with the shape that
// the model declares, FILE.f32:2,3 with this shape, or a number, which is one i64. Inputs are in the
// order of the model.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// The packages are installed in another folder.
const ort = createRequire(process.env.ORACLE_MODULES)('onnxruntime-node');
const [model, prefix, ...inputs] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, { executionProviders: ['cpu'] });

const tensor = (input, i) => {
  if (/^\d+$/.test(input)) {
    return new ort.Tensor('int64', BigInt64Array.from([BigInt(input)]), []);
  }
  const [file, dims] = input.split(':');
  const bytes = readFileSync(file);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const shape = dims
    ? dims.split(',').map(Number)
    : session.inputMetadata[i].shape.map((d) => (typeof d === 'number' ? d : 1));
  return new ort.Tensor('float32', values, shape);
};

const results = await session.run(
  Object.fromEntries(inputs.map((input, i) => [session.inputNames[i], tensor(input, i)])),
);
session.outputNames.forEach((name, i) => {
  const data = results[name].data;
  writeFileSync(`${prefix}.${i}.f32`, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
});
