// Ten steps of a small network on drawn points, as a user writes them: type-checked as ESM under both resolutions, then run.
import { nn, optim, type Tensor, tensor, tidy } from 'tilegrad';

const points = Array.from({ length: 64 }, (_, i) => [Math.sin(i), Math.cos(3 * i)]);
const input: Tensor = tensor(points);
const target: Tensor = tensor(
  points.map(([x, y]) => (x! * y! > 0 ? 1 : 0)),
  { dtype: 'i64' },
);
const model = new nn.Sequential(new nn.Linear(2, 32), new nn.ReLU(), new nn.Linear(32, 2));
const optimizer = new optim.Adam(model.parameters(), { lr: 0.05 });

const losses: number[] = [];
for (let step = 0; step < 10; step++) {
  const loss = tidy(() => {
    optimizer.zeroGrad();
    const value = nn.functional.crossEntropy(model.forward(input), target);
    value.backward();
    optimizer.step();
    return value;
  });
  losses.push(await loss.item());
  loss.dispose();
}
const shape: readonly number[] = model.forward(input).shape;
console.log(JSON.stringify({ steps: losses.length, fell: losses.at(-1)! < losses[0]!, shape }));
