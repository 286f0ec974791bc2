// The pen strokes of the ten digits, several ways of writing each. A stroke is a list of points in a box from (0, 0) at
// the top left to (1, 1); a digit's natural width is part of its points. `curve` points are joined by a smooth line
// that passes through them, `line` points by straight ones.

/** One movement of the pen: x and y alternate in `points`. */
export interface Stroke {
  readonly smooth: boolean;
  readonly points: readonly number[];
}

/** One way of writing a digit; `weight` is how often it is drawn, relative to the digit's other ways. */
export interface Style {
  readonly weight: number;
  readonly strokes: readonly Stroke[];
}

function curve(...points: number[]): Stroke {
  return { smooth: true, points };
}

function line(...points: number[]): Stroke {
  return { smooth: false, points };
}

function style(weight: number, ...strokes: Stroke[]): Style {
  return { weight, strokes };
}

// biome-ignore format: one movement of the pen per line.
const zero = [
  style(4,
    curve(0.52, 0.02, 0.24, 0.12, 0.1, 0.4, 0.13, 0.74, 0.38, 0.97, 0.7, 0.88, 0.88, 0.55, 0.82, 0.2, 0.56, 0.03,
      0.4, 0.06)),
  style(2,
    curve(0.6, 0.08, 0.32, 0.06, 0.12, 0.35, 0.14, 0.7, 0.36, 0.96, 0.68, 0.9, 0.88, 0.6, 0.86, 0.26, 0.66, 0.05,
      0.5, 0.12)),
  style(2, curve(0.62, 0.0, 0.36, 0.2, 0.17, 0.6, 0.25, 0.95, 0.52, 0.94, 0.78, 0.6, 0.85, 0.2, 0.66, 0.03, 0.46, 0.2)),
  style(1, curve(0.5, 0.1, 0.22, 0.2, 0.1, 0.5, 0.22, 0.82, 0.5, 0.92, 0.8, 0.8, 0.92, 0.5, 0.8, 0.2, 0.48, 0.09)),
];

// biome-ignore format: one movement of the pen per line.
const one = [
  style(8, curve(0.52, 0.0, 0.51, 0.35, 0.5, 0.7, 0.49, 1.0)),
  style(5, curve(0.6, 0.0, 0.54, 0.35, 0.47, 0.7, 0.4, 1.0)),
  style(2, line(0.34, 0.2, 0.53, 0.02), line(0.53, 0.02, 0.52, 1.0)),
  style(1, line(0.34, 0.22, 0.52, 0.02, 0.52, 0.96), line(0.28, 0.97, 0.76, 0.97)),
];

// biome-ignore format: one movement of the pen per line.
const two = [
  style(3,
    curve(0.2, 0.24, 0.36, 0.05, 0.62, 0.05, 0.74, 0.26, 0.6, 0.54, 0.36, 0.78, 0.16, 0.95),
    line(0.16, 0.95, 0.5, 0.93, 0.86, 0.95)),
  style(3,
    curve(0.16, 0.2, 0.4, 0.02, 0.7, 0.12, 0.7, 0.4, 0.46, 0.72, 0.22, 0.94, 0.1, 0.84, 0.24, 0.74, 0.48, 0.86, 0.7,
      0.96, 0.94, 0.84)),
  style(2,
    curve(0.14, 0.12, 0.46, 0.02, 0.78, 0.16, 0.66, 0.46, 0.34, 0.8, 0.14, 0.92, 0.12, 0.78, 0.3, 0.72, 0.56, 0.84,
      0.94, 0.9)),
  style(1, curve(0.18, 0.16, 0.5, 0.02, 0.76, 0.18, 0.62, 0.5, 0.2, 0.94), line(0.2, 0.94, 0.84, 0.9)),
];

