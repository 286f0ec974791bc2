// Table of contents of the suites.
import type { BenchSuite } from '../suite.ts';
import { conv2d } from './conv2d.ts';
import { int8 } from './int8.ts';
import { matmul } from './matmul.ts';
import { ops } from './ops.ts';
import { optimizers } from './optimizers.ts';
import { overhead } from './overhead.ts';
import { randomNumbers } from './random_numbers.ts';
import { train } from './train.ts';

export const suites: readonly BenchSuite[] = [train, matmul, conv2d, int8, ops, optimizers, randomNumbers, overhead];
