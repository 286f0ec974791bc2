// The same types for CommonJS in TypeScript.
import tilegrad = require('tilegrad');

const { nn, tensor } = tilegrad;
const out: tilegrad.Tensor = new nn.Linear(2, 3).forward(tensor([[1, 2]]));
const shape: readonly number[] = out.shape;
// @ts-expect-error: a shape is a list of numbers
const wrong: string = out.shape;
void wrong;
console.log(JSON.stringify(shape));
