// SPDX-License-Identifier: Apache-2.0
//
// Runs a model in ONNX Runtime on the CPU: run.mjs MODEL INPUT.f32 OUTPUT_PREFIX writes
// OUTPUT_PREFIX.0.f32 and so on, one file an output.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// From where the packages are installed, which is not here.
const ort = createRequire(process.env.ORACLE_MODULES)('onnxruntime-node');
const [model, input, prefix] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, { executionProviders: ['cpu'] });
const bytes = readFileSync(input);
const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const shape = session.inputMetadata[0].shape.map((d) => (typeof d === 'number' ? d : 1));
const results = await session.run({
  [session.inputNames[0]]: new ort.Tensor('float32', values, shape),
});
session.outputNames.forEach((name, i) => {
  const data = results[name].data;
  writeFileSync(`${prefix}.${i}.f32`, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
});