// biome-ignore format: one movement of the pen per line.
const three = [
  style(4,
    curve(0.2, 0.14, 0.44, 0.01, 0.7, 0.12, 0.66, 0.34, 0.42, 0.47),
    curve(0.42, 0.47, 0.7, 0.54, 0.8, 0.74, 0.6, 0.95, 0.34, 0.97, 0.14, 0.84)),
  style(2,
    line(0.2, 0.05, 0.74, 0.05, 0.42, 0.4),
    curve(0.42, 0.4, 0.7, 0.46, 0.8, 0.7, 0.62, 0.93, 0.34, 0.97, 0.14, 0.86)),
  style(2,
    curve(0.22, 0.1, 0.5, 0.02, 0.68, 0.18, 0.54, 0.42, 0.34, 0.46, 0.56, 0.48, 0.72, 0.68, 0.58, 0.93, 0.3, 0.97,
      0.16, 0.88)),
  style(1,
    curve(0.3, 0.08, 0.56, 0.0, 0.74, 0.14, 0.62, 0.38, 0.44, 0.46, 0.5, 0.52, 0.66, 0.62, 0.62, 0.86, 0.38, 0.99,
      0.12, 0.9)),
];

// biome-ignore format: one movement of the pen per line.
const four = [
  style(4,
    curve(0.24, 0.04, 0.2, 0.3, 0.18, 0.52),
    line(0.18, 0.52, 0.5, 0.52, 0.8, 0.48),
    curve(0.74, 0.02, 0.72, 0.5, 0.7, 1.0)),
  style(3, curve(0.22, 0.06, 0.14, 0.36, 0.24, 0.54, 0.52, 0.54, 0.74, 0.44), curve(0.8, 0.04, 0.72, 0.5, 0.64, 1.0)),
  style(2, line(0.62, 0.0, 0.12, 0.62, 0.92, 0.6), line(0.64, 0.0, 0.62, 1.0)),
  style(1, line(0.56, 0.02, 0.16, 0.56, 0.66, 0.54), line(0.7, 0.2, 0.66, 1.0)),
];

// biome-ignore format: one movement of the pen per line.
const five = [
  style(3,
    line(0.3, 0.06, 0.82, 0.04),
    curve(0.3, 0.06, 0.26, 0.26, 0.23, 0.44),
    curve(0.23, 0.44, 0.5, 0.38, 0.74, 0.54, 0.74, 0.8, 0.5, 0.97, 0.18, 0.88)),
  style(3,
    curve(0.86, 0.04, 0.6, 0.05, 0.38, 0.1, 0.3, 0.3, 0.36, 0.44, 0.6, 0.54, 0.72, 0.72, 0.58, 0.94, 0.3, 0.97, 0.12,
      0.88)),
  style(2,
    line(0.74, 0.06, 0.26, 0.08, 0.24, 0.42),
    curve(0.24, 0.42, 0.54, 0.4, 0.78, 0.6, 0.68, 0.88, 0.4, 0.98, 0.14, 0.9)),
  style(1,
    curve(0.34, 0.06, 0.34, 0.3, 0.36, 0.46, 0.58, 0.48, 0.7, 0.68, 0.58, 0.92, 0.3, 0.98),
    line(0.34, 0.08, 0.9, 0.02)),
];

// biome-ignore format: one movement of the pen per line.
const six = [
  style(4,
    curve(0.66, 0.02, 0.42, 0.2, 0.24, 0.5, 0.22, 0.8, 0.42, 0.97, 0.68, 0.9, 0.74, 0.68, 0.56, 0.54, 0.34, 0.64,
      0.24, 0.8)),
  style(2,
    curve(0.5, 0.0, 0.32, 0.28, 0.24, 0.62, 0.32, 0.92, 0.54, 0.97, 0.72, 0.8, 0.64, 0.62, 0.42, 0.62, 0.28, 0.76)),
  style(2,
    curve(0.78, 0.04, 0.48, 0.16, 0.22, 0.46, 0.14, 0.76, 0.32, 0.96, 0.62, 0.94, 0.8, 0.76, 0.66, 0.58, 0.42, 0.6,
      0.2, 0.82)),
  style(1, curve(0.34, 0.0, 0.26, 0.4, 0.26, 0.78, 0.44, 0.96, 0.66, 0.86, 0.62, 0.66, 0.44, 0.64, 0.28, 0.82)),
];

