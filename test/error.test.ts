import { expect, test } from 'vitest';
import { checkOptions, TilegradError } from '../lib/error.ts';

const known = ['batchSize', 'shuffle', 'dropLast'];

test('an unknown option names the nearest one', () => {
  const check = (options: object) => () => checkOptions('DataLoader', options, known);
  expect(check({ batchSize: 1, shuffle: undefined })).not.toThrow();
  expect(check({ batchsize: 1 })).toThrow(
    new TilegradError('ERR_ARGUMENT', "DataLoader: unknown option 'batchsize', did you mean 'batchSize'?"),
  );
  expect(check({ batch_size: 1 })).toThrow("unknown option 'batch_size', did you mean 'batchSize'?");
  expect(check({ drop: 1 })).toThrow("unknown option 'drop'; it has batchSize, shuffle, dropLast");
  expect(check({ '': 1 })).toThrow("unknown option ''; it has");
});

test('the error keeps its cause and says its name', () => {
  const cause = new Error('reason');
  const error = new TilegradError('ERR_IO', 'cannot read', { cause });
  expect(String(error)).toBe('TilegradError: cannot read');
  expect(error.cause).toBe(cause);
});
