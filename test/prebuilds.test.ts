// The check of the prebuilt files finds what would not load on an older Linux.
import { expect, test } from 'vitest';
// @ts-expect-error: the scripts are plain JavaScript
import { compareVersions, judgeSymbols, parseSymbols } from '../scripts/check-prebuilds.mjs';

const good = `
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND
     1: 00000000000119a8     0 SECTION LOCAL  DEFAULT    9 .init
     2: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND memcpy@GLIBC_2.14 (3)
     3: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND _ZNSt6thread15_M_start_threadEv@GLIBCXX_3.4.22 (5)
     4: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND napi_create_error
     5: 0000000000000000     0 NOTYPE  WEAK   DEFAULT  UND __gmon_start__
    10: 0000000000012cb0    28 FUNC    GLOBAL DEFAULT   12 napi_register_module_v1
    11: 0000000000012ca0     6 FUNC    GLOBAL DEFAULT   12 node_api_module_get_api_version_v1
`;
const judge = (text: string) => judgeSymbols(parseSymbols(text));
const undefinedSymbol = (name: string) => `${good}    20: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND ${name}\n`;

test('a good file has no faults, and its newest versions are named', () => {
  expect(judge(good)).toEqual({ faults: [], newest: { GLIBC: '2.14', GLIBCXX: '3.4.22' } });
});

test.each([
  ['pthread_create@GLIBC_2.34 (7)', 'pthread_create needs GLIBC_2.34, newer than GLIBC_2.28'],
  ['_ZSt1f@GLIBCXX_3.4.26 (7)', '_ZSt1f needs GLIBCXX_3.4.26, newer than GLIBCXX_3.4.25'],
  ['omp_get@OMP_1.0 (8)', 'omp_get needs OMP_1.0'],
  ['cuInit', 'cuInit is undefined and no library is named for it'],
])('%s is found', (symbol, fault) => {
  expect(judge(undefinedSymbol(symbol)).faults).toEqual([fault]);
});

test('a further or a missing export is found', () => {
  const row = '    21: 0000000000012cb0    28 OBJECT  WEAK   DEFAULT   12 _ZTSSt19_Sp_make_shared_tag\n';
  expect(judge(good + row).faults).toEqual(['exports _ZTSSt19_Sp_make_shared_tag']);
  expect(judge(good.replace('napi_register_module_v1', 'init')).faults).toEqual([
    'exports init',
    'does not export napi_register_module_v1',
  ]);
});

test('versions are compared by number', () => {
  expect(compareVersions('2.9', '2.28')).toBeLessThan(0);
  expect(compareVersions('3.4.25', '3.4.25')).toBe(0);
  expect(compareVersions('3.4.30', '3.4.9')).toBeGreaterThan(0);
});
