// The program `tilegrad` as people and scripts call it.
import { expect, test } from 'vitest';
import { cli } from 'tilegrad';
import { manifest, run } from './program.ts';

test('info tells the version, the file and every device', () => {
  const { status, stdout, stderr } = run('info');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(
    new RegExp(
      `^tilegrad ${manifest.version}\n {2}addon +.*\\.node\n {2}node +${process.versions.node}, .*\n {2}cpu +.*threads?.* GiB\n`,
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
  const { status, stdout, stderr } = run('--help');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const name of ['info', 'train', 'bench']) {
    expect(stdout).toMatch(new RegExp(`^ {2}${name} +\\w`, 'm'));
    const help = run(name, '--help');
    expect(help).toMatchObject({ status: 0, stderr: '' });
    expect(help.stdout).toMatch(new RegExp(`^tilegrad ${name} .*\\[OPTIONS\\]\\n[^]*--json`));
    expect(Math.max(...help.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  }
  expect(run('--version').stdout).toBe(`${manifest.version}\n`);
});

test('without a command the help goes to stderr', () => {
  const { status, stdout, stderr } = run();
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toBe(run('--help').stdout);
});

test.each([
  [['infos'], "unknown command 'infos', did you mean 'info'?; see tilegrad --help"],
  [['compile'], "unknown command 'compile'; see tilegrad --help"],
  [['--versoin'], "unknown option '--versoin', did you mean '--version'?; see tilegrad --help"],
  [['info', '--jsno'], "unknown option '--jsno', did you mean '--json'?; see tilegrad info --help"],
  [['info', 'cpu'], "unexpected argument 'cpu'; see tilegrad info --help"],
  [['train', '--epoch', '3'], "unknown option '--epoch', did you mean '--epochs'?; see tilegrad train --help"],
  [['train', '-e', '3'], "unknown option '-e'; see tilegrad train --help"],
  [['train', '--model', 'lenet'], "--model is 'lenet', did you mean 'lenet5'?; see tilegrad train --help"],
  [['train', '--data=cifar'], "--data is 'cifar', expected mnist, fashion, drawn; see tilegrad train --help"],
  [['train', '--lr', 'x'], "--lr is 'x', expected a number from 0 up; see tilegrad train --help"],
  [['train', '--seed', '1.5'], "--seed is '1.5', expected a whole number from 0 up; see tilegrad train --help"],
  [['train', '--batch-size', '0'], "--batch-size is '0', expected a whole number from 1 up; see tilegrad train --help"],
  [['train', '--lr'], '--lr needs a value: --lr X; see tilegrad train --help'],
  [['train', '--lr', '--json'], '--lr needs a value: --lr X; see tilegrad train --help'],
  [['train', '--json=1'], "--json takes no value but got '1'; see tilegrad train --help"],
  [
    ['train', '--device', 'gpu'],
    "--device is 'gpu', expected cpu, cuda, cuda:1 ... or auto; see tilegrad train --help",
  ],
  [['bench', 'op'], "the table is 'op', did you mean 'ops'?; see tilegrad bench --help"],
  [['bench', '--filter', '('], /^--filter is no regular expression: .*; see tilegrad bench --help$/],
])('a wrong call is one sentence and exit code 2: %j', (args, text) => {
  const { status, stdout, stderr } = run(...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  const sentence = stderr.replace(/^tilegrad: /, '').trimEnd();
  if (typeof text === 'string') expect(sentence).toBe(text);
  else expect(sentence).toMatch(text);
});

test('an addon that cannot be loaded is told in words, exit code 1', () => {
  const before = process.env.TILEGRAD_ADDON;
  process.env.TILEGRAD_ADDON = '/absent/tilegrad.node';
  try {
    const { status, stdout, stderr } = run('info');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^tilegrad: [^\n]*could not be loaded/);
    expect(stderr).not.toMatch(/\n {4}at /);
    // What needs no addon works without one.
    expect(run('--version').status).toBe(0);
  } finally {
    if (before === undefined) delete process.env.TILEGRAD_ADDON;
    else process.env.TILEGRAD_ADDON = before;
  }
});
