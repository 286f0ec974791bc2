// What layers tell the compiler of the sizes that they take and give, so that a chain that cannot work does not compile.
// The sizes are parameters that no member reads: layers of other sizes stay assignable to one another, so that
// `model.fc = new nn.Linear(512, 2)` may take the place of another Linear. And `forward` stays a plain function of tensors,
// so that it can be called on a union of layers.
import type { Differ } from '../typed_shapes.ts';

/** A layer of which nothing is known. */
export interface Flow {
  readonly kind: string;
}
/** A layer that keeps the shape. */
export interface SameFlow {
  readonly kind: 'same';
}
/** A layer over the last dimension: from `In` features to `Out`. */
export interface FeatureFlow<_In extends number, _Out extends number> {
  readonly kind: 'features';
}
/** A layer over images (N, C, H, W): from `In` channels to `Out`. */
export interface ChannelFlow<_In extends number, _Out extends number> {
  readonly kind: 'channels';
}
/** A layer that keeps the shape of images of `C` channels. */
export interface ChannelCheck<_C extends number> {
  readonly kind: 'same channels';
}
/** A layer that changes images but not their channels. */
export interface ImageFlow {
  readonly kind: 'image';
}
/** Layers one after the other. */
export interface ChainFlow<_Layers extends readonly unknown[]> {
  readonly kind: 'chain';
}

interface Layer {
  readonly _flow: Flow;
}
/** The type of what a layer says; of a layer alone. */
type FlowOf<L> = L extends { readonly _flow: infer F } ? F : Flow;

/** Sizes that are known, by `features` (the last dimension) and `channels` (the second of images). */
type Nothing = Readonly<Record<never, never>>;
type Known<S, Name extends string> = S extends { readonly [N in Name]: infer N extends number } ? N : number;

/** What a layer asks for. */
type Taken<F> =
  F extends FeatureFlow<infer In, number>
    ? { readonly features: In }
    : F extends ChannelFlow<infer In, number>
      ? { readonly channels: In }
      : F extends ChannelCheck<infer C>
        ? { readonly channels: C }
        : F extends ChainFlow<infer Layers>
          ? TakenByChain<Layers>
          : Nothing;
/** What the first layers of a chain ask for, as long as they keep the shape. */
type TakenByChain<Layers extends readonly unknown[]> = Layers extends readonly [infer L, ...infer Rest]
  ? FlowOf<L> extends SameFlow
    ? TakenByChain<Rest>
    : Taken<FlowOf<L>>
  : Nothing;

/** What is known behind a layer if `State` was known before it. */
type After<State, F> = F extends SameFlow | ChannelCheck<number>
  ? State
  : F extends ImageFlow
    ? { readonly channels: Known<State, 'channels'> }
    : F extends FeatureFlow<number, infer Out>
      ? { readonly features: Out }
      : F extends ChannelFlow<number, infer Out>
        ? { readonly channels: Out }
        : F extends ChainFlow<infer Layers>
          ? AfterChain<State, Layers>
          : Nothing;
type AfterChain<State, Layers extends readonly unknown[]> = Layers extends readonly [infer L, ...infer Rest]
  ? AfterChain<After<State, FlowOf<L>>, Rest>
  : State;

/** What is known before each of the layers. */
type Before<Layers extends readonly unknown[], State = Nothing> = Layers extends readonly [infer L, ...infer Rest]
  ? [State, ...Before<Rest, After<State, FlowOf<L>>>]
  : [];

type Fault<Where extends string, State, Asked, Name extends string> =
  Differ<Known<State, Name>, Known<Asked, Name>> extends true
    ? `Sequential: layer ${Where} takes ${Known<Asked, Name>} ${Name} but is given ${Known<State, Name>}`
    : unknown;
type Faults<Where extends string, State, Asked> = Fault<Where, State, Asked, 'features'> &
  Fault<Where, State, Asked, 'channels'>;

/** The layers of a chain, each with what is wrong with it at its place. */
export type Chained<Layers extends readonly Layer[]> = {
  [I in keyof Layers]: Layers[I] & FaultAt<Layers, I>;
};
type FaultAt<Layers extends readonly Layer[], I> = number extends Layers['length']
  ? unknown
  : Faults<I & string, Before<Layers>[I & keyof Before<Layers>], Taken<FlowOf<Layers[I & keyof Layers]>>>;
