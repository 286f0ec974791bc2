// Reads the goldens: a manifest of cases and one safetensors file for each. See DESIGN on TILEGRAD_GOLDENS.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DType, type Tensor, tensor } from 'tilegrad';
import { parseSafetensors } from '../../lib/io/safetensors.ts';

export const goldensFolder = process.env.TILEGRAD_GOLDENS;

/** What a suite's title adds where it is skipped. */
export const skippedWords = goldensFolder ? '' : ' (skipped: TILEGRAD_GOLDENS is not set)';

/** The cases of a folder, one JSON line each; none where the variable is not set or the folder is not there. */
export function readManifest<C>(name: string): C[] {
  const file = goldensFolder && join(goldensFolder, name, 'manifest.jsonl');
  if (!file || !existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as C);
}

/** Values of a case's file by name. */
export interface Golden {
  shape: readonly number[];
  dtype: DType;
  data: Float64Array;
}

export function readGoldens(name: string, file: string): Map<string, Golden> {
  const inFolder = join(goldensFolder as string, name, file);
  const path = existsSync(inFolder) ? inFolder : join(goldensFolder as string, file);
  const { tensors } = parseSafetensors(readFileSync(path));
  return new Map(
    [...tensors].map(([key, { dtype, shape, data }]) => [key, { shape, dtype, data: numbers(dtype, data) }]),
  );
}

function numbers(dtype: DType, data: Uint8Array): Float64Array {
  const bytes = Uint8Array.from(data).buffer;
  switch (dtype) {
    case 'f64':
      return new Float64Array(bytes);
    case 'f32':
      return Float64Array.from(new Float32Array(bytes));
    case 'i64':
      return Float64Array.from(new BigInt64Array(bytes), Number);
    case 'i32':
      return Float64Array.from(new Int32Array(bytes));
    case 'i8':
      return Float64Array.from(new Int8Array(bytes));
    case 'u8':
    case 'bool':
      return Float64Array.from(new Uint8Array(bytes));
    default:
      throw new Error(`goldens: no values of ${dtype}`);
  }
}

/** A golden as a tensor. */
export const asTensor = ({ data, shape, dtype }: Golden): Tensor => tensor(data, { shape, dtype });

/** What is wrong with values within an absolute tolerance; undefined for nothing. Non-finite ones must agree in kind. */
export async function difference(got: Tensor, expected: Golden, tolerance: number): Promise<string | undefined> {
  if (got.shape.join() !== expected.shape.join())
    return `has shape [${got.shape.join(', ')}], expected [${expected.shape.join(', ')}]`;
  const data = await got.data();
  let [worst, at] = [-1, 0];
  for (let i = 0; i < data.length; i++) {
    const [a, b] = [Number(data[i]), expected.data[i]!];
    const apart = Object.is(a, b) || a === b ? 0 : Math.abs(a - b);
    const error = Number.isNaN(apart) || (!Number.isFinite(b) && apart > 0) ? Number.POSITIVE_INFINITY : apart;
    if (error > worst) [worst, at] = [error, i];
  }
  if (worst <= tolerance) return undefined;
  return `element ${at}: got ${data[at]}, expected ${expected.data[at]}; ${worst} apart, ${tolerance} allowed`;
}
