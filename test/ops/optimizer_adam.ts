// Adam and the updates derived from it.
import { adamaxUpdate, adamUpdate, nadamUpdate, radamUpdate } from 'tilegrad';
import { type Counted, gradient, mix, type Rule, rowsOf } from '../support/update_rows.ts';

interface Adam extends Counted {
  beta1: number;
  beta2: number;
  eps: number;
  amsgrad?: boolean;
  decoupled?: boolean;
}

const adamRule: Rule<Adam> = (v, attrs, r) => {
  const { lr, beta1, beta2, eps, step, amsgrad, decoupled, weightDecay = 0 } = attrs;
  const [start, average, square, most] = v as [number, number, number, number];
  const param = decoupled ? r(start * (1 - lr * weightDecay)) : start;
  const g = gradient(param, v.at(-1)!, { ...attrs, weightDecay: decoupled ? 0 : weightDecay }, r);
  const m = mix(beta1, average, 1 - beta1, g, r);
  const s = mix(beta2, square, 1 - beta2, r(g * g), r);
  const used = amsgrad ? Math.max(most, s) : s;
  const spread = r(r(Math.sqrt(used) / Math.sqrt(1 - beta2 ** step)) + eps);
  const next = r(param - r((lr / (1 - beta1 ** step)) * r(m / spread)));
  return amsgrad ? [next, m, s, used] : [next, m, s];
};

const adam = { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-4, step: 3 };
const moments = [
  [-1, 1],
  [0.5, 2],
] as const;

export default [
  rowsOf<Adam>({
    name: 'adam_update',
    states: moments,
    run: ([params, expAvg, expAvgSq, grads], attrs) =>
      adamUpdate(params!, grads!, { expAvg: expAvg!, expAvgSq: expAvgSq! }, attrs),
    rule: adamRule,
    attrs: [
      adam,
      { ...adam, step: 1, weightDecay: 0.1, maximize: true },
      { ...adam, decoupled: true, weightDecay: 0.1 },
    ],
  }),
  rowsOf<Adam>({
    name: 'adam_update',
    title: 'adam_update with amsgrad',
    states: [...moments, [0.5, 2]],
    run: ([params, expAvg, expAvgSq, maxExpAvgSq, grads], attrs) =>
      adamUpdate(params!, grads!, { expAvg: expAvg!, expAvgSq: expAvgSq!, maxExpAvgSq: maxExpAvgSq! }, attrs),
    rule: adamRule,
    attrs: [
      { ...adam, amsgrad: true },
      { ...adam, amsgrad: true, decoupled: true, weightDecay: 0.1 },
    ],
  }),
  rowsOf<Adam>({
    name: 'adamax_update',
    states: [
      [-1, 1],
      [0.1, 1],
    ],
    run: ([params, expAvg, expInf, grads], attrs) =>
      adamaxUpdate(params!, grads!, { expAvg: expAvg!, expInf: expInf! }, attrs),
    rule: (v, attrs, r) => {
      const g = gradient(v[0]!, v[3]!, attrs, r);
      const m = mix(attrs.beta1, v[1]!, 1 - attrs.beta1, g, r);
      const most = Math.max(r(attrs.beta2 * v[2]!), r(Math.abs(g) + attrs.eps));
      return [r(v[0]! - r((attrs.lr / (1 - attrs.beta1 ** attrs.step)) * r(m / most))), m, most];
    },
    attrs: [adam, { ...adam, weightDecay: 0.1, maximize: true }],
  }),
  rowsOf<Adam & { momentumDecay: number; muProduct: number }>({
    name: 'nadam_update',
    states: moments,
    run: ([params, expAvg, expAvgSq, grads], attrs) =>
      nadamUpdate(params!, grads!, { expAvg: expAvg!, expAvgSq: expAvgSq! }, attrs),
    rule: (v, attrs, r) => {
      const { lr, beta1, beta2, eps, step, momentumDecay, muProduct } = attrs;
      const mu = (t: number) => beta1 * (1 - 0.5 * 0.96 ** (t * momentumDecay));
      const g = gradient(v[0]!, v[3]!, attrs, r);
      const m = mix(beta1, v[1]!, 1 - beta1, g, r);
      const square = mix(beta2, v[2]!, 1 - beta2, r(g * g), r);
      const spread = r(r(Math.sqrt(r(square / (1 - beta2 ** step)))) + eps);
      const ofGrad = (lr * (1 - mu(step))) / (1 - muProduct);
      const ofAverage = (lr * mu(step + 1)) / (1 - muProduct * mu(step) * mu(step + 1));
      return [r(v[0]! - r(mix(ofGrad, g, ofAverage, m, r) / spread)), m, square];
    },
    attrs: [
      { ...adam, momentumDecay: 0.004, muProduct: 0.45, step: 1 },
      { ...adam, momentumDecay: 0.01, muProduct: 0.1, weightDecay: 0.1 },
    ],
  }),
  rowsOf<Adam>({
    name: 'radam_update',
    states: moments,
    run: ([params, expAvg, expAvgSq, grads], attrs) =>
      radamUpdate(params!, grads!, { expAvg: expAvg!, expAvgSq: expAvgSq! }, attrs),
    rule: (v, attrs, r) => {
      const { lr, beta1, beta2, eps, step } = attrs;
      const g = gradient(v[0]!, v[3]!, attrs, r);
      const m = mix(beta1, v[1]!, 1 - beta1, g, r);
      const square = mix(beta2, v[2]!, 1 - beta2, r(g * g), r);
      const limit = 2 / (1 - beta2) - 1;
      const length = limit - (2 * step * beta2 ** step) / (1 - beta2 ** step);
      const rectified = Math.sqrt(((length - 4) * (length - 2) * limit) / ((limit - 4) * (limit - 2) * length));
      const adapted = length > 5 ? r((rectified * Math.sqrt(1 - beta2 ** step)) / r(r(Math.sqrt(square)) + eps)) : 1;
      return [r(v[0]! - r(r((lr / (1 - beta1 ** step)) * m) * adapted)), m, square];
    },
    attrs: [{ ...adam, step: 20 }, adam, { ...adam, step: 9, weightDecay: 0.1 }],
  }),
];
