import { describe, expect, it } from 'vitest';
import { confusionCounts, confusionTable } from '../../lib/cli/confusion.ts';
import { drawPictures } from '../../lib/cli/draw.ts';

describe('confusion', () => {
  it('counts true classes down and predicted ones across', () => {
    expect(confusionCounts([0, 1, 1, 2], BigInt64Array.of(0n, 1n, 0n, 2n), 3)).toEqual([
      [1, 1, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
  });

  it('refuses what it cannot count', () => {
    expect(() => confusionCounts([0], [0, 1], 2)).toThrow('confusionCounts: 1 predictions but 2 targets');
    expect(() => confusionCounts([0, 5], [0, 1], 2)).toThrow('class 1 taken for 5 at 1, expected 0 to 1');
    expect(() => confusionCounts([0], [-1], 2)).toThrow('class -1 taken for 0');
  });

  it('is shown as a table', () => {
    expect(
      confusionTable([
        [980, 20],
        [0, 7],
      ]),
    ).toBe(['      predicted', 'true    0   1   right', '   0  980  20   98.0 %', '   1    .   7  100.0 %'].join('\n'));
  });

  it('numbers the columns where names are long', () => {
    const lines = confusionTable(
      [
        [1, 0],
        [0, 0],
      ],
      ['Ankle boot', 'Bag'],
    ).split('\n');
    expect(lines[1]).toBe('        true  0 1   right');
    expect(lines[2]).toBe('Ankle boot 0  1 .  100.0 %');
    expect(lines[3]).toBe('       Bag 1  . .        -');
  });
});

describe('drawPictures', () => {
  const picture = (rows: string[], ...caption: string[]) => ({
    pixels: rows.flatMap((row) => Array.from(row, (c) => (c === '#' ? 255 : 0))),
    caption,
  });

  it('draws two rows of pixels per line and cuts the margin that all share', () => {
    const text = drawPictures([picture(['.....', '..##.', '..#..', '..##.', '.....'], 'a')], {
      width: 5,
      unicode: true,
    });
    expect(text.split('\n')).toEqual(['█▀', '▀▀', 'a']);
  });

  it('puts as many side by side as fit', () => {
    const one = picture(['#.', '.#'], 'xy');
    expect(drawPictures([one, one, one], { width: 2, columns: 7, unicode: true })).toBe('▀▄   ▀▄\nxy   xy\n\n▀▄\nxy');
  });

  it('draws shades in ASCII', () => {
    const shades = { pixels: [0, 60, 130, 255, 0, 60, 130, 255], caption: [] };
    expect(drawPictures([shades], { width: 4, unicode: false })).toBe('+@');
  });

  it('bears an empty picture and none', () => {
    expect(drawPictures([{ pixels: new Uint8Array(784), caption: ['empty'] }])).toBe('\nempty');
    expect(drawPictures([])).toBe('');
  });
});
