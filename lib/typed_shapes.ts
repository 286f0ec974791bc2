// Shapes as types: what the compiler knows where sizes are literals. A size or a shape that it does not know fits all.
import type { Shape, Tensor } from './tensor.ts';

/** The shape that `S` tells: a tuple of sizes, or any shape where not even the number of dimensions is known. */
export type Known<S extends Shape> = number extends S['length'] ? Shape : Written<S>;
type Written<S extends Shape> = S extends readonly [infer D extends number, ...infer Rest extends Shape]
  ? [D, ...Written<Rest>]
  : [];

/** A size that `reshape` finds by itself is not known. */
export type Reshaped<S extends Shape> = number extends S['length']
  ? Shape
  : { -readonly [I in keyof S]: S[I] extends -1 ? number : S[I] };

/** The sizes of `S` in the order of `Dims`; negative dimensions are not followed. */
export type Permuted<S extends Shape, Dims extends readonly number[]> = number extends S['length'] | Dims['length']
  ? Shape
  : { -readonly [I in keyof Dims]: `${Dims[I]}` extends keyof S ? S[`${Dims[I]}`] & number : number };

/** The last two dimensions change places. */
export type Transposed<S extends Shape> = S extends readonly [
  ...infer Lead extends Shape,
  infer M extends number,
  infer N extends number,
]
  ? [...Lead, N, M]
  : Shape;

/** The shape to which two broadcast, sizes that do not fit left open. */
export type Broadcast<A extends Shape, B extends Shape> = number extends A['length'] | B['length']
  ? Shape
  : A extends readonly [...infer ALead extends Shape, infer M extends number]
    ? B extends readonly [...infer BLead extends Shape, infer N extends number]
      ? [...BroadcastTuple<ALead, BLead>, BroadcastSize<M, N>]
      : Known<A>
    : Known<B>;
type BroadcastTuple<A extends Shape, B extends Shape> = Broadcast<A, B> extends infer T extends Shape ? T : never;
type BroadcastSize<M extends number, N extends number> = M extends 1 ? N : N extends 1 ? M : M extends N ? M : number;

/** The shape of an operand; of a number that of the tensor beside it. */
export type ShapeOf<T, Beside> = T extends Tensor<infer S> ? S : Beside extends Tensor<infer S> ? S : Shape;
/** The shape of a function of two operands, each a tensor or a number. */
export type OfOperands<A, B> = Broadcast<ShapeOf<A, B>, ShapeOf<B, A>>;

/** `S` with another last size. */
export type WithLast<S extends Shape, N extends number> = S extends readonly [...infer Lead extends Shape, number]
  ? [...Lead, N]
  : Shape;

/** The shape of a matrix product; a vector counts as a row or as a column that is dropped again. */
export type MatmulShape<A extends Shape, B extends Shape> = number extends A['length'] | B['length']
  ? Shape
  : A extends readonly [...infer ALead extends Shape, infer M extends number, number]
    ? B extends readonly [...infer BLead extends Shape, number, infer N extends number]
      ? [...BroadcastTuple<ALead, BLead>, M, N]
      : [...ALead, M]
    : B extends readonly [...infer BLead extends Shape, number, infer N extends number]
      ? [...BLead, N]
      : [];

/** Images (N, C, H, W) under kernels (K, C / groups, R, S): how large the result is, is left open. */
export type Conv2dShape<X extends Shape, W extends Shape> = [X, W] extends [
  readonly [infer N extends number, number, number, number],
  readonly [infer K extends number, number, number, number],
]
  ? [N, K, number, number]
  : Shape;

// Faults are types of the text that the call would throw: an argument of the right shape is `unknown` more than it is.

/** True only for two sizes that are known and differ. */
export type Differ<M extends number, N extends number> = [M & N] extends [never] ? true : false;
/** `[64, 1, ?, ?]`. */
type Text<S extends Shape> = `[${Sizes<S>}]`;
type Sizes<S extends Shape> = S extends readonly [infer D extends number, ...infer Rest extends Shape]
  ? `${number extends D ? '?' : D}${Rest extends readonly [] ? '' : `, ${Sizes<Rest>}`}`
  : '';

type Columns<S extends Shape> = S extends readonly [...Shape, infer N extends number] ? N : number;
/** The last size but one; of a vector its own. */
export type Rows<S extends Shape> = S extends readonly [...Shape, infer M extends number, number] ? M : Columns<S>;

/** What is wrong with the matrix product of A and B. */
export type MatmulFault<A extends Shape, B extends Shape> =
  Differ<Columns<A>, Rows<B>> extends true
    ? `matmul: a has ${Columns<A>} columns but b has ${Rows<B>} rows (a ${Text<A>}, b ${Text<B>})`
    : unknown;

/** What is wrong with x [..., in] under a weight [out, in]. */
export type LinearFault<X extends Shape, W extends Shape> =
  Differ<Columns<X>, Columns<W>> extends true
    ? `linear: weight expects ${Columns<W>} features but input has ${Columns<X>} (input ${Text<X>}, weight ${Text<W>})`
    : unknown;

type Channels<X extends Shape> = X extends readonly [number, infer C extends number, ...Shape] ? C : number;
type Is4d<S extends Shape> = number extends S['length'] ? true : S['length'] extends 4 ? true : false;

/** What is wrong with images X under kernels W; in more than one of `Groups` the channels are left to the call. */
export type Conv2dFault<X extends Shape, W extends Shape, Groups> = [Is4d<X>, Is4d<W>] extends [true, true]
  ? [Groups] extends [1 | undefined]
    ? Differ<Channels<X>, Channels<W>> extends true
      ? `conv2d: weight expects ${Channels<W>} input channels but input has ${Channels<X>} (input ${Text<X>}, weight ${Text<W>})`
      : unknown
    : unknown
  : `conv2d: input and weight must have 4 dimensions (input ${Text<X>}, weight ${Text<W>})`;
