// Compares what two builds of test/cuda/ptx_conformance.cu say: node scripts/compare-conformance.mjs GPU TWINS [--partial].
// Integers, layouts and copies must agree bit by bit; products of floats to 1e-5 of the largest value, since the units of the
// GPU truncate and add in another order. A case that only TWINS has is a failure, unless --partial is given.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { partial: { type: 'boolean' } } });
if (positionals.length !== 2) {
  console.error('usage: node scripts/compare-conformance.mjs GPU TWINS [--partial]');
  process.exit(2);
}

function read(path) {
  const cases = new Map();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line.startsWith('#')) console.log(line);
    if (line === '' || line.startsWith('#')) continue;
    const [name, kind, ...words] = line.split(' ');
    if (!['exact', 'float'].includes(kind)) throw new Error(`${path}: ${JSON.stringify(line.slice(0, 60))} is no case`);
    cases.set(name, { kind, words: Uint32Array.from(words, (word) => Number.parseInt(word, 16)) });
  }
  return cases;
}

/** What is wrong, or undefined. */
function difference({ kind, words }, other) {
  if (kind !== other.kind || words.length !== other.words.length) return 'the cases are not the same';
  if (kind === 'exact') {
    const at = words.findIndex((word, i) => word !== other.words[i]);
    return at < 0
      ? undefined
      : `word ${at} is 0x${words[at].toString(16)}, the twin gives 0x${other.words[at].toString(16)}`;
  }
  const [ours, twin] = [words, other.words].map((list) => new Float32Array(list.buffer));
  const largest = twin.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const at = ours.findIndex((x, i) => !(Math.abs(x - twin[i]) <= 1e-5 * largest));
  return at < 0 ? undefined : `value ${at} is ${ours[at]}, the twin gives ${twin[at]} (largest ${largest})`;
}

const [gpu, twins] = positionals.map(read);
let [passed, failed] = [0, 0];
for (const [name, twin] of twins) {
  const found = gpu.get(name);
  if (!found && values.partial) continue;
  const fault = found ? difference(found, twin) : 'was not run';
  if (fault) console.log(`FAIL ${name}: ${fault}`);
  fault ? failed++ : passed++;
}
for (const name of gpu.keys()) {
  if (twins.has(name)) continue;
  console.log(`FAIL ${name}: the twins do not know it`);
  failed++;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
