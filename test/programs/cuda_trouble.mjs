// A CUDA device that fails: node cuda_trouble.mjs memory|kernel. Prints what came of it as a JSON line.
import { add, device, full, memory, mul, relu, tensor } from 'tilegrad';

const described = ({ code, message }) => ({ code, message });
const caught = async (run) => {
  try {
    await run();
    return undefined;
  } catch (error) {
    return described(error);
  }
};

/** Fills the device until it refuses, then frees what it holds. */
async function outOfMemory() {
  device('cuda').setMemoryLimit(2 ** 30);
  const x = full([16], 256, { device: 'cuda' });
  const before = memory('cuda');
  const held = [];
  const error = await caught(() => {
    for (let i = 0; i < 64; i++) held.push(full([1 << 22], i, { device: 'cuda' }));
  });
  const total = x.sum(); // with all of it held
  const sum = total.itemSync();
  total.dispose();
  for (const block of held) block.dispose();
  return { ...error, before, after: memory('cuda'), sum };
}

/** The third kernel fails: mul. */
async function failingKernel() {
  const x = tensor([1, 2], { device: 'cuda' });
  let thrown;
  const awaited = await caught(() => {
    try {
      return relu(mul(add(relu(x), 1), 2)).data();
    } catch (error) {
      thrown = described(error);
      throw error;
    }
  });
  const later = await caught(() => add(x, 1).data());
  return { awaited, thrown, later, cpu: await mul(tensor([1, 2], { device: 'cpu' }), 2).tolist() };
}

console.log(JSON.stringify(await (process.argv[2] === 'memory' ? outOfMemory() : failingKernel())));
