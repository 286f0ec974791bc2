// Table of contents of the suites.
import type { BenchSuite } from '../suite.ts';
import { conv2d } from './conv2d.ts';
import { matmul } from './matmul.ts';
import { ops } from './ops.ts';
import { overhead } from './overhead.ts';
import { train } from './train.ts';

export const suites: readonly BenchSuite[] = [train, matmul, conv2d, ops, overhead];
