import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// .ci/run counts the cases from this report.
const report = process.env.TILEGRAD_TEST_REPORT;
// With TILEGRAD_DEVICE=cuda the suite runs on that device, without the files that know nothing of devices or time the CPU.
const onCuda = process.env.TILEGRAD_DEVICE?.startsWith('cuda');
const ofTheCheckout = ['bench', 'layering', 'package', 'python', 'setup'].map((name) => `test/${name}.test.ts`);

// Test files run in processes of this program: another Node, or one for another processor under an emulator.
if (process.env.TILEGRAD_TEST_NODE) process.execPath = process.env.TILEGRAD_TEST_NODE;

export default defineConfig({
  resolve: {
    // Tests run the sources; programs that are compiled reach the same name through package.json.
    alias: { tilegrad: fileURLToPath(new URL('lib/index.ts', import.meta.url)) },
  },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: onCuda ? ofTheCheckout : [],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
