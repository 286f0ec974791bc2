export { confusionCounts, confusionTable } from './confusion.ts';
export { type DrawOptions, drawPictures, type Picture } from './draw.ts';
export { formatInfo, type SystemInfo, systemInfo } from './info.ts';
export { Progress, type ProgressFields, type ProgressOptions } from './progress.ts';
export { formatClock, formatSignificant, hasUnicode, isInteractive, type TextStream } from './terminal.ts';
