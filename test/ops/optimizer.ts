import {
  adadeltaUpdate,
  adagradUpdate,
  asgdUpdate,
  noGrad,
  rmspropUpdate,
  rpropUpdate,
  type SgdOptions,
  sgdUpdate,
  type Tensor,
  tensor,
  zeros,
} from 'tilegrad';
import { defineRows, type NdArray, type OpRows } from '../support/op_rows.ts';
import { type Common, type Counted, gradient, mix, type Rule, rowsOf, type Update } from '../support/update_rows.ts';

const sgdRule: Rule<Common & SgdOptions> = (v, attrs, r) => {
  const { lr, momentum = 0, dampening = 0, nesterov, first } = attrs;
  const [param, before] = v as [number, number];
  const g = gradient(param, v.at(-1)!, attrs, r);
  if (momentum === 0) return [r(param - r(lr * g))];
  const buffer = first ? g : mix(momentum, before, 1 - dampening, g, r);
  return [r(param - r(lr * (nesterov ? r(g + r(momentum * buffer)) : buffer))), buffer];
};

interface Rmsprop extends Common {
  alpha: number;
  eps: number;
  momentum: number;
  centered: boolean;
}

const rmspropRule: Rule<Rmsprop> = (v, attrs, r) => {
  const { lr, alpha, eps, momentum, centered } = attrs;
  const g = gradient(v[0]!, v.at(-1)!, attrs, r);
  const square = mix(alpha, v[1]!, 1 - alpha, r(g * g), r);
  const average = centered ? mix(alpha, v[2]!, 1 - alpha, g, r) : 0;
  const spread = r(Math.sqrt(r(square - r(average * average))) + eps);
  const buffer = r((momentum === 0 ? 0 : r(momentum * v.at(-2)!)) + r(g / spread));
  const states = [square, ...(centered ? [average] : []), ...(momentum === 0 ? [] : [buffer])];
  return [r(v[0]! - r(lr * buffer)), ...states];
};

const rmsprop = { lr: 0.01, alpha: 0.9, eps: 1e-3, momentum: 0, centered: false };

const sgdMomentum: Update<Common & SgdOptions> = {
  name: 'sgd_update',
  title: 'sgd_update with momentum',
  states: [[-1, 1]],
  run: ([params, buffers, grads], attrs) => sgdUpdate(params!, grads!, buffers!, attrs),
  rule: sgdRule,
  attrs: [
    { lr: 0.1, momentum: 0.9 },
    { lr: 0.1, momentum: 0.9, first: true, nesterov: true },
    { lr: 0.1, momentum: 0.8, nesterov: true, weightDecay: 0.01 },
    { lr: 0.1, momentum: 0.9, dampening: 0.5, maximize: true },
  ],
};

const written = { shape: [37, 90], range: [-2, 2], grad: false, expandable: false } as const;
const sgdMasked = defineRows({
  name: 'sgd_update',
  title: 'sgd_update with masks',
  dtypes: ['f32', 'f64', 'f16', 'bf16'],
  family: 'accumulating',
  differentiable: false,
  call: ([param, buffer, grad, mask]) => {
    const options = { lr: 0.1, momentum: 0.9, weightDecay: 0.01, masks: [mask as Tensor] };
    noGrad(() => sgdUpdate([param as Tensor], [grad as Tensor], [buffer as Tensor], options));
    return [param as Tensor, buffer as Tensor];
  },
  reference: (given, _attrs, round) => {
    const [param, buffer, grad, mask] = given as NdArray[];
    const attrs = { lr: 0.1, momentum: 0.9, weightDecay: 0.01 };
    const after = Array.from(param!.data, (x, i) =>
      mask!.data[i] ? sgdRule([x, buffer!.data[i]!, grad!.data[i]!], attrs, round) : [0, 0],
    );
    return [0, 1].map((k) => ({ ...param!, data: param!.data.map((_, i) => after[i]![k]!) }));
  },
  samples: [
    {
      inputs: [written, written, { shape: [37, 90], range: [-1, 1], grad: false }, { shape: [37, 90], dtype: 'bool' }],
    },
  ],
});

