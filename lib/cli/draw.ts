import { checkOptions } from '../error.ts';
import { hasUnicode } from './terminal.ts';

/** One grey image, `pixels` row-major with 0 = background and 255 = ink, and the lines of text under it. */
export interface Picture {
  readonly pixels: ArrayLike<number>;
  readonly caption: readonly string[];
}

/** How pictures are laid out. */
export interface DrawOptions {
  /** Pixels per row of every picture. Default 28. */
  readonly width?: number;
  /** Columns of the terminal; as many pictures as fit stand side by side. Default 80. */
  readonly columns?: number;
  /** Half blocks, two pixels per character, or else ASCII. Default: what the locale says. */
  readonly unicode?: boolean;
}

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const gap = 3;
const inkThreshold = 96;
const ramp = ' .:-=+*#%@';

/** Pictures in characters, side by side, each with its caption; margins that are empty in all of them are cut. */
export function drawPictures(pictures: readonly Picture[], options: DrawOptions = {}): string {
  checkOptions('drawPictures', options, ['width', 'columns', 'unicode']);
  const { width = 28, columns = 80, unicode = hasUnicode() } = options;
  const frame = inkFrame(pictures, width);
  const captionWidth = Math.max(0, ...pictures.flatMap(({ caption }) => caption.map((line) => line.length)));
  const cell = Math.max(frame.right - frame.left, captionWidth);
  const perRow = Math.max(1, Math.floor((columns + gap) / (cell + gap)));
  const blocks: string[] = [];
  for (let first = 0; first < pictures.length; first += perRow) {
    const columnsOfText = pictures
      .slice(first, first + perRow)
      .map((picture) => [...drawPicture(picture.pixels, width, frame, unicode), ...picture.caption]);
    const height = Math.max(...columnsOfText.map((lines) => lines.length));
    const rows = Array.from({ length: height }, (_, row) =>
      columnsOfText
        .map((lines) => (lines[row] ?? '').padEnd(cell))
        .join(' '.repeat(gap))
        .trimEnd(),
    );
    blocks.push(rows.join('\n'));
  }
  return blocks.join('\n\n');
}

/** The smallest rectangle that holds the ink of all pictures, of an even number of rows. */
function inkFrame(pictures: readonly Picture[], width: number): Frame {
  let [left, right, top, bottom] = [width, 0, Number.POSITIVE_INFINITY, 0];
  for (const { pixels } of pictures) {
    for (let i = 0; i < pixels.length; i++) {
      if ((pixels[i] as number) < inkThreshold) continue;
      const row = Math.floor(i / width);
      left = Math.min(left, i % width);
      right = Math.max(right, (i % width) + 1);
      top = Math.min(top, row);
      bottom = Math.max(bottom, row + 1);
    }
  }
  if (right <= left) return { left: 0, right: 1, top: 0, bottom: 2 };
  return { left, right, top, bottom: bottom + ((bottom - top) % 2) };
}

function drawPicture(pixels: ArrayLike<number>, width: number, frame: Frame, unicode: boolean): string[] {
  const lines: string[] = [];
  for (let row = frame.top; row < frame.bottom; row += 2) {
    let line = '';
    for (let column = frame.left; column < frame.right; column++) {
      const upper = pixels[row * width + column] ?? 0;
      const lower = pixels[(row + 1) * width + column] ?? 0;
      if (unicode) line += ' ▀▄█'[(upper >= inkThreshold ? 1 : 0) + (lower >= inkThreshold ? 2 : 0)];
      else line += ramp[Math.min(9, Math.floor(((upper + lower) * 10) / 511))];
    }
    lines.push(line);
  }
  return lines;
}