// biome-ignore format: one movement of the pen per line.
const seven = [
  style(4, line(0.14, 0.1, 0.8, 0.07), curve(0.8, 0.07, 0.66, 0.4, 0.54, 0.7, 0.46, 1.0)),
  style(3, curve(0.14, 0.22, 0.24, 0.08, 0.54, 0.1, 0.82, 0.08, 0.72, 0.32, 0.56, 0.64, 0.46, 1.0)),
  style(1, line(0.14, 0.08, 0.8, 0.07), curve(0.8, 0.07, 0.62, 0.44, 0.42, 1.0), line(0.36, 0.54, 0.8, 0.5)),
  style(1, curve(0.12, 0.06, 0.16, 0.2), line(0.14, 0.1, 0.84, 0.12), curve(0.84, 0.12, 0.7, 0.5, 0.68, 1.0)),
];

// biome-ignore format: one movement of the pen per line.
const eight = [
  style(4,
    curve(0.7, 0.14, 0.46, 0.02, 0.28, 0.18, 0.42, 0.42, 0.64, 0.62, 0.66, 0.88, 0.42, 0.98, 0.26, 0.82, 0.4, 0.56,
      0.66, 0.34, 0.72, 0.12, 0.58, 0.04)),
  style(2,
    curve(0.5, 0.02, 0.26, 0.12, 0.3, 0.36, 0.52, 0.46, 0.7, 0.32, 0.68, 0.1, 0.48, 0.02),
    curve(0.5, 0.47, 0.22, 0.62, 0.24, 0.88, 0.5, 0.98, 0.76, 0.86, 0.74, 0.6, 0.48, 0.47)),
  style(2,
    curve(0.8, 0.06, 0.54, 0.04, 0.3, 0.2, 0.48, 0.44, 0.56, 0.7, 0.42, 0.96, 0.22, 0.88, 0.34, 0.62, 0.62, 0.38,
      0.82, 0.1)),
  style(1,
    curve(0.62, 0.06, 0.38, 0.08, 0.34, 0.3, 0.58, 0.5, 0.62, 0.8, 0.46, 0.97, 0.32, 0.84, 0.4, 0.56, 0.66, 0.34,
      0.64, 0.08)),
];

// biome-ignore format: one movement of the pen per line.
const nine = [
  style(4,
    curve(0.72, 0.16, 0.5, 0.03, 0.26, 0.16, 0.24, 0.4, 0.46, 0.5, 0.68, 0.36, 0.74, 0.14),
    curve(0.74, 0.12, 0.7, 0.5, 0.66, 1.0)),
  style(3,
    curve(0.74, 0.2, 0.54, 0.04, 0.28, 0.14, 0.24, 0.38, 0.44, 0.48, 0.68, 0.34, 0.75, 0.16, 0.72, 0.5, 0.6, 0.8,
      0.36, 0.97)),
  style(2,
    curve(0.66, 0.1, 0.4, 0.04, 0.22, 0.24, 0.3, 0.44, 0.54, 0.4, 0.72, 0.14, 0.68, 0.46, 0.54, 0.76, 0.44, 1.0)),
  style(1,
    curve(0.7, 0.24, 0.6, 0.04, 0.36, 0.08, 0.26, 0.32, 0.44, 0.46, 0.66, 0.34, 0.7, 0.2, 0.72, 0.6, 0.62, 0.92,
      0.36, 0.96, 0.24, 0.86)),
];

/** The ways of writing the digits 0 to 9. */
export const digitStyles: readonly (readonly Style[])[] = [zero, one, two, three, four, five, six, seven, eight, nine];
