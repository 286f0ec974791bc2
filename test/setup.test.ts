// A machine without the tools to build gets one sentence that names the package to install, and no stack trace.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const scripts = new URL('../scripts/', import.meta.url);
let tools: string;

beforeEach(() => {
  tools = mkdtempSync(join(tmpdir(), 'tilegrad-tools-'));
});
afterEach(() => rmSync(tools, { recursive: true }));

function plant(name: string, text: string) {
  writeFileSync(join(tools, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(tools, name), 0o755);
}
const modernCmake = () => plant('cmake', 'echo cmake version 3.25.1');
const modernCompiler = () => plant('c++', 'echo "#define __GNUC__ 12"');

/** Runs the checks on a machine that has only the planted tools; gives standard error and the exit code. */
function check(call: string, env: NodeJS.ProcessEnv = {}) {
  const program = `
    import { main } from '${new URL('process.mjs', scripts)}';
    import * as toolchain from '${new URL('toolchain.mjs', scripts)}';
    await main(async () => console.log(JSON.stringify(await toolchain.${call}()) ?? 'ready'));`;
  const file = join(tools, 'check.mjs');
  writeFileSync(file, program);
  const clean = { PATH: tools, ...env };
  const { status, stdout, stderr } = spawnSync(process.execPath, [pathToFileURL(file).pathname], {
    env: clean,
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
}

test('a machine with all tools passes', () => {
  modernCmake();
  modernCompiler();
  plant('ninja', '');
  expect(check('checkToolchain')).toEqual({ status: 0, said: 'ready\n' });
});

test.each([
  ['no cmake', () => {}, {}, 'cmake was not found; install it with: apt-get install cmake'],
  ['an old cmake', () => plant('cmake', 'echo cmake version 3.18.4'), {}, 'cmake 3.18 is older than 3.22'],
  ['no compiler', modernCmake, {}, 'a C++ compiler was not found; install it with: apt-get install g++'],
  ['no such CXX', modernCmake, { CXX: 'g++-99' }, 'the C++ compiler g++-99 (from CXX) was not found'],
])('%s', (_, prepare, env, sentence) => {
  prepare();
  const { status, said } = check('checkToolchain', env);
  expect(status).toBe(1);
  expect(said).toMatch(/^tilegrad: .*\n$/);
  expect(said).toContain(sentence);
});

test('an old compiler', () => {
  modernCmake();
  plant('c++', 'echo "#define __GNUC__ 9"');
  expect(check('checkToolchain')).toEqual({
    status: 1,
    said: 'tilegrad: g++ 9 is older than 12; install a newer one\n',
  });
});

test('neither ninja nor make', () => {
  modernCmake();
  modernCompiler();
  expect(check('checkToolchain').said).toContain('apt-get install ninja-build');
});

test('nvcc decides about CUDA unless TILEGRAD_CUDA does', () => {
  const nvcc = join(tools, 'nvcc');
  plant('nvcc', 'echo "Cuda compilation tools, release 13.0, V13.0.88"');
  expect(JSON.parse(check('findCuda').said)).toEqual({ mode: 'ON', nvcc });
  expect(JSON.parse(check('findCuda', { TILEGRAD_CUDA: 'off' }).said)).toEqual({
    mode: 'OFF',
    reason: 'TILEGRAD_CUDA is OFF',
  });
  expect(check('findCuda', { TILEGRAD_CUDA: 'yes' }).said).toBe(
    'tilegrad: TILEGRAD_CUDA must be AUTO, ON, OFF or EMULATED but is yes\n',
  );
  plant('nvcc', 'echo "Cuda compilation tools, release 11.8, V11.8.89"');
  expect(JSON.parse(check('findCuda').said)).toEqual({ mode: 'OFF', reason: 'nvcc 11 is older than 12' });
  expect(check('findCuda', { TILEGRAD_CUDA: 'ON' }).said).toContain('TILEGRAD_CUDA is ON but nvcc 11 is older than 12');
});
