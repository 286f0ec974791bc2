// `tilegrad train`: what it prints, what it saves, and how it ends.
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { io, nn, zeros } from 'tilegrad';
import { models } from '../../lib/cli/models.ts';
import { interrupt, run, withoutFallbackNote } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'tilegrad-train-'));
const quick = ['--model', 'linear', '--data', 'drawn', '--device', 'cpu'];

test('--json gives the result alone on stdout, and the weights can be loaded', async () => {
  const output = join(folder, 'linear.safetensors');
  const { status, stdout, stderr } = run('train', ...quick, '--steps', '30', '--json', '--output', output);
  expect(status).toBe(0);
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ model: 'linear', data: 'drawn digits', parameters: 7850, device: 'cpu', seed: 1 });
  expect(result).toMatchObject({ steps: 30, interrupted: false, output });
  expect(result.epochs).toHaveLength(1);
  expect(result.testAccuracy).toBeGreaterThan(0.5);
  expect(stderr).toMatch(/60,000 training and 10,000 test images: digits that the library drew itself/);
  const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 10));
  expect(model.loadStateDict(await io.load(output))).toEqual({ missingKeys: [], unexpectedKeys: [] });
  expect(await io.loadMetadata(output)).toMatchObject({ model: 'linear', data: 'drawn digits', seed: '1' });
});

test('in words: every epoch on a line, the table, pictures and the accuracy; no escapes in a pipe', () => {
  const output = join(folder, 'words.safetensors');
  const { status, stdout, stderr } = run(
    'train',
    ...quick,
    '--batch-size',
    '1000',
    '--epochs',
    '2',
    '--output',
    output,
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^linear \(logistic regression\), 7,850 parameters, on cpu, batches of 1000$/m);
  expect(stdout.match(/^epoch \d\/2 .*100 %.*loss .*images\/s/gm)).toHaveLength(2);
  expect(stdout).toMatch(/^true +0 +1 .*right$/m);
  expect(stdout).toMatch(/^predicted \d/m);
  expect(stdout).toMatch(/^test accuracy +\d\d\.\d\d %$/m);
  expect(stdout).toContain(output);
  for (const control of ['\r', '\x1b']) expect(stdout).not.toContain(control);
});

test('Ctrl-C ends the training, tests and saves', async () => {
  const output = join(folder, 'stopped.safetensors');
  const args = ['train', ...quick, '--epochs', '100000', '--output', output];
  const { status, stdout, stderr } = await interrupt(args, /^epoch 1\//m);
  expect({ status, stderr: withoutFallbackNote(stderr) }).toEqual({ status: 130, stderr: '' });
  expect(stdout).toMatch(/^stopped after [\d,]+ of 93,800,000 steps; testing and saving$/m);
  expect(stdout).toMatch(/^test accuracy/m);
  expect(existsSync(output)).toBe(true);
});

test('a folder that does not exist is told before anything is trained', () => {
  const { status, stdout, stderr } = run('train', ...quick, '--output', '/absent/model.safetensors');
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^tilegrad: --output: cannot write into \/absent \(ENOENT.*\)\n$/);
});

describe('the models', () => {
  test.each(Object.entries(models))('%s takes images of 28x28 and gives ten classes', (_, { make }) => {
    const model = make();
    const counts = model.parameters().reduce((sum, { numel }) => sum + numel, 0);
    expect(counts).toBeGreaterThan(7000);
    expect(model.eval().forward(zeros([2, 1, 28, 28])).shape).toEqual([2, 10]);
  });
});
