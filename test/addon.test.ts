import { createRequire } from 'node:module';
import { version } from 'tilegrad';
import { expect, test } from 'vitest';

test('the addon has the version of the package', () => {
  const addon = createRequire(import.meta.url)('../build/Release/tilegrad.node');
  expect(addon.version).toBe(version);
});
