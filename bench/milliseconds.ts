// How figures are written in tables.

/** Milliseconds with three significant digits. */
export const milliseconds = (ms: number): string => (ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3));
