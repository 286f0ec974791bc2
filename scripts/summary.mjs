// Adds up vitest's JSON reports and prints "N passed, N failed, N skipped" as its last line. A step that failed although
// its report counts no failed case (lint, types, a crash) adds one.
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { step: { type: 'string', multiple: true, default: [] } },
});
const total = { passed: 0, failed: 0, skipped: 0 };
for (const path of positionals) {
  if (!existsSync(path)) {
    console.log(`${basename(path, '.json')}: no report`);
    total.failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(path, 'utf8'));
  // A file that fails to load has no case of its own.
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  const failed = report.numFailedTests + broken.length;
  const skipped = report.numPendingTests + report.numTodoTests;
  console.log(`${basename(path, '.json')}: ${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped`);
  for (const file of report.testResults) {
    for (const test of file.assertionResults) if (test.status === 'failed') console.log(`  failed: ${test.fullName}`);
  }
  for (const file of broken) console.log(`  failed: ${file.name} did not load`);
  total.passed += report.numPassedTests;
  total.failed += failed;
  total.skipped += skipped;
}
for (const name of values.step) console.log(`step failed: ${name}`);
total.failed = Math.max(total.failed, values.step.length);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
