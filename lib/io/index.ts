export {
  parseSafetensors,
  type SafetensorsDtype,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsTensor,
  serializeSafetensors,
} from './safetensors.ts';
export { SafetensorsFile, writeSafetensors } from './safetensors_file.ts';
export { type LoadOptions, load, loadMetadata, type StateDict, save } from './state.ts';
export { writeFileWhole } from './write_file.ts';
