import { describe, expect, it } from 'vitest';
import { Progress, type ProgressOptions } from '../../lib/cli/progress.ts';
import { formatClock, formatSignificant, hasUnicode, isInteractive } from '../../lib/cli/terminal.ts';

const clearToEnd = '\x1b[K';

/** What is seen of a line that is drawn over the one before. */
function shown(text: string): string {
  return text.replace('\r', '').replace(clearToEnd, '').trimEnd();
}

/** A progress line under a clock that the test moves. */
function scene(isTTY: boolean, options: Partial<ProgressOptions> = {}, columns = 80) {
  const written: string[] = [];
  const clock = { ms: 1000 };
  const stream = { write: (text: string) => written.push(text), isTTY, columns };
  const progress = new Progress({
    total: 1000,
    label: 'epoch 1/5',
    unit: 'images',
    stream,
    unicode: true,
    now: () => clock.ms,
    ...options,
  });
  return { progress, clock, written };
}

describe('Progress on a terminal', () => {
  it('draws one line over itself and ends it once', () => {
    const { progress, clock, written } = scene(true);
    clock.ms += 500;
    progress.advance(250, { loss: 0.012345 });
    clock.ms += 1500;
    progress.advance(750, { loss: 0.01 });
    progress.finish({ loss: 0.01, accuracy: '98.8 %' });
    progress.finish();
    expect(written.every((text) => text.startsWith('\r') && text.includes(clearToEnd))).toBe(true);
    expect(written.filter((text) => text.endsWith('\n')).length).toBe(1);
    expect(written.map(shown)).toEqual([
      'epoch 1/5 ██████▎░░░░░░░░░░░░░░░░░░  25 %  loss 0.01235  500 images/s  ETA 0:02',
      'epoch 1/5 █████████████████████████ 100 %  loss 0.01000  500 images/s  ETA 0:00',
      'epoch 1/5 ██████████ 100 %  loss 0.01000  accuracy 98.8 %  500 images/s  2.00 s',
    ]);
  });

  it('draws at most ten times a second', () => {
    const { progress, clock, written } = scene(true);
    for (let i = 0; i < 1000; i++) {
      clock.ms += 1;
      progress.advance(1);
    }
    expect(written.length).toBe(10);
  });

  it.each([20, 40, 60, 80, 200])('never fills a line of %i columns', (columns) => {
    const { progress, clock, written } = scene(true, {}, columns);
    clock.ms += 10;
    progress.advance(10, { loss: 2.3 });
    const line = shown(written[0] as string);
    expect(line.length).toBeLessThan(columns);
    expect(line).toMatch(/^epoch 1\/5/);
  });

  it('draws in ASCII where the locale has no blocks', () => {
    const { progress, clock, written } = scene(true, { unicode: false });
    clock.ms += 10;
    progress.advance(500);
    expect(written[0]).toContain('[==============--------------]  50 %');
    expect(shown(written[0] as string)).toMatch(/^[ -~]*$/);
  });

  it('bears nothing to do, and more than was said', () => {
    const none = scene(true, { total: 0 });
    none.progress.finish();
    expect(none.written[0]).toContain('100 %');
    const more = scene(true);
    more.clock.ms += 10;
    more.progress.advance(5000);
    expect(more.written[0]).toMatch(/100 % .*ETA 0:00/);
    expect(() => scene(true, { total: Number.NaN })).toThrow('Progress: total is NaN');
  });
});

describe('Progress elsewhere', () => {
  it('writes plain lines: one at the end, one every 30 s before', () => {
    const { progress, clock, written } = scene(false);
    for (let i = 0; i < 70; i++) {
      clock.ms += 1000;
      progress.advance(10, { loss: 1.5 });
    }
    progress.finish({ loss: 0.5 });
    expect(written).toEqual([
      'epoch 1/5 30 %  loss 1.500  10.0 images/s  ETA 1:10\n',
      'epoch 1/5 60 %  loss 1.500  10.0 images/s  ETA 0:40\n',
      'epoch 1/5 70 %  loss 0.5000  10.0 images/s  70.0 s\n',
    ]);
  });
});

describe('numbers', () => {
  it.each([
    [2.302685, '2.303'],
    [0.012345, '0.01235'],
    [0.000012345, '0.00001234'],
    [0.0000012345, '1.234e-6'],
    [0, '0.000'],
    [-0.5, '-0.5000'],
    [123456.7, '123,457'],
    [1e20, '1.000e+20'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ])('%d is shown as %s', (value, text) => expect(formatSignificant(value)).toBe(text));

  it.each([
    [0.4, '0:00'],
    [59.6, '1:00'],
    [3599, '59:59'],
    [3661, '1:01:01'],
    [-3, '0:00'],
  ])('%d s is %s', (seconds, text) => expect(formatClock(seconds)).toBe(text));
});

describe('terminals', () => {
  it('are told from files and from dumb ones', () => {
    const write = () => undefined;
    expect(isInteractive({ write, isTTY: true }, { TERM: 'xterm' })).toBe(true);
    expect(isInteractive({ write, isTTY: true }, { TERM: 'dumb' })).toBe(false);
    expect(isInteractive({ write }, {})).toBe(false);
  });

  it('show blocks where the locale is UTF-8', () => {
    expect(hasUnicode({ LANG: 'de_DE.UTF-8' }, 'linux')).toBe(true);
    expect(hasUnicode({ LANG: 'de_DE.UTF-8', LC_ALL: 'C' }, 'linux')).toBe(false);
    expect(hasUnicode({}, 'linux')).toBe(false);
    expect(hasUnicode({}, 'win32')).toBe(true);
  });
});
