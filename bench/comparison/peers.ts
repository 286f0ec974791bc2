// Which peers this machine has, and how each is started.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PeerProcess } from '../peer_process.ts';
import { findTorch } from '../torch.ts';
import type { Requests } from './cases.ts';

export type PeerName = keyof Requests;

/** A peer that can be started, or the reason why there is none. */
export interface Peer {
  name: PeerName;
  version: string;
  /** Starts it for regions of that many threads. */
  start: ((threads: number) => PeerProcess) | null;
}

const folder = new URL('../../../../bench/peers/', import.meta.url);
const pathOf = (file: string): string => fileURLToPath(new URL(file, folder));

/** Installs the packages of bench/peers/package.json where they are not yet; returns what went wrong, or ''. */
function installPackages(): string {
  const wanted = JSON.parse(readFileSync(pathOf('package.json'), 'utf8')).dependencies as Record<string, string>;
  const versionOf = (name: string): string | null => {
    const file = pathOf(`node_modules/${name}/package.json`);
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')).version as string) : null;
  };
  if (Object.entries(wanted).every(([name, version]) => versionOf(name) === version)) return '';
  console.log('installing the packages of bench/peers');
  // Without scripts: that of onnxruntime-node fetches its CUDA libraries.
  const args = ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  const { status, stderr } = spawnSync('npm', args, { cwd: fileURLToPath(folder), encoding: 'utf8' });
  return status === 0 ? '' : `npm ci failed in bench/peers: ${stderr.trim().split('\n').at(-1)}`;
}

function scripted(name: PeerName, packageName: string, file: string, failure: string): Peer {
  if (failure) return { name, version: failure, start: null };
  const manifest = pathOf(`node_modules/${packageName}/package.json`);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const start = (threads: number) =>
    new PeerProcess(name, process.execPath, [pathOf(file)], { PEER_THREADS: String(threads) });
  return { name, version, start };
}

/** Compiles a program of bench/peers where its source is newer; null and the compiler's words where that fails. */
function compiled(file: string, library: string): { program: string; failure: string } {
  const program = fileURLToPath(new URL(`../../../peers/${file.replace('.cc', '')}`, import.meta.url));
  const newest = Math.max(...[file, 'answer.h'].map((name) => statSync(pathOf(name)).mtimeMs));
  if (existsSync(program) && statSync(program).mtimeMs > newest) return { program, failure: '' };
  mkdirSync(fileURLToPath(new URL('.', new URL(`file://${program}`))), { recursive: true });
  const args = ['-O2', '-std=c++20', '-fopenmp', pathOf(file), '-o', program, library];
  const { status, stderr } = spawnSync(process.env.CXX ?? 'c++', args, { encoding: 'utf8' });
  const reason = stderr?.split('\n').find((line) => line.includes('error')) ?? 'there is no C++ compiler';
  return { program, failure: status === 0 ? '' : reason };
}

function native(name: PeerName, file: string, library: string, debian: string): Peer {
  const { program, failure } = compiled(file, library);
  if (failure) return { name, version: `not compared (${debian} on Debian): ${failure}`, start: null };
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const start = (threads: number) => new PeerProcess(name, program, [], { OMP_NUM_THREADS: String(threads) });
  return { name, version: stdout.trim(), start };
}

function torch(): Peer {
  const found = findTorch();
  if (!found) return { name: 'PyTorch', version: 'not compared: no Python here has it', start: null };
  const { python, version } = found;
  const env = (threads: number) => ({ OMP_NUM_THREADS: String(threads) });
  const args = ['-u', pathOf('torch_cases.py')];
  return { name: 'PyTorch', version, start: (threads) => new PeerProcess('PyTorch', python, args, env(threads)) };
}

const scripts: Partial<Record<PeerName, [packageName: string, file: string]>> = {
  'ONNX Runtime': ['onnxruntime-node', 'onnxruntime_cases.mjs'],
  'TensorFlow.js': ['@tensorflow/tfjs-backend-wasm', 'tfjs_cases.mjs'],
};
const programs: Partial<Record<PeerName, [file: string, library: string, debian: string]>> = {
  oneDNN: ['onednn_cases.cc', '-ldnnl', 'libdnnl-dev'],
  OpenBLAS: ['openblas_cases.cc', '-lopenblas', 'libopenblas-dev'],
};
/** Those that are asked in words. */
export const wordPeers: ReadonlySet<string> = new Set(Object.keys(programs));
const names: readonly PeerName[] = ['PyTorch', 'ONNX Runtime', 'TensorFlow.js', 'oneDNN', 'OpenBLAS'];

/** The peers whose names match, absent ones with the reason in place of the version. */
export function findPeers(wanted: RegExp): Peer[] {
  const asked = names.filter((name) => wanted.test(name));
  const failure = asked.some((name) => scripts[name]) ? installPackages() : '';
  return asked.map((name) => {
    const [script, program] = [scripts[name], programs[name]];
    if (script) return scripted(name, ...script, failure);
    return program ? native(name, ...program) : torch();
  });
}

/** The line that asks a peer for a case. */
export function requestLine(request: object | string, threads: number, seconds: number): string {
  if (typeof request === 'string') return `${threads} ${seconds} ${request}`;
  return JSON.stringify({ case: request, threads, seconds });
}