const sgdErrors: OpRows['errors'] = [
  {
    name: 'fewer gradients than parameters',
    run: () => sgdUpdate([zeros([2]), zeros([2])], [zeros([2])], null, { lr: 1 }),
    code: 'ERR_ARGUMENT',
    message: 'sgd_update: expects 2 lists of 2 tensors but one has 1',
  },
  {
    name: 'momentum without buffers',
    run: () => sgdUpdate([zeros([2])], [zeros([2])], null, { lr: 1, momentum: 0.9 }),
    code: 'ERR_ARGUMENT',
    message: 'sgd_update: expects 3 lists of 1 tensors but one has 0',
  },
  {
    name: 'a gradient of another shape',
    run: () => sgdUpdate([zeros([2]), zeros([2, 3])], [zeros([2]), zeros([3, 2])], null, { lr: 1 }),
    code: 'ERR_SHAPE',
    message: 'sgd_update: the gradient of parameter 1 has shape [3, 2] but the parameter has [2, 3]',
  },
  {
    name: 'a buffer of another dtype',
    run: () =>
      sgdUpdate([zeros([2])], [zeros([2])], [zeros([2], { dtype: 'f64' })], { lr: 1, momentum: 0.9, first: true }),
    code: 'ERR_DTYPE',
    message: 'sgd_update: a state of parameter 0 is f64 but the parameter is f32',
  },
  {
    name: 'whole numbers',
    run: () => sgdUpdate([tensor([1], { dtype: 'i32' })], [tensor([1], { dtype: 'i32' })], null, { lr: 1 }),
    code: 'ERR_DTYPE',
    message: 'sgd_update: parameter 0 must be a floating-point tensor but is i32',
  },
  {
    name: 'an expanded parameter',
    run: () => sgdUpdate([zeros([1]).expand(3)], [zeros([3])], null, { lr: 1 }),
    code: 'ERR_ARGUMENT',
    message: 'sgd_update: parameter 0 is an expanded view: several of its elements share one place',
  },
  {
    name: 'a parameter given twice',
    run: () => {
      const param = zeros([3]);
      sgdUpdate([param, param], [zeros([3]), zeros([3])], null, { lr: 1 });
    },
    code: 'ERR_ARGUMENT',
    message: 'sgd_update: a parameter or a state is given twice',
  },
  {
    name: 'a rate that is no number',
    run: () => sgdUpdate([zeros([3])], [zeros([3])], null, { lr: '1' as unknown as number }),
    code: 'ERR_ARGUMENT',
    message: "sgd_update: lr must be a number but is '1'",
  },
];

const rmspropWith = (title: string, centered: boolean, momentum: number): OpRows<Rmsprop> =>
  rowsOf<Rmsprop>({
    name: 'rmsprop_update',
    title,
    // The square of the average stays below the average of the squares.
    states: [[1, 2], ...(centered ? [[-0.5, 0.5] as const] : []), ...(momentum === 0 ? [] : [[-1, 1] as const])],
    run: (lists, attrs) => {
      const [squareAvg, gradAvg] = [lists[1]!, centered ? lists[2]! : []];
      rmspropUpdate(lists[0]!, lists.at(-1)!, { squareAvg, gradAvg, momentumBuffer: lists.at(-2)! }, attrs);
    },
    rule: rmspropRule,
    attrs: [
      { ...rmsprop, centered, momentum },
      { ...rmsprop, centered, momentum, weightDecay: 0.1, maximize: true },
    ],
  });

