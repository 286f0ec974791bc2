// Prints the instruction set that the CPU kernels of this checkout take; TILEGRAD_ISA chooses, and one that the processor
// does not have is an error.
import { devices } from '../dist/index.js';

console.log(devices()[0].description.split(',')[0]);
