import { dtypes, to } from 'tilegrad';
import { defineRows } from '../support/op_rows.ts';

export default defineRows({
  name: 'to',
  title: 'to and back',
  dtypes,
  family: 'exact',
  call: ([x]) => to(to(x!, 'cpu'), x!.device),
  reference: ([x]) => ({ shape: x!.shape, data: x!.data }),
  samples: [[], [7], [3, 17], [0, 2]].map((shape) => ({ inputs: [{ shape }] })),
});
