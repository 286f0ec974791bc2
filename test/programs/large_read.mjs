// Reads more than the 4 GiB that Node before version 22 shares with native code.
import { full } from 'tilegrad';

const length = 2 ** 30 + 1000;
const data = await full([length], 3, { device: 'cpu' }).data();
console.log(JSON.stringify({ length: data.length, last: data[length - 1] }));