export default [
  {
    ...rowsOf<Common & SgdOptions>({
      name: 'sgd_update',
      states: [],
      run: ([params, grads], attrs) => sgdUpdate(params!, grads!, null, attrs),
      rule: sgdRule,
      attrs: [{ lr: 0.1 }, { lr: 0.1, weightDecay: 0.1, maximize: true }],
    }),
    errors: sgdErrors,
  },
  rowsOf(sgdMomentum),
  rmspropWith('rmsprop_update', false, 0),
  rmspropWith('rmsprop_update with momentum', false, 0.9),
  rmspropWith('rmsprop_update, centered', true, 0),
  rmspropWith('rmsprop_update, centered, with momentum', true, 0.5),
  rowsOf<Counted & { lrDecay: number; eps: number }>({
    name: 'adagrad_update',
    states: [[0.5, 2]],
    run: ([params, sum, grads], attrs) => adagradUpdate(params!, grads!, { sum: sum! }, attrs),
    rule: (v, attrs, r) => {
      const g = gradient(v[0]!, v[2]!, attrs, r);
      const sum = r(v[1]! + r(g * g));
      const lr = attrs.lr / (1 + (attrs.step - 1) * attrs.lrDecay);
      return [r(v[0]! - r(lr * r(g / r(Math.sqrt(sum) + attrs.eps)))), sum];
    },
    attrs: [
      { lr: 0.1, lrDecay: 0, eps: 1e-10, step: 1 },
      { lr: 0.1, lrDecay: 0.1, eps: 1e-3, weightDecay: 0.1, maximize: true, step: 5 },
    ],
  }),
  rowsOf<Common & { rho: number; eps: number }>({
    name: 'adadelta_update',
    states: [
      [0.5, 2],
      [0.1, 1],
    ],
    run: ([params, squareAvg, accDelta, grads], attrs) =>
      adadeltaUpdate(params!, grads!, { squareAvg: squareAvg!, accDelta: accDelta! }, attrs),
    rule: (v, attrs, r) => {
      const { lr, rho, eps } = attrs;
      const g = gradient(v[0]!, v[3]!, attrs, r);
      const square = mix(rho, v[1]!, 1 - rho, r(g * g), r);
      const delta = r(r(r(Math.sqrt(r(v[2]! + eps))) / r(Math.sqrt(r(square + eps)))) * g);
      return [r(v[0]! - r(lr * delta)), square, mix(rho, v[2]!, 1 - rho, r(delta * delta), r)];
    },
    attrs: [
      { lr: 1, rho: 0.9, eps: 1e-6 },
      { lr: 0.5, rho: 0.8, eps: 1e-3, weightDecay: 0.1, maximize: true },
    ],
  }),
  rowsOf<{ etas?: readonly [number, number]; stepSizes?: readonly [number, number]; maximize?: boolean }>({
    name: 'rprop_update',
    states: [
      [-1, 1],
      [0.01, 0.1],
    ],
    run: ([params, prev, stepSize, grads], attrs) =>
      rpropUpdate(params!, grads!, { prev: prev!, stepSize: stepSize! }, attrs),
    rule: (v, { etas = [0.5, 1.2], stepSizes = [1e-6, 50], maximize = false }, r) => {
      const g = maximize ? -v[3]! : v[3]!;
      const agreement = Math.sign(g * v[1]!);
      const factor = agreement > 0 ? etas[1] : agreement < 0 ? etas[0] : 1;
      const size = Math.min(Math.max(r(v[2]! * r(factor)), r(stepSizes[0])), r(stepSizes[1]));
      const used = agreement < 0 ? 0 : g;
      return [r(v[0]! - Math.sign(used) * size), used, size];
    },
    attrs: [{}, { etas: [0.25, 1.5], stepSizes: [0.02, 0.08], maximize: true }],
  }),
  rowsOf<Counted & { lambd: number; alpha: number; t0: number }>({
    name: 'asgd_update',
    states: [[-1, 1]],
    run: ([params, ax, grads], attrs) => asgdUpdate(params!, grads!, { ax: ax! }, attrs),
    rule: (v, attrs, r) => {
      const { lr, lambd, alpha, t0, step } = attrs;
      const g = gradient(v[0]!, v[2]!, attrs, r);
      const eta = lr / (1 + lambd * lr * (step - 1)) ** alpha;
      const mu = 1 / Math.max(1, step - 1 - t0);
      const next = r(r(v[0]! * (1 - lambd * eta)) - r(eta * g));
      return [next, mu === 1 ? next : r(v[1]! + r(r(next - v[1]!) * mu))];
    },
    attrs: [
      { lr: 0.1, lambd: 1e-4, alpha: 0.75, t0: 1e6, step: 1 },
      { lr: 0.1, lambd: 0.1, alpha: 0.5, t0: 2, weightDecay: 0.1, maximize: true, step: 9 },
    ],
  }),
  sgdMasked,
];
