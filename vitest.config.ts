import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// .ci/run counts the cases from this report.
const report = process.env.TILEGRAD_TEST_REPORT;

export default defineConfig({
  resolve: {
    // Tests run the sources; programs that are compiled reach the same name through package.json.
    alias: { tilegrad: fileURLToPath(new URL('lib/index.ts', import.meta.url)) },
  },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
