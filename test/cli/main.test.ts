// The program `tilegrad` as people and scripts call it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cli } from 'tilegrad';

const root = new URL('../../', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const program = fileURLToPath(new URL(manifest.bin.tilegrad, root));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('info tells the version, the file and every device', () => {
  const { status, stdout, stderr } = run('info');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(
    new RegExp(
      `^tilegrad ${manifest.version}\n {2}addon +.*\\.node\n {2}node +${process.versions.node}, .*\n {2}cpu +.*threads.* GiB\n`,
    ),
  );
  expect(stdout).toMatch(/\n {2}cuda/);
});

test('info --json gives what systemInfo() gives', () => {
  const { stdout } = run('info', '--json');
  expect(JSON.parse(stdout)).toEqual(cli.systemInfo());
});

test('an absent device comes with its reason and what to do', () => {
  const absent = { name: 'cuda', available: false, description: '', reason: 'no NVIDIA driver', memoryBytes: 0 };
  const info = { ...cli.systemInfo(), devices: [{ ...absent, remedy: 'install its driver' }] };
  expect(cli.formatInfo(info)).toMatch(/\n {2}cuda +absent: no NVIDIA driver\n +install its driver$/);
});

test('help and version', () => {
  expect(run('--help')).toMatchObject({ status: 0, stderr: '' });
  expect(run('--help').stdout).toContain('info');
  expect(run().status).toBe(2);
  expect(run('info', '--help').stdout).toMatch(/^tilegrad info \[--json\]\n/);
  expect(run('--version').stdout).toBe(`${manifest.version}\n`);
});

test('a wrong call is one sentence and exit code 2', () => {
  expect(run('infos')).toEqual({
    status: 2,
    stdout: '',
    stderr: "tilegrad: unknown command 'infos', did you mean 'info'?; see tilegrad --help\n",
  });
  const { status, stderr } = run('info', '--jsno');
  expect(status).toBe(2);
  expect(stderr).toMatch(/^tilegrad: Unknown option '--jsno'.*\n$/);
});
