// Rounding of plain numbers as the kernels round.

/** The nearest whole number, ties to the even one; x of less than 2^53. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
